"""What the two kinds of alarms have in common when they are put: actions, tags, the row and its history."""

import re
from typing import Any, TypedDict

from ...api import Call
from ...aws import tags as aws_tags
from ...metrics import action_arns, alarm_states
from ...state.rows import Tag
from ...state.rows_cloudwatch import Alarm
from . import errors
from .alarm_view import named, view


class TagInput(TypedDict, total=False):
    """A tag."""

    Key: str
    Value: str


_ARN = re.compile(r"arn:aws[a-z-]*:([a-z0-9-]+):[a-z0-9-]*:\d*:.+")


def check_actions(call: Call, settings: dict[str, Any], *, composite: bool) -> None:
    """Refuse actions that mean nothing, or nothing here. Raises ApiError."""
    for name in alarm_states.ACTIONS.values():
        seen: set[str] = set()
        for arn in settings.get(name, ()):
            if arn in seen:
                raise errors.invalid(f"The collection {name} names {arn} twice.")
            seen.add(arn)
            _check_action(call, arn, settings, composite=composite)


def _check_action(call: Call, arn: str, settings: dict[str, Any], *, composite: bool) -> None:
    action = action_arns.read(arn)
    if action is None:
        found = _ARN.fullmatch(arn)
        if found is not None and found[1] in ("lambda", "ssm", "ssm-incidents", "aiops"):
            raise errors.unsupported(f"the alarm action {arn}; it has EC2 actions, scaling policies and topics")
        raise errors.invalid(f"Invalid arn syntax: {arn}")
    if action.kind == "topic":
        topics = call.cloud.settings.topics
        if action.name not in topics:
            have = ", ".join(sorted(topics)) or "none"
            raise errors.invalid(f"No topic {action.name} is configured; those of config.toml: {have}.")
    elif composite:
        raise errors.invalid(f"Invalid arn syntax: {arn}")
    elif action.kind == "ec2":
        _check_ec2(action.name, settings)


def _check_ec2(action: str, settings: dict[str, Any]) -> None:
    names = {one["Name"] for one in _dimensions(settings)}
    if "InstanceId" not in names:
        raise errors.invalid(f"Invalid use of EC2 '{action.title()}' action: the metric has no dimension InstanceId.")
    if action == "recover" and settings.get("MetricName") not in ("StatusCheckFailed_System", "StatusCheckFailed"):
        raise errors.invalid("Invalid use of EC2 'Recover' action. Only supported on the metric StatusCheckFailed_System.")


def _dimensions(settings: dict[str, Any]) -> list[dict[str, str]]:
    found = list(settings.get("Dimensions") or ())
    for query in settings.get("Metrics") or ():
        found += query.get("MetricStat", {}).get("Metric", {}).get("Dimensions", ())
    return found


def save(call: Call, row: Alarm, tags: list[TagInput] | None) -> None:
    """A new alarm, or another configuration of one that is there, which keeps its state. Raises ApiError."""
    state, checked = call.cloud.state, aws_tags.check([dict(tag) for tag in tags or []])
    row.settings = {key: value for key, value in row.settings.items() if value is not None}
    before = state.alarms.get(row.name)
    if before is None:
        state.alarms.add(row)
        for key, value in checked.items():
            state.tags.add(Tag(alarm_states.arn(call.cloud, row.name), key, value, "alarm"))
    elif before.kind != row.kind:
        raise errors.invalid(f"An alarm of another kind has the name {row.name}.")
    else:
        state.alarms.change(
            row.name, settings=row.settings, actions_enabled=row.actions_enabled, configured=row.configured, makers=row.makers
        )
    what, word = ("createdAlarm", "Create") if before is None else ("updatedAlarm", "Update")
    data = {"version": "1.0", "type": word, what: view(call, named(call, row.name))}
    alarm_states.note(call.cloud, row, "ConfigurationUpdate", f'Alarm "{row.name}" {word.lower()}d', data, at=call.now)


def new(call: Call, kind: str, name: str, settings: dict[str, Any], enabled: bool | None) -> Alarm:
    """The row of an alarm as it is when it is put for the first time. Whoever puts it is behind all that it does."""
    if not name.isprintable():
        raise errors.invalid("The alarm's name has characters that cannot be printed.")
    row = Alarm(name, kind, settings, enabled is not False, call.now, updated=call.now, transitioned=call.now)
    row.makers = call.makers
    return row
