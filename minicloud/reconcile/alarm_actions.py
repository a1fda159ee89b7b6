"""What alarms ask for: scaling policies, EC2 actions, messages to topics.

The action, its note in the history and the end of its row are one transaction: it happens once, whatever is killed when. What
operations want the host to do begins after that. An action that is refused is told in the history and not tried again.

An action is carried out if all who are behind it (AlarmAction.makers) may do that themselves at this moment: publish to the
topic, execute the policy, stop the instance. Anybody who may put alarms may put such an alarm, as with AWS; it does nothing.
"""

import copy
import logging
import sqlite3
from collections.abc import Iterable
from typing import Any

from .. import api, callers
from ..aws import times
from ..callers import Caller
from ..cloud import Cloud
from ..errors import ApiError
from ..metrics import action_arns, alarm_states
from ..state.rows_cloudwatch import Alarm, AlarmAction
from . import alarm_messages, notifications

log = logging.getLogger(__name__)

_OPERATIONS = {"stop": "StopInstances", "terminate": "TerminateInstances", "reboot": "RebootInstances"}
PRINCIPAL = "cloudwatch.amazonaws.com"


class _Later:
    """A worker that keeps what was touched until the transaction is over."""

    def __init__(self) -> None:
        self.touched: list[str] = []

    def work(self, touched: Iterable[str]) -> None:
        self.touched += touched

    def refresh(self, operation: str) -> None:
        """Nothing: the daemon's loop looks at the host all the time."""

    def admit(self, *, reads: bool) -> None:
        """All: what is carried out was let in when it began."""


def carry_out(cloud: Cloud, now: float) -> bool:
    """All that is asked for; whether anything was."""
    rows = cloud.state.alarm_actions.query()
    for row in rows:
        later = _Later()
        inside = copy.copy(cloud)
        inside.worker = later
        try:
            with cloud.state.transaction():
                if not cloud.state.alarm_actions.remove(row.id):
                    continue
                alarm = cloud.state.alarms.get(row.alarm)
                if alarm is not None:
                    _act(inside, alarm, row, now)
        except ApiError as error:
            _refused(cloud, row, error, now)
        except sqlite3.OperationalError:
            raise  # the state cannot be written: it is tried again
        except Exception as error:  # what fails here would fail again, and keep all others waiting
            log.exception("the action %s of the alarm %s failed", row.arn, row.alarm)
            _refused(cloud, row, ApiError("InternalFailure", f"It failed here: {error!r}", 500), now)
        if later.touched:
            cloud.worker.work(later.touched)
    return bool(rows)


def _act(cloud: Cloud, alarm: Alarm, row: AlarmAction, now: float) -> None:
    """Carry one out, and tell it in the history; a message is told there when it is delivered."""
    action = action_arns.read(row.arn)
    if action is None:
        raise ApiError("ValidationError", f"Invalid arn syntax: {row.arn}")
    caller = callers.acting(cloud, row.makers, alarm_states.arn(cloud, alarm.name), PRINCIPAL)
    if action.kind == "topic":
        callers.check(caller, "cloudwatch", "sns:Publish", row.arn)
        subject = alarm_messages.subject(cloud, alarm, row)
        notifications.queue(cloud, row.arn, subject, alarm_messages.message(cloud, alarm, row), alarm=alarm.name)
        return
    if action.kind == "policy":
        _execute_policy(cloud, alarm, row, action.name, caller)
    else:
        _ec2(cloud, alarm, action.name, caller)
    said = f"Successfully executed action {row.arn}"
    alarm_states.note(cloud, alarm, "Action", said, _told(row, "Succeeded"), at=times.text(now))


def _execute_policy(cloud: Cloud, alarm: Alarm, row: AlarmAction, group: str, caller: Caller) -> None:
    params: dict[str, Any] = {"AutoScalingGroupName": group, "PolicyName": row.arn}
    recent = [value for value in row.details["data"].get("recentDatapoints", ()) if value is not None]
    if recent:
        params |= {"MetricValue": float(recent[-1]), "BreachThreshold": float(alarm.settings["Threshold"])}
    api.call(cloud, "autoscaling", "ExecutePolicy", params, caller=caller)


def _ec2(cloud: Cloud, alarm: Alarm, action: str, caller: Caller) -> None:
    instance_id = _instance_of(alarm.settings)
    if action in _OPERATIONS:
        api.call(cloud, "ec2", _OPERATIONS[action], {"InstanceIds": [instance_id]}, caller=caller)
        return
    # Recovery gives the instance a machine anew: with one host that is a restart on it.
    row = cloud.state.instances.get(instance_id)
    off = row is not None and row.state == "stopped"
    api.call(cloud, "ec2", "StartInstances" if off else "RebootInstances", {"InstanceIds": [instance_id]}, caller=caller)


def _instance_of(settings: dict[str, Any]) -> str:
    found = list(settings.get("Dimensions") or ())
    for query in settings.get("Metrics") or ():
        found += query.get("MetricStat", {}).get("Metric", {}).get("Dimensions", ())
    return next((one["Value"] for one in found if one["Name"] == "InstanceId"), "")


def _told(row: AlarmAction, state: str) -> dict[str, Any]:
    return {"actionState": state, "notificationResource": row.arn, "stateUpdateTimestamp": row.created}


def _refused(cloud: Cloud, row: AlarmAction, error: ApiError, now: float) -> None:
    log.warning("the action %s of the alarm %s was refused: %s", row.arn, row.alarm, error)
    with cloud.state.transaction():
        cloud.state.alarm_actions.remove(row.id)
        alarm = cloud.state.alarms.get(row.alarm)
        if alarm is not None:
            said = f'Failed to execute action {row.arn}. Received error: "{error.message}"'
            data = {**_told(row, "Failed"), "error": str(error)}
            alarm_states.note(cloud, alarm, "Action", said, data, at=times.text(now))
