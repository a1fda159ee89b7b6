"""Alarms as AWS shows them, and the rows of names."""

from typing import Any

from ...api import Call
from ...metrics import alarm_states
from ...state.rows_cloudwatch import Alarm
from . import errors

METRIC, COMPOSITE = "MetricAlarm", "CompositeAlarm"


def named(call: Call, name: str) -> Alarm:
    """The alarm of a name. Raises ApiError."""
    row = call.cloud.state.alarms.get(name)
    if row is None:
        raise errors.not_found()
    return row


def view(call: Call, row: Alarm) -> dict[str, Any]:
    """A MetricAlarm or a CompositeAlarm."""
    shown = {
        "AlarmName": row.name,
        "AlarmArn": alarm_states.arn(call.cloud, row.name),
        "AlarmConfigurationUpdatedTimestamp": row.configured,
        "ActionsEnabled": row.actions_enabled,
        "StateValue": row.state,
        "StateReason": row.reason,
        "StateUpdatedTimestamp": row.updated,
        "StateTransitionedTimestamp": row.transitioned,
        **{name: list(row.settings.get(name, ())) for name in alarm_states.ACTIONS.values()},
        **{name: value for name, value in row.settings.items() if name not in alarm_states.ACTIONS.values()},
    }
    if row.reason_data:
        shown["StateReasonData"] = row.reason_data
    if row.kind == COMPOSITE:
        if row.suppressed_by:
            shown |= {"ActionsSuppressedBy": row.suppressed_by, "ActionsSuppressedReason": row.suppressed_reason}
        return shown
    if row.evaluation_state:
        shown["EvaluationState"] = row.evaluation_state
    return shown if "Metrics" in row.settings else {**shown, "Dimensions": row.settings.get("Dimensions", [])}
