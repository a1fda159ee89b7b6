"""Guests with root inside forge frames and packets; the others must never see one. Groups are wide open all the while."""

import socket
import struct
import time
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

import pytest

from minicloud.host.firewall_spec import ANY, FirewallSpec, Group, Permission
from minicloud.host.run import run

from . import wires
from .test_firewall import ALL, GUESTS, OUT, A, B, C, Scene, _port
from .wires import arp, inside, raw_mac, udp_packet

pytestmark = pytest.mark.lab

MAC_A, MAC_B = GUESTS["mc0000000000a"][0], GUESTS["mc0000000000b"][0]
EVERYBODY = "ff:ff:ff:ff:ff:ff"
MARK = b"minicloud-forged"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(tmp_path_factory.mktemp("forgery"))
    everything = (Permission(ANY, -1, -1, ALL),)
    ports = tuple(_port(tap, ("sg-open",)) for tap in GUESTS)
    made.apply(ports=ports, groups=(Group("sg-open", everything, OUT),))
    yield made
    made.close()


def seen(sock: socket.socket, what: bytes) -> bool:
    """Whether a frame with `what` in it arrives."""
    end = time.monotonic() + wires.PATIENCE
    with sock:
        while time.monotonic() < end:
            try:
                if what in sock.recv(4096):
                    return True
            except TimeoutError:
                return False
    return False


def attempt(scene: Scene, frame: bytes, what: bytes = MARK) -> bool:
    """mc0000000000a sends; whether mc0000000000b receives."""
    watcher = scene.guests["mc0000000000b"].listen_frames()
    scene.guests["mc0000000000a"].send_frame(frame)
    return seen(watcher, what)


def frame(scene: Scene, kind: int, body: bytes, target: str = MAC_B, source: str = "") -> bytes:
    return scene.guests["mc0000000000a"].frame(target, kind, body, source)


def test_an_honest_packet_arrives(scene: Scene) -> None:
    assert attempt(scene, frame(scene, 0x0800, udp_packet(A, B, 5000, 80, MARK)))
    scene.guests["mc0000000000a"].send_frame(frame(scene, 0x0806, arp(1, MAC_A, A, "00:00:00:00:00:00", B), EVERYBODY))


def test_another_hardware_address(scene: Scene) -> None:
    body = udp_packet(A, B, 5000, 80, MARK)
    assert not attempt(scene, frame(scene, 0x0800, body, source="0a:00:00:00:00:99"))
    assert not attempt(scene, frame(scene, 0x0800, body, source=GUESTS["mc0000000000c"][0]))


def test_another_address(scene: Scene) -> None:
    for source in ("172.31.0.99", "172.31.0.1", "8.8.8.8", "127.0.0.1"):
        assert not attempt(scene, frame(scene, 0x0800, udp_packet(source, B, 5000, 80, MARK)))


def test_an_answer_for_another(scene: Scene) -> None:
    claim = arp(2, MAC_A, "172.31.0.1", MAC_B, B)
    assert not attempt(scene, frame(scene, 0x0806, claim), claim)
    other = arp(2, MAC_A, "172.31.0.99", MAC_B, B)
    assert not attempt(scene, frame(scene, 0x0806, other), other)
    hardware = arp(2, GUESTS["mc0000000000c"][0], A, MAC_B, B)
    assert not attempt(scene, frame(scene, 0x0806, hardware), hardware)


def test_a_gratuitous_claim(scene: Scene) -> None:
    for address in (B, "172.31.0.1"):
        claim = arp(1, MAC_A, address, "00:00:00:00:00:00", address)
        assert not attempt(scene, frame(scene, 0x0806, claim, EVERYBODY), claim)
    there = run(["ip", "-netns", "mc0000000000b", "neigh"]).text
    assert not [line for line in there.splitlines() if line.startswith("172.31.0.1 ") and MAC_A in line]


def test_the_host_learns_nothing_wrong(scene: Scene) -> None:
    assert scene.guests["mc0000000000b"].tcp(A, 80) == B
    claim = arp(2, MAC_A, B, "00:00:00:00:00:00", "172.31.0.1")
    scene.guests["mc0000000000a"].send_frame(frame(scene, 0x0806, claim, EVERYBODY))
    assert wires.ask_tcp(socket.socket(), B, 80) == "172.31.0.1"
    assert f"{B} " not in " ".join(line for line in run(["ip", "neigh"]).text.splitlines() if MAC_A in line)


def test_a_dhcp_server(scene: Scene) -> None:
    assert not attempt(scene, frame(scene, 0x0800, udp_packet(A, B, 67, 68, MARK)))
    assert not attempt(scene, frame(scene, 0x0800, udp_packet(A, "255.255.255.255", 67, 68, MARK), EVERYBODY))


def test_a_dhcp_question_is_for_the_host_only(scene: Scene) -> None:
    assert not attempt(scene, frame(scene, 0x0800, udp_packet("0.0.0.0", "255.255.255.255", 68, 67, MARK), EVERYBODY))


def test_broadcast_and_multicast(scene: Scene) -> None:
    for address in ("255.255.255.255", "172.31.15.255", "224.0.0.251"):
        assert not attempt(scene, frame(scene, 0x0800, udp_packet(A, address, 5000, 5353, MARK), EVERYBODY))


def test_router_advertisements_and_any_ipv6(scene: Scene) -> None:
    source, target = IPv6Address("fe80::800:ff:fe00:a"), IPv6Address("ff02::1")
    body = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + MARK
    packet = struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + source.packed + target.packed + body
    assert not attempt(scene, frame(scene, 0x86DD, packet, "33:33:00:00:00:01"))
    assert not attempt(scene, frame(scene, 0x86DD, packet))


def test_neighbours_do_not_reach_one_another_by_ipv6(scene: Scene) -> None:
    """Their systems have link-local addresses, and would speak by them if the frames passed, as they do without rules."""
    listener = scene.guests["mc0000000000b"].open(socket.AF_INET6, socket.SOCK_DGRAM)
    listener.bind(("::", 5006))
    listener.settimeout(wires.PATIENCE)
    target, index = link_local("mc0000000000b"), inside("mc0000000000a", lambda: socket.if_nametoindex("eth0"))

    def arrives() -> bool:
        with scene.guests["mc0000000000a"].open(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
            sender.sendto(MARK, (target, 5006, 0, index))
        try:
            return listener.recv(64) == MARK
        except TimeoutError:
            return False

    with listener:
        assert not any(arrives() for _ in range(3))
        assert "lladdr" not in run(["ip", "-netns", "mc0000000000a", "-6", "neigh", "show", target, "dev", "eth0"]).text
        scene.firewall.apply(FirewallSpec())
        try:
            assert any(arrives() for _ in range(5))
        finally:
            scene.apply()
        run(["ip", "-netns", "mc0000000000a", "-6", "neigh", "flush", "dev", "eth0"])
        assert not any(arrives() for _ in range(3))


def link_local(tap: str) -> str:
    """The address that a guest's system gave itself; it is there a moment after the cable."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        words = run(["ip", "-netns", tap, "-6", "-o", "address", "show", "dev", "eth0", "scope", "link"]).text.split()
        if "inet6" in words and "tentative" not in words:
            return words[words.index("inet6") + 1].split("/")[0]
        time.sleep(0.1)
    pytest.fail(f"{tap} has no link-local address")


@pytest.mark.parametrize("kind", [0x8100, 0x88A8, 0x8863, 0x88CC, 0x9000])
def test_any_other_kind_of_frame(scene: Scene, kind: int) -> None:
    inner = struct.pack("!HH", 7, 0x0800) + udp_packet(A, B, 5000, 80, MARK)
    assert not attempt(scene, frame(scene, kind, inner))


def test_a_packet_for_one_guest_at_anothers_door(scene: Scene) -> None:
    for target in ("8.8.8.8", GUESTS["mc0000000000c"][1], "172.31.0.77"):
        assert not attempt(scene, frame(scene, 0x0800, udp_packet(A, target, 5000, 80, MARK)))


def test_anothers_metadata(scene: Scene) -> None:
    scene.apply(metadata_port=9000)
    sock = scene.guests["mc0000000000a"].open(socket.AF_INET, socket.SOCK_STREAM)
    run(["ip", "-netns", "mc0000000000a", "address", "add", "172.31.0.99/20", "dev", "eth0"])
    try:
        sock.bind(("172.31.0.99", 0))
        assert wires.ask_tcp(sock, "169.254.169.254", 80) is None
        # Its questions for the gateway as another had no answer; it must ask again as itself.
        run(["ip", "-netns", "mc0000000000a", "neigh", "flush", "dev", "eth0"])
        assert scene.guests["mc0000000000a"].tcp("169.254.169.254", 80) == A
    finally:
        run(["ip", "-netns", "mc0000000000a", "address", "delete", "172.31.0.99/20", "dev", "eth0"])
        scene.apply(metadata_port=0)


def test_the_hosts_ports(scene: Scene) -> None:
    for target in ("172.31.0.1", "172.31.16.1", "10.9.0.1"):
        assert scene.guests["mc0000000000a"].tcp(target, 9000) is None


def test_without_the_check_a_guest_may_speak_for_others_by_ip_only(scene: Scene) -> None:
    before = scene.spec.ports
    loose = tuple(_port(tap, ("sg-open",), strict=tap != "mc0000000000a") for tap in GUESTS)
    scene.apply(ports=loose)
    packet = udp_packet("10.200.0.1", B, 5000, 80, MARK)
    assert attempt(scene, frame(scene, 0x0800, packet))
    assert not attempt(scene, frame(scene, 0x0800, packet, source="0a:00:00:00:00:99"))
    claim = arp(2, MAC_A, "172.31.0.1", MAC_B, B)
    assert not attempt(scene, frame(scene, 0x0806, claim), claim)
    scene.apply(ports=before)
    assert not attempt(scene, frame(scene, 0x0800, packet))


def forgeries(scene: Scene) -> dict[str, list[bytes]]:
    """All that mc0000000000a might try, by kind. Each frame has MARK in it, where its kind has room for it."""
    body, everybody6 = udp_packet(A, B, 5000, 80, MARK), "33:33:00:00:00:01"
    source, other = IPv6Address("fe80::800:ff:fe00:a"), IPv6Address("fe80::800:ff:fe00:b")

    def six(kind: int, target: IPv6Address) -> bytes:
        inner = struct.pack("!BBHI", kind, 0, 0, 0) + MARK
        return struct.pack("!IHBB", 6 << 28, len(inner), 58, 255) + source.packed + target.packed + inner

    def claims(operation: int, address: str, target: str, mac: str = MAC_A) -> bytes:
        return frame(scene, 0x0806, arp(operation, mac, address, MAC_B, target) + MARK, EVERYBODY)

    return {
        "hardware address": [
            frame(scene, 0x0800, body, source=mac) for mac in (MAC_B, GUESTS["mc0000000000c"][0], "0a:00:00:00:00:99")
        ],
        "address": [frame(scene, 0x0800, udp_packet(one, B, 5000, 80, MARK)) for one in (C, "172.31.0.99", "8.8.8.8")],
        "another's ARP": [claims(2, one, B) for one in ("172.31.0.1", C, "172.31.0.99")]
        + [claims(2, A, B, GUESTS["mc0000000000c"][0])],
        "gratuitous ARP": [claims(operation, one, one) for operation in (1, 2) for one in (B, "172.31.0.1")],
        "DHCP server": [frame(scene, 0x0800, udp_packet(A, to, 67, 68, MARK), EVERYBODY) for to in (B, "255.255.255.255")],
        "router advertisement": [frame(scene, 0x86DD, six(134, IPv6Address("ff02::1")), everybody6)],
        "neighbour advertisement": [frame(scene, 0x86DD, six(136, other)), frame(scene, 0x86DD, six(136, other), everybody6)],
        "IPv6": [frame(scene, 0x86DD, six(128, other)), frame(scene, 0x86DD, six(128, IPv6Address("ff02::1")), everybody6)],
        "another's door": [frame(scene, 0x0800, udp_packet(A, one, 5000, 80, MARK)) for one in (C, "8.8.8.8", "172.31.0.77")],
        "to all": [
            frame(scene, 0x0800, udp_packet(A, one, 5000, 80, MARK), EVERYBODY) for one in ("255.255.255.255", "224.0.0.1")
        ],
        "other protocols": [frame(scene, kind, body) for kind in (0x8100, 0x88A8, 0x8863, 0x88CC, 0x9000)],
        "another's metadata": [frame(scene, 0x0800, udp_packet(C, "169.254.169.254", 5000, 80, MARK), scene.gateway_mac)],
        "the host's ports": [frame(scene, 0x0800, udp_packet(A, "172.31.0.1", 5000, 9001, MARK), scene.gateway_mac)],
    }


def test_all_kinds_together_for_a_minute(scene: Scene) -> None:
    """None gets through to another guest, or to what listens on the host; an honest packet between them always does."""
    kinds, sent = forgeries(scene), 0
    assert len(kinds) >= 10
    watchers = [scene.guests[tap].listen_frames() for tap in ("mc0000000000b", "mc0000000000c", "mc0000000000d")]
    host = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    host.bind(("172.31.0.1", 9001))
    host.setblocking(False)
    honest = frame(scene, 0x0800, udp_packet(A, B, 5000, 80, b"minicloud-honest"))
    door = scene.guests["mc0000000000a"].open(socket.AF_PACKET, socket.SOCK_RAW)
    door.bind(("eth0", 0))
    before, end, arrived = dropped_frames(), time.monotonic() + 60, 0
    with door, host:
        while time.monotonic() < end:
            for forged in (one for frames in kinds.values() for one in frames):
                door.send(forged)
                sent += 1
            door.send(honest)
            arrived += b"minicloud-honest" in b"".join(heard(watchers[0], b"minicloud-honest"))
            assert not [one for watcher in watchers for one in heard(watcher) if MARK in one], "a forged frame got through"
        with pytest.raises(BlockingIOError):
            host.recv(64)
    assert arrived > 100
    assert sent > 1000
    assert dropped_frames() - before >= sent // 2, "they were dropped by the rules that are there for it"
    there = run(["ip", "-netns", "mc0000000000b", "neigh"]).text + run(["ip", "neigh"]).text
    assert not [line for line in there.splitlines() if MAC_A in line and not line.startswith(f"{A} ")]
    for watcher in watchers:
        watcher.close()


def heard(watcher: socket.socket, until: bytes = b"") -> list[bytes]:
    """The frames that have come; with `until` those up to one with this in it, which is waited for."""
    found: list[bytes] = []
    watcher.setblocking(False)
    end = time.monotonic() + 10
    while True:
        try:
            found.append(watcher.recv(4096))
        except BlockingIOError:
            if not until or time.monotonic() > end:
                return found
            time.sleep(0.001)
        else:
            if MARK in found[-1]:
                return found
            if until and until in found[-1]:
                return found


def dropped_frames() -> int:
    """How many frames the rules for frames have dropped."""
    lines = run(["ebtables-nft", "-t", "nat", "-L", "MC-F-mc0000000000a", "--Lc"]).text.splitlines()
    return sum(int(line.split("pcnt = ")[1].split()[0]) for line in lines if "-j DROP" in line)


def test_helpers_make_true_packets() -> None:
    packet = udp_packet("10.0.0.1", "10.0.0.2", 1, 2, b"x")
    assert wires.checksum(packet[:20]) == 0
    assert packet[12:16] == IPv4Address("10.0.0.1").packed
    assert len(arp(1, MAC_A, A, MAC_B, B)) == 28
    assert raw_mac(MAC_A) == bytes.fromhex("0a000000000a")
