"""Metric math worked out: scalars, time series, and lists of time series.

- An operation on two series gives a datapoint where both have one; on a list, the list of what it gives for each.
- What cannot be (a division by zero, a logarithm of nothing) is no datapoint. Comparisons and logic give 0 and 1.
- SUM, AVG, MIN, MAX and STDDEV make a scalar of a series, and of a list a series, moment by moment.
"""

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from .expression import Apply, Array, ExpressionError, Name, Node, Number, Text


@dataclass(frozen=True)
class TimeSeries:
    """Values by their times. `period` in seconds; `properties` are those of its metric, for labels."""

    points: dict[int, float]
    period: int
    label: str = ""
    id: str = ""
    properties: dict[str, str] = field(default_factory=dict)

    def of(self, points: dict[int, float]) -> "TimeSeries":
        """The same with other values."""
        return replace(self, points=points)


Value = float | str | TimeSeries | list[TimeSeries]
Result = TypeVar("Result", bound=Value)


@dataclass(frozen=True)
class Frame:
    """The time range: periods from `start` to before `end`; `period` is that of what has no period of its own."""

    start: int
    end: int
    period: int

    def times(self, period: int) -> range:
        """The times of all its periods."""
        return range(self.start, self.end, period)


@dataclass
class Context:
    """What an expression may speak of: the results of other queries by id, the metrics of the request, SEARCH."""

    frame: Frame
    lookup: Callable[[str], Value]
    metrics: Callable[[], list[TimeSeries]]
    search: Callable[[str, str, int], list[TimeSeries]]
    charge: Callable[[int], None] = lambda _: None
    """Told of datapoints before they are made, or as they are. Raises what ends the request."""


def work_out(node: Node, context: Context) -> Value:
    """The value of an expression. Raises ExpressionError."""
    from .functions import FUNCTIONS, REFUSED

    if isinstance(node, Number):
        return node.value
    if isinstance(node, Text):
        return node.value
    if isinstance(node, Name):
        return context.lookup(node.name) if node.name[0].islower() else node.name
    if isinstance(node, Array):
        found: list[TimeSeries] = []
        for item in node.items:
            found += _charged(series(work_out(item, context), "[...]"), context)
        return found
    if node.name in OPERATORS:
        return _chained(node, context)
    if node.name in REFUSED:
        raise ExpressionError(f"minicloud does not have {node.name}")
    function = FUNCTIONS.get(node.name)
    if function is None:
        raise ExpressionError(f"there is no function {node.name}")
    return _applied(node, function, context)


def _chained(node: Apply, context: Context) -> Value:
    """Operators one after another, of which a long sum has hundreds: each is the left argument of the next."""
    chain, first = [node], node.arguments[0]
    while isinstance(first, Apply) and first.name in OPERATORS:
        chain.append(first)
        first = first.arguments[0]
    value = work_out(first, context)
    for one in reversed(chain):
        value = _charged(binary(OPERATORS[one.name], value, work_out(one.arguments[1], context)), context)
    return value


def _applied(node: Apply, function: tuple[int, int, Callable[..., Value]], context: Context) -> Value:
    least, most, call = function
    if not least <= len(node.arguments) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise ExpressionError(f"{node.name} takes {wanted} arguments, not {len(node.arguments)}")
    return _charged(call(context, *(work_out(argument, context) for argument in node.arguments)), context)


def _charged(value: Result, context: Context) -> Result:
    many = [value] if isinstance(value, TimeSeries) else value if isinstance(value, list) else []
    context.charge(sum(1 + len(one.points) for one in many))
    return value


def series(value: Value, name: str) -> list[TimeSeries]:
    """A value as a list of series. Raises ExpressionError for a scalar."""
    if isinstance(value, TimeSeries):
        return [value]
    if isinstance(value, list):
        return value
    raise ExpressionError(f"{name} is for time series, not for {value!r}")


def number(value: Value, name: str) -> float:
    """A scalar. Raises ExpressionError."""
    if not isinstance(value, float):
        raise ExpressionError(f"{name} needs a number there")
    return value


def each(function: Callable[[float], float]) -> Callable[[Context, Value], Value]:
    """A function of a number as one of any value."""

    def apply(_: Context, value: Value) -> Value:
        if isinstance(value, float):
            found = _safely(function, value)
            if found is None:
                raise ExpressionError("a number is out of range")
            return found
        if isinstance(value, list):
            return [one.of(_mapped(function, one.points)) for one in value]
        if isinstance(value, TimeSeries):
            return value.of(_mapped(function, value.points))
        raise ExpressionError(f"{value!r} is no number and no time series")

    return apply


def _mapped(function: Callable[[float], float], points: dict[int, float]) -> dict[int, float]:
    return {time: found for time, value in points.items() if (found := _safely(function, value)) is not None}


def _safely(function: Callable[..., Any], *values: float) -> float | None:
    try:
        found = function(*values)
    except (ArithmeticError, ValueError):
        return None
    return float(found) if not isinstance(found, complex) and math.isfinite(found) else None


OPERATORS: dict[str, Callable[[float, float], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "^": operator.pow,
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "and": lambda left, right: bool(left) and bool(right), "or": lambda left, right: bool(left) or bool(right),
}  # fmt: skip


def binary(function: Callable[[float, float], Any], left: Value, right: Value) -> Value:
    """An operation on any two values. Raises ExpressionError."""
    if isinstance(left, str) or isinstance(right, str):
        raise ExpressionError("a text is no number and no time series")
    if isinstance(left, list) and isinstance(right, list):
        if len(left) != len(right):
            raise ExpressionError(f"lists of {len(left)} and of {len(right)} time series do not go together")
        return [_two(function, one, other) for one, other in zip(left, right, strict=True)]
    if isinstance(left, list):
        return [_two(function, one, right) for one in left]  # type: ignore[arg-type]
    if isinstance(right, list):
        return [_two(function, left, one) for one in right]
    if isinstance(left, float) and isinstance(right, float):
        found = _safely(function, left, right)
        if found is None:
            raise ExpressionError("a number is out of range, or divided by zero")
        return found
    return _two(function, left, right)


def _two(function: Callable[[float, float], Any], left: float | TimeSeries, right: float | TimeSeries) -> TimeSeries:
    if isinstance(left, TimeSeries) and isinstance(right, TimeSeries):
        shared = [time for time in left.points if time in right.points]
        pairs = {time: (left.points[time], right.points[time]) for time in shared}
        shape = left if left.period >= right.period else right
    elif isinstance(left, TimeSeries):
        pairs, shape = {time: (value, float(right)) for time, value in left.points.items()}, left  # type: ignore[arg-type]
    elif isinstance(right, TimeSeries):
        pairs, shape = {time: (left, value) for time, value in right.points.items()}, right
    else:
        raise ExpressionError("a time series is missing")
    found = {time: _safely(function, *pair) for time, pair in pairs.items()}
    return shape.of({time: value for time, value in found.items() if value is not None})


def reduce(name: str, function: Callable[[Sequence[float]], float]) -> Callable[[Context, Value], Value]:
    """SUM and its like."""

    def apply(context: Context, value: Value) -> Value:
        if isinstance(value, TimeSeries):
            if not value.points:
                raise ExpressionError(f"{name} of no data")
            return float(function(list(value.points.values())))
        many = series(value, name)
        period = max((one.period for one in many), default=context.frame.period)
        times = sorted(set().union(*(one.points for one in many))) if many else []
        points = {time: float(function([one.points[time] for one in many if time in one.points])) for time in times}
        return TimeSeries(points, period)

    return apply
