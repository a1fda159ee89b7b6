"""A DHCP client of a few lines, so that tests need no guest: it speaks on one end of a cable, with any hardware address."""

import os
import select
import socket
import struct
import time
from dataclasses import dataclass
from ipaddress import IPv4Address

_DISCOVER, _REQUEST = 1, 3
_ETH_P_IP = 0x0800


@dataclass(frozen=True)
class Answer:
    """What a DHCP server said: the kind of its message, the address, the options by number."""

    kind: int
    address: IPv4Address
    options: dict[int, bytes]


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _frame(mac: bytes, message: bytes) -> bytes:
    udp = struct.pack("!HHHH", 68, 67, 8 + len(message), 0) + message
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes(4), b"\xff" * 4)
    head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
    return b"\xff" * 6 + mac + struct.pack("!H", _ETH_P_IP) + head + udp


def _message(mac: bytes, number: bytes, options: bytes) -> bytes:
    head = b"\x01\x01\x06\x00" + number + bytes(2) + b"\x80\x00" + bytes(16) + mac.ljust(16, b"\0") + bytes(192)
    return head + b"\x63\x82\x53\x63" + options + b"\xff"


def _parse(frame: bytes, number: bytes) -> Answer | None:
    message = frame[14 + 20 + 8 :]
    if frame[23:24] != b"\x11" or frame[36:38] != b"\x00\x44" or message[4:8] != number:
        return None
    options, rest = dict[int, bytes](), message[240:]
    while rest and rest[0] != 255:
        options[rest[0]] = rest[2 : 2 + rest[1]]
        rest = rest[2 + rest[1] :]
    return Answer(options[53][0], IPv4Address(message[16:20]), options)


def _ask(interface: str, mac: bytes, options: bytes, seconds: float) -> Answer | None:
    number, end = os.urandom(4), time.monotonic() + seconds
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_IP)) as sock:
        sock.bind((interface, _ETH_P_IP))
        sock.send(_frame(mac, _message(mac, number, options)))
        while (left := end - time.monotonic()) > 0:
            if select.select([sock], [], [], left)[0] and (answer := _parse(sock.recv(2048), number)) is not None:
                return answer
    return None


def lease(interface: str, mac: str, seconds: float = 10.0) -> Answer | None:
    """Ask for an address and take the one that is offered. None if nobody answers for so many seconds."""
    raw = bytes.fromhex(mac.replace(":", ""))
    offer = _ask(interface, raw, bytes((53, 1, _DISCOVER)), seconds)
    if offer is None:
        return None
    wanted = bytes((53, 1, _REQUEST, 50, 4)) + offer.address.packed + bytes((54, 4)) + offer.options[54]
    return _ask(interface, raw, wanted, seconds)
