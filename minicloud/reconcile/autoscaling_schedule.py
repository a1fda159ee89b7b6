"""Scheduled actions that are due. One that was due several times while nobody looked is carried out once."""

from typing import Any

from ..aws import autoscaling_texts as texts
from ..aws import scaling_math, scheduled, times
from ..cloud import Cloud
from ..state.rows_autoscaling import ScalingGroup, ScheduledAction
from . import isolation


def reconcile(cloud: Cloud, now: float) -> bool:
    """Carry out what is due, in the order in which it was; whether anything was."""
    due = cloud.state.scheduled_actions.query("due != '' and due <= ?", [times.text(now)], "due")
    rows = [(f"{planned.group_name} {planned.name}", planned) for planned in due]
    return isolation.each(cloud, "scheduled actions", rows, lambda planned: _carry_out(cloud, planned, now))


def _carry_out(cloud: Cloud, planned: ScheduledAction, now: float) -> bool:
    state = cloud.state
    with state.transaction():
        action = state.scheduled_actions.get(planned.group_name, planned.name)
        group = state.scaling_groups.get(planned.group_name)
        if action is None or action != planned or group is None:
            return False
        state.scheduled_actions.change(action.group_name, action.name, due=scheduled.next_due(action.settings, now))
        if "ScheduledActions" not in group.suspended and not group.deleting:
            state.scaling_groups.change(group.name, **changes(group, action, times.text(now)))
        return True


def changes(group: ScalingGroup, action: ScheduledAction, now: str) -> dict[str, Any]:
    """The fields of a group after an action. Bounds that the desired capacity is outside of move it."""
    wanted = action.settings
    low, high = wanted.get("MinSize", group.min_size), wanted.get("MaxSize", group.max_size)
    if low > high:
        # The one that the action does not speak of gives way.
        low, high = (low, low) if "MinSize" in wanted else (high, high)
    desired = scaling_math.bounded(wanted.get("DesiredCapacity", group.desired), low, high)
    said = [
        f" Setting {what} from {before} to {after}."
        for what, before, after in (
            ("min size", group.min_size, low), ("max size", group.max_size, high), ("desired capacity", group.desired, desired),
        )
        if before != after
    ]  # fmt: skip
    fields: dict[str, Any] = {"min_size": low, "max_size": high, "desired": desired, "failures": 0, "retry_at": ""}
    if desired != group.desired:
        fields["cause"] = texts.at(now, f"the scheduled action {action.name} executed") + "".join(said)
    return fields
