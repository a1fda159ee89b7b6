"""Lifecycle policies: what is due is made, then what is too much or too old is deleted. By the operations that a user has.

- A schedule that was due several times while nobody ran it is due once.
- A run has its row before it begins and is marked when it is over, so a run that a crash cut short goes on where it was.
- What it keeps for how long is told by the steady clock (`clock`), so that no setting of the wall's makes anything old. A run
  that lies in the future is of a clock that was ahead: it is forgotten.
- A default policy is looked at every day, for the first time a minute after it was made. With ExtendDeletion its runs go on
  while it is disabled, and after it was deleted until nothing that it made is left; then they only delete.
"""

import functools
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from ..aws import schedule, times
from ..cloud import Cloud
from ..errors import HostError
from ..state.rows_storage import DELETED, Policy, PolicyRun
from . import isolation, lifecycle_made, lifecycle_run, locks

RUNS_KEPT = 100
_FIRST, _DAY = timedelta(minutes=1), timedelta(days=1)

Step = Callable[[datetime], datetime | None]


def reconcile(cloud: Cloud, now: Callable[[], float] | None = None) -> bool:
    """Carry out what is due by now; whether anything was."""
    rows = cloud.state.policies.query()
    policies = [(row.id, row) for row in rows if row.state == "ENABLED" or row.details.get("ExtendDeletion")]
    due: list[tuple[str, tuple[Policy, dict[str, Any]]]] = []

    def look(policy: Policy) -> None:
        with isolation.recorded(functools.partial(_failed, cloud, policy)):
            due.extend((f"{policy.id} {one['Name']}", (policy, one)) for one in lifecycle_run.schedules(policy))

    isolation.each(cloud, "lifecycle policies", policies, look)
    acted = isolation.each(cloud, "lifecycle schedules", due, lambda one: _see_to(cloud, *one, (now or time.time)()))
    isolation.each(cloud, "ended lifecycle policies", policies, lambda policy: _forget_if_over(cloud, policy))
    return acted


def _failed(cloud: Cloud, policy: Policy, error: HostError) -> bool:
    """A policy that cannot be run says why, and is tried again."""
    cloud.state.policies.change(policy.id, message=f"It could not be run: {error.message}")
    return False


def _see_to(cloud: Cloud, policy: Policy, one: dict[str, Any], now: float) -> bool:
    with (
        locks.held(cloud.settings.run, f"{policy.id} {one['Name']}"),
        isolation.recorded(functools.partial(_failed, cloud, policy)),
    ):
        run = _due(cloud, policy, one, datetime.fromtimestamp(now, UTC))
        if run is None:
            return False
        lifecycle_run.Work(cloud, policy, one, run).carry_out(now)
        return True


def _forget_if_over(cloud: Cloud, policy: Policy) -> None:
    if policy.state == DELETED and not lifecycle_made.own(cloud.state, policy.id):
        with cloud.state.transaction():
            cloud.state.policy_runs.remove_where("policy_id = ?", policy.id)
            cloud.state.policies.remove(policy.id)


def _step(policy: Policy, one: dict[str, Any]) -> Step:
    if "CreateRule" in one:
        return step_of(one["CreateRule"])
    first = datetime.fromtimestamp(times.seconds(policy.created), UTC) + _FIRST
    return lambda moment: first + max(0, (moment - first) // _DAY + 1) * _DAY


def step_of(rule: dict[str, Any]) -> Step:
    """What gives the first time after a moment at which a CreateRule is due."""
    if "CronExpression" in rule:
        return schedule.Cron(rule["CronExpression"]).after
    time_of_day = (rule.get("Times") or ["00:00"])[0]
    return lambda moment: schedule.every(rule["Interval"], time_of_day, moment)


def last_due(step: Step, since: datetime, now: datetime) -> datetime | None:
    """The latest time, after `since` and not after `now`, at which something is due; None if there is none."""
    # A long time off is not gone through run by run: no rule that is due at all is due less often than what is looked at here.
    for back in (timedelta(hours=2), timedelta(days=2), timedelta(days=40), now - since):
        found, moment = None, step(max(since, now - back))
        while moment is not None and moment <= now:
            found, moment = moment, step(moment)
        if found is not None or now - back <= since:
            return found
    return None


def _of_the_past(cloud: Cloud, policy: Policy, runs: list[PolicyRun], now: float) -> list[PolicyRun]:
    """The runs that are not of a clock that was ahead; the others are forgotten, and with them that policies were made later."""
    ahead = [run for run in runs if times.seconds(run.due) > now + times.SLACK]
    early = times.seconds(policy.modified) > now + times.SLACK
    if ahead or early:
        with cloud.state.transaction():
            for run in ahead:
                cloud.state.policy_runs.remove(run.policy_id, run.schedule, run.due)
            if early:
                policy.modified = times.text(now)
                cloud.state.policies.change(policy.id, modified=policy.modified)
    return [run for run in runs if run not in ahead]


def _due(cloud: Cloud, policy: Policy, one: dict[str, Any], now: datetime) -> PolicyRun | None:
    """The run that is to be made or gone on with, in its row."""
    runs = cloud.state.policy_runs.query("policy_id = ? and schedule = ?", (policy.id, one["Name"]), order="due")
    if runs and not runs[-1].ran:
        return runs[-1]
    runs = _of_the_past(cloud, policy, runs, now.timestamp())
    latest = max([policy.modified, *(run.due for run in runs)], key=times.seconds)
    due = last_due(_step(policy, one), datetime.fromtimestamp(times.seconds(latest), UTC), now)
    if due is None:
        return None
    with cloud.state.transaction():
        for old in runs[:-RUNS_KEPT]:
            cloud.state.policy_runs.remove(old.policy_id, old.schedule, old.due)
        return cloud.state.policy_runs.add(PolicyRun(policy.id, one["Name"], times.text(due.timestamp()), ""))
