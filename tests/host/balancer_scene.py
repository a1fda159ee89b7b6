"""Load balancers of a cloud in a laboratory: real networks, firewall and HAProxy, and instances that are namespaces.

An instance "runs" on a fake hypervisor; where its cable would be, a Wire is plugged in, with its addresses, and in it a
program serves. So everything but the guest's own system is what it is in life, and nothing boots.
"""

import contextlib
import dataclasses
import http.client
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from minicloud import api, config
from minicloud.cloud import Cloud
from minicloud.host import fake, local
from minicloud.host.contracts import Host, Networks, NetworkSpec
from minicloud.host.firewall_spec import FirewallSpec
from minicloud.host.run import run
from minicloud.reconcile import firewall, guest_spec, loop
from minicloud.reconcile.worker import worker_for

from .. import balancers
from ..cloud_fixtures import IMAGE, RUN, waited
from .wires import Wire

WEB = """\
global
  nbthread 1
defaults
  mode http
  timeout client 300s
  timeout server 300s
  timeout connect 3s
  timeout http-request 300s
frontend web
  bind :80
  bind :443 ssl crt {directory}/web.pem alpn h2,http/1.1
  bind :8080
  http-request return status 503 if {{ path /health }} {{ env(SICK) -m found }}
  http-after-response set-header Set-Cookie APP={name} if {{ capture.req.uri -m beg /app }}
  http-request return status 200 content-type text/plain lf-string "{name}\\n%[src]\\n%[path]\\n%[req.hdrs]"
listen proxied
  mode http
  bind :8081 accept-proxy
  http-request return status 200 content-type text/plain lf-string "{name}\\n%[src]\\n%[path]\\n"
"""


def until(what: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Ask again and again until the answer is true, and return it."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)
    return found


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a web server said."""

    status: int
    headers: dict[str, str]
    cookies: list[str]
    body: str

    @property
    def name(self) -> str:
        """Which of ours it was."""
        return self.body.split("\n")[0]

    @property
    def client(self) -> str:
        """The address that it was asked from."""
        return self.body.split("\n")[1]

    def seen(self, header: str) -> str | None:
        """A header that the server was sent."""
        found = [
            line.partition(":")[2].strip()
            for line in unquote(self.body).splitlines()
            if line.lower().startswith(header.lower() + ":")
        ]
        return found[0] if found else None


class _Both:
    """Real networks, of which the fake hypervisor knows."""

    def __init__(self, real: Networks, shadow: Networks) -> None:
        self._real, self._shadow = real, shadow

    def list(self) -> dict[str, NetworkSpec | None]:
        return self._real.list()

    def ensure(self, spec: NetworkSpec) -> None:
        self._real.ensure(spec)
        self._shadow.ensure(spec)

    def remove(self, network_id: str) -> None:
        self._real.remove(network_id)
        self._shadow.remove(network_id)

    def answers(self, network_id: str, addresses: Any) -> set[IPv4Address]:
        return self._real.answers(network_id, addresses)


class Scene:
    """The cloud. Guests are in the group `guests`, balancers in `balancers`, which both let everything in."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.settings = dataclasses.replace(config.load(), home=directory / "home", run=directory / "run")
        self.imagined = fake.host()
        self.imagined.add_image(IMAGE)
        self.cloud = Cloud(self.settings, self._host)
        self.cloud.worker = worker_for(self.cloud)
        self.wires: dict[str, Wire] = {}
        self.ids: dict[str, str] = {}
        self.servers: dict[str, subprocess.Popen[bytes]] = {}
        self.subnets = [one["SubnetId"] for one in self("ec2", "DescribeSubnets")["Subnets"]]
        self.vpc = self("ec2", "DescribeVpcs")["Vpcs"][0]["VpcId"]
        self.groups = {name: self.group(name, "0.0.0.0/0") for name in ("guests", "balancers")}

    def _host(self, settings: config.Settings, identity: str) -> Host:
        real, shadow = local.host(settings, identity), self.imagined
        parts = {name: getattr(shadow, name) for name in ("guests", "disks", "blocks", "seeds", "images", "machine")}
        return dataclasses.replace(real, networks=_Both(real.networks, shadow.networks), **parts)  # type: ignore[arg-type]

    def __call__(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        return api.call(self.cloud, service, operation, params)

    def look(self) -> None:
        """A pass, as the daemon makes it."""
        waited(self.cloud)
        loop.run_pass(self.cloud)

    def group(self, name: str, *allowed: str) -> str:
        """A security group that lets in what comes from these ranges."""
        found = str(self("ec2", "CreateSecurityGroup", GroupName=name, Description="for tests", VpcId=self.vpc)["GroupId"])
        for cidr in allowed:
            self.allow(found, cidr)
        return found

    def allow(self, group_id: str, peer: str) -> None:
        """Let in what comes from a range or a group."""
        who: dict[str, Any] = {"IpRanges": [{"CidrIp": peer}]} if "/" in peer else {"UserIdGroupPairs": [{"GroupId": peer}]}
        self("ec2", "AuthorizeSecurityGroupIngress", GroupId=group_id, IpPermissions=[{"IpProtocol": "-1", **who}])

    def forbid(self, group_id: str, peer: str) -> None:
        """Let it in no more."""
        who: dict[str, Any] = {"IpRanges": [{"CidrIp": peer}]} if "/" in peer else {"UserIdGroupPairs": [{"GroupId": peer}]}
        self("ec2", "RevokeSecurityGroupIngress", GroupId=group_id, IpPermissions=[{"IpProtocol": "-1", **who}])

    def guest(self, name: str, subnet: int = 0, group: str = "guests") -> None:
        """An instance with a web server that says its name."""
        wanted = {**RUN, "SubnetId": self.subnets[subnet], "SecurityGroupIds": [self.groups[group]]}
        self.ids[name] = self("ec2", "RunInstances", **wanted)["Instances"][0]["InstanceId"]
        self.plug(name)
        self.serve(name)

    def plug(self, name: str) -> None:
        """Put the namespace where the guest would be."""
        card = self.cloud.state.interfaces.find(instance_id=self.ids[name])[0]
        subnet = self.cloud.state.subnets.get(card.subnet_id)
        assert subnet is not None
        self.wires[name] = Wire(guest_spec.tap(card), card.mac, card.address, subnet.id, firewall.gateway(subnet))

    def address(self, name: str) -> str:
        """A guest's address."""
        return str(self.wires[name].address)

    def serve(self, name: str, **environment: str) -> None:
        """Let the web server run; with SICK it fails its health checks."""
        directory = self.directory / f"web-{name}"
        directory.mkdir(exist_ok=True)
        (directory / "web.pem").write_text(balancers.certificate("target.example").pem)
        (directory / "web.cfg").write_text(WEB.format(name=name, directory=directory))
        words = ["nsenter", f"--net=/run/netns/{self.wires[name].tap}", "haproxy", "-db", "-f", str(directory / "web.cfg")]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **environment}
        self.servers[name] = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: self.wires[name].tcp_open(self.address(name), 80))

    def silence(self, name: str) -> None:
        """The web server is killed."""
        server = self.servers.pop(name)
        server.kill()
        server.wait()

    def unplug(self, name: str) -> None:
        """The guest is gone from the network from one moment to the next, as if its power were cut."""
        run(["ip", "link", "set", "dev", self.wires[name].tap, "down"])

    def replug(self, name: str) -> None:
        """And is back."""
        run(["ip", "link", "set", "dev", self.wires[name].tap, "up"])

    def balancer(self, name: str, kind: str = "application", **params: Any) -> str:
        """A load balancer in the first two subnets; its ARN."""
        wanted = {"Subnets": self.subnets[:2], "SecurityGroups": [self.groups["balancers"]], "Scheme": "internal", **params}
        return str(self("elbv2", "CreateLoadBalancer", Name=name, Type=kind, **wanted)["LoadBalancers"][0]["LoadBalancerArn"])

    def dns(self, arn: str) -> str:
        """A balancer's name."""
        return str(self("elbv2", "DescribeLoadBalancers", LoadBalancerArns=[arn])["LoadBalancers"][0]["DNSName"])

    def targets(self, name: str, *guests: str, attributes: dict[str, str] | None = None, **params: Any) -> str:
        """A target group with these guests; its ARN."""
        wanted = {
            "Protocol": "HTTP",
            "Port": 80,
            "VpcId": self.vpc,
            "HealthCheckIntervalSeconds": 5,
            "HealthCheckTimeoutSeconds": 2,
        }
        wanted |= {"HealthyThresholdCount": 2, "UnhealthyThresholdCount": 2, **params}
        arn = str(self("elbv2", "CreateTargetGroup", Name=name, **wanted)["TargetGroups"][0]["TargetGroupArn"])
        self.quicken(arn)
        if attributes:
            pairs = [{"Key": key, "Value": value} for key, value in attributes.items()]
            self("elbv2", "ModifyTargetGroupAttributes", TargetGroupArn=arn, Attributes=pairs)
        if guests:
            self.register(arn, *guests)
        return arn

    def quicken(self, arn: str) -> None:
        """Probe every second: AWS's API takes no interval below five."""
        group = next(row for row in self.cloud.state.target_groups.query() if arn in (row.arn, row.name))
        self.cloud.state.target_groups.change(group.id, check_interval=1, check_timeout=1)

    def register(self, arn: str, *guests: str) -> None:
        """Register guests by their instance ids."""
        self("elbv2", "RegisterTargets", TargetGroupArn=arn, Targets=[{"Id": self.ids[name]} for name in guests])

    def deregister(self, arn: str, *guests: str) -> None:
        """The opposite."""
        self("elbv2", "DeregisterTargets", TargetGroupArn=arn, Targets=[{"Id": self.ids[name]} for name in guests])

    def listener(self, arn: str, target: str | dict[str, Any], port: int = 80, protocol: str = "HTTP", **params: Any) -> str:
        """A listener that forwards to a group, or does another action; its ARN."""
        action = forward(target) if isinstance(target, str) else target
        wanted = {"LoadBalancerArn": arn, "Protocol": protocol, "Port": port, "DefaultActions": [action], **params}
        return str(self("elbv2", "CreateListener", **wanted)["Listeners"][0]["ListenerArn"])

    def rule(self, listener: str, priority: int, action: dict[str, Any], *conditions: dict[str, Any]) -> str:
        """A rule; its ARN."""
        wanted = {"Priority": priority, "Actions": [action], "Conditions": list(conditions)}
        return str(self("elbv2", "CreateRule", ListenerArn=listener, **wanted)["Rules"][0]["RuleArn"])

    def certificate(self, domain: str) -> str:
        """A certificate that is imported; its ARN."""
        certificate, _, key = balancers.certificate(domain).pem.partition("-----BEGIN PRIVATE")
        found = self("acm", "ImportCertificate", Certificate=certificate.encode(), PrivateKey=f"-----BEGIN PRIVATE{key}".encode())
        return str(found["CertificateArn"])

    def health(self, arn: str) -> dict[str, str]:
        """The states of a group's targets, by guest."""
        self.look()
        found = self("elbv2", "DescribeTargetHealth", TargetGroupArn=arn)["TargetHealthDescriptions"]
        names = {identifier: name for name, identifier in self.ids.items()}
        return {names[one["Target"]["Id"]]: one["TargetHealth"]["State"] for one in found}

    def healthy(self, arn: str, *guests: str) -> None:
        """Wait until exactly these are healthy."""
        until(lambda: {name for name, state in self.health(arn).items() if state == "healthy"} == set(guests))

    def close(self) -> None:
        """End everything."""
        for name in list(self.servers):
            self.silence(name)
        for wire in self.wires.values():
            wire.remove()
        for balancer_id in self.cloud.host.balancers.list():
            self.cloud.host.balancers.remove(balancer_id)
        self.cloud.host.firewall.apply(FirewallSpec())
        for network_id in self.cloud.host.networks.list():
            self.cloud.host.networks.remove(network_id)


def forward(*arns: str, **sticky: Any) -> dict[str, Any]:
    """An action that forwards to groups, each with the weight 1."""
    config_: dict[str, Any] = {"TargetGroups": [{"TargetGroupArn": arn, "Weight": 1} for arn in arns]}
    return {"Type": "forward", "ForwardConfig": config_ | ({"TargetGroupStickinessConfig": sticky} if sticky else {})}


def ask(address: str, path: str = "/", *, port: int = 80, tls: str = "", **headers: str) -> Answer:
    """Ask over one connection, which is closed; with `tls` as the name that is asked for."""
    connection: http.client.HTTPConnection = http.client.HTTPConnection(address, port, timeout=10)
    if tls:
        raw = socket.create_connection((address, port), timeout=10)
        connection.sock = context().wrap_socket(raw, server_hostname=tls)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        pairs = response.getheaders()
        cookies = [value for name, value in pairs if name.lower() == "set-cookie"]
        found = {name.lower(): value for name, value in pairs}
        return Answer(response.status, found, cookies, response.read().decode(errors="replace"))


def context() -> ssl.SSLContext:
    """TLS that believes everything."""
    found = ssl.create_default_context()
    found.check_hostname, found.verify_mode = False, ssl.CERT_NONE
    return found


@contextlib.contextmanager
def scene() -> Iterator[Scene]:
    """A scene in a directory that all accounts may pass through."""
    directory = Path(tempfile.mkdtemp(dir="/run", prefix="minicloud-lb-"))
    directory.chmod(0o711)
    made = Scene(directory)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(directory)
