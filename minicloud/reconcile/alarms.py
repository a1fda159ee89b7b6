"""Evaluating alarms. A metric alarm is looked at once a minute, one with a period below that every ten seconds.

- The window slides: its last period ends at the last full minute (or ten seconds). A little after that, so that datapoints
  which are just being put are in it.
- A state changes in one transaction with its history and with the rows of its actions; those are carried out after it.
- A scaling policy is asked for again while its alarm stays as it is, once a minute at most.
"""

import logging
from dataclasses import dataclass, field
from typing import Any

from ..aws import times
from ..cloud import Cloud
from ..errors import HostError
from ..metrics import action_arns, alarm_states, evaluation, reading, statistics
from ..metrics.alarm_states import Verdict
from ..metrics.evaluation import Datapoint, Rule
from ..metrics.expression import ExpressionError
from ..metrics.queries import Evaluation
from ..state.rows_cloudwatch import Alarm
from . import clock, composite_alarms, isolation

log = logging.getLogger(__name__)

LAG = 3
"""Seconds after the end of a period before it is looked at."""
SHORT, LONG = 10, 60
HISTORY_EVERY = 3600.0


@dataclass
class Evaluator:
    """Looks at alarms when it is time. `watching` is since when (seconds since 1970) data have been collected without a gap."""

    cloud: Cloud
    watching: float
    _tick: int = 0
    _seen: dict[str, tuple[str, int]] = field(default_factory=dict)
    _pruned: float = 0.0

    def step(self, now: float) -> None:
        """Evaluate what is due: nothing more often than every ten seconds."""
        tick = int(now - LAG) // SHORT
        if tick == self._tick:
            return
        self._tick = tick
        rows = self.cloud.state.alarms.find(kind="MetricAlarm")
        isolation.each(self.cloud, "alarms", [(row.name, row) for row in rows], lambda row: self._guarded(row, now))
        composite_alarms.step(self.cloud, now)
        if not 0 <= now - self._pruned < HISTORY_EVERY:
            self._pruned = now
            with self.cloud.state.transaction():
                alarm_states.forget_history(self.cloud, clock.believed(self.cloud, now))
        self._seen = {row.name: self._seen[row.name] for row in rows if row.name in self._seen}

    def _guarded(self, row: Alarm, now: float) -> None:
        """Look at one. What nobody foresaw is its reason, and it is looked at again."""

        def record(error: HostError) -> bool:
            self._seen.pop(row.name, None)
            self._cannot(row, error.message, now)
            return False

        with isolation.recorded(record):
            self._look(row, now)

    def _look(self, row: Alarm, now: float) -> None:
        period = period_of(row.settings)
        step = LONG if period >= LONG else SHORT
        end = int(now - LAG) // step * step
        # What was put anew is looked at at once.
        if self._seen.get(row.name) == (row.configured, end):
            return
        self._seen[row.name] = (row.configured, end)
        self._evaluate(row, period, end, now)

    def _evaluate(self, row: Alarm, period: int, end: int, now: float) -> None:
        rule = Rule.of(row.settings)
        count = rule.periods + evaluation.EXTRA_PERIODS
        start = end - count * period
        try:
            points = self._points(row.settings, period, start, end)
        except ExpressionError as error:
            self._cannot(row, str(error), now)
            return
        statistic = statistics.parse(row.settings.get("ExtendedStatistic") or row.settings.get("Statistic") or "Average")
        ignored = row.settings.get("EvaluateLowSampleCountPercentile") == "ignore"
        if ignored and statistic is not None and evaluation.too_few_samples(statistic, points[-rule.periods :]):
            return
        found = evaluation.judge(rule, points, row.state)
        state = found.state or row.state
        self._record(row, Verdict(state, found.reason or row.reason, _data(row, found, period, points, now), times.text(now)))

    def _record(self, row: Alarm, verdict: Verdict) -> None:
        with self.cloud.state.transaction():
            fresh = self.cloud.state.alarms.get(row.name)
            if fresh is None or (fresh.configured, fresh.state) != (row.configured, row.state):
                return  # put anew, set or deleted meanwhile: the next look is at what it is now
            if verdict.state != fresh.state:
                alarm_states.change(self.cloud, fresh, verdict, evaluation_state="")
                return
            if fresh.set_by:  # the data say so, too
                self.cloud.state.alarms.change(fresh.name, set_by=[])
            if fresh.actions_enabled and self._again(fresh, verdict):
                alarm_states.queue_actions(self.cloud, fresh, verdict, action_arns.SCALING)

    def _again(self, row: Alarm, verdict: Verdict) -> bool:
        """Whether scaling policies are to be asked for once more."""
        wanted = row.settings.get(alarm_states.ACTIONS[row.state], ())
        if not any(arn.startswith(action_arns.SCALING) for arn in wanted) or not (verdict.data or {}).get("recentDatapoints"):
            return False
        pause = min(LONG, period_of(row.settings))
        return not row.acted or times.over(row.acted, pause, times.seconds(verdict.at))

    def _cannot(self, row: Alarm, why: str, now: float) -> None:
        if row.evaluation_state != "EVALUATION_ERROR":
            log.warning("the alarm %s cannot be worked out: %s", row.name, why)
            with self.cloud.state.transaction():
                verdict = Verdict("INSUFFICIENT_DATA", f"Insufficient Data: {why}", None, times.text(now))
                alarm_states.change(self.cloud, row, verdict, evaluation_state="EVALUATION_ERROR")

    def _points(self, settings: dict[str, Any], period: int, start: int, end: int) -> list[Datapoint]:
        values: dict[int, tuple[float, float]] = {}
        if settings.get("Metrics"):
            shown = next(query["Id"] for query in settings["Metrics"] if query.get("ReturnData", True))
            many = Evaluation(self.cloud.metrics, settings["Metrics"], start, end).of(shown)
            values = {time: (value, 0.0) for one in many for time, value in one.points.items()}
        else:
            values = self._of_metric(settings, period, start, end)
        found = []
        for time in range(start, end, period):
            value, samples = values.get(time, (None, 0.0))
            found.append(Datapoint(time, value, samples, watched=time >= self.watching + period))
        return found

    def _of_metric(self, settings: dict[str, Any], period: int, start: int, end: int) -> dict[int, tuple[float, float]]:
        pairs = reading.pairs(settings.get("Dimensions"))
        wanted = reading.Wanted(settings["Namespace"], settings["MetricName"], pairs, settings.get("Unit"))
        statistic = statistics.parse(settings.get("Statistic") or settings["ExtendedStatistic"])
        found = reading.periods(self.cloud.metrics, wanted, period, start, end)
        values = {time: (statistic.of(what), what.count) for time, what in found.items()} if statistic else {}
        return {time: (value, samples) for time, (value, samples) in values.items() if value is not None}


def period_of(settings: dict[str, Any]) -> int:
    """The period of a metric alarm: its own, or the longest of its queries'."""
    if settings.get("Period"):
        return int(settings["Period"])
    periods = [query.get("Period") or query.get("MetricStat", {}).get("Period") or 0 for query in settings["Metrics"]]
    return max(periods) or LONG


def _data(row: Alarm, found: evaluation.Judgement, period: int, points: list[Datapoint], now: float) -> dict[str, Any]:
    """The figures of an evaluation, as AWS's StateReasonData has them."""
    real = [point for point in points if point.value is not None]
    used = found.used or ()
    data = {
        "version": "1.0",
        "queryDate": _moment(now),
        "startDate": _moment(real[0].time if real else points[0].time),
        "period": period,
        "recentDatapoints": [point.value for point in used],
        "threshold": row.settings["Threshold"],
        "evaluatedDatapoints": [
            {"timestamp": _moment(point.time), **({"sampleCount": point.samples} if point.samples else {}), "value": point.value}
            for point in reversed(used)
        ],
    }
    statistic = row.settings.get("Statistic") or row.settings.get("ExtendedStatistic")
    return {**data, "statistic": statistic} if statistic else data


def _moment(seconds: float) -> str:
    return times.text(seconds).replace("Z", "+0000")
