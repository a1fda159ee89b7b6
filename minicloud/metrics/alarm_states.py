"""An alarm's change of state: the row, its history, and the actions that follow, in one transaction, so that each happens once
whatever is killed when. An action is asked for by all who have a hand in it: who put the alarm, and who set the state that led
to it, if somebody did.

Also the texts of the history, which are AWS's, and what an alarm is called.
"""

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..aws import times
from ..callers import joined
from ..cloud import Cloud
from ..state.rows_cloudwatch import Alarm, AlarmAction, AlarmHistory

ACTIONS = {"OK": "OKActions", "ALARM": "AlarmActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}
"""The list of actions that belongs to each state."""
HISTORY_KEPT = 30 * 86400
MOST_HISTORY = 100_000


def arn(cloud: Cloud, name: str) -> str:
    """An alarm's ARN."""
    return f"arn:aws:cloudwatch:{cloud.settings.region}:{cloud.settings.account_id}:alarm:{name}"


@dataclass(frozen=True)
class Verdict:
    """What an alarm's state is from `at` on, why, and the figures of it."""

    state: str
    reason: str
    data: dict[str, Any] | None
    at: str


def note(cloud: Cloud, alarm: Alarm, item: str, summary: str, data: dict[str, Any], *, at: str) -> None:
    """Add to an alarm's history."""
    cloud.state.alarm_history.add(AlarmHistory(None, alarm.name, alarm.kind, at, item, summary, json.dumps(data)))


def forget_history(cloud: Cloud, now: float) -> None:
    """What is older than AWS keeps it, and the oldest of too much."""
    cloud.state.alarm_history.remove_where("at < ?", times.text(now - HISTORY_KEPT))
    cloud.state.alarm_history.remove_where("id <= (select max(id) from alarm_history) - ?", MOST_HISTORY)


def change(cloud: Cloud, alarm: Alarm, verdict: Verdict, *, act: bool = True, set_by: Iterable[str] = (), **fields: Any) -> None:
    """Give an alarm a state, inside the caller's transaction; with `act` its actions are asked for where the state is another.

    `set_by` are the makers (callers.py) of a state that somebody set; `fields` are more columns. An alarm that was deleted
    meanwhile is left alone.
    """
    setters = list(set_by)
    moved, text = verdict.state != alarm.state, json.dumps(verdict.data) if verdict.data else ""
    columns: dict[str, Any] = {"state": verdict.state, "reason": verdict.reason, "reason_data": text, "updated": verdict.at}
    if moved or not setters:  # who sets the state that it has already, has no hand in it
        columns["set_by"] = setters
    if moved:
        columns["transitioned"] = verdict.at
    if not cloud.state.alarms.change(alarm.name, **columns, **fields) or not moved:
        return
    summary = f"Alarm updated from {alarm.state} to {verdict.state}"
    old = _told(alarm.state, alarm.reason, alarm.reason_data)
    data = {"version": "1.0", "oldState": old, "newState": _told(verdict.state, verdict.reason, text)}
    note(cloud, alarm, "StateUpdate", summary, data, at=verdict.at)
    if act and alarm.actions_enabled:
        queue_actions(cloud, alarm, verdict, set_by=setters)


def queue_actions(cloud: Cloud, alarm: Alarm, verdict: Verdict, prefix: str = "", *, set_by: Iterable[str] = ()) -> None:
    """Ask for the actions of a state whose ARN begins with `prefix`, for the alarm's makers and for `set_by`."""
    makers = joined(alarm.makers, set_by)
    details = {"state": verdict.state, "old": alarm.state, "reason": verdict.reason, "data": verdict.data or {}}
    for action in alarm.settings.get(ACTIONS[verdict.state], ()):
        if action.startswith(prefix):
            cloud.state.alarm_actions.add(AlarmAction(secrets.token_hex(16), alarm.name, action, verdict.at, details, makers))
    cloud.state.alarms.change(alarm.name, acted=verdict.at)


def _told(state: str, reason: str, data: str) -> dict[str, Any]:
    told: dict[str, Any] = {"stateValue": state, "stateReason": reason}
    return {**told, "stateReasonData": json.loads(data)} if data else told
