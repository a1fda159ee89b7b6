"""Waiting until a guest can be logged in to, step by step: it runs, its address answers, its host keys are known, SSH works.

Every wait ends by the one deadline, with what was waited for and what was seen last. What the guest itself says is only ever
shown cleaned. A guest whose keys are known and that answers as an SSH server at once is not looked at more closely:
OpenSSH checks the very same keys, and a second handshake costs more than a second under emulation.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from ..errors import Retry
from .errors import WaitFailed
from .host_keys import printed
from .terminal import clean

_T = TypeVar("_T")
PAUSE = 0.5
QUIET = 90.0
"""Seconds after the first sign of an SSH server in which an image that prints its host keys has printed them, even when slow."""
_MOST_LINE = 160


class Guest(Protocol):
    """What can be asked of an instance on its way up. A method that cannot answer yet may raise Retry."""

    name: str
    address: str

    def running(self) -> bool:
        """Whether the guest runs. Raises UsageError if it will not."""

    def answers(self) -> bool:
        """Whether the address answers on the wire."""

    def known_keys(self) -> list[str]:
        """The host keys that are kept of it."""

    def console(self) -> bytes:
        """The end of its console's log."""

    def remember(self, keys: Sequence[str]) -> list[str]:
        """Keep the keys; returns those that hold."""

    def replace(self, keys: Sequence[str]) -> list[str]:
        """Keep these keys in place of those that were kept; returns them."""

    def listens(self) -> bool:
        """Whether an SSH server answers."""

    def presented(self) -> list[str]:
        """The host key that the SSH server shows. Raises Retry."""

    def takes_logins(self, keys: Sequence[str]) -> bool:
        """Whether the server proves to have one of the keys and lets users in. Raises Permanent if it has another key."""


@dataclass
class Clock:
    """Time, so that a test needs none."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass
class Wait:
    """One wait. `say` gets the line that shows how far it is."""

    guest: Guest
    timeout: float
    say: Callable[[str], None]
    clock: Clock = field(default_factory=Clock)
    seen: str = ""

    def __post_init__(self) -> None:
        self.start = self.clock.now()

    def until_ready(self, *, accept_new: bool, replace: bool = False) -> list[str]:
        """The host keys to trust, once the guest takes logins. Raises WaitFailed, UsageError, Permanent."""
        guest = self.guest
        if guest.running() and not replace and (keys := guest.known_keys()) and guest.listens():
            return keys
        self._until(f"{guest.name} to run", guest.running)
        self._until(f"{guest.address} to answer", guest.answers)
        if replace:
            keys = guest.replace(self._until(f"SSH at {guest.address}", guest.presented))
        else:
            keys = guest.known_keys() or guest.remember(self._keys(accept_new))
        self._until(f"SSH at {guest.address}", lambda: guest.listens() and guest.takes_logins(keys))
        return keys

    def _keys(self, accept_new: bool) -> list[str]:
        if accept_new:
            return self._until(f"SSH at {self.guest.address}", lambda: printed(self.guest.console()) or self.guest.presented())
        since: list[float] = []

        def ask() -> list[str]:
            if keys := printed(self.guest.console()):
                return keys
            if not since and self.guest.listens():
                since.append(self.clock.now())
            if since and self.clock.now() - since[0] > QUIET:
                raise WaitFailed(
                    f"{self.guest.name} answers SSH, but has printed no host keys on its console for {QUIET:.0f} s: its "
                    "image may not do that. To trust the key that it shows now, from now on: minicloud ssh --accept-new"
                )
            return []

        return self._until(f"{self.guest.name} to print its SSH host keys on its console", ask)

    def _until(self, what: str, ask: Callable[[], _T]) -> _T:
        """Ask until the answer is not empty or false."""
        while True:
            try:
                if got := ask():
                    return got
            except Retry as error:
                self.seen = error.message
            waited = self.clock.now() - self.start
            if waited > self.timeout:
                raise WaitFailed(f"waited {self.timeout:g} s for {what}{self._last()}")
            self.say(f"waiting for {what} ({waited:.0f} s){self._last()}")
            self.clock.sleep(PAUSE)
            self.guest.running()  # a guest that has been stopped meanwhile is not waited for

    def _last(self) -> str:
        """What was seen last: what an attempt said, and the console's last line."""
        line = last_line(self.guest.console())
        return "".join(
            [f"; the last attempt said: {clean(self.seen)}" if self.seen else "", f"; its console: {line}" if line else ""]
        )


def last_line(log: bytes) -> str:
    """The last line of a console's log that is not empty, made safe and short."""
    for line in reversed(log[-4096:].decode(errors="replace").replace("\r", "\n").split("\n")):
        if text := clean(line).strip():
            return text[:_MOST_LINE]
    return ""
