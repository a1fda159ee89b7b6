"""Statistics by the names that CloudWatch has for them: Average, p99.9, TM(10%:90%), IQM, PR(100:) and so on.

The page is "CloudWatch statistics definitions". A percentile is taken from the values as they were put, to 1 % where there
were too many of them (`aws/distribution.py`); bounds are values of the metric where they have no percent sign. Where the
values are not known (statistic sets), or one of them is negative, percentiles are None, as AWS has no datapoint then.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from ..aws.distribution import Distribution

SIMPLE = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
_NUMBER = r"\d{1,15}(?:\.\d{1,10})?"
_SHORT = re.compile(rf"(p|tm|wm|tc|ts)({_NUMBER})", re.IGNORECASE)
_LONG = re.compile(rf"(TM|WM|TC|TS|PR)\(({_NUMBER})?(%)?:({_NUMBER})?(%)?\)", re.IGNORECASE)


@dataclass(frozen=True)
class Statistic:
    """A statistic. `kind` is one of SIMPLE, or p, tm, wm, tc, ts, pr; its bounds are percents, or values."""

    name: str
    kind: str
    low: float = 0.0
    high: float = 100.0
    percent: bool = True
    open_end: bool = False

    @property
    def percentile(self) -> bool:
        """Whether it needs the values themselves."""
        return self.kind not in SIMPLE

    def of(self, what: Distribution) -> float | None:
        """Its value, None where it has none."""
        if not self.percentile:
            return _SIMPLE[self.kind](what)
        if what.values is None or not what.count or what.low < 0:
            return None
        if self.kind == "p":
            return percentile(what.values, self.low)
        kept = self._within(what.values)
        if self.kind == "pr":
            return 100.0 * sum(kept.values()) / what.count
        return _trimmed(self.kind, kept)

    def _within(self, values: dict[float, float]) -> dict[float, float]:
        if not self.percent:
            return {value: count for value, count in values.items() if self._holds(value)}
        if self.kind == "wm":
            low, high = percentile(values, self.low) or 0.0, percentile(values, self.high) or 0.0
            kept: dict[float, float] = {}
            for value, count in values.items():
                near = min(max(value, low), high)
                kept[near] = kept.get(near, 0.0) + count
            return kept
        return _ranks(values, self.low, self.high)

    def _holds(self, value: float) -> bool:
        return self.low < value and (self.open_end or value <= self.high) if self.low else self.open_end or value <= self.high


_SIMPLE: dict[str, Callable[[Distribution], float]] = {
    "SampleCount": lambda what: what.count,
    "Average": lambda what: what.average,
    "Sum": lambda what: what.total,
    "Minimum": lambda what: what.low,
    "Maximum": lambda what: what.high,
}


def parse(name: str) -> Statistic | None:
    """The statistic of a name, None for a name that means nothing."""
    if name in SIMPLE:
        return Statistic(name, name)
    if name.upper() == "IQM":
        return Statistic(name, "tm", 25.0, 75.0)
    if found := _SHORT.fullmatch(name):
        kind, bound = found[1].lower(), float(found[2])
        if not 0 <= bound <= 100:
            return None
        return Statistic(name, kind, bound) if kind == "p" else Statistic(name, kind, 0.0, bound)
    return _long(name)


def _long(name: str) -> Statistic | None:
    found = _LONG.fullmatch(name)
    if found is None:
        return None
    kind, low, low_percent, high, high_percent = found.groups()
    if (low is None and high is None) or (low is None and low_percent) or (high is None and high_percent):
        return None
    percent = {bool(sign) for bound, sign in ((low, low_percent), (high, high_percent)) if bound is not None}
    if len(percent) != 1 or (kind.upper() == "PR" and percent == {True}):
        return None
    from_, to = float(low or 0), float(high) if high is not None else 100.0
    if from_ >= to and (high is not None or percent == {True}):
        return None
    if percent == {True} and to > 100:
        return None
    return Statistic(name, kind.lower(), from_, to, percent == {True}, high is None)


def percentile(values: dict[float, float], percent: float) -> float | None:
    """The value below or at which `percent` of all are: between two neighbours in proportion. None of nothing."""
    total = sum(values.values())
    if not total:
        return None
    ordered = sorted(values.items())
    rank = percent / 100.0 * (total - 1.0)
    seen, before = 0.0, ordered[0][0]
    for value, count in ordered:
        if rank < seen:  # between the last of the one before and the first of this
            return before + (value - before) * (rank - (seen - 1.0))
        if rank <= seen + count - 1.0:
            return value
        seen, before = seen + count, value
    return ordered[-1][0]


def _ranks(values: dict[float, float], low: float, high: float) -> dict[float, float]:
    """What lies between two percents of all, by rank; a value at an edge with the part of it that does."""
    total = sum(values.values())
    first, last, seen = low / 100.0 * total, high / 100.0 * total, 0.0
    kept: dict[float, float] = {}
    for value, count in sorted(values.items()):
        part = min(seen + count, last) - max(seen, first)
        seen += count
        if part > 1e-12:
            kept[value] = part
    return kept


def _trimmed(kind: str, kept: dict[float, float]) -> float | None:
    count, total = sum(kept.values()), sum(value * number for value, number in kept.items())
    if kind == "tc":
        return count
    if kind == "ts":
        return total
    return total / count if count else None
