"""Network and classic load balancers on real packets."""

import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from .balancer_scene import Scene, ask, context, scene, until

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def field() -> Iterator[Scene]:
    """Guests one and two in the first zone, three in the second; a client in each."""
    with scene() as made:
        for name, subnet in {"one": 0, "two": 0, "three": 1, "near": 0, "far": 1}.items():
            made.guest(name, subnet=subnet)
        yield made


@pytest.fixture(scope="module")
def nlb(field: Scene) -> str:
    """An NLB of both zones, which shows clients: port 80 to one and two."""
    arn = field.balancer("nlb", "network")
    _set(field, arn, "load_balancing.cross_zone.enabled", "true")
    group = field.targets("shown", "one", "two", Protocol="TCP")
    field.listener(arn, group, protocol="TCP")
    field.healthy(group, "one", "two")
    return arn


def _set(field: Scene, arn: str, key: str, value: str) -> None:
    field("elbv2", "ModifyLoadBalancerAttributes", LoadBalancerArn=arn, Attributes=[{"Key": key, "Value": value}])


def _addresses(field: Scene, arn: str) -> list[str]:
    return sorted(socket.gethostbyname_ex(field.dns(arn))[2])


def _http(field: Scene, guest: str, address: str, port: int = 80) -> tuple[str, str]:
    """Which server answered a guest, and which client it saw."""
    with field.wires[guest].open(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.settimeout(10)
        sock.connect((address, port))
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        said = b"".join(iter(lambda: sock.recv(4096), b"")).decode().partition("\r\n\r\n")[2].split("\n")
        return said[0], said[1]


def test_targets_see_the_client(field: Scene, nlb: str) -> None:
    """From the subnet of the targets, where answers would go past the balancer, and from another; through both addresses."""
    for guest in ("near", "far"):
        for address in _addresses(field, nlb):
            seen = Counter(_http(field, guest, address) for _ in range(4))
            assert seen == {("one", field.address(guest)): 2, ("two", field.address(guest)): 2}
    assert ask(field.dns(nlb)).client in _addresses(field, nlb)


def test_only_the_balancer_may_speak_as_others(field: Scene, nlb: str) -> None:
    """A guest that binds its client's address reaches nobody; connections past the balancer go on as before."""
    sock = field.wires["far"].open(socket.AF_INET, socket.SOCK_STREAM)
    with sock:
        sock.setsockopt(socket.SOL_IP, 19, 1)  # IP_TRANSPARENT
        sock.bind((field.address("near"), 0))
        sock.settimeout(2)
        with pytest.raises(TimeoutError):
            sock.connect((field.address("one"), 80))
    assert _http(field, "near", field.address("one")) == ("one", field.address("near"))


def test_security_groups_of_targets_mean_the_client(field: Scene, nlb: str) -> None:
    address = _addresses(field, nlb)[0]
    field.forbid(field.groups["guests"], "0.0.0.0/0")
    field.allow(field.groups["guests"], field.groups["balancers"])
    field.allow(field.groups["guests"], f"{field.address('near')}/32")
    assert _http(field, "near", address)[1] == field.address("near")
    with pytest.raises(OSError, match=r"timed out|reset|index"):
        _http(field, "far", address)
    field.allow(field.groups["guests"], "0.0.0.0/0")
    assert _http(field, "far", address)[1] == field.address("far")


def test_zones_keep_to_themselves_unless_told(field: Scene) -> None:
    """Without cross-zone an address leads to its zone's targets; one without any is not in the name."""
    arn = field.balancer("zonal", "network")
    group = field.targets("zonal", "one", "three", Protocol="TCP")
    field.listener(arn, group, protocol="TCP")
    field.healthy(group, "one", "three")
    first, second = _addresses(field, arn)
    assert {_http(field, "near", first)[0] for _ in range(4)} == {"one"}
    assert {_http(field, "near", second)[0] for _ in range(4)} == {"three"}
    zone = field("elbv2", "DescribeLoadBalancers", LoadBalancerArns=[arn])["LoadBalancers"][0]["AvailabilityZones"][1]["ZoneName"]
    assert socket.gethostbyname(f"{zone}.{field.dns(arn)}") == second
    field.deregister(group, "three")
    assert _addresses(field, arn) == [first]


def test_proxy_protocol_and_tls(field: Scene, nlb: str) -> None:
    """Version 2 tells a target of the client where it does not see it; TLS ends at the balancer."""
    told = {"proxy_protocol_v2.enabled": "true", "preserve_client_ip.enabled": "false"}
    group = field.targets("told", "one", Protocol="TCP", Port=8081, attributes=told)
    certificate = [{"CertificateArn": field.certificate("nlb.example")}]
    field.listener(nlb, group, port=81, protocol="TCP")
    plain = field.targets("plain", "two", Protocol="TCP")
    field.listener(nlb, plain, port=443, protocol="TLS", Certificates=certificate, AlpnPolicy=["HTTP2Preferred"])
    field.healthy(group, "one")
    field.healthy(plain, "two")
    assert _http(field, "far", _addresses(field, nlb)[0], 81) == ("one", field.address("far"))
    with socket.create_connection((field.dns(nlb), 443), timeout=5) as raw:
        trusting = context()
        trusting.set_alpn_protocols(["h2", "http/1.1"])
        with trusting.wrap_socket(raw, server_hostname="nlb.example") as sock:
            assert sock.selected_alpn_protocol() == "h2"
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert b"\r\n\r\ntwo\n" in b"".join(iter(lambda: sock.recv(4096), b""))


def test_elastic_addresses_stay(field: Scene) -> None:
    """An NLB stands at the address that it was given, for guests and for the host."""
    found = field("ec2", "AllocateAddress", Domain="vpc")
    mapping = [{"SubnetId": field.subnets[0], "AllocationId": found["AllocationId"]}]
    params: dict[str, Any] = {"Scheme": "internet-facing", "SubnetMappings": mapping}
    arn = field("elbv2", "CreateLoadBalancer", Name="elastic", Type="network", **params)["LoadBalancers"][0]["LoadBalancerArn"]
    group = field.targets("elastic", "one", Protocol="TCP")
    field.listener(arn, group, protocol="TCP")
    field.healthy(group, "one")
    assert _addresses(field, arn) == [found["PublicIp"]]
    assert ask(field.dns(arn)).name == "one"
    assert _http(field, "far", found["PublicIp"])[0] == "one"
    name = field.dns(arn)
    assert name in field.settings.hosts_file.read_text()
    field("elbv2", "DeleteLoadBalancer", LoadBalancerArn=arn)
    assert name not in field.settings.hosts_file.read_text()
    assert arn.rpartition("/")[2] not in " ".join(field.cloud.host.balancers.list())


def test_guests_know_its_name(field: Scene, nlb: str) -> None:
    """By the DNS server of their subnet."""
    subnet = field.cloud.state.subnets.get(field.subnets[0])
    assert subnet is not None
    with field.wires["near"].open(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        name = b"".join(bytes([len(part)]) + part for part in field.dns(nlb).encode().split(b"."))
        gateway = subnet.cidr.rpartition(".")[0] + ".1"
        sock.sendto(b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + name + b"\x00\x00\x01\x00\x01", (gateway, 53))
        answer = sock.recv(512)
    assert all(socket.inet_aton(address) in answer for address in _addresses(field, nlb))


def test_a_classic_balancer(field: Scene) -> None:
    """HTTP with stickiness, HTTPS, TCP to an instance's port; out of service when its health check fails."""
    listeners = [
        {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 80},
        {"Protocol": "TCP", "LoadBalancerPort": 8080, "InstancePort": 8080},
        {
            "Protocol": "HTTPS",
            "LoadBalancerPort": 443,
            "InstanceProtocol": "HTTPS",
            "InstancePort": 443,
            "SSLCertificateId": field.certificate("classic.example"),
        },
    ]
    wanted: dict[str, Any] = {"Subnets": field.subnets[:2], "SecurityGroups": [field.groups["balancers"]], "Scheme": "internal"}
    name = field("elb", "CreateLoadBalancer", LoadBalancerName="old", Listeners=listeners, **wanted)["DNSName"]
    probe = {"Target": "HTTP:80/health", "Interval": 5, "Timeout": 2, "HealthyThreshold": 2, "UnhealthyThreshold": 2}
    field("elb", "ConfigureHealthCheck", LoadBalancerName="old", HealthCheck=probe)
    both = [{"InstanceId": field.ids[guest]} for guest in ("one", "two")]
    field("elb", "RegisterInstancesWithLoadBalancer", LoadBalancerName="old", Instances=both)
    until(lambda: _service(field) == {"one": "InService", "two": "InService"})
    assert Counter(ask(name).name for _ in range(10)) == {"one": 5, "two": 5}
    assert {ask(name, port=8080).name for _ in range(4)} == {"one", "two"}
    found = ask(name, port=443, tls="classic.example")
    assert (found.status, found.seen("X-Forwarded-Proto")) == (200, "https")
    field("elb", "CreateLBCookieStickinessPolicy", LoadBalancerName="old", PolicyName="stay")
    field("elb", "SetLoadBalancerPoliciesOfListener", LoadBalancerName="old", LoadBalancerPort=80, PolicyNames=["stay"])
    first = ask(name)
    cookie = next(one for one in first.cookies if one.startswith("AWSELB=")).partition(";")[0]
    assert {ask(name, Cookie=cookie).name for _ in range(6)} == {first.name}
    field.silence("one")
    field.serve("one", SICK="1")
    until(lambda: _service(field) == {"one": "OutOfService", "two": "InService"})
    assert {ask(name).name for _ in range(6)} == {"two"}
    field.silence("one")
    field.serve("one")
    until(lambda: _service(field) == {"one": "InService", "two": "InService"})


def _service(field: Scene) -> dict[str, str]:
    field.look()
    found = field("elb", "DescribeInstanceHealth", LoadBalancerName="old")["InstanceStates"]
    names = {identifier: name for name, identifier in field.ids.items()}
    return {names[one["InstanceId"]]: one["State"] for one in found}
