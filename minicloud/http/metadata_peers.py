"""What one guest may take of the metadata service, so that the others and the daemon do not notice: connections, requests, time.

A guest is known by its instance, whichever of its interfaces and addresses it asks from; addresses that nobody has are one guest
in each subnet. Its connections are members of one crowd with all the others (`crowd.py`). One that comes too often is not heard
for a moment (`silence.py`).
"""

import contextlib
import socket
from collections.abc import Mapping

from .crowd import Crowd, Phase
from .limits import Limits
from .rates import Rates

LIMITS = Limits(head=10.0, answer=10.0, connections=512, of_address=16, head_bytes=16 << 10)
RATE, BURST = 50.0, 500.0
"""Requests a second of one guest, and at once; the same for its connections."""


class Peer:
    """A connection of a guest; a member of the crowd."""

    def __init__(self, sock: socket.socket, guest: str) -> None:
        self._socket, self.origin = sock, guest
        self.phase, self.since, self.deadline, self.held = Phase.HEAD, 0.0, 0.0, 0

    def cut(self) -> None:
        """End it from any thread."""
        with contextlib.suppress(OSError):  # it has ended by itself
            self._socket.shutdown(socket.SHUT_RDWR)


class Peers:
    """All guests."""

    def __init__(self, limits: Limits = LIMITS, rate: float = RATE, burst: float = BURST) -> None:
        self.limits, self.crowd = limits, Crowd(limits)
        self._rates = Rates(rate, burst)
        self._owners: Mapping[tuple[str, str], str] = {}

    def know(self, owners: Mapping[tuple[str, str], str]) -> None:
        """Which guest has which address of which subnet."""
        self._owners = owners

    def admit(self, network_id: str, address: str, sock: socket.socket) -> Peer | None:
        """A connection that may be served; None for one too many, or too soon."""
        guest = self._owners.get((network_id, address), network_id)
        peer = Peer(sock, guest)
        return peer if self._rates.take(f"connect {guest}") and self.crowd.enter(peer, Phase.HEAD) else None

    def may_ask(self, peer: Peer) -> bool:
        """Whether one more request of its guest is within the rate."""
        return self._rates.take(f"ask {peer.origin}")
