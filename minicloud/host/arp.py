"""Which addresses of a network answer: one ARP question each, all at once, in at most a second.

What comes back is bytes from guests: a frame that is not an answer to one of the questions is passed over.
"""

import socket
import struct
import time
from collections.abc import Iterable
from ipaddress import IPv4Address

from .run import readable

_ETH_P_ARP = 0x0806
_FORMAT = struct.Struct("!HHBBH6s4s6s4s")
_ASK, _ANSWER = 1, 2
_BROADCAST = b"\xff" * 6
_REPEAT = 0.3
"""Seconds until those that have not answered are asked again: a guest that boots may drop the first question."""


def question(source_mac: bytes, source: IPv4Address, target: IPv4Address) -> bytes:
    """The Ethernet frame that asks who has `target`."""
    head = _BROADCAST + source_mac + struct.pack("!H", _ETH_P_ARP)
    return head + _FORMAT.pack(1, 0x0800, 6, 4, _ASK, source_mac, source.packed, bytes(6), target.packed)


def answered_by(frame: bytes) -> IPv4Address | None:
    """The address that this frame is an answer of, None for any other frame."""
    if len(frame) < 14 + _FORMAT.size or frame[12:14] != struct.pack("!H", _ETH_P_ARP):
        return None
    hardware, protocol, hardware_size, protocol_size, what, _, sender, _, _ = _FORMAT.unpack_from(frame, 14)
    if (hardware, protocol, hardware_size, protocol_size, what) != (1, 0x0800, 6, 4, _ANSWER):
        return None
    return IPv4Address(sender)


def answers(interface: str, source: IPv4Address, addresses: Iterable[IPv4Address], seconds: float = 1.0) -> set[IPv4Address]:
    """Ask all `addresses` on `interface` as `source`; return those that answered. Takes as long as the slowest, or `seconds`."""
    missing, found = set(addresses), set[IPv4Address]()
    if not missing:
        return found
    now = time.monotonic()
    end, ask_at = now + seconds, now
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ARP)) as sock:
        sock.bind((interface, _ETH_P_ARP))
        sock.setblocking(False)
        mac = sock.getsockname()[4]
        while missing and (now := time.monotonic()) < end:
            if now >= ask_at:
                ask_at = now + _REPEAT
                _ask(sock, [question(mac, source, address) for address in missing])
            readable(sock.fileno(), min(end, ask_at) - time.monotonic())
            arrived = _read(sock) & missing
            found |= arrived
            missing -= arrived
    return found


def _ask(sock: socket.socket, frames: list[bytes]) -> None:
    for frame in frames:
        try:
            sock.send(frame)
        except OSError:  # the queue is full, or the bridge is down: asked again in a moment
            return


def _read(sock: socket.socket) -> set[IPv4Address]:
    """The addresses that answered since last time. Bounded, so that a flood does not hold us beyond our second."""
    found: set[IPv4Address] = set()
    for _ in range(1000):
        try:
            frame = sock.recv(128)
        except OSError:
            break
        if (address := answered_by(frame)) is not None:
            found.add(address)
    return found
