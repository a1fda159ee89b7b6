"""Members that are told to move: out of the group, into and out of standby, to their end. Each begins an activity."""

from ...api import Call
from ...aws import autoscaling_texts as texts
from ...state.rows_autoscaling import ScalingActivity, ScalingGroup, ScalingMember
from .finding import HELD, LEAVING, busy, capacity, invalid, members, touch


def begin(call: Call, group: ScalingGroup, row: ScalingMember, description: str, cause: str) -> ScalingActivity:
    """An activity about a member, which it is part of from now on."""
    state = call.cloud.state
    made = ScalingActivity.begun(
        group, call.now, f"{description}: {row.instance_id}", cause, instance_id=row.instance_id,
        details=texts.details(row.subnet_id, row.zone),
    )  # fmt: skip
    _interrupt(call, row)
    state.scaling_activities.add(made)
    state.scaling_members.change(row.instance_id, activity_id=made.id)
    touch(call, group)
    return made


def _interrupt(call: Call, row: ScalingMember) -> None:
    """An activity of the member that is not over yet is cancelled by another."""
    before = call.cloud.state.scaling_activities.get(row.activity_id) if row.activity_id else None
    if before is not None and not before.ended:
        call.cloud.state.scaling_activities.change(before.id, status="Cancelled", ended=call.now, progress=100)


def decremented(call: Call, group: ScalingGroup, by: int) -> None:
    """Lower the desired capacity. Raises ApiError where the minimum stands against it."""
    after = group.desired - by
    if after < group.min_size:
        raise invalid(
            f"Currently, desired capacity equals or is near the minimum. Terminating or removing {by} instance(s) without "
            f"replacement will violate group's min size constraint. MinSize: {group.min_size}, DesiredCapacity: {group.desired}."
        )
    call.cloud.state.scaling_groups.change(group.name, desired=after)
    group.desired = after


def terminate(call: Call, group: ScalingGroup, row: ScalingMember, *, decrement: bool) -> ScalingActivity:
    """Begin a member's end by request. Raises ApiError."""
    if row.state in LEAVING or row.state.startswith("Warmed:Terminating"):
        raise busy(f"The instance {row.instance_id} is already being taken out of the group")
    counted = row.state in HELD
    before = capacity(members(call, group))
    if decrement and counted:
        decremented(call, group, 1)
    sizes = (before, before - 1) if decrement and counted else (None, 0)
    cause = texts.by_request(call.now, row.instance_id, "taken out of service", *sizes)
    warm = row.state.startswith("Warmed:")
    what = "Terminating EC2 instance from warm pool" if warm else "Terminating EC2 instance"
    made = begin(call, group, row, what, cause)
    state = "Warmed:Terminating" if warm else "Terminating"
    call.cloud.state.scaling_members.change(row.instance_id, state=state, changed=call.now, hooks=[], to_pool=False)
    return made
