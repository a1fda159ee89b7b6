"""The firewall on real packets: guests without machines, on bridges of a laboratory."""

import dataclasses
import hashlib
import re
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import pytest

from minicloud.host import bridges, firewall
from minicloud.host.firewall_spec import ANY, FirewallSpec, Group, Lan, Permission, Port, Public
from minicloud.host.run import run

from ..real_cloud import IDENTITY
from . import wires
from .wires import Wire

pytestmark = pytest.mark.lab

ALL = IPv4Network("0.0.0.0/0")
NETWORKS = {
    "subnet-0a": Lan("subnet-0a", IPv4Interface("172.31.0.1/20"), IPv4Network("172.31.0.0/16")),
    "subnet-0b": Lan("subnet-0b", IPv4Interface("172.31.16.1/20"), IPv4Network("172.31.0.0/16")),
    "subnet-0c": Lan("subnet-0c", IPv4Interface("10.9.0.1/24"), IPv4Network("10.9.0.0/16")),
}
GUESTS = {
    "mc0000000000a": ("0a:00:00:00:00:0a", "172.31.0.10", "subnet-0a"),
    "mc0000000000b": ("0a:00:00:00:00:0b", "172.31.0.11", "subnet-0a"),
    "mc0000000000c": ("0a:00:00:00:00:0c", "172.31.16.12", "subnet-0b"),
    "mc0000000000d": ("0a:00:00:00:00:0d", "10.9.0.13", "subnet-0c"),
}
OUT = (Permission(ANY, -1, -1, ALL),)
A, B, C, D = (spec[1] for spec in GUESTS.values())


class Scene:
    """Four guests in three subnets of two VPCs, each in groups that a test chooses; the host listens on 9000."""

    def __init__(self, directory: Path) -> None:
        self.firewall = firewall.IptablesFirewall(directory, IDENTITY)
        for lan in NETWORKS.values():
            bridges.ensure(lan.network_id, lan.gateway)
        self.spec = FirewallSpec(lans=tuple(NETWORKS.values()), ports=tuple(_port(tap, ()) for tap in GUESTS))
        self.apply()
        self.guests = {
            tap: Wire(tap, mac, address, network_id, NETWORKS[network_id].gateway)
            for tap, (mac, address, network_id) in GUESTS.items()
        }
        for guest in self.guests.values():
            guest.serve(80)
            guest.serve(22)
        self.listeners = wires.listening(9000)

    gateway_mac = bridges.hardware_address("subnet-0a")

    def apply(self, **changes: object) -> None:
        self.spec = with_full_names(dataclasses.replace(self.spec, **changes))  # type: ignore[arg-type]
        self.firewall.apply(self.spec)
        assert self.firewall.in_force(self.spec)

    def put(self, groups: dict[str, tuple[str, ...]], rules: dict[str, tuple[Permission, ...]], **changes: object) -> None:
        """Guests into groups that let everything out, and in what `rules` say."""
        self.apply(
            ports=tuple(_port(tap, groups.get(tap, ("sg-none",))) for tap in GUESTS),
            groups=(*(Group(name, ingress, OUT) for name, ingress in rules.items()), Group("sg-none", (), OUT)),
            **changes,
        )

    def close(self) -> None:
        wires.close(self.listeners)
        for guest in self.guests.values():
            guest.remove()
        self.firewall.apply(FirewallSpec())
        for network_id in NETWORKS:
            bridges.remove(network_id)


def full(group_id: str) -> str:
    """A group's id in EC2's form: chains with other names are none of ours."""
    return group_id if re.fullmatch("sg-[0-9a-f]{17}", group_id) else f"sg-{hashlib.sha256(group_id.encode()).hexdigest()[:17]}"


def with_full_names(spec: FirewallSpec) -> FirewallSpec:
    """A spec in which each group has an id in EC2's form."""

    def permissions(given: tuple[Permission, ...]) -> tuple[Permission, ...]:
        return tuple(dataclasses.replace(one, peer=full(one.peer)) if isinstance(one.peer, str) else one for one in given)

    ports = tuple(dataclasses.replace(port, group_ids=tuple(map(full, port.group_ids))) for port in spec.ports)
    groups = tuple(Group(full(one.group_id), permissions(one.ingress), permissions(one.egress)) for one in spec.groups)
    return dataclasses.replace(spec, ports=ports, groups=groups)


def _port(tap: str, groups: tuple[str, ...], strict: bool = True) -> Port:
    mac, address, network_id = GUESTS[tap]
    return Port(tap, mac, network_id, (IPv4Address(address),), groups, strict)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(tmp_path_factory.mktemp("firewall"))
    yield made
    made.close()


def alive(sock: socket.socket) -> bool:
    """Whether the other side still gives back what it gets; it may be silent, or reset, as its system likes."""
    try:
        sock.sendall(b"still there")
        return sock.recv(64) == b"still there"
    except OSError:
        return False


def returned(watcher: socket.socket, body: bytes) -> bool:
    """Whether a frame comes in that ends like this; what goes out is seen, too, and does not count."""
    try:
        while True:
            frame, where = watcher.recvfrom(4096)
            if body in frame and where[2] != socket.PACKET_OUTGOING:  # type: ignore[attr-defined]
                return True
    except TimeoutError:
        return False


def tcp(port: int, peer: IPv4Network | str) -> Permission:
    return Permission("tcp", port, port, peer)


def net(text: str) -> IPv4Network:
    return IPv4Network(text)


class TestGroups:
    def test_nothing_comes_in_by_default(self, scene: Scene) -> None:
        scene.put({}, {})
        for guest, target in (("mc0000000000b", A), ("mc0000000000c", A), ("mc0000000000a", C), ("mc0000000000d", A)):
            assert scene.guests[guest].tcp(target, 80) is None
        assert scene.guests["mc0000000000b"].udp(A, 80) is None
        assert not scene.guests["mc0000000000b"].ping(A)

    def test_a_port_for_all_and_no_other_port(self, scene: Scene) -> None:
        scene.put({"mc0000000000a": ("sg-web",)}, {"sg-web": (tcp(80, ALL),)})
        assert scene.guests["mc0000000000b"].tcp(A, 80) == B
        assert scene.guests["mc0000000000c"].tcp(A, 80) == C
        assert scene.guests["mc0000000000b"].tcp(A, 22) is None
        assert scene.guests["mc0000000000b"].udp(A, 80) is None
        assert scene.guests["mc0000000000a"].tcp(B, 80) is None

    def test_by_range_of_addresses(self, scene: Scene) -> None:
        scene.put({"mc0000000000a": ("sg-web",)}, {"sg-web": (tcp(80, net("172.31.16.0/20")), tcp(80, net("192.0.2.0/24")))})
        assert scene.guests["mc0000000000c"].tcp(A, 80) == C
        assert scene.guests["mc0000000000b"].tcp(A, 80) is None

    def test_by_group_and_after_a_change_of_members(self, scene: Scene) -> None:
        rules = {"sg-db": (tcp(80, "sg-app"),), "sg-app": ()}
        scene.put({"mc0000000000a": ("sg-db",), "mc0000000000b": ("sg-app",)}, rules)
        assert scene.guests["mc0000000000b"].tcp(A, 80) == B
        assert scene.guests["mc0000000000c"].tcp(A, 80) is None
        scene.put({"mc0000000000a": ("sg-db",), "mc0000000000c": ("sg-app",)}, rules)
        assert scene.guests["mc0000000000b"].tcp(A, 80) is None
        assert scene.guests["mc0000000000c"].tcp(A, 80) == C

    def test_the_default_group_lets_its_own_members_in(self, scene: Scene) -> None:
        scene.put({"mc0000000000a": ("sg-d",), "mc0000000000b": ("sg-d",)}, {"sg-d": (Permission(ANY, -1, -1, "sg-d"),)})
        assert scene.guests["mc0000000000b"].tcp(A, 22) == B
        assert scene.guests["mc0000000000a"].udp(B, 80) == A
        assert scene.guests["mc0000000000a"].ping(B)
        assert scene.guests["mc0000000000c"].tcp(A, 22) is None

    def test_groups_add_up(self, scene: Scene) -> None:
        scene.put({"mc0000000000a": ("sg-web", "sg-ssh")}, {"sg-web": (tcp(80, ALL),), "sg-ssh": (tcp(22, ALL),)})
        assert scene.guests["mc0000000000b"].tcp(A, 80) == B
        assert scene.guests["mc0000000000b"].tcp(A, 22) == B

    def test_icmp_by_type(self, scene: Scene) -> None:
        scene.put({"mc0000000000a": ("sg-ping",)}, {"sg-ping": (Permission("icmp", 8, -1, ALL),)})
        assert scene.guests["mc0000000000b"].ping(A)
        scene.put({"mc0000000000a": ("sg-ping",)}, {"sg-ping": (Permission("icmp", 3, 4, ALL),)})
        assert not scene.guests["mc0000000000b"].ping(A)

    def test_what_may_go_out(self, scene: Scene) -> None:
        egress = (tcp(80, net(f"{B}/32")),)
        groups = (Group("sg-out", (), egress), Group("sg-open", (Permission(ANY, -1, -1, ALL),), OUT))
        ports = tuple(_port(tap, ("sg-out" if tap == "mc0000000000a" else "sg-open",)) for tap in GUESTS)
        scene.apply(ports=ports, groups=groups)
        assert scene.guests["mc0000000000a"].tcp(B, 80) == A
        assert scene.guests["mc0000000000a"].tcp(B, 22) is None
        assert scene.guests["mc0000000000a"].tcp(C, 80) is None

    def test_no_traffic_between_vpcs_however_open_the_groups(self, scene: Scene) -> None:
        scene.put(dict.fromkeys(GUESTS, ("sg-open",)), {"sg-open": (Permission(ANY, -1, -1, ALL),)})
        assert scene.guests["mc0000000000d"].tcp(A, 80) is None
        assert scene.guests["mc0000000000a"].tcp(D, 80) is None
        assert scene.guests["mc0000000000b"].tcp(A, 80) == B

    def test_a_connection_outlives_the_rule_that_let_it_in(self, scene: Scene) -> None:
        scene.put({"mc0000000000a": ("sg-web",)}, {"sg-web": (tcp(80, ALL),)})
        sock = scene.guests["mc0000000000b"].open(socket.AF_INET, socket.SOCK_STREAM)
        sock.settimeout(2)
        with sock:
            sock.connect((A, 80))
            assert sock.recv(64) == f"{B}\n".encode()
            scene.put({}, {})
            assert alive(sock)
        assert scene.guests["mc0000000000b"].tcp(A, 80) is None


class TestHost:
    def test_its_ports_are_closed_to_guests(self, scene: Scene) -> None:
        scene.put({}, {})
        for address in ("172.31.0.1", "172.31.16.1"):
            assert scene.guests["mc0000000000a"].tcp(address, 9000) is None
            assert scene.guests["mc0000000000a"].udp(address, 9000) is None
        assert not scene.guests["mc0000000000a"].ping("172.31.0.1")

    def test_it_reaches_its_guests(self, scene: Scene) -> None:
        scene.put({}, {})
        assert wires.ask_tcp(socket.socket(), A, 22) == "172.31.0.1"

    def test_the_endpoint_where_the_settings_open_it(self, scene: Scene) -> None:
        scene.put({}, {}, endpoint=(IPv4Address("172.31.0.1"), 9000))
        assert scene.guests["mc0000000000a"].tcp("172.31.0.1", 9000) == A
        assert scene.guests["mc0000000000a"].tcp("172.31.16.1", 9000) is None
        scene.apply(endpoint=(IPv4Address("0.0.0.0"), 9000))
        assert scene.guests["mc0000000000d"].tcp("10.9.0.1", 9000) == D
        assert not scene.guests["mc0000000000a"].ping("172.31.0.1")
        scene.apply(endpoint=None)

    def test_metadata_is_answered_on_every_bridge(self, scene: Scene) -> None:
        scene.put({}, {}, metadata_port=9000)
        assert scene.guests["mc0000000000a"].tcp("169.254.169.254", 80) == A
        assert scene.guests["mc0000000000d"].tcp("169.254.169.254", 80) == D
        assert scene.guests["mc0000000000a"].tcp("172.31.0.1", 9000) is None
        scene.apply(metadata_port=0)


class TestPublic:
    PAIRS = (
        Public(IPv4Address("203.0.113.10"), IPv4Address(A)),
        Public(IPv4Address("203.0.113.11"), IPv4Address(B)),
    )

    def test_from_the_host_groups_hold(self, scene: Scene) -> None:
        scene.put({"mc0000000000a": ("sg-web",)}, {"sg-web": (tcp(80, ALL),)}, publics=self.PAIRS)
        assert wires.ask_tcp(socket.socket(), "203.0.113.10", 80) == "172.31.0.1"
        assert wires.ask_tcp(socket.socket(), "203.0.113.10", 22) is None
        assert wires.ask_tcp(socket.socket(), "203.0.113.11", 80) is None

    def test_guests_see_one_another_by_public_addresses(self, scene: Scene) -> None:
        scene.put({"mc0000000000a": ("sg-web",)}, {"sg-web": (tcp(80, ALL),)}, publics=self.PAIRS)
        assert scene.guests["mc0000000000b"].tcp("203.0.113.10", 80) == "203.0.113.11"
        assert scene.guests["mc0000000000d"].tcp("203.0.113.10", 80) == "172.31.0.1"

    def test_rules_mean_public_addresses_then(self, scene: Scene) -> None:
        public = {"sg-web": (tcp(80, net("203.0.113.11/32")),)}
        scene.put({"mc0000000000a": ("sg-web",)}, public, publics=self.PAIRS)
        assert scene.guests["mc0000000000b"].tcp("203.0.113.10", 80) == "203.0.113.11"
        assert scene.guests["mc0000000000b"].tcp(A, 80) is None
        private = {"sg-web": (tcp(80, net(f"{B}/32")), tcp(80, "sg-none"))}
        scene.put({"mc0000000000a": ("sg-web",)}, private, publics=self.PAIRS)
        assert scene.guests["mc0000000000b"].tcp("203.0.113.10", 80) is None
        assert scene.guests["mc0000000000b"].tcp(A, 80) == B

    def test_a_guest_reaches_itself_by_its_own(self, scene: Scene) -> None:
        scene.put({"mc0000000000a": ("sg-web",)}, {"sg-web": (tcp(80, net("203.0.113.10/32")),)}, publics=self.PAIRS)
        assert scene.guests["mc0000000000a"].tcp("203.0.113.10", 80) == "203.0.113.10"
        assert scene.guests["mc0000000000a"].udp("203.0.113.10", 80) is None
        assert scene.guests["mc0000000000a"].tcp("203.0.113.10", 22) is None
        assert scene.guests["mc0000000000b"].tcp("203.0.113.11", 80) is None

    def test_what_it_sends_to_all_does_not_come_back(self, scene: Scene) -> None:
        """As a check whether an address is free would find its own question, and take it for another's claim."""
        scene.put({"mc0000000000a": ("sg-web",)}, {"sg-web": (Permission(ANY, -1, -1, ALL),)}, publics=self.PAIRS)
        guest = scene.guests["mc0000000000a"]
        probe = wires.arp(1, guest.mac, "0.0.0.0", "00:00:00:00:00:00", A)
        asks = wires.udp_packet("0.0.0.0", "255.255.255.255", 68, 67, b"dhcp")
        for kind, body in ((0x0806, probe), (0x0800, asks)):
            watcher = guest.listen_frames(kind)
            guest.send_frame(guest.frame("ff:ff:ff:ff:ff:ff", kind, body))
            with watcher:
                assert not returned(watcher, body)

    def test_a_moved_address_leads_to_its_new_holder_and_old_connections_end(self, scene: Scene) -> None:
        groups = dict.fromkeys(GUESTS, ("sg-web",))
        scene.put(groups, {"sg-web": (tcp(80, ALL),)}, publics=self.PAIRS[:1])
        sock = socket.socket()
        sock.settimeout(2)
        with sock:
            sock.connect(("203.0.113.10", 80))
            assert sock.recv(64)
            scene.apply(publics=(Public(IPv4Address("203.0.113.10"), IPv4Address(B)),))
            assert not alive(sock)
        tracked = run(["conntrack", "-L", "--orig-dst", "203.0.113.10"], check=False).text
        assert f"src={A}" not in tracked
        assert wires.ask_tcp(socket.socket(), "203.0.113.10", 80) == "172.31.0.1"

    def test_without_holder_it_leads_nowhere(self, scene: Scene) -> None:
        scene.put(dict.fromkeys(GUESTS, ("sg-web",)), {"sg-web": (tcp(80, ALL),)}, publics=())
        assert scene.guests["mc0000000000b"].tcp("203.0.113.10", 80) is None
        assert "203.0.113.10" not in run(["ip", "route"]).text
