"""Security groups, public addresses and metadata, seen from inside three real guests. One story: guests boot slowly."""

import socket
import threading
from collections.abc import Iterator

import pytest

from minicloud.host.contracts import GuestSpec
from minicloud.host.run import run
from minicloud.reconcile import daemon as loop_of_daemon

from .network_scene import Guests, scene, until

pytestmark = [pytest.mark.lab, pytest.mark.guest]


@pytest.fixture(scope="module")
def three() -> Iterator[Guests]:
    """web (group web), app (group app), both in one subnet; lone (default group) in another."""
    with scene() as guests:
        subnets = guests("DescribeSubnets")["Subnets"]
        first, second = (subnet["SubnetId"] for subnet in subnets[:2])
        web, app = guests.group("web"), guests.group("app")
        guests.launch("web", [web], SubnetId=first)
        guests.launch("app", [app], SubnetId=first)
        guests.launch("lone", [], SubnetId=second)
        for name in guests.ids:
            guests.listening(name)
        yield guests


def group(three: Guests, name: str) -> str:
    return str(three("DescribeSecurityGroups", GroupNames=[name])["SecurityGroups"][0]["GroupId"])


def from_host(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=2) as sock:
            return sock.recv(16) == b"open\n"
    except OSError:
        return False


def test_the_matrix(three: Guests) -> None:
    """Who reaches whom, by which protocol, before and after each change. A probe is (what, from, to, whether)."""
    web, app = group(three, "web"), group(three, "app")
    probes = 0

    def expect(**wanted: bool) -> None:
        nonlocal probes
        for probe, allowed in wanted.items():
            kind, source, target = probe.split("_")
            address = three.private[target]
            ask = {
                "tcp": lambda s=source, a=address: three.tcp(s, a, 80),
                "alt": lambda s=source, a=address: three.tcp(s, a, 81),
                "udp": lambda s=source, a=address: three.udp(s, a),
                "ping": lambda s=source, a=address: three.ping(s, a),
            }[kind]
            assert ask() is allowed, f"{probe} should {'pass' if allowed else 'be dropped'}"
            probes += 1

    nothing = {"tcp_app_web": False, "udp_app_web": False, "ping_app_web": False, "tcp_lone_web": False, "tcp_web_lone": False}
    expect(**nothing, tcp_web_app=False)
    three.allow(web, "tcp", 80, 80, app)
    expect(tcp_app_web=True, alt_app_web=False, tcp_lone_web=False, tcp_web_app=False, ping_app_web=False)
    three.allow(web, "tcp", 81, 81, three.private["lone"] + "/32")
    expect(alt_lone_web=True, alt_app_web=False, tcp_lone_web=False)
    three.allow(web, "icmp", 8, -1, "0.0.0.0/0")
    expect(ping_app_web=True, ping_lone_web=True, ping_web_app=False)
    three.allow(web, "udp", 0, 65535, app)
    expect(udp_app_web=True, udp_lone_web=False)
    three.allow(app, "-1", -1, -1, app)
    expect(tcp_web_app=False)
    three("ModifyInstanceAttribute", InstanceId=three.ids["web"], Groups=[web, app])
    expect(tcp_web_app=True, udp_web_app=True, ping_web_app=True, alt_app_web=True)
    three("ModifyInstanceAttribute", InstanceId=three.ids["web"], Groups=[web])
    expect(tcp_web_app=False, alt_app_web=False, tcp_app_web=True)
    three.forbid(web, "tcp", 80, 80, app)
    three.forbid(web, "udp", 0, 65535, app)
    expect(tcp_app_web=False, udp_app_web=False)
    out = three("DescribeSecurityGroups", GroupIds=[app])["SecurityGroups"][0]["IpPermissionsEgress"]
    three("RevokeSecurityGroupEgress", GroupId=app, IpPermissions=out)
    expect(ping_app_web=False, ping_lone_web=True)
    three("AuthorizeSecurityGroupEgress", GroupId=app, IpPermissions=out)
    expect(ping_app_web=True)
    assert probes >= 24


def test_public_addresses_obey_groups(three: Guests) -> None:
    web = group(three, "web")
    address = three.public("web")
    assert address.startswith("203.0.113.")
    assert not from_host(address, 80)
    three.allow(web, "tcp", 80, 80, "0.0.0.0/0")
    assert from_host(address, 80)
    assert not from_host(address, 81 + 1)
    assert three.tcp("lone", address, 80)
    assert three.tcp("web", address, 80)
    assert not three.tcp("web", address, 81)
    name = f"ec2-{address.replace('.', '-')}.compute-1.amazonaws.com"
    assert three.private["web"] in three.ssh("lone", f"nslookup {name} 172.31.16.1").text.split("Name:")[-1]
    three.forbid(web, "tcp", 80, 80, "0.0.0.0/0")
    assert not three.tcp("lone", address, 80)


def test_metadata_from_inside(three: Guests) -> None:
    base = "http://169.254.169.254/latest/meta-data"
    for name, instance_id in three.ids.items():
        assert three.ssh(name, f"wget -q -O - {base}/instance-id").text == instance_id
    assert three.ssh("web", f"wget -q -O - {base}/public-ipv4").text == three.public("web")
    three("ModifyInstanceMetadataOptions", InstanceId=three.ids["web"], HttpTokens="required")
    refused = three.ssh("web", f"wget -O - {base}/instance-id 2>&1")
    assert "401" in refused.text
    # busybox has no PUT: the request by hand
    ask = (
        "printf 'PUT /latest/api/token HTTP/1.0\\r\\nX-aws-ec2-metadata-token-ttl-seconds: 60\\r\\n\\r\\n'"
        " | nc 169.254.169.254 80 | tail -n 1"
    )
    token = three.ssh("web", ask).text.strip()
    assert (
        three.ssh("web", f"wget -q -O - --header 'X-aws-ec2-metadata-token: {token}' {base}/instance-id").text == three.ids["web"]
    )
    stolen = three.ssh("app", f"wget -O - --header 'X-aws-ec2-metadata-token: {token}' {base}/instance-id 2>&1")
    assert "401" in stolen.text
    assert three.ssh("app", "nc -w 2 172.31.0.1 16925 </dev/null").status != 0


def test_the_hosts_ports_are_closed(three: Guests) -> None:
    with socket.create_server(("", 9001)) as server:
        server.settimeout(0.1)
        assert three.ssh("lone", "timeout 2 nc -w 2 172.31.16.1 9001 </dev/null").status != 0
        with pytest.raises(TimeoutError):
            server.accept()
    assert three.ssh("lone", "nslookup ip-" + three.private["web"].replace(".", "-") + " 172.31.16.1").status == 0


def test_an_elastic_ip_stays(three: Guests) -> None:
    web = group(three, "web")
    three.allow(web, "tcp", 22, 22, "0.0.0.0/0")
    allocated = three("AllocateAddress")
    address, allocation = allocated["PublicIp"], allocated["AllocationId"]
    before = three.public("web")
    three("AssociateAddress", AllocationId=allocation, InstanceId=three.ids["web"])
    assert three.public("web") == address != before
    assert three.ssh("web", "hostname", address=address).text.startswith("ip-")
    three("StopInstances", InstanceIds=[three.ids["web"], three.ids["lone"]], Force=True)
    until(lambda: all(_state(three, name) == "stopped" for name in ("web", "lone")))
    assert three.public("web") == address
    assert three.public("lone") == ""
    three("StartInstances", InstanceIds=[three.ids["web"], three.ids["lone"]])
    for name in ("web", "lone"):
        three.up(name)
    assert three.public("web") == address
    assert three.ssh("web", "hostname", address=address).status == 0
    assert three.public("lone") != ""


def test_it_moves_while_traffic_flows_and_outlives_its_instance(three: Guests) -> None:
    web, app = group(three, "web"), group(three, "app")
    found = three("DescribeAddresses")["Addresses"][0]
    address, allocation = found["PublicIp"], found["AllocationId"]
    three.allow(app, "tcp", 22, 22, "0.0.0.0/0")
    name = {each: three.ssh(each, "hostname").text for each in ("web", "app")}
    assert three.ssh("web", "hostname", address=address).text == name["web"]
    with socket.create_connection((address, 22), timeout=5) as flowing:
        assert flowing.recv(64).startswith(b"SSH-")
        three("AssociateAddress", AllocationId=allocation, InstanceId=three.ids["app"])
        assert three.ssh("app", "hostname", address=address).text == name["app"]
        assert three.private["web"] not in run(["conntrack", "-L", "--orig-dst", address], check=False).text
    assert three.public("web") not in ("", address)
    three("TerminateInstances", InstanceIds=[three.ids["app"]])
    until(lambda: _state(three, "app") == "terminated")
    kept = three("DescribeAddresses", AllocationIds=[allocation])["Addresses"][0]
    assert kept["PublicIp"] == address
    assert "InstanceId" not in kept
    three("ReleaseAddress", AllocationId=allocation)
    three(
        "RevokeSecurityGroupIngress",
        GroupId=web,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
    )


def test_rules_go_with_the_instance(three: Guests) -> None:
    there = run(["iptables-save"]).text + run(["ebtables-nft-save"]).text
    assert three.private["web"] in there
    assert three.private["app"] not in there


@pytest.fixture
def daemon(three: Guests) -> Iterator[None]:
    """The loop of `minicloud serve`."""
    ending = threading.Event()
    thread = threading.Thread(target=loop_of_daemon.run, args=(three.cloud, ending.is_set))
    thread.start()
    yield
    ending.set()
    thread.join()


@pytest.mark.usefixtures("daemon")
def test_a_flushed_firewall_is_repaired_by_the_loop_without_duplicates(three: Guests) -> None:
    before = until(_rules)
    for _ in range(2):
        for table in ("filter", "nat"):
            run(["iptables", "-t", table, "-F"])
            run(["ebtables-nft", "-t", table, "-F"])
        until(lambda: _rules() == before)
    assert three.ssh("lone", "true").status == 0


def test_after_a_restart_of_the_host_rules_are_there_before_guests(three: Guests, monkeypatch: pytest.MonkeyPatch) -> None:
    """Acted out: the power of all guests is cut, rules and sets are flushed, dnsmasq is killed, then the daemon starts."""
    before, addresses = _rules(), {name: three.private[name] for name in ("web", "lone")}
    for name in addresses:
        run(["virsh", "-q", "-c", "qemu:///system", "destroy", three.ids[name]])
    for command in (["iptables", "-F"], ["iptables", "-X"], ["iptables", "-t", "nat", "-F"], ["iptables", "-t", "nat", "-X"]):
        run(command)
    for table in ("nat", "filter"):
        run(["ebtables-nft", "-t", table, "-F"])
    for pid in (three.directory / "run" / "networks").glob("*/pid"):
        run(["kill", "-9", pid.read_text().strip()])
    there: dict[str, list[str]] = {}
    start = three.cloud.host.guests.start

    def watched(spec: GuestSpec) -> None:
        there[spec.guest_id] = _rules()
        start(spec)

    monkeypatch.setattr(three.cloud.host.guests, "start", watched)
    turns = iter([False, True])
    loop_of_daemon.run(three.cloud, lambda: next(turns))
    assert there == {three.ids[name]: before for name in addresses}
    for name in addresses:
        three.up(name)
    shown = [one for each in three("DescribeInstances")["Reservations"] for one in each["Instances"]]
    assert {one["PrivateIpAddress"] for one in shown if one["State"]["Name"] == "running"} == set(addresses.values())
    assert _rules() == before


def _rules() -> list[str]:
    saved = run(["iptables-save"]).text + run(["ebtables-nft-save"]).text
    return sorted(line for line in saved.splitlines() if "MC-" in line)


def _state(three: Guests, name: str) -> str:
    found = three("DescribeInstances", InstanceIds=[three.ids[name]])["Reservations"][0]["Instances"][0]
    return str(found["State"]["Name"])
