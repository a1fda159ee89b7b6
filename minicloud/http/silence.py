"""Addresses that a listening socket does not hear for a moment, so that who connects too often costs this process nothing.

A socket filter drops in the kernel what they send to that socket ("Linux Socket Filtering" in the kernel's manual). Connections
that were accepted before stay as they are.
"""

import ctypes
import ipaddress
import socket
import struct
import threading
import time
from collections.abc import Collection

SECONDS = 1.0
_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27
_SOURCE = 0xFFF00000 + 12  # SKF_NET_OFF: the source in the IPv4 header
_MOST = 100


class Silence:
    """Those of one socket."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self._until: dict[str, float] = {}
        self._lock = threading.Lock()

    def begin(self, address: str) -> None:
        """Do not hear this one."""
        with self._lock:
            if len(self._until) < _MOST:
                self._until[address] = time.monotonic() + SECONDS
                self._attach()

    def end_overdue(self) -> None:
        """Hear those again whose time is over."""
        now = time.monotonic()
        with self._lock:
            left = {address: until for address, until in self._until.items() if until > now}
            if len(left) != len(self._until):
                self._until = left
                self._attach()

    def _attach(self) -> None:
        if not self._until:
            self._listening.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
            return
        code = program(self._until)
        buffer = ctypes.create_string_buffer(code)
        self._listening.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
        )


def program(addresses: Collection[str]) -> bytes:
    """Classic BPF: nothing of packets from these IPv4 addresses, the whole of all others."""
    count = len(addresses)
    load, equal, give = 0x20, 0x15, 0x06
    lines = [struct.pack("HBBI", load, 0, 0, _SOURCE)]
    for number, address in enumerate(addresses):
        lines.append(struct.pack("HBBI", equal, count - number, 0, int(ipaddress.IPv4Address(address))))
    return b"".join([*lines, struct.pack("HBBI", give, 0, 0, 0xFFFFFFFF), struct.pack("HBBI", give, 0, 0, 0)])
