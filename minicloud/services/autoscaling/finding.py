"""Finding groups and their members, and the errors that are said of them; ARNs."""

import uuid
from collections.abc import Sequence

from ...api import Call
from ...errors import ApiError
from ...state.rows_autoscaling import ScalingGroup, ScalingMember

HELD = ("Pending", "Pending:Wait", "Pending:Proceed", "InService")
"""The states of members that count as the group's capacity."""
LEAVING = ("Terminating", "Terminating:Wait", "Terminating:Proceed", "Detaching")


def invalid(text: str) -> ApiError:
    """What Auto Scaling answers to a request that makes no sense."""
    return ApiError("ValidationError", text)


def in_use(text: str) -> ApiError:
    """What it answers where somebody needs the thing."""
    return ApiError("ResourceInUse", text)


def busy(text: str) -> ApiError:
    """What it answers while something else goes on."""
    return ApiError("ScalingActivityInProgress", text)


def arn(call: Call, kind: str, rest: str) -> str:
    """The ARN of something new: `autoScalingGroup`, `launchConfiguration`, `scalingPolicy`, `scheduledUpdateGroupAction`."""
    settings = call.cloud.settings
    return f"arn:aws:autoscaling:{settings.region}:{settings.account_id}:{kind}:{uuid.uuid4()}:{rest}"


def named(call: Call, name: str) -> ScalingGroup:
    """The group of a name. Raises ApiError where there is none, or where it is being deleted."""
    found = call.cloud.state.scaling_groups.get(name)
    if found is None:
        raise invalid("AutoScalingGroup name not found - null")
    return found


def changeable(call: Call, name: str) -> ScalingGroup:
    """The same for a group that is not on its way out."""
    found = named(call, name)
    if found.deleting:
        raise busy(f"AutoScalingGroup {name} is pending delete")
    return found


def members(call: Call, group: ScalingGroup) -> list[ScalingMember]:
    """All members of a group, oldest first."""
    return call.cloud.state.scaling_members.find(group_name=group.name)


def capacity(found: Sequence[ScalingMember]) -> int:
    """How many of them count."""
    return sum(one.state in HELD for one in found)


def member(call: Call, group: ScalingGroup, instance_id: str) -> ScalingMember:
    """One member of a group. Raises ApiError."""
    found = call.cloud.state.scaling_members.get(instance_id)
    if found is None or found.group_name != group.name:
        raise invalid(f"The instance {instance_id} is not part of Auto Scaling group {group.name}.")
    return found


def of_instance(call: Call, instance_id: str) -> ScalingMember:
    """The member that an instance is. Raises ApiError."""
    found = call.cloud.state.scaling_members.get(instance_id)
    if found is None:
        raise invalid(f"Instance Id not found - No managed instance found for instance ID: {instance_id}")
    return found


def within(group: ScalingGroup, desired: int) -> None:
    """Refuse a desired capacity outside the bounds. Raises ApiError."""
    if not group.min_size <= desired <= group.max_size:
        raise invalid(
            f"Desired capacity:{desired} must be between the specified min size:{group.min_size} and max size:{group.max_size}"
        )


def touch(call: Call, group: ScalingGroup | str) -> None:
    """Have somebody see to a group before the answer is given."""
    call.touch(f"asg {group if isinstance(group, str) else group.name}")
