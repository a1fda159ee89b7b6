"""Time and chance of a history: a clock that moves when it is told to, and identifiers that follow from a seed."""

import random
import secrets
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

START = 1_800_000_000.0


class Clock:
    """The time of day, as `time.time` tells it; `steady` is what has gone by since the host was started, as `CLOCK_BOOTTIME`."""

    def __init__(self) -> None:
        self.now = START
        self.steady = 1000.0

    def tell(self) -> float:
        """As `time.time`."""
        return self.now

    def tell_steady(self, _: int) -> float:
        """As `time.clock_gettime`."""
        return self.steady

    def pass_by(self, seconds: float) -> None:
        """Time goes by."""
        self.now += seconds
        self.steady += seconds

    def set_by(self, seconds: float) -> None:
        """Somebody sets the time of day, forward or back."""
        self.now += seconds


class RunningClock(Clock):
    """The real times, and what was added to them. Nobody waits for `pass_by`."""

    def __init__(self) -> None:
        self._time, self._uptime = time.time, time.clock_gettime
        self._set = self._passed = 0.0

    @property
    def now(self) -> float:  # type: ignore[override]
        """The time of day."""
        return self._time() + self._set + self._passed

    @property
    def steady(self) -> float:  # type: ignore[override]
        """What has gone by since the host was started."""
        return self._uptime(time.CLOCK_BOOTTIME) + self._passed

    def pass_by(self, seconds: float) -> None:
        """Time goes by."""
        self._passed += seconds

    def set_by(self, seconds: float) -> None:
        """Somebody sets the time of day."""
        self._set += seconds


class Chance:
    """What `secrets` and `uuid` give out. A forked process takes a seed of its own, so that no two give out the same."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)  # noqa: S311 - to be repeatable is what it is for

    def reseed(self, seed: str) -> None:
        """Go on from another seed."""
        self._random.seed(seed)

    def token_bytes(self, size: int | None = None) -> bytes:
        """As `secrets.token_bytes`."""
        return self._random.randbytes(size or 32)

    def token_hex(self, size: int | None = None) -> str:
        """As `secrets.token_hex`."""
        return self.token_bytes(size).hex()

    def randbelow(self, end: int) -> int:
        """As `secrets.randbelow`."""
        return self._random.randrange(end)

    def uuid4(self) -> uuid.UUID:
        """As `uuid.uuid4`."""
        return uuid.UUID(bytes=self.token_bytes(16), version=4)


@contextmanager
def repeatable(seed: str, clock: Clock) -> Iterator[Chance]:
    """Everything random follows from `seed` meanwhile, and all times are the clock's."""
    chance = Chance(seed)
    patches = [mock.patch.object(secrets, name, getattr(chance, name)) for name in ("token_bytes", "token_hex", "randbelow")]
    patches.append(mock.patch.object(uuid, "uuid4", chance.uuid4))
    patches.append(mock.patch.object(time, "time", clock.tell))
    patches.append(mock.patch.object(time, "clock_gettime", clock.tell_steady))
    for patch in patches:
        patch.start()
    try:
        yield chance
    finally:
        for patch in patches:
            patch.stop()
