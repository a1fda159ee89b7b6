"""Composite alarms: their states follow from those of others at once; their actions may be held back by a suppressor alarm.

Composite alarms that speak of one another in a circle are not worked out, as with AWS: they stay as they are until a rule of
theirs is changed.
"""

import contextlib
import functools
from typing import Any

from ..aws import times
from ..callers import joined
from ..cloud import Cloud
from ..metrics import alarm_rules, alarm_states, references
from ..metrics.alarm_states import Verdict
from ..state.rows_cloudwatch import Alarm
from . import isolation

_MOST_ROUNDS = 20
WAITING, EXTENDED, SUPPRESSED = "WaitPeriod", "ExtensionPeriod", "Alarm"


def step(cloud: Cloud, now: float) -> None:
    """Bring all of them up to date."""
    for _ in range(_MOST_ROUNDS):
        alarms = {row.name: row for row in cloud.state.alarms.query()}
        steady = _acyclic(alarms)
        states = {name: row.state for name, row in alarms.items()}
        composite = [(row.name, row) for row in alarms.values() if row.name in steady]
        if not isolation.each(cloud, "composite alarms", composite, functools.partial(_look, cloud, states=states, now=now)):
            break
    held_back = cloud.state.alarms.query("kind = 'CompositeAlarm' and suppressed_by != ''")
    rows = [(row.name, row) for row in held_back]
    isolation.each(cloud, "suppressed alarms", rows, functools.partial(_reconsider, cloud, now=now))


def _acyclic(alarms: dict[str, Alarm]) -> set[str]:
    """The composite alarms whose rules lead back to none of them."""
    composite = {name: row for name, row in alarms.items() if row.kind == "CompositeAlarm"}
    children = {name: _children(row) & composite.keys() for name, row in composite.items()}
    found = set()
    for name in composite:
        with contextlib.suppress(references.CircleError):
            found.update(references.order(name, children.__getitem__))
    return found


def _children(row: Alarm) -> set[str]:
    try:
        return set(alarm_rules.parse(row.settings.get("AlarmRule", "")).children)
    except alarm_rules.RuleError:
        return set()


def _look(cloud: Cloud, row: Alarm, states: dict[str, str], now: float) -> bool:
    try:
        rule = alarm_rules.parse(row.settings["AlarmRule"])
    except alarm_rules.RuleError:
        return False
    state = "ALARM" if rule.holds(states) else "OK"
    setters = joined(*(child.set_by for child in cloud.state.alarms.among("name", rule.children)))
    if state == row.state:
        if row.set_by != setters:
            cloud.state.alarms.change(row.name, set_by=setters)
        return False
    states[row.name] = state
    verdict = _verdict(cloud, rule, states, state, now)
    with cloud.state.transaction():
        fresh = cloud.state.alarms.get(row.name)
        if fresh is None or (fresh.configured, fresh.state) != (row.configured, row.state):
            return False
        by = _suppression(cloud, fresh, state)
        act = by is None
        alarm_states.change(cloud, fresh, verdict, act=act, set_by=setters, **_columns(fresh, by or "", now))
    return True


def _verdict(cloud: Cloud, rule: alarm_rules.Rule, states: dict[str, str], state: str, now: float) -> Verdict:
    children = cloud.state.alarms.among("name", rule.children)
    latest = max(children, key=lambda child: times.seconds(child.transitioned), default=None)
    if latest is None:
        return Verdict(state, f"The rule is {'true' if state == 'ALARM' else 'false'}.", None, times.text(now))
    arn, moment = alarm_states.arn(cloud, latest.name), latest.transitioned
    triggers = [
        {"arn": alarm_states.arn(cloud, child.name), "state": {"value": states.get(child.name), "timestamp": child.transitioned}}
        for child in children
    ]
    reason = f"{arn} transitioned to {latest.state} at {moment}"
    return Verdict(state, reason, {"triggeringAlarms": triggers}, times.text(now))


def _suppressor(cloud: Cloud, row: Alarm) -> str | None:
    """The state of the suppressor alarm, None where there is none."""
    found = _suppressing(cloud, row)
    return found.state if found is not None else None


def _setters(cloud: Cloud, row: Alarm) -> list[str]:
    """Who set the state of the suppressor alarm."""
    found = _suppressing(cloud, row)
    return found.set_by if found is not None else []


def _suppressing(cloud: Cloud, row: Alarm) -> Alarm | None:
    name = row.settings.get("ActionsSuppressor")
    return cloud.state.alarms.get(alarm_rules.name_of(name)) if name else None


def _suppression(cloud: Cloud, row: Alarm, state: str) -> str | None:
    """By what the actions of a change are held back; empty for what has no actions to hold back, None where they go ahead."""
    suppressor = _suppressor(cloud, row)
    if suppressor is None:
        return None
    if suppressor == "ALARM":
        return SUPPRESSED
    if row.suppressed_by and state != "ALARM":
        return ""  # nobody was told that it was in alarm, so nobody is told that it is not
    if state == "ALARM" and row.settings.get("ActionsSuppressorWaitPeriod"):
        return WAITING
    return None


def _columns(row: Alarm, by: str, now: float) -> dict[str, Any]:
    if not by:
        return {"suppressed_by": "", "suppressed_at": "", "suppressed_reason": ""}
    suppressor = row.settings.get("ActionsSuppressor")
    why = {
        WAITING: f"Waiting {row.settings.get('ActionsSuppressorWaitPeriod')} s for {suppressor} to go into ALARM",
        EXTENDED: f"Waiting {row.settings.get('ActionsSuppressorExtensionPeriod')} s after {suppressor} has left ALARM",
        SUPPRESSED: f"{suppressor} is in ALARM",
    }
    return {"suppressed_by": by, "suppressed_at": times.text(now), "suppressed_reason": why[by]}


def _reconsider(cloud: Cloud, row: Alarm, now: float) -> None:
    """Whether what holds an alarm's actions back still does."""
    suppressor = _suppressor(cloud, row)
    if suppressor == "ALARM":
        if row.suppressed_by != SUPPRESSED:
            cloud.state.alarms.change(row.name, **_columns(row, SUPPRESSED, now))
        return
    if row.state != "ALARM":
        cloud.state.alarms.change(row.name, **_columns(row, "", now))
        return
    if row.suppressed_by == SUPPRESSED and row.settings.get("ActionsSuppressorExtensionPeriod"):
        cloud.state.alarms.change(row.name, **_columns(row, EXTENDED, now))
        return
    name = "ActionsSuppressorWaitPeriod" if row.suppressed_by == WAITING else "ActionsSuppressorExtensionPeriod"
    if row.suppressed_by != SUPPRESSED and not times.over(row.suppressed_at, row.settings.get(name) or 0, now):
        return
    with cloud.state.transaction():
        cloud.state.alarms.change(row.name, **_columns(row, "", now))
        if row.actions_enabled:
            setters = joined(row.set_by, _setters(cloud, row))
            alarm_states.queue_actions(cloud, row, Verdict(row.state, row.reason, None, times.text(now)), set_by=setters)
