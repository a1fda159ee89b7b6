"""When an alarm is in which state: a pure function of datapoints. AWS's page is "Configuring how CloudWatch alarms treat missing
data".

- Of the evaluation range, which is somewhat longer than the evaluation periods, the most recent real datapoints count. Only
  where there are fewer than evaluation periods, the rest is filled by the way that missing data are treated.
- A datapoint that is missing because nobody was looking (the daemon was off, the clock jumped) is no missing datapoint: until
  there have been enough periods of watching, only what the real ones say by themselves changes a state.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .statistics import Statistic

EXTRA_PERIODS = 2
"""By how many periods the evaluation range is longer than the evaluation periods."""
OK, ALARM, UNKNOWN = "OK", "ALARM", "INSUFFICIENT_DATA"
_COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}
_LOW_SAMPLE = 10.0


@dataclass(frozen=True)
class Datapoint:
    """A period of the evaluation range: its time, its value (None where there is none), its samples.

    `watched` is false where a value that is missing says nothing because nobody was looking.
    """

    time: int
    value: float | None
    samples: float = 0.0
    watched: bool = True


@dataclass(frozen=True)
class Rule:
    """What an alarm's settings say of its evaluation."""

    periods: int
    enough: int
    threshold: float
    comparison: str
    missing: str

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Rule":
        """The rule of a metric alarm's settings."""
        return cls(
            settings["EvaluationPeriods"],
            settings.get("DatapointsToAlarm") or settings["EvaluationPeriods"],
            settings["Threshold"],
            settings["ComparisonOperator"],
            settings.get("TreatMissingData") or "missing",
        )

    def breaches(self, value: float) -> bool:
        """Whether a value is on the wrong side of the threshold."""
        return _COMPARISONS[self.comparison][0](value, self.threshold)


@dataclass(frozen=True)
class Judgement:
    """The state that follows, and why. `used` are the real datapoints that count; None of `state` leaves it as it is."""

    state: str | None
    reason: str
    used: tuple[Datapoint, ...] = ()


def judge(rule: Rule, points: Sequence[Datapoint], old: str) -> Judgement:
    """The state after `old` by the datapoints of the evaluation range, the oldest first."""
    known = [point for point in points if point.value is not None or point.watched]
    real = [point for point in known if point.value is not None]
    used = real[-rule.periods :]
    breaching = [point for point in used if point.value is not None and rule.breaches(point.value)]
    lacking = rule.periods - len(used)
    if len(breaching) >= rule.enough:
        return Judgement(ALARM, _crossed(rule, used, breaching, old), tuple(used))
    if lacking <= 0 or len(used) - len(breaching) > rule.periods - rule.enough:
        return Judgement(OK, _not_crossed(rule, used, breaching), tuple(used))
    if len(known) < rule.periods:
        return Judgement(None, "")
    if not real:
        return _of_nothing(rule)
    return _filled(rule, known, used, breaching, old)


def _of_nothing(rule: Rule) -> Judgement:
    """No datapoint in the whole range."""
    count = rule.periods
    plural = "datapoint was" if count == 1 else "datapoints were"
    if rule.missing == "missing":
        return Judgement(UNKNOWN, f"Insufficient Data: {count} {plural} unknown.")
    if rule.missing == "ignore":
        return Judgement(None, "")
    state, word = (ALARM, "Breaching") if rule.missing == "breaching" else (OK, "NonBreaching")
    periods = "1 period" if count == 1 else f"{count} periods"
    missing = "1 missing datapoint was" if count == 1 else f"{count} missing datapoints were"
    return Judgement(state, f"Threshold Crossed: no datapoints were received for {periods} and {missing} treated as [{word}].")


def _filled(
    rule: Rule, known: Sequence[Datapoint], used: Sequence[Datapoint], breaching: Sequence[Datapoint], old: str
) -> Judgement:
    """Some datapoints, but fewer than evaluation periods; by themselves they decide nothing."""
    lacking = rule.periods - len(used)
    if rule.missing == "breaching":
        if len(breaching) + lacking >= rule.enough:
            return Judgement(ALARM, _crossed(rule, used, breaching, old, lacking), tuple(used))
        return Judgement(OK, _not_crossed(rule, used, breaching), tuple(used))
    if rule.missing == "notBreaching" or len(breaching) < len(used):
        return Judgement(OK, _not_crossed(rule, used, breaching), tuple(used))
    # All that there is breaches, and is too little. It is an alarm if it has been so for long enough.
    age = len(known) - next(place for place, point in enumerate(known) if point is used[0])
    if rule.missing == "missing" and age >= rule.enough:
        return Judgement(ALARM, _crossed(rule, used, breaching, old), tuple(used))
    return Judgement(None, "", tuple(used))


def _shown(points: Sequence[Datapoint]) -> str:
    """The latest first, as AWS writes them."""
    moments = [(point.value, datetime.fromtimestamp(point.time, UTC)) for point in reversed(points)]
    return ", ".join(f"{value} ({moment:%d/%m/%y %H:%M:%S})" for value, moment in moments)


def _crossed(rule: Rule, used: Sequence[Datapoint], breaching: Sequence[Datapoint], old: str, filled: int = 0) -> str:
    words = _COMPARISONS[rule.comparison][1]
    count, shown = len(breaching), _shown(breaching)
    were = "was" if count == 1 else "were"
    fill = f" and {filled} missing datapoint(s) were treated as [Breaching]" if filled else ""
    least = f"minimum {rule.enough} datapoint{'s' if rule.enough > 1 else ''} for {old} -> ALARM transition"
    return (
        f"Threshold Crossed: {count} out of the last {max(len(used), rule.periods)} datapoints [{shown}] {were} {words} the "
        f"threshold ({rule.threshold}){fill} ({least})."
    )


def _not_crossed(rule: Rule, used: Sequence[Datapoint], breaching: Sequence[Datapoint]) -> str:
    words = _COMPARISONS[rule.comparison][1]
    fine = [point for point in used if point not in breaching]
    many = "1 datapoint" if len(fine) == 1 else f"{len(fine)} datapoints"
    were = "was" if len(fine) == 1 else "were"
    return f"Threshold Crossed: {many} [{_shown(fine)}] {were} not {words} the threshold ({rule.threshold})."


def too_few_samples(statistic: Statistic, points: Sequence[Datapoint]) -> bool:
    """Whether a percentile is of so few samples, in some period, that AWS calls it not significant."""
    if statistic.kind != "p":
        return False
    part = statistic.low / 100.0
    share = 1.0 - part if part >= 0.5 else part
    return any(point.value is not None and point.samples * share < _LOW_SAMPLE for point in points)
