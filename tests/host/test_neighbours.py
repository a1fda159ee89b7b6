"""Beside Docker, libvirt's own networks and firewalld: guests' traffic goes on, and what is theirs stays as it is.

dockerd's rules are those of docker.io 20.10, as it makes them at its start and for a network of its own; libvirt's are made by
libvirt. firewalld is asked over D-Bus, of which the answers here are those of firewalld 1.3.
"""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minicloud.host import firewalld
from minicloud.host.firewall_spec import Group, Permission, Public
from minicloud.host.run import Completed, run

from . import wires
from .test_firewall import ALL, GUESTS, OUT, A, B, C, IPv4Address, Scene, _port
from .test_outside import HOST, NEIGHBOUR, PUBLIC, Neighbour

pytestmark = pytest.mark.lab

DOCKER = """*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-I FORWARD 1 -i docker0 -o docker0 -j ACCEPT
-I FORWARD 1 -i docker0 ! -o docker0 -j ACCEPT
-I FORWARD 1 -o docker0 -j DOCKER
-I FORWARD 1 -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-I FORWARD 1 -j DOCKER-ISOLATION-STAGE-1
-I FORWARD 1 -j DOCKER-USER
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
COMMIT
"""
NETWORK = """<network><name>neighbour</name><forward mode='nat'/><bridge name='virbr9'/>
<ip address='192.168.199.1' netmask='255.255.255.0'>
<dhcp><range start='192.168.199.2' end='192.168.199.9'/></dhcp></ip></network>"""


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    neighbour = Neighbour()
    made = Scene(tmp_path)
    made.guests["lan"] = neighbour
    web = Group("sg-web", (Permission("tcp", 80, 80, ALL),), OUT)
    publics = (Public(IPv4Address(PUBLIC), IPv4Address(A)),)
    made.apply(
        ports=tuple(_port(tap, ("sg-web",)) for tap in GUESTS), groups=(web,), publics=publics, uplink="lan", metadata_port=9000
    )
    yield made
    made.close()


def works(scene: Scene) -> None:
    """What is allowed passes, and nothing else does."""
    guests = scene.guests
    assert guests["mc0000000000b"].tcp(A, 80) == B
    assert guests["mc0000000000c"].tcp(A, 80) == C
    assert guests["mc0000000000b"].tcp(NEIGHBOUR, 80) == HOST
    assert NEIGHBOUR in [guests["lan"].tcp(PUBLIC, 80) for _ in range(3)]
    assert guests["mc0000000000a"].tcp("169.254.169.254", 80) == A
    assert guests["mc0000000000b"].tcp(A, 22) is None
    assert guests["lan"].tcp(PUBLIC, 22) is None
    assert guests["mc0000000000a"].tcp("172.31.0.1", 9000) is None
    assert wires.ask_tcp(socket.socket(), A, 22) == "172.31.0.1"


def others() -> list[str]:
    """The rules that are not ours, in their order."""
    lines = run(["iptables-save"]).text.splitlines()
    return [line.split("[")[0] for line in lines if line.startswith(("-A", ":", "*")) and "MC-" not in line]


def repaired(scene: Scene) -> None:
    """Harm is seen, one application mends it, and others' rules are not touched by it."""
    assert not scene.firewall.in_force(scene.spec)
    before = others()
    scene.firewall.apply(scene.spec)
    assert scene.firewall.in_force(scene.spec)
    assert others() == before
    saved = run(["iptables-save"]).text
    assert saved.count("-A FORWARD -j MC-FORWARD\n") == 2  # of the tables filter and security
    works(scene)


def test_docker_starts_after_us(scene: Scene) -> None:
    works(scene)
    run(["iptables-restore", "--noflush"], input=DOCKER.encode())
    try:
        repaired(scene)
        assert ":FORWARD DROP" in " ".join(others())
    finally:
        clean()


def clean() -> None:
    """Docker is taken off again."""
    run(["iptables", "-P", "FORWARD", "ACCEPT"])
    for table in ("filter", "nat"):
        run(["iptables", "-t", table, "-F"])
        run(["iptables", "-t", table, "-X"])


def test_a_network_of_libvirts_own_starts_and_ends(scene: Scene, tmp_path: Path) -> None:
    virsh = ["virsh", "-q", "-c", "qemu:///system"]
    (tmp_path / "network.xml").write_text(NETWORK)
    run([*virsh, "net-create", tmp_path / "network.xml"])
    try:
        repaired(scene)
        assert any("virbr9" in line for line in others())
    finally:
        run([*virsh, "net-destroy", "neighbour"])
    works(scene)
    clean()


class Bus:
    """firewalld as busctl shows it."""

    def __init__(self) -> None:
        self.zones = {"mc0123456789ab": "public", "virbr0": "trusted"}
        self.runs = True

    def __call__(self, argv: list[str], **_: Any) -> Completed:
        assert argv[0] == "busctl"
        assert "--auto-start=no" in argv, "asking must not start it"
        method, words = argv[argv.index(f"{firewalld._NAME}.zone") + 1], argv[argv.index(f"{firewalld._NAME}.zone") + 3 :]
        if not self.runs:
            return Completed(1, b"", b"Call failed: The name is not activatable")
        if method == "getInterfaces":
            there = sorted(name for name, zone in self.zones.items() if zone == words[0])
            return Completed(0, json.dumps({"type": "as", "data": [there]}).encode(), b"")
        if method == "changeZoneOfInterface":
            self.zones[words[1]] = words[0]
        elif self.zones.pop(words[1], None) is None:
            return Completed(1, b"", b"Call failed: UNKNOWN_INTERFACE")
        return Completed(0, b'{"type":"s","data":["trusted"]}', b"")


def test_firewalld_trusts_our_bridges_and_only_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bus, ours = Bus(), ["mc0123456789ab", "mcba9876543210"]
    monkeypatch.setattr(firewalld, "run", bus)
    monkeypatch.setattr(firewalld, "_TRACE", tmp_path)
    assert not firewalld.in_force(ours)
    firewalld.apply(ours)
    assert firewalld.in_force(ours)
    assert bus.zones == {"mc0123456789ab": "trusted", "mcba9876543210": "trusted", "virbr0": "trusted"}
    firewalld.apply(ours[:1])
    assert not firewalld.in_force(ours)
    firewalld.apply([])
    assert bus.zones == {"virbr0": "trusted"}
    bus.runs = False
    assert firewalld.in_force(ours)


def test_a_host_without_firewalld_asks_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(firewalld, "_TRACE", tmp_path / "none")
    monkeypatch.setattr(firewalld, "run", lambda *_, **__: pytest.fail("it was asked"))
    assert firewalld.in_force(["mc0123456789ab"])
    firewalld.apply(["mc0123456789ab"])
