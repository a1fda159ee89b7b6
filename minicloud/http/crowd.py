"""All connections of the endpoint: which of them wait for their peers, and which one goes when there are too many.

Nobody is turned away while somebody else keeps the endpoint waiting: a new connection, or one that sends or takes many bytes,
gets its room from the connection that has waited longest for its peer, among those of the address that holds most. So strangers
who only hold connections lose them, each to the next one. A quarter of everything is this host's own, whatever the others do;
what is being worked on is never given up. Safe for threads.
"""

import ipaddress
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Protocol

from .limits import Limits


class Phase(Enum):
    """What a connection is at. In all but WORK it waits for its peer."""

    HANDSHAKE = "handshake"
    IDLE = "idle"
    HEAD = "head"
    BODY = "body"
    WORK = "work"
    ANSWER = "answer"
    LINGER = "linger"


class Member(Protocol):
    """A connection, as the crowd sees it. All but `cut` belongs to the crowd."""

    origin: str
    phase: Phase
    since: float
    deadline: float
    held: int

    def cut(self) -> None:
        """End it from another thread: who waits for its peer is woken up. Must not wait itself."""


Weigh = Callable[[Member], int]


def origin(address: str) -> str:
    """Who is counted as one: an address, a /64 of IPv6, or, for all of loopback, the empty string."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if ip.is_loopback:
        return ""
    return str(ip) if ip.version == 4 else str(ipaddress.ip_network((ip, 64), strict=False))


class Crowd:
    """The connections that there are."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._all: set[Member] = set()
        self._lock = threading.Lock()
        self._closing = False

    def enter(self, new: Member, phase: Phase) -> bool:
        """Take a new connection in; False where there is no room for it."""
        with self._lock:
            if self._closing:
                return False
            same = [one for one in self._all if one.origin == new.origin]
            most = self._limits.connections
            if new.origin and len(same) >= self._limits.of_address and not self._make_room(same, most):
                return False
            if len(self._all) >= most and not self._make_room(self._all, most):
                return False
            self._all.add(new)
            self._at(new, phase)
            return True

    def leave(self, member: Member) -> None:
        """It has ended. Ending twice does nothing."""
        with self._lock:
            self._all.discard(member)

    def at(self, member: Member, phase: Phase) -> bool:
        """It comes to another phase, whose deadline begins now; False for one that was given up, or is not to begin again."""
        with self._lock:
            self._at(member, phase)
            if self._closing and phase not in (Phase.WORK, Phase.ANSWER):
                self._drop(member)
            return member in self._all

    def hold(self, member: Member, size: int) -> bool:
        """Whether there is room for `size` more bytes of this connection; they are counted as its own."""
        with self._lock:
            member.held += size
            while sum(one.held for one in self._all) > self._limits.held:
                weakest = self._weakest(self._all, _bytes, self._limits.held)
                if weakest is None or weakest is member:
                    return False
                self._drop(weakest)
            return member in self._all

    def release(self, member: Member) -> None:
        """It holds no bytes any more."""
        with self._lock:
            member.held = 0

    def cut_overdue(self) -> None:
        """Cut those whose deadline is over, for whom no read or write of their own looks at it."""
        now = time.monotonic()
        with self._lock:
            for one in [one for one in self._all if one.deadline < now]:
                self._drop(one)

    def close(self) -> None:
        """Cut all that wait for their peers, and take in no others; what is being worked on is answered."""
        with self._lock:
            self._closing = True
            for one in [one for one in self._all if one.phase not in (Phase.WORK, Phase.ANSWER)]:
                self._drop(one)

    def drop_all(self) -> None:
        """Cut what is left."""
        with self._lock:
            for one in list(self._all):
                self._drop(one)

    def _at(self, member: Member, phase: Phase) -> None:
        member.phase, member.since = phase, time.monotonic()
        member.deadline = member.since + getattr(self._limits, phase.value, float("inf"))

    def _make_room(self, among: Iterable[Member], most: int) -> bool:
        weakest = self._weakest(among, lambda _: 1, most)
        if weakest is not None:
            self._drop(weakest)
        return weakest is not None

    def _weakest(self, among: Iterable[Member], weigh: Weigh, most: int) -> Member | None:
        """The connection that has least right to its place; None where all of them are being worked on."""
        weights = Counter[str]()
        for one in self._all:
            weights[one.origin] += weigh(one)
        waiting = [one for one in among if one.phase is not Phase.WORK and weigh(one)]
        if weights.total() - weights[""] >= most * 3 // 4:
            waiting = [one for one in waiting if one.origin] or waiting
        return max(waiting, key=lambda one: (weights[one.origin], one.phase is Phase.IDLE, -one.since), default=None)

    def _drop(self, member: Member) -> None:
        self._all.discard(member)
        member.held = 0
        member.cut()


def _bytes(member: Member) -> int:
    return member.held
