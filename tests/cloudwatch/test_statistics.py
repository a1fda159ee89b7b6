"""Statistics and the distributions that they are of."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicloud.aws import distribution
from minicloud.metrics.statistics import parse

TEN = distribution.of_values({float(number): 1.0 for number in range(1, 11)})


def of(name: str, what: distribution.Distribution = TEN) -> float | None:
    statistic = parse(name)
    assert statistic is not None
    return statistic.of(what)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SampleCount", 10), ("Sum", 55), ("Average", 5.5), ("Minimum", 1), ("Maximum", 10),
        ("p0", 1), ("p50", 5.5), ("p90", 9.1), ("p100", 10), ("p99.9", 9.991),
        ("tm50", 3), ("TM(10%:90%)", 5.5), ("TM(:80%)", 4.5), ("TM(20%:)", 6.5), ("tm10", 1),
        ("TM(2:4)", 3.5), ("TM(:4)", 2.5), ("TM(8:)", 9.5),
        ("tc50", 5), ("TC(10%:90%)", 8), ("TC(2:4)", 2), ("ts50", 15), ("TS(80%:)", 19),
        ("wm90", 5.41), ("WM(10%:90%)", 5.5), ("IQM", 5.5), ("iqm", 5.5),
        ("PR(:3)", 30), ("PR(8:)", 20), ("PR(2:5)", 30),
    ],
)  # fmt: skip
def test_by_awss_definitions(name: str, expected: float) -> None:
    assert of(name) == pytest.approx(expected)


@pytest.mark.parametrize(
    "name",
    ["", "average", "p", "p101", "p-1", "px", "tm", "TM()", "TM(:)", "TM(90%:10%)", "TM(10%:90)", "PR(10%:20%)", "XX(1:2)",
     "p50.", "TM(5:5)", "TM(%:90%)", "Average ", "p1e2"],
)  # fmt: skip
def test_what_is_no_statistic(name: str) -> None:
    assert parse(name) is None


def test_a_statistic_set_has_no_percentiles() -> None:
    pair = distribution.of_set(2, 5, 2, 3)
    assert of("p50", pair) is None
    assert of("Average", pair) == 2.5
    assert of("p50", distribution.of_set(1, 4, 4, 4)) == 4
    assert of("p50", distribution.of_set(3, 12, 4, 4)) == 4
    assert of("p50", distribution.merge([TEN, pair])) is None


def test_negative_values_have_no_percentiles() -> None:
    assert of("p50", distribution.of_values({-1.0: 1.0, 2.0: 1.0})) is None
    assert of("Minimum", distribution.of_values({-1.0: 1.0, 2.0: 1.0})) == -1


values = st.dictionaries(
    st.floats(0, 1e9).map(lambda value: round(value, 3)), st.integers(1, 50).map(float), min_size=1, max_size=400
)


@given(values)
def test_many_values_are_kept_to_one_percent(given_values: dict[float, float]) -> None:
    what = distribution.of_values(given_values)
    assert what.count == sum(given_values.values())
    assert what.total == pytest.approx(math.fsum(value * count for value, count in given_values.items()))
    exact = sorted(value for value, count in given_values.items() for _ in range(int(count)))
    for percent in (1, 50, 90, 99):
        rank = percent / 100 * (len(exact) - 1)
        low, high = exact[math.floor(rank)], exact[math.ceil(rank)]
        found = of(f"p{percent}", what)
        assert found is not None
        assert low * 0.989 - 1e-9 <= found <= high * 1.011 + 1e-9


@given(values)
def test_what_is_kept_is_what_was(given_values: dict[float, float]) -> None:
    what = distribution.of_values(given_values)
    assert distribution.load(distribution.dump(what.values)) == pytest.approx(what.values, rel=1e-6)
    assert distribution.dump(None) is None


@given(st.lists(values, min_size=1, max_size=4))
def test_merging_is_putting_together(parts: list[dict[float, float]]) -> None:
    merged = distribution.merge([distribution.of_values(part) for part in parts])
    assert merged.count == sum(sum(part.values()) for part in parts)
    assert (merged.low, merged.high) == (min(map(min, parts)), max(map(max, parts)))
