"""What CloudWatch keeps of the values that fall into one period: how many, their sum and extremes, and how often each occurred.

- The values themselves are kept exactly up to MOST_VALUES different ones; beyond that, values within 1 % of one another become
  one, so a percentile is then 1 % off at most.
- A statistic set tells nothing of single values. What has taken one in has no percentiles (`values` is None), as with AWS, but
  where the set can only be one value.
"""

import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MOST_VALUES = 128
_STEP = math.log(1.02)
_PAIR = struct.Struct("<df")
"""A value and how often it occurred: 12 bytes."""


@dataclass(slots=True)
class Distribution:
    """`values` maps each value to how often it occurred; None where that is not known."""

    count: float
    total: float
    low: float
    high: float
    values: dict[float, float] | None

    @property
    def average(self) -> float:
        """The mean; 0 of nothing."""
        return self.total / self.count if self.count else 0.0


def of_value(value: float, count: float = 1.0) -> Distribution:
    """One value, `count` times."""
    return Distribution(count, value * count, value, value, {value: count})


def of_values(values: Mapping[float, float]) -> Distribution:
    """Values, each so many times. There must be one at least."""
    total = math.fsum(value * count for value, count in values.items())
    return Distribution(math.fsum(values.values()), total, min(values), max(values), _packed(dict(values)))


def of_set(count: float, total: float, low: float, high: float) -> Distribution:
    """A statistic set. It is one value where its extremes are the same."""
    known = low == high or count == 1
    return Distribution(count, total, low, high, {total / count if count else low: count} if known else None)


def merge(parts: Iterable[Distribution]) -> Distribution:
    """All together. There must be one part at least."""
    found = list(parts)
    if len(found) == 1:
        return found[0]
    values: dict[float, float] = {}
    for part in found:
        for value, count in (part.values or {}).items():
            values[value] = values.get(value, 0.0) + count
    known = all(part.values is not None for part in found)
    return Distribution(
        math.fsum(part.count for part in found),
        math.fsum(part.total for part in found),
        min(part.low for part in found),
        max(part.high for part in found),
        _packed(values) if known else None,
    )


def _bucket(value: float) -> float:
    """The middle of the 2 % around a value that all become one."""
    if value == 0 or not math.isfinite(value):
        return value
    return math.copysign(math.exp(round(math.log(abs(value)) / _STEP) * _STEP), value)


def _packed(values: dict[float, float]) -> dict[float, float]:
    return values if len(values) <= MOST_VALUES else coarse(values)


def coarse(values: Mapping[float, float]) -> dict[float, float]:
    """The same with values that are within 1 % of one another taken as one."""
    found: dict[float, float] = {}
    for value, count in values.items():
        near = _bucket(value)
        found[near] = found.get(near, 0.0) + count
    return found


def dump(values: Mapping[float, float] | None) -> bytes | None:
    """For keeping: pairs of a value and its count. None where nothing is known of the values."""
    return None if values is None else b"".join(_PAIR.pack(value, count) for value, count in sorted(values.items()))


def load(kept: bytes | None) -> dict[float, float] | None:
    """What `dump` made."""
    return None if kept is None else {value: count for value, count in _PAIR.iter_unpack(kept)}  # noqa: C416  pairs, typed
