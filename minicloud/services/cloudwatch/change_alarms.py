"""DeleteAlarms, SetAlarmState, EnableAlarmActions, DisableAlarmActions; tags of alarms."""

import json
from typing import Any

from ...api import Answer, Call, operation
from ...aws import tags as aws_tags
from ...callers import joined
from ...errors import ApiError
from ...metrics import alarm_states
from ...state.rows import Tag
from . import errors
from .alarm_request import TagInput
from .alarm_view import COMPOSITE, named, view
from .describe_alarms import check_state, children

MOST_DELETED = 100


@operation()
def delete_alarms(call: Call, *, alarm_names: list[str]) -> Answer:
    """DeleteAlarms: all of them, or none."""
    state = call.cloud.state
    names = list(dict.fromkeys(alarm_names))
    if not names or len(names) > MOST_DELETED:
        raise errors.invalid(f"The collection AlarmNames must have a size from 1 to {MOST_DELETED}.")
    rows = {name: named(call, name) for name in names}
    if sum(row.kind == COMPOSITE for row in rows.values()) > 1:
        raise errors.invalid("No more than one composite alarm can be deleted at a time.")
    for parent in state.alarms.find(kind=COMPOSITE):
        if parent.name not in rows and (needed := [name for name in children(parent) if name in rows]):
            raise errors.invalid(f"Cannot delete {needed[0]} as there are composite alarm(s) depending on it.")
    for row in rows.values():
        data = {"version": "1.0", "type": "Delete", "deletedAlarm": view(call, row)}
        alarm_states.note(call.cloud, row, "ConfigurationUpdate", f'Alarm "{row.name}" deleted', data, at=call.now)
        state.alarms.remove(row.name)
        state.tags.remove_where("resource_id = ?", alarm_states.arn(call.cloud, row.name))
    return {}


@operation()
def set_alarm_state(
    call: Call, *, alarm_name: str, state_value: str, state_reason: str, state_reason_data: str | None = None
) -> Answer:
    """SetAlarmState: until the next evaluation. Actions of the new state are carried out, as far as the caller may do these."""
    check_state(state_value)
    row = named(call, alarm_name)
    data: Any = None
    if state_reason_data:
        try:
            data = json.loads(state_reason_data)
        except (ValueError, RecursionError) as error:
            raise ApiError("InvalidFormat", "StateReasonData was not valid JSON") from error
    verdict = alarm_states.Verdict(state_value, state_reason, data, call.now)
    alarm_states.change(call.cloud, row, verdict, set_by=call.makers)
    return {}


def _enable(call: Call, names: list[str], enabled: bool) -> Answer:
    for row in call.cloud.state.alarms.among("name", names):
        if row.actions_enabled == enabled:
            continue
        makers = joined(row.makers, call.makers) if enabled else row.makers
        call.cloud.state.alarms.change(row.name, actions_enabled=enabled, configured=call.now, makers=makers)
        after = named(call, row.name)
        data = {"version": "1.0", "type": "Update", "updatedAlarm": view(call, after)}
        alarm_states.note(call.cloud, row, "ConfigurationUpdate", f'Alarm "{row.name}" updated', data, at=call.now)
    return {}


@operation()
def enable_alarm_actions(call: Call, *, alarm_names: list[str]) -> Answer:
    """EnableAlarmActions: from now on they are for the caller, too. Names that no alarm has are passed over, as AWS does."""
    return _enable(call, alarm_names, True)


@operation()
def disable_alarm_actions(call: Call, *, alarm_names: list[str]) -> Answer:
    """DisableAlarmActions. Names that no alarm has are passed over, as AWS does."""
    return _enable(call, alarm_names, False)


def _check_arn(call: Call, arn: str) -> None:
    name = arn.split(":", 6)[-1]
    if arn == alarm_states.arn(call.cloud, name) and call.cloud.state.alarms.get(name):
        return
    raise ApiError("ResourceNotFoundException", f"The requested resource was not found: {arn}", 404)


@operation()
def tag_resource(call: Call, *, resource_arn: str, tags: list[TagInput]) -> Answer:
    """TagResource: alarms have tags."""
    _check_arn(call, resource_arn)
    state, checked = call.cloud.state, aws_tags.check([dict(tag) for tag in tags])
    there = {tag.key for tag in state.tags.find(resource_id=resource_arn)}
    if len(there | checked.keys()) > aws_tags.MOST_TAGS:
        raise errors.value(f"An alarm has at most {aws_tags.MOST_TAGS} tags.")
    for key, value in checked.items():
        state.tags.remove(resource_arn, key)
        state.tags.add(Tag(resource_arn, key, value, "alarm"))
    return {}


@operation()
def untag_resource(call: Call, *, resource_arn: str, tag_keys: list[str]) -> Answer:
    """UntagResource."""
    _check_arn(call, resource_arn)
    for key in tag_keys:
        call.cloud.state.tags.remove(resource_arn, key)
    return {}


@operation()
def list_tags_for_resource(call: Call, *, resource_arn: str) -> Answer:
    """ListTagsForResource."""
    _check_arn(call, resource_arn)
    return {"Tags": call.cloud.state.tags_of([resource_arn])[resource_arn]}
