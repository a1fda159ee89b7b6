"""The queries of GetMetricData, of alarms and of pictures: metrics, and expressions on them, worked out over a time range.

A query is a dictionary as AWS's MetricDataQuery. An expression may speak of any query by its id, in any order, but not of
itself, nor of one that speaks of it. What is wrong with a query is said of that query: the others have their results.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..state.metrics import MetricsStore
from . import expression, labels, reading, references, searching, statistics
from .expression import ExpressionError, Node
from .meter import Meter, check_length
from .values import Context, Frame, TimeSeries, Value, series, work_out

_ID = re.compile(r"[a-z][A-Za-z0-9_]*")
Query = Mapping[str, Any]


def check(queries: Sequence[Query], check_period: Callable[[int, str], None]) -> None:
    """Refuse queries that cannot be worked out. Raises ExpressionError, and what `check_period` raises."""
    ids = [query["Id"] for query in queries]
    for number, query in enumerate(queries, 1):
        where = f"MetricDataQueries.member.{number}"
        if not _ID.fullmatch(query["Id"]):
            raise ExpressionError(f"The value {query['Id']} for parameter {where}.Id is not matching the expected pattern.")
        if ids.count(query["Id"]) > 1:
            raise ExpressionError(f"The values for parameter id are not unique: {query['Id']}")
        if ("Expression" in query) == ("MetricStat" in query):
            raise ExpressionError(f"{where} must have either an Expression or a MetricStat.")
        if "MetricStat" in query:
            _check_metric(query["MetricStat"], where)
            check_period(query["MetricStat"]["Period"], f"{where}.MetricStat.Period")
        else:
            _check_expression(query, ids, where)
        if "Period" in query:
            check_period(query["Period"], f"{where}.Period")
    _check_circles(queries)


def _check_metric(stat: Mapping[str, Any], where: str) -> None:
    if "Namespace" not in stat["Metric"] or "MetricName" not in stat["Metric"]:
        raise ExpressionError(f"{where}.MetricStat.Metric must have a Namespace and a MetricName.")
    if statistics.parse(stat["Stat"]) is None:
        raise ExpressionError(f"The value {stat['Stat']} for parameter {where}.MetricStat.Stat is invalid.")


def _check_expression(query: Query, ids: Sequence[str], where: str) -> None:
    try:
        strange = expression.names(expression.parse(query["Expression"])) - set(ids)
    except ExpressionError as error:
        raise ExpressionError(f"Error in expression '{query['Id']}': {error}.") from error
    if strange:
        raise ExpressionError(f"Error in expression '{query['Id']}': {where} speaks of {min(strange)}, which no query is called.")


def _check_circles(queries: Sequence[Query]) -> None:
    referred = {query["Id"]: _referred(query) for query in queries}
    for query_id in referred:
        try:
            references.order(query_id, referred.__getitem__)
        except references.CircleError as error:
            raise ExpressionError(f"Error in expression '{error.names[0]}': it refers to itself ({error}).") from error


def _referred(query: Query) -> set[str]:
    """The ids of the queries that one speaks of."""
    return expression.names(expression.parse(query["Expression"])) if "Expression" in query else set()


class Evaluation:
    """Queries over a time range, each worked out once, when it is asked for. `start` begins the first period; `meter` has the
    bound for all of them."""

    def __init__(self, store: MetricsStore, queries: Sequence[Query], start: int, end: int, meter: Meter | None = None) -> None:
        self._store, self._start, self._end = store, start, end
        self._meter = meter or Meter()
        self._queries = {query["Id"]: query for query in queries}
        self._done: dict[str, Value | ExpressionError] = {}
        self._period = max([_period_of(query) for query in queries], default=0) or 300

    def of(self, query_id: str) -> list[TimeSeries]:
        """The series that a query gives, with their labels. Raises ExpressionError."""
        query, value = self._queries[query_id], self._value(query_id)
        if not isinstance(value, (TimeSeries, list)):
            raise ExpressionError(f"Expression '{query_id}' does not return a time series.")
        many = series(value, query_id)
        return [labels.labelled(one, query, several=isinstance(value, list)) for one in many]

    def _value(self, query_id: str) -> Value:
        """What a query comes to, after all that it speaks of: however long the chain, none waits inside another."""
        if query_id not in self._done:
            try:
                for one in references.order(query_id, lambda name: _referred(self._queries[name])):
                    self._done[one] = self._done[one] if one in self._done else self._attempt(one)
            except references.CircleError as error:
                raise ExpressionError(f"Expression '{query_id}' refers to itself ({error}).") from error
        found = self._done[query_id]
        if isinstance(found, ExpressionError):
            raise found
        return found

    def _attempt(self, query_id: str) -> Value | ExpressionError:
        try:
            return self._work_out(self._queries[query_id])
        except ExpressionError as error:
            return error

    def _work_out(self, query: Query) -> Value:
        if "MetricStat" in query:
            return self._metric(query)
        period = query.get("Period") or self._period
        node: Node = expression.parse(query["Expression"])
        context = Context(Frame(self._start, self._end, period), self._value, self._metrics, self._search, self._meter.take)
        return work_out(node, context)

    def _metric(self, query: Query) -> TimeSeries:
        stat = query["MetricStat"]
        metric = stat["Metric"]
        pairs = reading.pairs(metric.get("Dimensions"))
        wanted = reading.Wanted(metric["Namespace"], metric["MetricName"], pairs, stat.get("Unit"))
        return self._read(wanted, stat["Stat"], stat["Period"], query["Id"])

    def _read(self, wanted: reading.Wanted, name: str, period: int, query_id: str = "") -> TimeSeries:
        statistic = statistics.parse(name)
        if statistic is None:
            raise ExpressionError(f"{name} is no statistic")
        check_length(self._start, self._end, period)
        found = reading.periods(self._store, wanted, period, self._start, self._end)
        self._meter.take(1 + len(found))
        points = {time: value for time, what in found.items() if (value := statistic.of(what)) is not None}
        properties = {f"Dim.{key}": value for key, value in wanted.dimensions}
        properties |= {"MetricName": wanted.name, "Namespace": wanted.namespace, "Period": str(period), "Stat": name}
        return TimeSeries(points, period, wanted.name, query_id, properties)

    def _metrics(self) -> list[TimeSeries]:
        """The metrics of the request, without its expressions."""
        return [one for query_id, query in self._queries.items() if "MetricStat" in query
                for one in series(self._value(query_id), query_id)]  # fmt: skip

    def _search(self, text: str, statistic: str, period: int) -> list[TimeSeries]:
        found = []
        for metric in searching.search(self._store, text, self._start):
            wanted = reading.Wanted(metric.namespace, metric.name, metric.dimensions)
            one = self._read(wanted, statistic, period)
            label = " ".join([*(value for _, value in metric.dimensions), metric.name])
            found.append(TimeSeries(one.points, one.period, label, "", one.properties))
        return found


def _period_of(query: Query) -> int:
    return int(query.get("Period") or query.get("MetricStat", {}).get("Period") or 0)
