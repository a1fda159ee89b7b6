"""Instances of groups by request: attach, detach, standby, protection, health; DescribeAutoScalingInstances."""

from ...api import Answer, Call, operation
from ...aws import autoscaling_texts as texts
from ...aws import times
from ...callers import check
from ...state.rows_autoscaling import ScalingGroup, ScalingMember
from . import moves
from .activities import activity_view
from .finding import capacity, changeable, invalid, member, members, named, of_instance, touch
from .group_view import member_view

MOST_AT_ONCE = 20


@operation(items="AutoScalingInstances", key="InstanceId")
def describe_auto_scaling_instances(
    call: Call, *, instance_ids: list[str] | None = None, include_managed_resources: bool = True
) -> Answer:
    """DescribeAutoScalingInstances. Instances that are in no group are left out, as AWS does."""
    del include_managed_resources
    table = call.cloud.state.scaling_members
    rows = table.among("instance_id", instance_ids) if instance_ids else table.query()
    return {
        "AutoScalingInstances": [
            {**member_view(row), "AutoScalingGroupName": row.group_name, "HealthStatus": row.health.upper()} for row in rows
        ]
    }


@operation()
def attach_instances(call: Call, *, auto_scaling_group_name: str, instance_ids: list[str] | None = None) -> Answer:
    """AttachInstances: the desired capacity grows by their number. A group terminates its instances, so who attaches may, too."""
    check(call.caller, "autoscaling", "ec2:TerminateInstances")
    group, state = changeable(call, auto_scaling_group_name), call.cloud.state
    wanted = list(dict.fromkeys(instance_ids or []))
    if not wanted:
        raise invalid("InstanceIds must name at least one instance")
    if len(wanted) > MOST_AT_ONCE:
        raise invalid(f"At most {MOST_AT_ONCE} instances can be attached at once")
    rows = [_attachable(call, group, instance_id) for instance_id in wanted]
    after = group.desired + len(rows)
    if after > group.max_size:
        raise invalid(
            f"The new DesiredCapacity {after} would be greater than MaxSize {group.max_size}; update the group's MaxSize first"
        )
    before = capacity(members(call, group))
    for count, row in enumerate(rows):
        state.scaling_members.add(row)
        size = (before + count, before + count + 1)
        cause = texts.by_request(call.now, row.instance_id, "attached", *size)
        moves.begin(call, group, row, "Attaching an existing EC2 instance", cause)
    state.scaling_groups.change(group.name, desired=after)
    return {}


def _attachable(call: Call, group: ScalingGroup, instance_id: str) -> ScalingMember:
    """A member that an instance becomes. Raises ApiError."""
    state = call.cloud.state
    row = state.instances.get(instance_id)
    if row is None:
        raise invalid(f"Invalid Instance ID(s): [{instance_id}] specified.")
    if row.state != "running" or row.wish != "running":
        raise invalid(f"Instance {instance_id} is not in correct state: it is {row.state}, and must be running.")
    if other := state.scaling_members.get(instance_id):
        raise invalid(f"Instance {instance_id} is already part of Auto Scaling group {other.group_name}.")
    if row.zone not in group.settings["AvailabilityZones"]:
        raise invalid(f"Instance {instance_id} is in {row.zone}, which is not a zone of the group.")
    card = min(state.interfaces.find(instance_id=instance_id), key=lambda one: one.device_index)
    return ScalingMember(
        instance_id=instance_id, group_name=group.name, state="Pending", zone=row.zone, subnet_id=card.subnet_id,
        instance_type=row.instance_type, image_id=row.image_id, joined=call.now, changed=call.now,
        protected=bool(group.settings.get("NewInstancesProtectedFromScaleIn")),
    )  # fmt: skip


def _chosen(call: Call, group: ScalingGroup, wanted: list[str] | None, states: tuple[str, ...], what: str) -> list[ScalingMember]:
    if not wanted:
        raise invalid("InstanceIds must name at least one instance")
    rows = [member(call, group, instance_id) for instance_id in dict.fromkeys(wanted)]
    for row in rows:
        if row.state not in states:
            raise invalid(
                f"The instance {row.instance_id} is in {row.state}, and only instances in {' or '.join(states)} can be {what}."
            )
    return rows


@operation()
def detach_instances(
    call: Call, *, auto_scaling_group_name: str, should_decrement_desired_capacity: bool, instance_ids: list[str] | None = None
) -> Answer:
    """DetachInstances: they run on, as nobody's. Without the decrement others take their places."""
    group = changeable(call, auto_scaling_group_name)
    rows = _chosen(call, group, instance_ids, ("InService", "Standby"), "detached")
    counted = [row for row in rows if row.state == "InService"]
    size = capacity(members(call, group))
    if should_decrement_desired_capacity and counted:
        moves.decremented(call, group, len(counted))
    views = []
    for row in rows:
        sizes = (size, size - 1) if row in counted and should_decrement_desired_capacity else (None, 0)
        size -= row in counted
        cause = texts.by_request(call.now, row.instance_id, "detached", *sizes)
        views.append(activity_view(moves.begin(call, group, row, "Detaching EC2 instance", cause)))
        call.cloud.state.scaling_members.change(row.instance_id, state="Detaching", changed=call.now)
    return {"Activities": views}


@operation()
def enter_standby(
    call: Call, *, auto_scaling_group_name: str, should_decrement_desired_capacity: bool, instance_ids: list[str] | None = None
) -> Answer:
    """EnterStandby: out of service and of health checks, still the group's."""
    group = changeable(call, auto_scaling_group_name)
    rows = _chosen(call, group, instance_ids, ("InService",), "moved to standby")
    size = capacity(members(call, group))
    if should_decrement_desired_capacity:
        moves.decremented(call, group, len(rows))
    views = []
    for row in rows:
        sizes = (size, size - 1) if should_decrement_desired_capacity else (None, 0)
        size -= 1
        cause = texts.by_request(call.now, row.instance_id, "moved to standby", *sizes)
        views.append(activity_view(moves.begin(call, group, row, "Moving EC2 instance to Standby", cause)))
        call.cloud.state.scaling_members.change(row.instance_id, state="EnteringStandby", changed=call.now)
    return {"Activities": views}


@operation()
def exit_standby(call: Call, *, auto_scaling_group_name: str, instance_ids: list[str] | None = None) -> Answer:
    """ExitStandby: back into service; the desired capacity grows by their number."""
    group = changeable(call, auto_scaling_group_name)
    rows = _chosen(call, group, instance_ids, ("Standby",), "moved out of standby")
    after = group.desired + len(rows)
    if after > group.max_size:
        raise invalid(
            f"The new DesiredCapacity {after} would be greater than MaxSize {group.max_size}; update the group's MaxSize first"
        )
    size, views = capacity(members(call, group)), []
    for row in rows:
        cause = texts.by_request(call.now, row.instance_id, "moved out of standby", size, size + 1)
        size += 1
        views.append(activity_view(moves.begin(call, group, row, "Moving EC2 instance out of Standby", cause)))
        call.cloud.state.scaling_members.change(row.instance_id, state="Pending", changed=call.now)
    call.cloud.state.scaling_groups.change(group.name, desired=after)
    return {"Activities": views}


@operation()
def set_instance_protection(
    call: Call, *, instance_ids: list[str], auto_scaling_group_name: str, protected_from_scale_in: bool
) -> Answer:
    """SetInstanceProtection."""
    group = changeable(call, auto_scaling_group_name)
    for row in [member(call, group, instance_id) for instance_id in instance_ids]:
        call.cloud.state.scaling_members.change(row.instance_id, protected=protected_from_scale_in)
    touch(call, group)
    return {}


@operation()
def set_instance_health(call: Call, *, instance_id: str, health_status: str, should_respect_grace_period: bool = True) -> Answer:
    """SetInstanceHealth.

    One that is Unhealthy is replaced. In its grace period it stays healthy, unless that is not respected.
    """
    row = of_instance(call, instance_id)
    if health_status not in ("Healthy", "Unhealthy"):
        raise invalid("HealthStatus must be Healthy or Unhealthy")
    group = named(call, row.group_name)
    grace = not times.over(row.in_service or call.now, group.settings["HealthCheckGracePeriod"], times.seconds(call.now))
    if health_status == "Unhealthy" and should_respect_grace_period and grace:
        return {}
    call.cloud.state.scaling_members.change(row.instance_id, health=health_status)
    touch(call, group)
    return {}
