"""A DNS server of the host's at port 53 of all its addresses, as BIND and Pi-hole are: guests start, and ask ours."""

import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from minicloud.host import doctor
from minicloud.host.contracts import NetworkSpec, Reservation
from minicloud.host.networks import BridgeNetworks
from minicloud.host.run import run

from ..real_cloud import IDENTITY
from . import dhcp_client, wires
from .test_firewall import NETWORKS, A, Scene

pytestmark = pytest.mark.lab

PORT = 16953
THEIRS, STRANGE = "192.0.2.53", "somewhere.example"
GUEST = "mc0000000000a"
NAME = "ip-172-31-0-10"
LAN = NETWORKS["subnet-0a"]
SPEC = NetworkSpec("subnet-0a", LAN.gateway, "ec2.internal", (Reservation("0a:00:00:00:00:0a", IPv4Address(A), NAME),))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The host's, which answers everything with one address."""
    pid = tmp_path_factory.mktemp("server") / "pid"
    run(["dnsmasq", "--conf-file=/dev/null", f"--pid-file={pid}", "--no-resolv", "--no-hosts", f"--address=/#/{THEIRS}"])
    yield
    run(["kill", pid.read_text().strip()])


@pytest.fixture(scope="module")
def scene(server: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made, networks = (
        Scene(tmp_path_factory.mktemp("firewall")),
        BridgeNetworks(Path("/run/minicloud/networks-dns"), IDENTITY, PORT),
    )
    networks.ensure(SPEC)
    assert networks.list()["subnet-0a"] == SPEC
    made.apply(dns_port=PORT)
    yield made
    networks.remove("subnet-0a")
    made.close()


def query(name: str) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    return b"\0\7\1\0\0\1\0\0\0\0\0\0" + labels + struct.pack("!HH", 1, 1)


def address_in(answer: bytes) -> str:
    """The address at the end of an answer that has one."""
    return str(IPv4Address(answer[-4:]))


def ask(sock: socket.socket, server: str, name: str) -> str:
    with sock:
        sock.settimeout(5)
        sock.connect((server, 53))
        if sock.type == socket.SOCK_DGRAM:
            sock.send(query(name))
            return address_in(sock.recv(512))
        sock.sendall(struct.pack("!H", len(query(name))) + query(name))
        with sock.makefile("rb") as answer:
            return address_in(answer.read(*struct.unpack("!H", answer.read(2))))


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM], ids=["udp", "tcp"])
def test_guests_ask_ours(scene: Scene, kind: int) -> None:
    assert ask(scene.guests[GUEST].open(socket.AF_INET, kind), str(LAN.gateway.ip), f"{NAME}.ec2.internal") == A


def test_the_host_asks_its_own_and_ours_by_its_address(scene: Scene) -> None:
    kind = socket.AF_INET, socket.SOCK_DGRAM
    assert ask(socket.socket(*kind), str(LAN.gateway.ip), f"{NAME}.ec2.internal") == A
    assert ask(socket.socket(*kind), "127.0.0.1", STRANGE) == THEIRS


def test_guests_do_not_reach_the_hosts(scene: Scene) -> None:
    """By no address of its; and ours is not reached past port 53."""
    guest = scene.guests[GUEST]
    with guest.open(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(wires.PATIENCE)
        sock.sendto(query(STRANGE), ("172.31.0.1", PORT))
        with pytest.raises(TimeoutError):
            sock.recv(512)
    assert not guest.tcp_open("172.31.0.1", PORT)


def test_an_address_is_given_with_the_gateway_for_dns(scene: Scene) -> None:
    inside = wires.inside(GUEST, lambda: dhcp_client.lease("eth0", "0a:00:00:00:00:0a"))
    assert inside is not None
    assert (inside.address, inside.options[6]) == (IPv4Address(A), LAN.gateway.ip.packed)


def test_doctor_sees_who_has_the_port(scene: Scene) -> None:
    holders = doctor.listeners(53)
    assert holders == ["dnsmasq"]
    assert doctor.listeners(PORT) == [], "that one is ours"
    assert doctor.listeners(1) == []
