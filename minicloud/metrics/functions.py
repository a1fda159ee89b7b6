"""The functions of metric math, by name: how many arguments they take at least and at most, and what they do."""

import math
import statistics
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise

from .expression import ExpressionError
from .meter import check_length
from .values import Context, TimeSeries, Value, each, number, reduce, series

REFUSED = frozenset(
    {"ANOMALY_DETECTION_BAND", "INSIGHT_RULE_METRIC", "LAMBDA", "SERVICE_QUOTA", "DB_PERF_INSIGHTS", "SELECT", "LOGS"}
)
"""What AWS has and minicloud has not."""
_SORTS: dict[str, Callable[[list[float]], float]] = {
    "AVG": statistics.fmean, "MAX": max, "MIN": min, "SUM": math.fsum, "STDDEV": statistics.pstdev,
}  # fmt: skip


def _per_series(function: Callable[[TimeSeries], dict[int, float]]) -> Callable[[Context, Value], Value]:
    def apply(_: Context, value: Value) -> Value:
        if isinstance(value, list):
            return [one.of(function(one)) for one in value]
        (one,) = series(value, "this function")
        return one.of(function(one))

    return apply


def _pairs(one: TimeSeries) -> list[tuple[tuple[int, float], tuple[int, float]]]:
    return list(pairwise(sorted(one.points.items())))


def _diff(one: TimeSeries) -> dict[int, float]:
    return {time: value - before for (_, before), (time, value) in _pairs(one)}


def _diff_time(one: TimeSeries) -> dict[int, float]:
    return {time: float(time - before) for (before, _), (time, _) in _pairs(one)}


def _rate(one: TimeSeries) -> dict[int, float]:
    return {time: (value - before) / (time - earlier) for (earlier, before), (time, value) in _pairs(one)}


def _running(one: TimeSeries) -> dict[int, float]:
    total, found = 0.0, {}
    for time, value in sorted(one.points.items()):
        total += value
        found[time] = total
    return found


def _of_time(part: Callable[[datetime], float]) -> Callable[[Context, Value], Value]:
    return _per_series(lambda one: {time: float(part(datetime.fromtimestamp(time, UTC))) for time in one.points})


def _fill(context: Context, value: Value, filler: Value) -> Value:
    if isinstance(value, list):
        return [_filled(context, one, filler) for one in value]
    (one,) = series(value, "FILL")
    return _filled(context, one, filler)


def _filled(context: Context, one: TimeSeries, filler: Value) -> TimeSeries:
    times = context.frame.times(one.period)
    check_length(context.frame.start, context.frame.end, one.period)
    context.charge(len(times))
    if filler == "REPEAT":
        return one.of(_repeated(one.points, times))
    if filler == "LINEAR":
        return one.of(_between(one.points, times))
    if isinstance(filler, TimeSeries):
        return one.of({**{time: filler.points[time] for time in times if time in filler.points}, **one.points})
    return one.of({**dict.fromkeys(times, number(filler, "FILL")), **one.points})


def _repeated(points: dict[int, float], times: range) -> dict[int, float]:
    found, last = dict(points), None
    for time in times:
        last = points.get(time, last)
        if last is not None:
            found[time] = last
    return found


def _between(points: dict[int, float], times: range) -> dict[int, float]:
    found, known = dict(points), sorted(points)
    for earlier, later in pairwise(known):
        step = (points[later] - points[earlier]) / (later - earlier)
        found |= {time: points[earlier] + step * (time - earlier) for time in times if earlier < time < later}
    return found


def _if(context: Context, condition: Value, yes: Value, no: Value | None = None) -> Value:
    if isinstance(condition, float):
        chosen = yes if condition else no
        if chosen is None:
            raise ExpressionError("IF has no value for a condition that is not so")
        return chosen
    if isinstance(condition, list):
        return [found for one in condition for found in series(_if(context, one, yes, no), "IF")]
    (judge,) = series(condition, "IF")
    points: dict[int, float] = {}
    for time, held in judge.points.items():
        found = _at(yes if held else no, time)
        if found is not None:
            points[time] = found
    return judge.of(points)


def _at(value: Value | None, time: int) -> float | None:
    if value is None or isinstance(value, float):
        return value
    if isinstance(value, TimeSeries):
        return value.points.get(time)
    raise ExpressionError("IF chooses between numbers and single time series")


def _time_series(context: Context, value: Value) -> Value:
    frame = context.frame
    return TimeSeries(dict.fromkeys(frame.times(frame.period), number(value, "TIME_SERIES")), frame.period)


def _metrics(context: Context, part: Value = "") -> Value:
    return [one for one in context.metrics() if str(part) in one.id]


def _search(context: Context, text: Value, statistic: Value, period: Value = 0.0) -> Value:
    if not isinstance(text, str) or not isinstance(statistic, str):
        raise ExpressionError("SEARCH takes a text, a statistic and a period")
    return context.search(text, statistic, int(number(period, "SEARCH")) or context.frame.period)


def _pick(index: int) -> Callable[[Context, Value], Value]:
    def apply(_: Context, value: Value) -> Value:
        many = series(value, "FIRST or LAST")
        if not many:
            raise ExpressionError("there is no time series")
        return many[index]

    return apply


def _slice(_: Context, value: Value, start: Value, end: Value | None = None) -> Value:
    many, first = series(value, "SLICE"), int(number(start, "SLICE"))
    return many[first : int(number(end, "SLICE"))] if end is not None else many[first]


def _sort(_: Context, value: Value, by: Value, order: Value, most: Value | None = None) -> Value:
    if by not in _SORTS or order not in ("ASC", "DESC"):
        raise ExpressionError("SORT takes time series, one of AVG, MAX, MIN, SUM, STDDEV, and ASC or DESC")
    function = _SORTS[str(by)]
    full = [one for one in series(value, "SORT") if one.points]
    ordered = sorted(full, key=lambda one: function(list(one.points.values())), reverse=order == "DESC")
    return ordered[: int(number(most, "SORT"))] if most is not None else ordered


def _period(context: Context, value: Value) -> Value:
    many = series(value, "PERIOD")
    return float(many[0].period if many else context.frame.period)


def _count(_: Context, value: Value) -> Value:
    return float(sum(len(one.points) for one in series(value, "DATAPOINT_COUNT")))


FUNCTIONS: dict[str, tuple[int, int, Callable[..., Value]]] = {
    "ABS": (1, 1, each(abs)), "CEIL": (1, 1, each(math.ceil)), "FLOOR": (1, 1, each(math.floor)),
    "LOG": (1, 1, each(math.log)), "LOG10": (1, 1, each(math.log10)),
    "SUM": (1, 1, reduce("SUM", math.fsum)), "AVG": (1, 1, reduce("AVG", statistics.fmean)),
    "MIN": (1, 1, reduce("MIN", min)), "MAX": (1, 1, reduce("MAX", max)),
    "STDDEV": (1, 1, reduce("STDDEV", statistics.pstdev)),
    "DIFF": (1, 1, _per_series(_diff)), "DIFF_TIME": (1, 1, _per_series(_diff_time)), "RATE": (1, 1, _per_series(_rate)),
    "RUNNING_SUM": (1, 1, _per_series(_running)), "FILL": (2, 2, _fill), "IF": (2, 3, _if),
    "PERIOD": (1, 1, _period), "TIME_SERIES": (1, 1, _time_series), "METRICS": (0, 1, _metrics),
    "SEARCH": (2, 3, _search), "FIRST": (1, 1, _pick(0)), "LAST": (1, 1, _pick(-1)), "SLICE": (2, 3, _slice),
    "SORT": (3, 4, _sort), "DATAPOINT_COUNT": (1, 1, _count),
    "METRIC_COUNT": (1, 1, lambda _, value: float(len(series(value, "METRIC_COUNT")))),
    "REMOVE_EMPTY": (1, 1, lambda _, value: [one for one in series(value, "REMOVE_EMPTY") if one.points]),
    "MINUTE": (1, 1, _of_time(lambda moment: moment.minute)), "HOUR": (1, 1, _of_time(lambda moment: moment.hour)),
    "DAY": (1, 1, _of_time(lambda moment: moment.isoweekday())), "DATE": (1, 1, _of_time(lambda moment: moment.day)),
    "MONTH": (1, 1, _of_time(lambda moment: moment.month)), "YEAR": (1, 1, _of_time(lambda moment: moment.year)),
    "EPOCH": (1, 1, _of_time(lambda moment: moment.timestamp())),
}  # fmt: skip
