"""GetMetricStatistics: statistics of one metric, period by period. Periods begin at the start of the time range."""

import math
import time

from ...api import Answer, Call, operation
from ...aws import times
from ...aws.distribution import Distribution
from ...metrics import reading
from ...metrics import statistics as names
from ...metrics.statistics import Statistic
from . import errors
from .put_metric_data import DimensionInput, check_dimensions

MOST_POINTS = 1440
SHORT_PERIODS = (1, 5, 10, 20, 30)
_DAY = 86400


def finest(start: float, now: float) -> int:
    """The shortest resolution that there is of data from `start` on: what is older is kept for longer periods only."""
    age = now - start
    return 1 if age <= 3 * 3600 else 60 if age <= 15 * _DAY else 300 if age <= 63 * _DAY else 3600


def check_period(period: int, where: str = "Period") -> None:
    """Refuse a period that no metric has. Raises ApiError."""
    if period not in SHORT_PERIODS and (period < 60 or period % 60):
        raise errors.value(f"The parameter {where} must be 1, 5, 10, 20, 30 or a multiple of 60.")
    if period > _DAY * 365:
        raise errors.value(f"The parameter {where} must be at most a year.")


def aligned(start: float, period: int, now: float) -> int:
    """The beginning of the first period: AWS rounds down, the further back the coarser."""
    step = period if period in SHORT_PERIODS else max(60, finest(start, now))
    return int(start - start % step)


@operation()
def get_metric_statistics(
    call: Call,
    *,
    namespace: str,
    metric_name: str,
    start_time: str,
    end_time: str,
    period: int,
    dimensions: list[DimensionInput] | None = None,
    statistics: list[str] | None = None,
    extended_statistics: list[str] | None = None,
    unit: str | None = None,
) -> Answer:
    """GetMetricStatistics."""
    now, start, end = time.time(), times.seconds(start_time), times.seconds(end_time)
    wanted = _statistics(statistics, extended_statistics)
    if start >= end:
        raise errors.value("The parameter StartTime must be less than the parameter EndTime.")
    check_period(period)
    if (coarse := finest(start, now)) > 1 and period % coarse:
        raise errors.value(f"The parameter Period must be a multiple of {coarse}: data that old is kept for such periods only.")
    if (count := math.ceil((end - start) / period)) > MOST_POINTS:
        raise errors.combination(
            f"You have requested up to {count} datapoints, which exceeds the limit of {MOST_POINTS}. You may reduce the "
            "datapoints requested by increasing Period, or decreasing the time range."
        )
    metric = reading.Wanted(namespace, metric_name, check_dimensions(dimensions, "Request"), unit)
    found = reading.by_unit(call.cloud.metrics, [metric], period, aligned(start, period, now), math.ceil(end))
    points = [point for (moment, of), what in found.items() if (point := _datapoint(moment, of, what, wanted))]
    return {"Label": metric_name, "Datapoints": points}


def _statistics(simple: list[str] | None, extended: list[str] | None) -> list[Statistic]:
    if not simple and not extended:
        raise errors.missing("At least one of the parameters Statistics and ExtendedStatistics must be specified.")
    found = []
    for name in simple or ():
        if name not in names.SIMPLE:
            raise errors.value(f"The value {name} for parameter Statistics is invalid.")
    for name in [*(simple or ()), *(extended or ())]:
        known = names.parse(name)
        if known is None or (name in (extended or ()) and not known.percentile):
            raise errors.value(f"The value {name} for parameter ExtendedStatistics is invalid.")
        found.append(known)
    return found


def _datapoint(moment: int, unit: str, what: Distribution, wanted: list[Statistic]) -> Answer | None:
    point: Answer = {}
    extended = {}
    for statistic in wanted:
        value = statistic.of(what)
        if value is not None and statistic.percentile:
            extended[statistic.name] = value
        elif value is not None:
            point[statistic.name] = value
    if not point and not extended:
        return None
    point |= {"Timestamp": times.text(moment), "Unit": unit}
    return {**point, "ExtendedStatistics": extended} if extended else point
