"""When an alarm is in which state. The tables of AWS's page on missing data, and what is ours: data that nobody looked for."""

import pytest

from minicloud.metrics import statistics
from minicloud.metrics.evaluation import ALARM, OK, UNKNOWN, Datapoint, Rule, judge, too_few_samples

KEEP = None
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")


def points(text: str, *, watched: bool = True) -> list[Datapoint]:
    """`0` is a value below the threshold, `X` one above, `-` none."""
    values = {"0": 0.0, "X": 9.0, "-": None}
    return [Datapoint(60 * number, values[each], 1.0, watched) for number, each in enumerate(text.split())]


def rule(periods: int, enough: int, missing: str, comparison: str = "GreaterThanThreshold") -> Rule:
    return Rule(periods, enough, 5.0, comparison, missing)


# Datapoints of the range, then the state by each treatment. Three of three periods, then two of three.
THREE_OF_THREE = [
    ("0 - X - X", (OK, OK, OK, OK)),
    ("- - - - 0", (OK, OK, OK, OK)),
    ("- - - - -", (UNKNOWN, KEEP, ALARM, OK)),
    ("0 X X - X", (ALARM, ALARM, ALARM, ALARM)),
    ("- - X - -", (ALARM, KEEP, ALARM, OK)),
]
TWO_OF_THREE = [
    ("0 - X - X", (ALARM, ALARM, ALARM, ALARM)),
    ("0 0 X 0 X", (ALARM, ALARM, ALARM, ALARM)),
    ("0 - X - -", (OK, OK, ALARM, OK)),
    ("- - - - 0", (OK, OK, ALARM, OK)),
    ("- - - X -", (ALARM, KEEP, ALARM, OK)),
]


@pytest.mark.parametrize(
    ("enough", "shown", "expected"), [(3, *row) for row in THREE_OF_THREE] + [(2, *row) for row in TWO_OF_THREE]
)
def test_the_tables_of_awss_page(enough: int, shown: str, expected: tuple[str | None, ...]) -> None:
    found = tuple(judge(rule(3, enough, treatment), points(shown), OK).state for treatment in TREATMENTS)
    assert found == expected


@pytest.mark.parametrize(
    ("periods", "enough", "shown", "missing", "expected"),
    [
        (1, 1, "0 0 X", "missing", ALARM),
        (1, 1, "X X 0", "missing", OK),
        (1, 1, "X - -", "missing", ALARM),
        (1, 1, "- - -", "missing", UNKNOWN),
        (1, 1, "- - -", "breaching", ALARM),
        (2, 2, "0 0 X X", "missing", ALARM),
        (2, 2, "X X 0 X", "missing", OK),
        (3, 3, "- - - - X", "missing", KEEP),
        (3, 3, "- - - X X", "missing", KEEP),
        (3, 3, "- - - X X", "breaching", ALARM),
        (3, 3, "- - - 0 X", "missing", OK),
        (5, 3, "- - X X X X 0", "missing", ALARM),
        (5, 3, "0 0 X 0 X 0 0", "missing", OK),
        (5, 1, "- - - - - - X", "missing", ALARM),
        (5, 1, "- - - - - 0 -", "notBreaching", OK),
        (5, 1, "- - - - - 0 -", "breaching", ALARM),
        (2, 1, "- - 0 -", "missing", OK),
    ],
)
def test_m_out_of_n(periods: int, enough: int, shown: str, missing: str, expected: str | None) -> None:
    assert judge(rule(periods, enough, missing), points(shown), OK).state == expected


@pytest.mark.parametrize(
    ("comparison", "value", "state"),
    [
        ("GreaterThanThreshold", 5.0, OK), ("GreaterThanThreshold", 5.1, ALARM),
        ("GreaterThanOrEqualToThreshold", 5.0, ALARM), ("GreaterThanOrEqualToThreshold", 4.9, OK),
        ("LessThanThreshold", 5.0, OK), ("LessThanThreshold", 4.9, ALARM),
        ("LessThanOrEqualToThreshold", 5.0, ALARM), ("LessThanOrEqualToThreshold", 5.1, OK),
    ],
)  # fmt: skip
def test_comparisons(comparison: str, value: float, state: str) -> None:
    assert judge(rule(1, 1, "missing", comparison), [Datapoint(0, value)], OK).state == state


@pytest.mark.parametrize("missing", TREATMENTS)
def test_what_nobody_looked_for_is_not_missing(missing: str) -> None:
    assert judge(rule(3, 3, missing), points("- - - - -", watched=False), ALARM).state is KEEP
    assert judge(rule(3, 3, missing), points("- - - - X", watched=False), OK).state is KEEP
    assert judge(rule(1, 1, missing), points("- - X", watched=False), OK).state == ALARM
    half = [*points("- - -", watched=False), *points("0 X")]
    assert judge(rule(3, 3, missing), half, ALARM).state == OK


def test_the_reasons_are_awss() -> None:
    found = judge(rule(1, 1, "missing"), [Datapoint(0, 9.0)], OK)
    assert found.reason == (
        "Threshold Crossed: 1 out of the last 1 datapoints [9.0 (01/01/70 00:00:00)] was greater than the threshold (5.0) "
        "(minimum 1 datapoint for OK -> ALARM transition)."
    )
    fine = judge(rule(1, 1, "missing"), [Datapoint(0, 1.0)], ALARM)
    assert fine.reason == "Threshold Crossed: 1 datapoint [1.0 (01/01/70 00:00:00)] was not greater than the threshold (5.0)."
    assert judge(rule(2, 2, "missing"), points("- - - -"), OK).reason == "Insufficient Data: 2 datapoints were unknown."
    assert judge(rule(2, 2, "breaching"), points("- - - -"), OK).reason == (
        "Threshold Crossed: no datapoints were received for 2 periods and 2 missing datapoints were treated as [Breaching]."
    )


@pytest.mark.parametrize(
    ("name", "samples", "few"), [("p99", 999, True), ("p99", 1000, False), ("p50", 19, True), ("p10", 100, False)]
)
def test_percentiles_of_few_samples(name: str, samples: float, few: bool) -> None:
    statistic = statistics.parse(name)
    assert statistic is not None
    assert too_few_samples(statistic, [Datapoint(0, 1.0, samples)]) is few
