"""Three real guests, with web servers, behind load balancers of all three kinds. One story: guests boot slowly."""

import base64
import http.client
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minicloud import api
from minicloud.reconcile import loop

from .network_scene import Guests, scene, until

pytestmark = [pytest.mark.lab, pytest.mark.guest]

WEB = """#!/bin/sh
mkdir -p /data/www/cgi-bin
cat >/data/www/cgi-bin/who <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
hostname
echo "$REMOTE_ADDR"
END
printf '#!/bin/sh\\nbusybox httpd -p 80 -h /data/www\\n' >/data/etc/start
chmod +x /data/www/cgi-bin/who /data/etc/start
/data/etc/start
"""
NAMES = ("one", "two", "three")


class Farm:
    """The guests, and the services that balance them."""

    def __init__(self, guests: Guests) -> None:
        self.guests = guests
        group = guests.group("web")
        guests.allow(group, "tcp", 22, 80, "0.0.0.0/0")
        self.group = group
        self.subnets = [one["SubnetId"] for one in guests("DescribeSubnets")["Subnets"]][:2]
        for name in NAMES:
            guests.launch(name, [group], SubnetId=self.subnets[0], UserData=base64.b64encode(WEB.encode()).decode())
        self.vpc = guests("DescribeVpcs")["Vpcs"][0]["VpcId"]

    def __call__(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        return api.call(self.guests.cloud, service, operation, params)

    def balanced(self, name: str, kind: str, protocol: str) -> tuple[str, str]:
        """A balancer to guests one and two; its DNS name and its target group."""
        wanted: dict[str, Any] = {"Subnets": self.subnets, "SecurityGroups": [self.group], "Scheme": "internal", "Type": kind}
        made = self("elbv2", "CreateLoadBalancer", Name=name, **wanted)["LoadBalancers"][0]
        probe = {"HealthCheckIntervalSeconds": 5, "HealthyThresholdCount": 2, "UnhealthyThresholdCount": 2}
        probe |= {"HealthCheckTimeoutSeconds": 4}
        group = self("elbv2", "CreateTargetGroup", Name=name, Protocol=protocol, Port=80, VpcId=self.vpc, **probe)
        arn = group["TargetGroups"][0]["TargetGroupArn"]
        action = {"Type": "forward", "TargetGroupArn": arn}
        listener = {"LoadBalancerArn": made["LoadBalancerArn"], "Protocol": protocol, "Port": 80, "DefaultActions": [action]}
        self("elbv2", "CreateListener", **listener)
        targets = [{"Id": self.guests.ids[name]} for name in ("one", "two")]
        self("elbv2", "RegisterTargets", TargetGroupArn=arn, Targets=targets)
        return str(made["DNSName"]), str(arn)

    def health(self, arn: str) -> dict[str, str]:
        """The states of targets, by guest."""
        loop.run_pass(self.guests.cloud)
        found = self("elbv2", "DescribeTargetHealth", TargetGroupArn=arn)["TargetHealthDescriptions"]
        names = {identifier: name for name, identifier in self.guests.ids.items()}
        return {names[one["Target"]["Id"]]: one["TargetHealth"]["State"] for one in found}


@pytest.fixture(scope="module")
def farm() -> Iterator[Farm]:
    with scene() as guests:
        made = Farm(guests)
        for name in NAMES:
            guests.up(name)
            until(lambda name=name: who(guests.private[name]))
        yield made


def who(address: str) -> list[str]:
    """Who answers, and which client it sees; empty for nobody."""
    connection = http.client.HTTPConnection(address, 80, timeout=20)
    try:
        connection.request("GET", "/cgi-bin/who")
        response = connection.getresponse()
        return response.read().decode().split() if response.status == 200 else []
    except OSError:
        return []
    finally:
        connection.close()


def hostname(farm: Farm, name: str) -> str:
    """What a guest calls itself."""
    return "ip-" + farm.guests.private[name].replace(".", "-")


def test_three_kinds_in_front_of_real_guests(farm: Farm) -> None:
    """Each spreads over both; guests find balancers by name; behind the network balancer a guest sees who its client is."""
    wanted: dict[str, Any] = {"Subnets": farm.subnets, "SecurityGroups": [farm.group], "Scheme": "internal"}
    ports = [{"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 80}]
    classic = farm("elb", "CreateLoadBalancer", LoadBalancerName="old", Listeners=ports, **wanted)["DNSName"]
    probe = {"Target": "TCP:80", "Interval": 5, "Timeout": 4, "HealthyThreshold": 2, "UnhealthyThreshold": 2}
    farm("elb", "ConfigureHealthCheck", LoadBalancerName="old", HealthCheck=probe)
    both = [{"InstanceId": farm.guests.ids[name]} for name in ("one", "two")]
    farm("elb", "RegisterInstancesWithLoadBalancer", LoadBalancerName="old", Instances=both)
    names = {hostname(farm, name) for name in ("one", "two")}
    alb, group = farm.balanced("alb", "application", "HTTP")
    nlb, shown = farm.balanced("nlb", "network", "TCP")
    until(lambda: set(farm.health(group).values()) == set(farm.health(shown).values()) == {"healthy"})
    until(lambda: {one["State"] for one in _service(farm)} == {"InService"})
    for name in (alb, classic):
        assert set(Counter(who(name)[0] for _ in range(6))) == names
    seen = [farm.guests.ssh("three", f"wget -q -O - http://{nlb}/cgi-bin/who").text.split() for _ in range(4)]
    assert {one[0] for one in seen} == names
    assert {one[1] for one in seen} == {farm.guests.private["three"]}


def _state(farm: Farm, name: str) -> str:
    row = farm.guests.cloud.state.instances.get(farm.guests.ids[name])
    loop.run_pass(farm.guests.cloud)
    return row.state if row else ""


def _service(farm: Farm) -> list[dict[str, str]]:
    loop.run_pass(farm.guests.cloud)
    return list(farm("elb", "DescribeInstanceHealth", LoadBalancerName="old")["InstanceStates"])


def test_a_guest_that_is_killed(farm: Farm) -> None:
    """Under traffic: what is in flight fails at most; the guest is no target any more, and one again when it is back."""
    arn = farm("elbv2", "DescribeTargetGroups", Names=["alb"])["TargetGroups"][0]["TargetGroupArn"]
    name = farm("elbv2", "DescribeLoadBalancers", Names=["alb"])["LoadBalancers"][0]["DNSName"]
    until(lambda: farm.health(arn) == {"one": "healthy", "two": "healthy"})
    answers: list[list[str]] = []
    stop = threading.Event()

    def traffic() -> None:
        while not stop.is_set():
            answers.append(who(name))

    clients = [threading.Thread(target=traffic) for _ in range(3)]
    for client in clients:
        client.start()
    (pid,) = Path("/run/libvirt/qemu").glob(f"*{farm.guests.ids['two']}.pid")
    os.kill(int(pid.read_text()), signal.SIGKILL)
    until(lambda: farm.health(arn)["two"] in ("unhealthy", "unused"))
    time.sleep(0.5)
    stop.set()
    for client in clients:
        client.join()
    assert answers.count([]) <= len(clients)
    until(lambda: farm.health(arn)["two"] == "unused")
    assert {who(name)[0] for _ in range(3)} == {hostname(farm, "one")}
    until(lambda: _state(farm, "two") == "stopped")
    farm.guests("StartInstances", InstanceIds=[farm.guests.ids["two"]])
    farm.guests.up("two")
    until(lambda: who(farm.guests.private["two"]))
    until(lambda: farm.health(arn) == {"one": "healthy", "two": "healthy"})
    assert {who(name)[0] for _ in range(4)} == {hostname(farm, "one"), hostname(farm, "two")}
