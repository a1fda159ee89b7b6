"""Guests and the host's own networks (containers, a VPN, a second LAN): the host's own rules decide, and nobody is translated.

Docker's rules are those of docker.io 20.10 for a bridge with one published port.
"""

import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from minicloud.host.firewall_spec import Group, Permission, Public
from minicloud.host.run import run

from .test_firewall import ALL, GUESTS, OUT, A, Scene, _port
from .test_neighbours import DOCKER, clean
from .test_outside import HOST, NEIGHBOUR, PUBLIC, Neighbour
from .wires import Wire

pytestmark = pytest.mark.lab

CONTAINER, PEER = "172.17.0.2", "10.77.0.2"
PUBLISHED = """*filter
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
COMMIT
*nat
-A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
COMMIT
"""
ROUTER = Path("/proc/sys/net/ipv4/ip_forward")


class Stranger(Wire):
    """A namespace that has the host for its router, behind a device of the host's; `bridge` is one that the device is in."""

    def __init__(self, device: str, host: str, address: str, bridge: str = "") -> None:
        self.tap, self.mac, self.address, self.gateway = device, "0e:00:00:00:00:09", IPv4Address(address), IPv4Interface(host)
        self._listeners = []
        self._bridge = bridge
        run(["ip", "netns", "add", device])
        lines = [f"link add {bridge} type bridge nf_call_iptables 0", f"link set dev {bridge} up"] if bridge else []
        lines += [f"link add {device} type veth peer name eth0 address {self.mac} netns {device}", f"link set dev {device} up"]
        lines += [f"link set dev {device} master {bridge}"] if bridge else []
        run(["ip", "-batch", "-"], input="\n".join([*lines, f"address add {host} dev {bridge or device}"]).encode())
        inner = ["link set dev lo up", "link set dev eth0 up", f"address add {address}/{self.gateway.network.prefixlen} dev eth0"]
        inner.append(f"route add default via {self.gateway.ip}")
        run(["ip", "-netns", device, "-batch", "-"], input="\n".join(inner).encode())
        self.serve(80)
        self.serve(22)

    def remove(self) -> None:
        super().remove()
        if self._bridge:
            run(["ip", "link", "delete", "dev", self._bridge])


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    lan = Neighbour()
    made = Scene(tmp_path_factory.mktemp("firewall"))
    made.guests["lan"] = lan
    made.guests["container"] = Stranger("vethdocker", "172.17.0.1/16", CONTAINER, "docker0")
    made.guests["peer"] = Stranger("wg9", "10.77.0.1/24", PEER)
    before = ROUTER.read_text()
    ROUTER.write_text("1")  # as Docker does
    run(["iptables-restore", "--noflush"], input=DOCKER.encode())
    run(["iptables-restore", "--noflush"], input=PUBLISHED.encode())
    web = Group("sg-web", (Permission("tcp", 80, 80, ALL),), OUT)
    made.apply(ports=tuple(_port(tap, ("sg-web",)) for tap in GUESTS), groups=(web,))
    yield made
    ROUTER.write_text(before)
    clean()
    made.close()


GUEST = "mc0000000000a"


def test_a_containers_ports_are_open_to_guests_as_docker_says(scene: Scene) -> None:
    guest = scene.guests[GUEST]
    assert guest.tcp(CONTAINER, 80) == A, "a published port, and the container sees who asks"
    assert guest.tcp(CONTAINER, 22) is None
    assert guest.tcp(HOST, 8080) == A
    assert guest.tcp(NEIGHBOUR, 80) == HOST, "to the outside it speaks as the host, as before"


def test_the_same_of_a_guest_with_a_public_address(scene: Scene) -> None:
    scene.apply(publics=(Public(IPv4Address(PUBLIC), IPv4Address(A)),), uplink="lan")
    assert scene.guests[GUEST].tcp(CONTAINER, 80) == A
    assert scene.guests[GUEST].tcp(CONTAINER, 22) is None
    assert scene.guests[GUEST].tcp(HOST, 8080) == A
    assert scene.guests[GUEST].tcp(NEIGHBOUR, 80) == PUBLIC
    scene.apply(publics=(), uplink="")


def test_containers_reach_what_groups_let_in_and_the_host_does_not_forbid(scene: Scene) -> None:
    container = scene.guests["container"]
    assert container.tcp(A, 80) is not None
    assert container.tcp(A, 22) is None
    run(["iptables", "-I", "DOCKER-USER", "1", "-i", "docker0", "-d", A, "-j", "DROP"])
    assert container.tcp(A, 80) is None
    run(["iptables", "-D", "DOCKER-USER", "1"])


def test_a_vpn_is_reached_where_the_host_forwards_to_it(scene: Scene) -> None:
    """Docker's policy for FORWARD is DROP, which stands for ufw's, too."""
    guest, peer = scene.guests[GUEST], scene.guests["peer"]
    assert guest.tcp(PEER, 80) is None
    assert peer.tcp(A, 80) is None
    for way in ("-i", "-o"):
        run(["iptables", "-A", "FORWARD", way, "wg9", "-j", "ACCEPT"])
    try:
        assert guest.tcp(PEER, 80) == A
        assert peer.tcp(A, 80) == PEER
        assert peer.tcp(A, 22) is None
    finally:
        for way in ("-i", "-o"):
            run(["iptables", "-D", "FORWARD", way, "wg9", "-j", "ACCEPT"])


def test_a_vpn_that_is_the_way_out_is_an_uplink(scene: Scene) -> None:
    """As wg-quick makes it: a default route in a table of its own."""
    run(["ip", "route", "add", "default", "dev", "wg9", "table", "51820"])
    run(["ip", "rule", "add", "from", "172.31.0.0/16", "lookup", "51820", "pref", "30000"])
    try:
        assert not scene.firewall.in_force(scene.spec)
        scene.apply()
        assert scene.guests[GUEST].tcp(PEER, 80) == "10.77.0.1"
    finally:
        run(["ip", "rule", "del", "pref", "30000"])
        run(["ip", "route", "flush", "table", "51820"])
        scene.apply()


def test_nothing_for_the_vpc_leaves_it(scene: Scene) -> None:
    """Nobody has the address, and the host would give it to its default route."""
    with scene.guests["lan"].listen_frames(0x0800) as watcher:
        assert scene.guests[GUEST].tcp("172.31.200.1", 80) is None
        assert not any(IPv4Address("172.31.200.1").packed in frame for frame in arrived(watcher))


def arrived(watcher: socket.socket) -> Iterator[bytes]:
    """The frames that came in until none comes any more."""
    try:
        while True:
            yield watcher.recv(2048)
    except TimeoutError:
        return
