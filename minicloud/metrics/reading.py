"""Reading a metric: the datapoints of a statistic, period by period.

A period is a whole number of seconds from `start` on; what was put at times within it is one datapoint. Points whose own
resolution is coarser than the period are not in it, as AWS keeps old points for long periods only. The series of all units are
one where no unit is asked for.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..aws import distribution
from ..aws.distribution import Distribution
from ..state.metrics import MetricsStore, Point, Series, dimensions

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Wanted:
    """A metric, and the unit if only that is meant."""

    namespace: str
    name: str
    dimensions: Pairs = ()
    unit: str | None = None


def pairs(given: Iterable[Any] | None) -> Pairs:
    """AWS's list of dimensions, of a Name and a Value each."""
    return dimensions({one["Name"]: one.get("Value", "") for one in given or ()})


def _series(store: MetricsStore, wanted: Wanted) -> list[Series]:
    found = store.series(wanted.namespace, wanted.name, wanted.dimensions)
    return [one for one in found if wanted.unit in (None, one.metric.unit)]


def periods(store: MetricsStore, wanted: Wanted, period: int, start: int, end: int) -> dict[int, Distribution]:
    """What fell into each period, by its time, for those that something fell into; the first begins at `start`."""
    return {time: what for (time, _), what in by_unit(store, [wanted], period, start, end, together=True).items()}


def by_unit(
    store: MetricsStore, many: Iterable[Wanted], period: int, start: int, end: int, *, together: bool = False
) -> dict[tuple[int, str], Distribution]:
    """The same for each unit by itself; `together` gives all units as one."""
    groups: dict[tuple[int, str], list[Distribution]] = {}
    for wanted in many:
        series = {one.id: one.metric.unit for one in _series(store, wanted)}
        for point in store.points(list(series), start, end, max(period, 1)):
            unit = "" if together else series[point.series]
            groups.setdefault((_begin(point, period, start), unit), []).append(point.what)
    return {key: distribution.merge(parts) for key, parts in sorted(groups.items())}


def _begin(point: Point, period: int, start: int) -> int:
    return point.time - (point.time - start) % period
