"""Metric math: how expressions are read and what they come to."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicloud.metrics import expression
from minicloud.metrics.expression import ExpressionError
from minicloud.metrics.functions import FUNCTIONS, REFUSED
from minicloud.metrics.values import Context, Frame, TimeSeries, Value, work_out

A = TimeSeries({0: 1.0, 60: 2.0, 120: 4.0}, 60, "a", "a")
B = TimeSeries({0: 10.0, 120: 20.0, 180: 0.0}, 60, "b", "berrors")
KNOWN: dict[str, Value] = {"a": A, "b": B, "s": 3.0, "l": [A, B], "none": TimeSeries({}, 60)}


def lookup(name: str) -> Value:
    if name not in KNOWN:
        raise ExpressionError(name)
    return KNOWN[name]


def value(text: str) -> Value:
    context = Context(Frame(0, 240, 60), lookup, lambda: [A, B], lambda *_: [B])
    return work_out(expression.parse(text), context)


def points(text: str) -> dict[int, float]:
    found = value(text)
    assert isinstance(found, TimeSeries)
    return found.points


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1+2*3", 7), ("(1+2)*3", 9), ("2^3^2", 512), ("-2^2", -4), ("10/4", 2.5), ("7-2-1", 4), ("1e3+.5", 1000.5),
        ("1<2", 1), ("1==2", 0), ("2>=2 AND 1", 1), ("0 OR 0", 0), ("1 && 0 || 1", 1), ("3!=3", 0), ("- -3", 3),
        ("SUM(a)", 7), ("AVG(a)", 7 / 3), ("MIN(a)", 1), ("MAX(b)", 20), ("STDDEV(a)", 1.247219), ("PERIOD(a)", 60),
        ("ABS(-3)", 3), ("CEIL(1.2)", 2), ("FLOOR(-1.2)", -2), ("LOG10(1000)", 3), ("LOG(1)", 0),
        ("METRIC_COUNT(l)", 2), ("DATAPOINT_COUNT(a)", 3), ("SUM(a)/s", 7 / 3), ("IF(1, 5, 6)", 5), ("IF(0, 5, 6)", 6),
    ],
)  # fmt: skip
def test_scalars(text: str, expected: float) -> None:
    found = value(text)
    assert isinstance(found, float)
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a*2", {0: 2, 60: 4, 120: 8}),
        ("1-a", {0: 0, 60: -1, 120: -3}),
        ("a+b", {0: 11, 120: 24}),
        ("a/b", {0: 0.1, 120: 0.2}),
        ("1/b", {0: 0.1, 120: 0.05}),
        ("a>1", {0: 0, 60: 1, 120: 1}),
        ("a>1 AND a<4", {0: 0, 60: 1, 120: 0}),
        ("SUM([a,b])", {0: 11, 60: 2, 120: 24, 180: 0}),
        ("SUM(METRICS())", {0: 11, 60: 2, 120: 24, 180: 0}),
        ('SUM(METRICS("errors"))', {0: 10, 120: 20, 180: 0}),
        ("AVG([a,b])", {0: 5.5, 60: 2, 120: 12, 180: 0}),
        ("MAX([a,b])", {0: 10, 60: 2, 120: 20, 180: 0}),
        ("MIN([a,b])", {0: 1, 60: 2, 120: 4, 180: 0}),
        ("DIFF(a)", {60: 1, 120: 2}),
        ("DIFF(b)", {120: 10, 180: -20}),
        ("DIFF_TIME(b)", {120: 120, 180: 60}),
        ("RATE(a)", {60: 1 / 60, 120: 2 / 60}),
        ("RUNNING_SUM(a)", {0: 1, 60: 3, 120: 7}),
        ("FILL(a,0)", {0: 1, 60: 2, 120: 4, 180: 0}),
        ("FILL(b,REPEAT)", {0: 10, 60: 10, 120: 20, 180: 0}),
        ("FILL(b,LINEAR)", {0: 10, 60: 15, 120: 20, 180: 0}),
        ("FILL(b,a)", {0: 10, 60: 2, 120: 20, 180: 0}),
        ("IF(a>1,a,0)", {0: 0, 60: 2, 120: 4}),
        ("IF(a>1,b)", {120: 20}),
        ("IF(a==2,100,b)", {0: 10, 60: 100, 120: 20}),
        ("TIME_SERIES(5)", {0: 5, 60: 5, 120: 5, 180: 5}),
        ("ABS(0-a)", {0: 1, 60: 2, 120: 4}),
        ("CEIL(a/3)", {0: 1, 60: 1, 120: 2}),
        ("LOG(b)", {0: math.log(10), 120: math.log(20)}),
        ("FIRST(l)", {0: 1, 60: 2, 120: 4}),
        ("LAST([a,b])", {0: 10, 120: 20, 180: 0}),
        ("SLICE(l,1)", {0: 10, 120: 20, 180: 0}),
        ("FIRST(SORT(l,MAX,DESC))", {0: 10, 120: 20, 180: 0}),
        ("MINUTE(a)", {0: 0, 60: 1, 120: 2}),
        ("EPOCH(a)", {0: 0, 60: 60, 120: 120}),
        ("FIRST(SEARCH('{X} y','Sum',60))", {0: 10, 120: 20, 180: 0}),
    ],
)
def test_time_series(text: str, expected: dict[int, float]) -> None:
    assert points(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text",
    ["", "a+", "(a", "a)", "nope", "NOPE(a)", "SUM()", "SUM(a,b)", "SUM(none)", "1/0", "a b", "FILL(a,MAYBE)", "'text'+1",
     "SUM(3)", "PERIOD()", "[1,2]", "IF(0,1)", "FIRST(REMOVE_EMPTY([none]))", "10^400", "SORT(l,MOST,ASC)", "a[0]", "$",
     "(" * 100 + "1" + ")" * 100],
)  # fmt: skip
def test_what_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        value(text)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_functions_that_are_not_there_are_refused_by_name(name: str) -> None:
    with pytest.raises(ExpressionError, match=f"minicloud does not have {name}"):
        value(f"{name}(a)")
    assert name not in FUNCTIONS


@given(st.text(alphabet="ab()+-*/^<>=!&|,.123 []'\"SUMETRICSIFN", max_size=40))
def test_any_text_is_worked_out_or_refused(text: str) -> None:
    with contextlib.suppress(ExpressionError):
        assert isinstance(value(text), (float, str, list, TimeSeries))
