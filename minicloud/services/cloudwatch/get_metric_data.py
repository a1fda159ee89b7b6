"""GetMetricData: many metrics, and metric math on them.

A page ends in the middle of a query's datapoints where MaxDatapoints are reached; the next one goes on there. A query is worked
out only for a page that it is on, or for another that speaks of it, so that a request holds a page and no more, however many
queries it has; what expressions need at one time has a bound of its own (`metrics/meter.py`).
"""

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any, TypedDict

from ...api import Answer, Call, operation
from ...aws import pages, times
from ...errors import ApiError
from ...metrics import meter, queries
from ...metrics.expression import ExpressionError
from ...metrics.queries import Evaluation
from ...metrics.values import TimeSeries
from . import errors
from .get_metric_statistics import aligned, check_period, finest
from .put_metric_data import DimensionInput, check_dimensions

MOST_QUERIES, MOST_DATAPOINTS = 500, 100_800
MOST_IN_ALARM = 10


class MetricInput(TypedDict, total=False):
    """A metric."""

    Namespace: str
    MetricName: str
    Dimensions: list[DimensionInput]


class MetricStatInput(TypedDict, total=False):
    """A metric with a period and a statistic."""

    Metric: MetricInput
    Period: int
    Stat: str
    Unit: str


class MetricDataQueryInput(TypedDict, total=False):
    """A query: a metric, or an expression."""

    Id: str
    MetricStat: MetricStatInput
    Expression: str
    Label: str
    ReturnData: bool
    Period: int


class LabelOptionsInput(TypedDict, total=False):
    """The time zone of times in labels, of which there are none here."""

    Timezone: str


def _check(given: Sequence[dict[str, Any]], check: Any) -> None:
    try:
        queries.check(given, check)
    except ExpressionError as error:
        raise errors.invalid(str(error)) from error
    for one in given:
        check_dimensions(one.get("MetricStat", {}).get("Metric", {}).get("Dimensions"), f"Query {one['Id']}")


def check_alarm_queries(given: list[dict[str, Any]]) -> list[int]:
    """The periods of an alarm's queries. Raises ApiError for what no alarm can be on."""
    _check(given, _alarm_period)
    if len(given) > MOST_IN_ALARM * 2 or sum("MetricStat" in one for one in given) > MOST_IN_ALARM:
        raise errors.invalid(f"An alarm is on {MOST_IN_ALARM} metrics at most.")
    shown = [one for one in given if one.get("ReturnData", True)]
    if len(shown) != 1:
        raise errors.invalid("Exactly one element of the metrics list should return data.")
    if any("SEARCH(" in one.get("Expression", "").replace(" ", "") for one in given):
        raise errors.invalid("SEARCH is not supported on Metric Alarms.")
    found = [one.get("Period") or one.get("MetricStat", {}).get("Period") for one in given]
    numbers = [period for period in found if period]
    if not numbers:
        raise errors.invalid("Period must not be null")
    if len({one["MetricStat"]["Period"] for one in given if "MetricStat" in one}) > 1:
        raise errors.invalid("Period must be the same for all metrics of an alarm.")
    return numbers


def _alarm_period(period: int, _: str) -> None:
    if period not in (10, 20, 30) and (period < 60 or period % 60):
        raise errors.invalid("Period must be 10, 20, 30 or a multiple of 60")


@operation(own_pages=True)
def get_metric_data(
    call: Call,
    *,
    metric_data_queries: list[MetricDataQueryInput],
    start_time: str,
    end_time: str,
    scan_by: str | None = None,
    max_datapoints: int | None = None,
    label_options: LabelOptionsInput | None = None,  # noqa: ARG001  no label has a time in it
) -> Answer:
    """GetMetricData."""
    given: list[dict[str, Any]] = [dict(one) for one in metric_data_queries]
    now, start, end = time.time(), times.seconds(start_time), times.seconds(end_time)
    if not given or len(given) > MOST_QUERIES:
        raise errors.invalid(f"The collection MetricDataQueries must have a size from 1 to {MOST_QUERIES}.")
    if start >= end:
        raise errors.invalid("The parameter StartTime must be less than the parameter EndTime.")
    if max_datapoints is not None and not 1 <= max_datapoints <= MOST_DATAPOINTS:
        raise errors.invalid(f"The parameter MaxDatapoints must be from 1 to {MOST_DATAPOINTS}.")
    _check(given, check_period)
    periods = [one.get("MetricStat", {}).get("Period") or one.get("Period") or 300 for one in given]
    shortest = min(periods)
    if (end - start) / shortest > MOST_DATAPOINTS:
        raise errors.invalid(f"More than {MOST_DATAPOINTS} datapoints are asked for: a longer period gives fewer.")
    step = max(shortest, finest(start, now)) if shortest < 60 else shortest
    with meter.ROOM.meter() as taken:
        evaluation = Evaluation(call.cloud.metrics, given, aligned(start, step, now), math.ceil(end), taken)
        shown = [one for one in given if one.get("ReturnData", True)]
        return _page(evaluation, shown, _where(call.next_token), max_datapoints or MOST_DATAPOINTS,
                     descending=scan_by != "TimestampAscending")  # fmt: skip


def _results(evaluation: Evaluation, query: dict[str, Any]) -> list[tuple[str, TimeSeries]]:
    """The query's id with each of its series."""
    try:
        return [(query["Id"], one) for one in evaluation.of(query["Id"])]
    except ExpressionError as error:
        raise errors.invalid(f"Error in expression '{query['Id']}': {error}") from error


Place = tuple[int, int, int | None]
"""Where a page begins: the query, its series, and the time of the last datapoint before."""


def _page(evaluation: Evaluation, queries: Sequence[dict[str, Any]], place: Place, most: int, *, descending: bool) -> Answer:
    shown: list[Answer] = []
    for query, number, last, query_id, one in _from(evaluation, queries, place):
        after = place[2] if (query, number) == place[:2] else None
        ordered = sorted(one.points.items(), reverse=descending)
        if after is not None:
            ordered = [point for point in ordered if (point[0] < after if descending else point[0] > after)]
        here = ordered[:most]
        most -= len(here)
        shown.append({
            "Id": query_id, "Label": one.label, "StatusCode": "Complete" if len(here) == len(ordered) else "PartialData",
            "Timestamps": [times.text(moment) for moment, _ in here], "Values": [value for _, value in here],
        })  # fmt: skip
        if len(here) < len(ordered) or (most <= 0 and not last):
            end = here[-1][0] if here else after
            return {"MetricDataResults": shown, "Messages": [], "NextToken": pages.encode(f"{query} {number} {end}")}
    return {"MetricDataResults": shown, "Messages": []}


def _from(
    evaluation: Evaluation, queries: Sequence[dict[str, Any]], place: Place
) -> Iterator[tuple[int, int, bool, str, TimeSeries]]:
    """The series from a place on, each with its place, and whether it is the last of all."""
    for query in range(place[0], len(queries)):
        results = _results(evaluation, queries[query])
        for number, (query_id, one) in enumerate(results):
            if (query, number) >= place[:2]:
                yield query, number, query + 1 == len(queries) and number + 1 == len(results), query_id, one


def _where(token: str) -> Place:
    if not token:
        return 0, 0, None
    try:
        query, number, moment = pages.decode(token).split(" ")
        return abs(int(query)), abs(int(number)), int(moment) if moment != "None" else None
    except ValueError as error:
        raise ApiError("InvalidNextToken", f"The token '{token}' is invalid") from error
