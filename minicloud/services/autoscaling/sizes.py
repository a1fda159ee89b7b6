"""The size of a group by request: SetDesiredCapacity, TerminateInstanceInAutoScalingGroup."""

from ...api import Answer, Call, operation
from ...aws import autoscaling_texts as texts
from ...aws import times
from ...state.rows_autoscaling import ScalingGroup
from . import moves
from .activities import activity_view
from .finding import busy, changeable, invalid, named, of_instance, touch, within


def cooling(call: Call, group: ScalingGroup) -> bool:
    """Whether the cooldown after the last scaling activity goes on."""
    policies = call.cloud.state.scaling_policies.find(group_name=group.name)
    longest = max(group.settings["DefaultCooldown"], *(policy.settings.get("Cooldown") or 0 for policy in policies), 0)
    return bool(group.cooldown_until) and not times.due(group.cooldown_until, longest, times.seconds(call.now))


def cool(call: Call, group: ScalingGroup, seconds: float | None = None) -> str:
    """The end of a cooldown that begins now."""
    length = group.settings["DefaultCooldown"] if seconds is None else seconds
    return times.text(times.seconds(call.now) + length)


@operation()
def set_desired_capacity(
    call: Call, *, auto_scaling_group_name: str, desired_capacity: int, honor_cooldown: bool = False
) -> Answer:
    """SetDesiredCapacity."""
    group = changeable(call, auto_scaling_group_name)
    within(group, desired_capacity)
    if honor_cooldown and cooling(call, group):
        raise busy(f"Scaling activity is in progress for {group.name}: its cooldown ends at {group.cooldown_until}")
    what = "a user request explicitly set group desired capacity"
    cause = texts.changing(call.now, what, group.desired, desired_capacity) or group.cause
    call.cloud.state.scaling_groups.change(group.name, desired=desired_capacity, cause=cause, failures=0, retry_at="")
    touch(call, group)
    return {}


@operation()
def terminate_instance_in_auto_scaling_group(
    call: Call,
    *,
    should_decrement_desired_capacity: bool,
    instance_id: str | None = None,
    instance_ids: list[str] | None = None,
    auto_scaling_group_name: str | None = None,
) -> Answer:
    """TerminateInstanceInAutoScalingGroup. Without the decrement another instance takes its place."""
    if bool(instance_id) == bool(instance_ids):
        raise invalid("Either InstanceId or InstanceIds must be given, and not both")
    if instance_ids and not auto_scaling_group_name:
        raise invalid("InstanceIds requires AutoScalingGroupName")
    wanted = [instance_id] if instance_id else list(dict.fromkeys(instance_ids or []))
    views = []
    for one in wanted:
        row = of_instance(call, one)
        group = named(call, row.group_name)
        if auto_scaling_group_name not in (None, group.name):
            raise invalid(f"The instance {one} is not part of Auto Scaling group {auto_scaling_group_name}.")
        views.append(activity_view(moves.terminate(call, group, row, decrement=should_decrement_desired_capacity)))
    return {"Activity": views[0]} if instance_id else {"Activities": views}
