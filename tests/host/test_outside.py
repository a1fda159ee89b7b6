"""The way out and the way in: a LAN beside the host, with a neighbour on it that knows nothing of minicloud."""

import dataclasses
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from minicloud.host.firewall_spec import FirewallSpec, Group, Permission, Public
from minicloud.host.run import run

from .test_firewall import ALL, GUESTS, OUT, A, C, D, Scene, _port
from .wires import Wire

pytestmark = pytest.mark.lab

HOST, NEIGHBOUR, PUBLIC = "192.0.2.1", "192.0.2.2", "192.0.2.50"


class Neighbour(Wire):
    """A namespace on a cable to the host itself; it has no route to anywhere but its LAN."""

    def __init__(self) -> None:
        self.tap, self.mac, self.address, self.gateway = (
            "lan",
            "0e:00:00:00:00:02",
            IPv4Address(NEIGHBOUR),
            IPv4Interface(f"{HOST}/24"),
        )
        self._listeners = []
        run(["ip", "netns", "add", "lan"])
        lines = [
            f"link add lan type veth peer name eth0 address {self.mac} netns lan",
            "link set dev lan up",
            f"address add {HOST}/24 dev lan",
            f"route add default via {NEIGHBOUR} dev lan",
        ]
        run(["ip", "-batch", "-"], input="\n".join(lines).encode())
        inner = ["link set dev lo up", "link set dev eth0 up", f"address add {NEIGHBOUR}/24 dev eth0"]
        run(["ip", "-netns", "lan", "-batch", "-"], input="\n".join(inner).encode())
        self.serve(80)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    Path("/proc/sys/net/ipv4/ip_forward").write_text("0\n")  # libvirt's own networks, in other tests, switch it on for good
    neighbour = Neighbour()
    made = Scene(tmp_path_factory.mktemp("outside"))
    made.guests["lan"] = neighbour
    web = Group("sg-web", (Permission("tcp", 80, 80, ALL),), OUT)
    made.apply(ports=tuple(_port(tap, ("sg-web",)) for tap in GUESTS), groups=(web,))
    yield made
    made.close()


def test_guests_go_out_as_the_host(scene: Scene) -> None:
    assert scene.guests["mc0000000000a"].tcp(NEIGHBOUR, 80) == HOST
    assert scene.guests["mc0000000000d"].tcp(NEIGHBOUR, 80) == HOST


def test_forwarding_is_given_back(scene: Scene) -> None:
    flag = Path("/proc/sys/net/ipv4/conf/lan/forwarding")
    before = scene.spec
    assert flag.read_text() == "1\n"
    scene.firewall.apply(FirewallSpec())
    assert flag.read_text() == "0\n"
    scene.firewall.apply(before)
    assert flag.read_text() == "1\n"


def test_a_host_that_became_a_router_meanwhile_stays_one(scene: Scene) -> None:
    """Docker and libvirt switch forwarding on for all devices; what we had opened before is none of ours any more then."""
    router, flag, before = Path("/proc/sys/net/ipv4/ip_forward"), Path("/proc/sys/net/ipv4/conf/lan/forwarding"), scene.spec
    router.write_text("1\n")
    scene.firewall.apply(FirewallSpec())
    assert flag.read_text() == "1\n"
    scene.firewall.apply(before)
    router.write_text("0\n")
    assert not scene.firewall.in_force(before)
    scene.firewall.apply(before)


def test_a_vpc_without_gateway_does_not(scene: Scene) -> None:
    before = scene.spec.lans
    closed = tuple(dataclasses.replace(lan, outside=lan.network_id != "subnet-0c") for lan in before)
    scene.apply(lans=closed)
    assert scene.guests["mc0000000000d"].tcp(NEIGHBOUR, 80) is None
    assert scene.guests["mc0000000000a"].tcp(NEIGHBOUR, 80) == HOST
    run(["ip", "-netns", "lan", "route", "add", "10.9.0.0/16", "via", HOST])
    assert scene.guests["lan"].tcp(D, 80) is None
    scene.apply(lans=before)
    assert scene.guests["lan"].tcp(D, 80) == NEIGHBOUR


def test_a_subnet_without_a_way_out_beside_one_with_it(scene: Scene) -> None:
    """It does not reach its neighbours by their public addresses either, which are the outside's; by private ones it does."""
    before = scene.spec.lans
    mixed = tuple(dataclasses.replace(lan, outside=lan.network_id != "subnet-0b") for lan in before)
    scene.apply(lans=mixed, publics=(Public(IPv4Address("203.0.113.10"), IPv4Address(A)),))
    assert scene.guests["mc0000000000c"].tcp(NEIGHBOUR, 80) is None
    assert scene.guests["mc0000000000c"].tcp("203.0.113.10", 80) is None
    assert scene.guests["mc0000000000c"].tcp(A, 80) == C
    assert scene.guests["mc0000000000b"].tcp("203.0.113.10", 80) is not None
    assert scene.guests["mc0000000000b"].tcp(NEIGHBOUR, 80) == HOST
    scene.apply(lans=before, publics=())


def test_a_local_public_address_is_no_ones_on_the_lan(scene: Scene) -> None:
    scene.apply(publics=(Public(IPv4Address("203.0.113.10"), IPv4Address(A)),))
    assert scene.guests["mc0000000000a"].tcp(NEIGHBOUR, 80) == HOST
    assert scene.guests["lan"].tcp("203.0.113.10", 80) is None


def test_a_public_address_of_the_lan_works_both_ways(scene: Scene) -> None:
    scene.apply(publics=(Public(IPv4Address(PUBLIC), IPv4Address(A)),), uplink="lan")
    # The kernel answers for others with a random delay of up to 0.8 s, once: then the neighbour knows.
    assert NEIGHBOUR in [scene.guests["lan"].tcp(PUBLIC, 80) for _ in range(5)]
    assert scene.guests["lan"].tcp(PUBLIC, 22) is None
    assert scene.guests["mc0000000000a"].tcp(NEIGHBOUR, 80) == PUBLIC
    assert scene.guests["mc0000000000b"].tcp(NEIGHBOUR, 80) == HOST
    scene.apply(publics=(), uplink="")
    run(["ip", "-netns", "lan", "neigh", "flush", "all"])
    assert scene.guests["lan"].tcp(PUBLIC, 80) is None
    assert PUBLIC not in run(["ip", "neigh", "show", "proxy"]).text


def test_the_lan_does_not_reach_the_hosts_metadata_port_by_it(scene: Scene) -> None:
    scene.apply(publics=(Public(IPv4Address(PUBLIC), IPv4Address(A)),), uplink="lan", metadata_port=9000)
    assert scene.guests["lan"].tcp(PUBLIC, 9000) is None
    assert scene.guests["mc0000000000a"].tcp("169.254.169.254", 80) == A
    scene.apply(publics=(), uplink="", metadata_port=0)
