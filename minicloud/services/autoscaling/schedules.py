"""Scheduled actions: other sizes at a time, once or again and again."""

from collections.abc import Mapping
from typing import Any, TypedDict

from ...api import Answer, Call, operation
from ...aws import scheduled, times
from ...aws.cron import Cron, zone
from ...errors import ApiError
from ...state.rows_autoscaling import ScalingGroup, ScheduledAction
from .finding import arn, changeable, invalid, named, touch

MOST_ACTIONS = 125
_SIZES = ("MinSize", "MaxSize", "DesiredCapacity")


class ActionInput(TypedDict, total=False):
    """A scheduled action."""

    ScheduledActionName: str
    StartTime: str
    EndTime: str
    Recurrence: str
    MinSize: int
    MaxSize: int
    DesiredCapacity: int
    TimeZone: str


@operation()
def put_scheduled_update_group_action(
    call: Call,
    *,
    auto_scaling_group_name: str,
    scheduled_action_name: str,
    time: str | None = None,
    start_time: str | None = None,
    end_time: str | None = None,
    recurrence: str | None = None,
    min_size: int | None = None,
    max_size: int | None = None,
    desired_capacity: int | None = None,
    time_zone: str | None = None,
) -> Answer:
    """PutScheduledUpdateGroupAction: makes one, or overwrites the one of that name."""
    if time and start_time and times.seconds(time) != times.seconds(start_time):
        raise invalid("Time and StartTime are the same thing; they must not differ")
    given = {
        "StartTime": start_time or time, "EndTime": end_time, "Recurrence": recurrence, "MinSize": min_size,
        "MaxSize": max_size, "DesiredCapacity": desired_capacity, "TimeZone": time_zone,
    }  # fmt: skip
    _put(call, changeable(call, auto_scaling_group_name), scheduled_action_name, given)
    return {}


def _put(call: Call, group: ScalingGroup, name: str, given: Mapping[str, Any]) -> None:
    """Keep an action. Raises ApiError."""
    table = call.cloud.state.scheduled_actions
    settings = {key: value for key, value in given.items() if value is not None and key != "ScheduledActionName"}
    now = times.seconds(call.now)
    if not name or len(name) > 255 or not name.isprintable():
        raise invalid("A scheduled action's name has 1 to 255 printable characters")
    for key in ("StartTime", "EndTime"):
        if key in settings:
            settings[key] = times.text(times.seconds(settings[key]))
    _check_times(settings, now)
    _check_sizes(settings)
    before = table.get(group.name, name)
    if before is None and len(table.find(group_name=group.name)) >= MOST_ACTIONS:
        raise ApiError("LimitExceeded", f"A group has at most {MOST_ACTIONS} scheduled actions")
    table.remove(group.name, name)
    rest = f"autoScalingGroupName/{group.name}:scheduledActionName/{name}"
    own = before.arn if before else arn(call, "scheduledUpdateGroupAction", rest)
    table.add(ScheduledAction(group.name, name, own, settings, scheduled.next_due(settings, now)))
    touch(call, group)


def _check_times(settings: dict[str, Any], now: float) -> None:
    if settings.get("TimeZone"):
        zone(settings["TimeZone"])
    if settings.get("Recurrence"):
        Cron(settings["Recurrence"], settings.get("TimeZone") or "UTC")
    elif not settings.get("StartTime"):
        raise invalid("A scheduled action has a StartTime or a Recurrence")
    if settings.get("StartTime") and times.seconds(settings["StartTime"]) <= now:
        raise invalid("Given start time is in the past")
    if settings.get("EndTime") and times.seconds(settings["EndTime"]) <= now:
        raise invalid("Given end time is in the past")
    if settings.get("StartTime", "") >= settings.get("EndTime", "~"):
        raise invalid("Start time must be before end time")


def _check_sizes(settings: Mapping[str, Any]) -> None:
    if not any(name in settings for name in _SIZES):
        raise invalid("At least one of MinSize, MaxSize and DesiredCapacity must be given")
    if any(settings.get(name, 0) < 0 for name in _SIZES):
        raise invalid("Sizes of a group must be 0 or more")
    low, high, desired = (settings.get(name) for name in _SIZES)
    if low is not None and high is not None and low > high:
        raise invalid(f"Max bound, {high}, must be greater than or equal to min bound, {low}")
    if desired is not None and not (low or 0) <= desired <= (desired if high is None else high):
        raise invalid(f"Desired capacity:{desired} must be between the specified min size:{low} and max size:{high}")


@operation()
def batch_put_scheduled_update_group_action(
    call: Call, *, auto_scaling_group_name: str, scheduled_update_group_actions: list[ActionInput]
) -> Answer:
    """BatchPutScheduledUpdateGroupAction: those that cannot be are named in the answer, the others are made."""
    group, failed = changeable(call, auto_scaling_group_name), []
    for given in scheduled_update_group_actions:
        name = given["ScheduledActionName"]
        try:
            _put(call, group, name, given)
        except ApiError as error:
            failed.append({"ScheduledActionName": name, "ErrorCode": error.code, "ErrorMessage": error.message})
    return {"FailedScheduledUpdateGroupActions": failed}


def _delete(call: Call, group: ScalingGroup, name: str) -> None:
    if not call.cloud.state.scheduled_actions.remove(group.name, name):
        raise invalid(f"Scheduled action name not found: {name}")


@operation()
def delete_scheduled_action(call: Call, *, auto_scaling_group_name: str, scheduled_action_name: str) -> Answer:
    """DeleteScheduledAction."""
    _delete(call, named(call, auto_scaling_group_name), scheduled_action_name)
    return {}


@operation()
def batch_delete_scheduled_action(call: Call, *, auto_scaling_group_name: str, scheduled_action_names: list[str]) -> Answer:
    """BatchDeleteScheduledAction: those that are not there are named in the answer."""
    group, failed = named(call, auto_scaling_group_name), []
    for name in scheduled_action_names:
        try:
            _delete(call, group, name)
        except ApiError as error:
            failed.append({"ScheduledActionName": name, "ErrorCode": error.code, "ErrorMessage": error.message})
    return {"FailedScheduledActions": failed}


@operation(items="ScheduledUpdateGroupActions", key="AutoScalingGroupName ScheduledActionName")
def describe_scheduled_actions(
    call: Call,
    *,
    auto_scaling_group_name: str | None = None,
    scheduled_action_names: list[str] | None = None,
    start_time: str | None = None,
    end_time: str | None = None,
    include_managed_resources: bool = True,
) -> Answer:
    """DescribeScheduledActions: those whose next time lies between the two times, where these are given."""
    del include_managed_resources
    table = call.cloud.state.scheduled_actions
    if auto_scaling_group_name:
        named(call, auto_scaling_group_name)
    rows = table.find(group_name=auto_scaling_group_name) if auto_scaling_group_name else table.query()
    first = times.seconds(start_time) if start_time else float("-inf")
    last = times.seconds(end_time) if end_time else float("inf")
    return {
        "ScheduledUpdateGroupActions": [
            _view(row)
            for row in sorted(rows, key=lambda row: (row.group_name, row.name))
            if (not scheduled_action_names or row.name in scheduled_action_names)
            and first <= (times.seconds(row.due) if row.due else first) <= last
        ]
    }


def _view(row: ScheduledAction) -> dict[str, Any]:
    view = {
        "AutoScalingGroupName": row.group_name, "ScheduledActionName": row.name, "ScheduledActionARN": row.arn, **row.settings,
    }  # fmt: skip
    if row.due:
        # AWS shows the next time of one that recurs as its start.
        view |= {"StartTime": row.due, "Time": row.due}
    elif view.get("StartTime"):
        view["Time"] = view["StartTime"]
    return view
