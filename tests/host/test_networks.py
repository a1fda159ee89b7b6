"""Networks for real, in a laboratory: dnsmasq serves what was reserved, mends, and leaves nothing."""

import contextlib
import dataclasses
import os
import signal
import socket
import struct
import time
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from minicloud.errors import Permanent
from minicloud.host import bridges, dnsmasq
from minicloud.host.contracts import NetworkSpec, Reservation
from minicloud.host.networks import BridgeNetworks
from minicloud.host.run import run

from ..real_cloud import IDENTITY
from . import dhcp_client

pytestmark = pytest.mark.lab

ACK = 5
ALICE = Reservation("02:00:00:00:00:0a", IPv4Address("172.31.0.10"), "ip-172-31-0-10")
BOB = Reservation("02:00:00:00:00:0b", IPv4Address("172.31.0.11"), "ip-172-31-0-11")
SPEC = NetworkSpec("subnet-0a", IPv4Interface("172.31.0.1/20"), "ec2.internal", (ALICE,))
OTHER = NetworkSpec("subnet-0b", IPv4Interface("172.31.16.1/20"), "ec2.internal", ())
BRIDGE = bridges.bridge_name("subnet-0a")


@pytest.fixture
def directory() -> Path:
    return Path("/run/minicloud/networks-test")


@pytest.fixture
def networks(directory: Path) -> Iterator[BridgeNetworks]:
    made = BridgeNetworks(directory, IDENTITY)
    yield made
    for network_id in made.list():
        made.remove(network_id)


@pytest.fixture
def cable(networks: BridgeNetworks) -> Iterator[str]:
    """The far end of a cable that is plugged into the bridge."""
    networks.ensure(SPEC)
    run(["ip", "link", "add", "name", "far0", "type", "veth", "peer", "name", "near0"])
    run(["ip", "-batch", "-"], input=f"link set near0 master {BRIDGE} up\nlink set far0 up\n".encode())
    yield "far0"
    run(["ip", "link", "delete", "far0"], check=False)


def service(directory: Path, network_id: str = "subnet-0a") -> dnsmasq.Service:
    return dnsmasq.Service(network_id, bridges.bridge_name(network_id), directory / network_id, directory / "names")


def resolve(server: str, name: str, kind: int = 1) -> bytes | None:
    """The data of the first record that a DNS server has for a name (kind 1 is an address, 12 a pointer). Asked again where no
    answer comes, as resolvers do: dnsmasq may be about to notice that an address is back."""
    labels = b"".join(bytes((len(label),)) + label.encode() for label in name.split(".")) + b"\0"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(1)
        said = b""
        for _ in range(10):
            sock.sendto(b"\0\7\1\0\0\1\0\0\0\0\0\0" + labels + struct.pack("!HH", kind, 1), (server, 53))
            with contextlib.suppress(TimeoutError):
                said = sock.recv(512)
                break
    if struct.unpack("!H", said[6:8])[0] == 0:
        return None
    record = said[12 + len(labels) + 4 :]
    length = struct.unpack("!H", record[10:12])[0]
    return record[12 : 12 + length]


def test_dnsmasq_accepts_what_is_written(networks: BridgeNetworks, directory: Path) -> None:
    networks.ensure(SPEC)
    assert b"OK" in run(["dnsmasq", "--test", f"--conf-file={service(directory).configuration}"]).stderr


def test_dnsmasq_has_few_rights(networks: BridgeNetworks, directory: Path) -> None:
    networks.ensure(SPEC)
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{dnsmasq.pid(service(directory))}/status").read_text().splitlines()
    )
    assert set(status["Uid"].split()) == {str(status["Uid"].split()[0])} != {"0"}
    net_admin, net_bind, net_raw = 1 << 12, 1 << 10, 1 << 13
    assert int(status["CapEff"], 16) & ~(net_admin | net_bind | net_raw) == 0


def test_a_reserved_address_is_given_with_its_options(cable: str) -> None:
    answer = dhcp_client.lease(cable, ALICE.mac)
    assert answer is not None
    assert (answer.kind, answer.address) == (ACK, ALICE.address)
    assert answer.options[1] == IPv4Address("255.255.240.0").packed
    assert answer.options[3] == answer.options[6] == SPEC.gateway.ip.packed
    assert answer.options[12] == b"ip-172-31-0-10"
    assert answer.options[15] == b"ec2.internal"


def test_a_stranger_gets_no_answer(cable: str) -> None:
    assert dhcp_client.lease(cable, "02:00:00:00:00:ff", seconds=1.0) is None
    assert dhcp_client.lease(cable, ALICE.mac) is not None, "dnsmasq was awake meanwhile"


def test_an_address_passes_from_one_holder_to_the_next(networks: BridgeNetworks, cable: str, directory: Path) -> None:
    dhcp_client.lease(cable, ALICE.mac)
    assert str(ALICE.address) in service(directory).leases.read_text()
    pid = dnsmasq.pid(service(directory))
    networks.ensure(dataclasses.replace(SPEC, reservations=()))
    assert str(ALICE.address) not in service(directory).leases.read_text()
    assert dhcp_client.lease(cable, ALICE.mac, seconds=1.0) is None
    networks.ensure(dataclasses.replace(SPEC, reservations=(dataclasses.replace(BOB, address=ALICE.address),)))
    answer = dhcp_client.lease(cable, BOB.mac)
    assert answer is not None
    assert answer.address == ALICE.address
    assert dnsmasq.pid(service(directory)) == pid, "reservations change without a restart"


def comes_to(server: str, name: str, data: bytes | None) -> bool:
    """Whether a server comes to know this of a name: it reads changed names a moment after it was told to."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if resolve(server, name) == data:
            return True
    return False


def test_names_of_all_networks_are_known_in_each(networks: BridgeNetworks) -> None:
    networks.ensure(OTHER)
    networks.ensure(SPEC)
    for server in ("172.31.0.1", "172.31.16.1"):
        assert comes_to(server, "ip-172-31-0-10.ec2.internal", ALICE.address.packed)
        assert resolve(server, "10.0.31.172.in-addr.arpa", 12) is not None
        assert resolve(server, "ip-172-31-0-99.ec2.internal") is None
    networks.ensure(dataclasses.replace(SPEC, reservations=(BOB,)))
    for server in ("172.31.0.1", "172.31.16.1"):
        assert comes_to(server, "ip-172-31-0-11.ec2.internal", BOB.address.packed)
        assert resolve(server, "ip-172-31-0-10.ec2.internal") is None
    networks.remove("subnet-0a")
    assert comes_to("172.31.16.1", "ip-172-31-0-11.ec2.internal", None)


def test_the_host_answers_where_a_guest_asks(networks: BridgeNetworks, cable: str) -> None:
    """Somebody with Bob's address on the far end answers, and nobody at Alice's."""
    run(["ip", "netns", "add", "bob"])
    try:
        run(["ip", "link", "set", cable, "netns", "bob"])
        run(["ip", "-n", "bob", "-batch", "-"], input=f"link set {cable} up\naddress add {BOB.address}/20 dev {cable}\n".encode())
        assert networks.answers("subnet-0a", [ALICE.address, BOB.address]) == {BOB.address}
    finally:
        run(["ip", "netns", "delete", "bob"])


def test_a_dnsmasq_that_died_is_seen_and_started_again(networks: BridgeNetworks, cable: str, directory: Path) -> None:
    dhcp_client.lease(cable, ALICE.mac)
    leases = service(directory).leases.read_text()
    pid = dnsmasq.pid(service(directory))
    assert pid is not None
    handle = os.pidfd_open(pid)
    signal.pidfd_send_signal(handle, signal.SIGKILL)
    os.close(handle)
    while dnsmasq.pid(service(directory)) is not None:  # pytest's own limit ends this
        pass
    assert networks.list() == {"subnet-0a": None}
    networks.ensure(SPEC)
    assert networks.list() == {"subnet-0a": SPEC}
    assert service(directory).leases.read_text() == leases
    answer = dhcp_client.lease(cable, ALICE.mac)
    assert answer is not None


def test_a_number_that_is_a_strangers_now(networks: BridgeNetworks, directory: Path) -> None:
    """A process that happens to have dnsmasq's old number is neither taken for it nor killed."""
    networks.ensure(SPEC)
    dnsmasq.stop(service(directory))
    service(directory).pid_file.write_text(f"{os.getpid()}\n")
    assert networks.list() == {"subnet-0a": None}
    networks.ensure(SPEC)
    assert networks.list() == {"subnet-0a": SPEC}


@pytest.mark.parametrize(
    "harm",
    [
        f"link delete {BRIDGE}",
        f"link set {BRIDGE} down",
        f"address delete 172.31.0.1/20 dev {BRIDGE}",
        f"address add 172.31.0.3/20 dev {BRIDGE}",
    ],
)
def test_harm_to_a_bridge_is_seen_and_mended(networks: BridgeNetworks, harm: str) -> None:
    networks.ensure(SPEC)
    run(["ip", *harm.split()])
    assert networks.list() == {"subnet-0a": None}
    networks.ensure(SPEC)
    assert networks.list() == {"subnet-0a": SPEC}
    assert resolve("172.31.0.1", "ip-172-31-0-10.ec2.internal") == ALICE.address.packed


@pytest.mark.parametrize("name", ["spec.json", "hosts", "dnsmasq.conf"])
def test_harm_to_a_file_is_seen_and_mended(networks: BridgeNetworks, directory: Path, name: str) -> None:
    networks.ensure(SPEC)
    (directory / "subnet-0a" / name).write_text("{}")
    assert networks.list() == {"subnet-0a": None}
    networks.ensure(SPEC)
    assert networks.list() == {"subnet-0a": SPEC}


def test_a_bridge_whose_files_are_gone_is_still_ours(networks: BridgeNetworks) -> None:
    bridges.ensure("subnet-0c", IPv4Interface("172.31.32.1/20"))
    assert networks.list() == {"subnet-0c": None}
    networks.remove("subnet-0c")
    assert networks.list() == {}


def test_addresses_that_the_host_uses_are_refused(networks: BridgeNetworks) -> None:
    run(["ip", "link", "add", "name", "lan0", "type", "bridge"])
    try:
        run(["ip", "-batch", "-"], input=b"address add 172.31.4.9/24 dev lan0\nlink set lan0 up\n")
        with pytest.raises(Permanent, match=r"172\.31\.0\.0/20: lan0"):
            networks.ensure(SPEC)
        assert networks.list() == {}
    finally:
        run(["ip", "link", "delete", "lan0"])


def test_removal_leaves_nothing_and_touches_nobody_elses(networks: BridgeNetworks, directory: Path) -> None:
    run(["ip", "link", "add", "name", "mc0123456789ab", "type", "bridge"])
    try:
        networks.ensure(SPEC)
        pid = dnsmasq.pid(service(directory))
        networks.remove("subnet-0a")
        names = run(["ip", "-brief", "link"]).text
        assert BRIDGE not in names
        assert "mc0123456789ab" in names
        assert not Path(f"/proc/{pid}").exists()
        assert [path.name for path in directory.rglob("*")] == ["names"]
    finally:
        run(["ip", "link", "delete", "mc0123456789ab"])


def test_the_bridge_has_no_ipv6_and_forwards(networks: BridgeNetworks) -> None:
    networks.ensure(SPEC)
    assert "inet6" not in run(["ip", "address", "show", "dev", BRIDGE]).text
    assert Path(f"/proc/sys/net/ipv4/conf/{BRIDGE}/forwarding").read_text().strip() == "1"
