"""How many datapoints are worked out: in one request, and in all requests that are under way together.

A datapoint of a time series takes about 100 bytes, so these bounds are bounds of memory. A request with too many is refused; one
that finds the others' too many is to come again.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import ApiError
from .expression import ExpressionError

MOST_OF_SERIES = 100_800
"""Periods of one time series."""
MOST = 1_000_000
MOST_TOGETHER = 3_000_000


class Room:
    """What all requests may work out together. Safe for threads."""

    def __init__(self, most: int = MOST_TOGETHER) -> None:
        self._most, self._taken = most, 0
        self._lock = threading.Lock()

    def take(self, count: int) -> None:
        """Raises ApiError (ThrottlingException)."""
        with self._lock:
            if self._taken + count > self._most:
                raise ApiError("ThrottlingException", "Rate exceeded")
            self._taken += count

    def give_back(self, count: int) -> None:
        """So many are forgotten."""
        with self._lock:
            self._taken -= count

    @contextmanager
    def meter(self) -> Iterator["Meter"]:
        """The meter of one request, until its answer is made."""
        meter = Meter(self)
        try:
            yield meter
        finally:
            self.give_back(meter.taken)


class Meter:
    """What one request works out."""

    def __init__(self, room: Room | None = None, most: int = MOST) -> None:
        self._room, self._most, self.taken = room, most, 0

    def take(self, count: int) -> None:
        """Raises ExpressionError for too many, ApiError where others have too many."""
        if self.taken + count > self._most:
            raise ExpressionError(f"more than {self._most} datapoints would have to be worked out at one time")
        if self._room is not None:
            self._room.take(count)
        self.taken += count


ROOM = Room()
"""That of this process."""


def check_length(start: int, end: int, period: float) -> None:
    """Refuse a time series of too many periods. Raises ExpressionError."""
    if period < 1 or (end - start) / period > MOST_OF_SERIES:
        raise ExpressionError(f"a time series of more than {MOST_OF_SERIES} periods is too long")
