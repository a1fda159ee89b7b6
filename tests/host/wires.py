"""Guests without machines: a network namespace each, whose cable is plugged into a subnet's bridge under a tap's name.

They have an address, a hardware address and root inside, so they can send whatever a guest with root inside can send. Many
of them cost nothing, and nothing of them boots.
"""

import contextlib
import ctypes
import itertools
import os
import socket
import struct
import threading
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface
from typing import TypeVar

from minicloud.host.bridges import bridge_name
from minicloud.host.run import run

_T = TypeVar("_T")
_CLONE_NEWNET = 0x40000000
_NUMBERS = itertools.count(1)
PATIENCE = 0.9
"""Seconds after which a probe counts as dropped: a wire answers within milliseconds."""


def inside(namespace: str, function: Callable[[], _T]) -> _T:
    """Call `function` in a thread that lives in a network namespace; sockets that it makes stay there."""
    found: list[_T] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            with open(f"/run/netns/{namespace}") as handle:
                if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), _CLONE_NEWNET):
                    failed.append(OSError(ctypes.get_errno(), "setns"))
                    return
            found.append(function())
        except BaseException as error:  # noqa: BLE001  raised again in the caller's thread
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]


class Wire:
    """One guest of the kind. `tap` is also the name of its namespace."""

    def __init__(self, tap: str, mac: str, address: str, network_id: str, gateway: IPv4Interface) -> None:
        self.tap, self.mac, self.address, self.gateway = tap, mac, IPv4Address(address), gateway
        run(["ip", "netns", "add", tap])
        lines = [
            f"link add {tap} type veth peer name eth0 address {mac} netns {tap}",
            f"link set dev {tap} master {bridge_name(network_id)} up",
        ]
        run(["ip", "-batch", "-"], input="\n".join(lines).encode())
        inner = [
            "link set dev lo up",
            "link set dev eth0 up",
            f"address add {address}/{gateway.network.prefixlen} dev eth0",
            f"route add default via {gateway.ip}",
        ]
        run(["ip", "-netns", tap, "-batch", "-"], input="\n".join(inner).encode())
        self._listeners: list[socket.socket] = []

    def remove(self) -> None:
        """Unplug."""
        close(self._listeners)
        run(["ip", "netns", "delete", self.tap], check=False)
        run(["ip", "link", "delete", "dev", self.tap], check=False)

    def open(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A socket of this guest's."""
        return inside(self.tap, lambda: socket.socket(family, kind, protocol))

    def serve(self, port: int) -> None:
        """Answer TCP connections and UDP packets on a port with the address that they came from."""
        _serve(self.open(socket.AF_INET, socket.SOCK_STREAM), port, self._listeners)
        _serve(self.open(socket.AF_INET, socket.SOCK_DGRAM), port, self._listeners)

    def tcp(self, address: str, port: int) -> str | None:
        """The address under which the other side sees us, None if it does not answer."""
        return ask_tcp(self.open(socket.AF_INET, socket.SOCK_STREAM), address, port)

    def tcp_open(self, address: str, port: int) -> bool:
        """Whether somebody accepts."""
        with self.open(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.settimeout(PATIENCE)
            return sock.connect_ex((address, port)) == 0

    def udp(self, address: str, port: int) -> str | None:
        """The same by UDP."""
        return ask_udp(self.open(socket.AF_INET, socket.SOCK_DGRAM), address, port)

    def ping(self, address: str) -> bool:
        """Whether an echo comes back."""
        sock = self.open(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        sock.settimeout(PATIENCE)
        # A number of its own each time: the firewall would take it for a part of an earlier exchange.
        body = struct.pack("!BBHHH", 8, 0, 0, next(_NUMBERS), 1)
        with sock:
            try:
                sock.sendto(body[:2] + struct.pack("!H", checksum(body)) + body[4:], (address, 0))
                return sock.recv(2048)[20:21] == b"\0"
            except OSError:
                return False

    def send_frame(self, frame: bytes) -> None:
        """Put any bytes on the wire."""
        sock = self.open(socket.AF_PACKET, socket.SOCK_RAW)
        with sock:
            sock.bind(("eth0", 0))
            sock.send(frame)

    def listen_frames(self, kind: int = 0x0003) -> socket.socket:
        """All frames of an Ethernet type that reach this guest; 3 is any."""
        sock = self.open(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind))
        sock.bind(("eth0", kind))
        sock.settimeout(PATIENCE)
        return sock

    def frame(self, target: str, kind: int, body: bytes, source: str = "") -> bytes:
        """A frame to a hardware address; from our own unless `source` says another."""
        return raw_mac(target) + raw_mac(source or self.mac) + struct.pack("!H", kind) + body


def raw_mac(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def _serve(sock: socket.socket, port: int, kept: list[socket.socket]) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("", port))
    kept.append(sock)
    stream = sock.type == socket.SOCK_STREAM
    if stream:
        sock.listen()

    def work() -> None:
        while True:
            try:
                if stream:
                    connection, peer = sock.accept()
                    threading.Thread(target=_echo, args=(connection, peer[0]), daemon=True).start()
                else:
                    _, peer = sock.recvfrom(2048)
                    sock.sendto(peer[0].encode(), peer)
            except (OSError, TypeError):  # the socket was closed; a datagram that never came has no sender
                return

    threading.Thread(target=work, daemon=True).start()


def _echo(connection: socket.socket, peer: str) -> None:
    """Say who is there, then give back whatever comes."""
    try:
        with connection:
            connection.sendall(peer.encode() + b"\n")
            while data := connection.recv(2048):
                connection.sendall(data)
    except OSError:
        return


def ask_tcp(sock: socket.socket, address: str, port: int) -> str | None:
    sock.settimeout(PATIENCE)
    with sock:
        try:
            sock.connect((address, port))
            return sock.recv(64).decode().strip()
        except OSError:
            return None


def ask_udp(sock: socket.socket, address: str, port: int) -> str | None:
    sock.settimeout(PATIENCE)
    with sock:
        try:
            sock.sendto(b"?", (address, port))
            return sock.recv(64).decode()
        except OSError:
            return None


def listening(port: int) -> list[socket.socket]:
    """The host itself answers on a port, until the sockets are closed."""
    kept: list[socket.socket] = []
    _serve(socket.socket(socket.AF_INET, socket.SOCK_STREAM), port, kept)
    _serve(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), port, kept)
    return kept


def close(listeners: list[socket.socket]) -> None:
    """End what listens, and the threads that wait in it."""
    for listener in listeners:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def checksum(data: bytes) -> int:
    """The internet's checksum."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def udp_packet(source: str, target: str, source_port: int, target_port: int, body: bytes) -> bytes:
    """An IPv4 packet with UDP in it."""
    udp = struct.pack("!HHHH", source_port, target_port, 8 + len(body), 0) + body
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), os.getpid() & 0xFFFF, 0, 64, 17, 0)
    head += IPv4Address(source).packed + IPv4Address(target).packed
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + udp


def arp(operation: int, mac: str, address: str, target_mac: str, target: str) -> bytes:
    """The body of an ARP frame: 1 asks, 2 answers."""
    return (
        struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
        + raw_mac(mac)
        + IPv4Address(address).packed
        + raw_mac(target_mac)
        + IPv4Address(target).packed
    )
