"""Groups and members as AWS answers them."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from ...api import Call
from ...aws.names import zone_id
from ...state.rows_autoscaling import ScalingGroup, ScalingMember, ScalingTag

_SHOWN = (
    "LaunchConfigurationName", "LaunchTemplate", "MixedInstancesPolicy", "DefaultCooldown", "AvailabilityZones",
    "HealthCheckType", "HealthCheckGracePeriod", "VPCZoneIdentifier", "TerminationPolicies",
    "NewInstancesProtectedFromScaleIn", "ServiceLinkedRoleARN", "MaxInstanceLifetime", "Context", "DesiredCapacityType",
    "DefaultInstanceWarmup", "CapacityRebalance",
)  # fmt: skip


def member_view(row: ScalingMember) -> dict[str, Any]:
    """A member, inside its group."""
    view: dict[str, Any] = {
        "InstanceId": row.instance_id,
        "InstanceType": row.instance_type,
        "AvailabilityZone": row.zone,
        "LifecycleState": row.state,
        "HealthStatus": row.health,
        "ProtectedFromScaleIn": row.protected,
    }
    if row.launch_configuration:
        view["LaunchConfigurationName"] = row.launch_configuration
    if row.launch_template:
        view["LaunchTemplate"] = row.launch_template
    return view


def tag_view(row: ScalingTag) -> dict[str, Any]:
    """A tag of a group."""
    return {
        "ResourceId": row.group_name, "ResourceType": "auto-scaling-group", "Key": row.key, "Value": row.value,
        "PropagateAtLaunch": row.propagate,
    }  # fmt: skip


def warm_pool_view(row: ScalingGroup) -> dict[str, Any]:
    """What a group's warm pool is to be."""
    return {name: value for name, value in row.warm_pool.items() if value is not None}


def groups(call: Call, rows: Iterable[ScalingGroup], *, instances: bool = True) -> list[dict[str, Any]]:
    """Groups with all that belongs to them, by one look at each table."""
    found, state = list(rows), call.cloud.state
    names = [row.name for row in found]
    members, tags = defaultdict(list), defaultdict(list)
    for member in state.scaling_members.among("group_name", names):
        members[member.group_name].append(member)
    for tag in state.scaling_tags.among("group_name", names):
        tags[tag.group_name].append(tag)
    return [_group(call, row, members[row.name] if instances else [], tags[row.name]) for row in found]


def _group(call: Call, row: ScalingGroup, members: list[ScalingMember], tags: list[ScalingTag]) -> dict[str, Any]:
    settings, warmed = row.settings, [one for one in members if one.state.startswith("Warmed:")]
    view: dict[str, Any] = {
        "AutoScalingGroupName": row.name,
        "AutoScalingGroupARN": row.arn,
        "MinSize": row.min_size,
        "MaxSize": row.max_size,
        "DesiredCapacity": row.desired,
        **{name: settings[name] for name in _SHOWN if settings.get(name) is not None},
        "AvailabilityZoneIds": [zone_id(call.cloud.settings.region, zone) for zone in settings["AvailabilityZones"]],
        "Instances": [member_view(one) for one in members if one not in warmed],
        "CreatedTime": row.created,
        "SuspendedProcesses": [{"ProcessName": name, "SuspensionReason": why} for name, why in sorted(row.suspended.items())],
        "EnabledMetrics": [{"Metric": name, "Granularity": "1Minute"} for name in row.metrics],
        "Tags": [tag_view(tag) for tag in sorted(tags, key=lambda tag: tag.key)],
        **_sources(row),
    }
    if row.warm_pool:
        view |= {"WarmPoolConfiguration": warm_pool_view(row), "WarmPoolSize": len(warmed)}
    if row.deleting:
        view["Status"] = "Delete in progress"
    return view


def _sources(row: ScalingGroup) -> dict[str, Any]:
    there = [source for source in row.sources if source["State"] not in ("Removing", "Removed")]
    return {
        "LoadBalancerNames": [source["Identifier"] for source in there if source["Type"] == "elb"],
        "TargetGroupARNs": [source["Identifier"] for source in there if source["Type"] == "elbv2"],
        "TrafficSources": [{"Identifier": source["Identifier"], "Type": source["Type"]} for source in there],
    }
