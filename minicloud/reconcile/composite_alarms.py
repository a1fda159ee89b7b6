"""Composite alarms: their states follow from those of others at once; their actions may be held back by a suppressor alarm.

A rule that no state fulfils steadily (composite alarms that speak of one another) is worked out a few times and then left.
"""

from typing import Any

from ..aws import times
from ..cloud import Cloud
from ..metrics import alarm_rules, alarm_states
from ..metrics.alarm_states import Verdict
from ..state.rows_cloudwatch import Alarm

_MOST_ROUNDS = 20
WAITING, EXTENDED, SUPPRESSED = "WaitPeriod", "ExtensionPeriod", "Alarm"


def step(cloud: Cloud, now: float) -> None:
    """Bring all of them up to date."""
    for _ in range(_MOST_ROUNDS):
        alarms = {row.name: row for row in cloud.state.alarms.query()}
        states = {name: row.state for name, row in alarms.items()}
        changed = False
        for row in alarms.values():
            if row.kind == "CompositeAlarm":
                changed |= _look(cloud, row, states, now)
        if not changed:
            break
    for row in cloud.state.alarms.query("kind = 'CompositeAlarm' and suppressed_by != ''"):
        _reconsider(cloud, row, now)


def _look(cloud: Cloud, row: Alarm, states: dict[str, str], now: float) -> bool:
    try:
        rule = alarm_rules.parse(row.settings["AlarmRule"])
    except alarm_rules.RuleError:
        return False
    state = "ALARM" if rule.holds(states) else "OK"
    if state == row.state:
        return False
    states[row.name] = state
    verdict = _verdict(cloud, rule, states, state, now)
    with cloud.state.transaction():
        fresh = cloud.state.alarms.get(row.name)
        if fresh is None or (fresh.configured, fresh.state) != (row.configured, row.state):
            return False
        by = _suppression(cloud, fresh, state)
        act = by is None
        alarm_states.change(cloud, fresh, verdict, act=act, **_columns(fresh, by or "", now))
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
    name = row.settings.get("ActionsSuppressor")
    found = cloud.state.alarms.get(alarm_rules.name_of(name)) if name else None
    return found.state if found is not None else None


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
    if 0 <= now - times.seconds(row.suppressed_at) < (row.settings.get(name) or 0) and row.suppressed_by != SUPPRESSED:
        return
    with cloud.state.transaction():
        cloud.state.alarms.change(row.name, **_columns(row, "", now))
        if row.actions_enabled:
            alarm_states.queue_actions(cloud, row, Verdict(row.state, row.reason, None, times.text(now)))
