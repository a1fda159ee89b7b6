"""Auto Scaling groups: create, update, delete, describe. What they wish for, a reconciler brings about."""

from typing import Any

from ...api import Answer, Call, operation
from ...aws import autoscaling_texts as texts
from ...callers import check
from ...errors import ApiError
from ...state.rows_autoscaling import ScalingGroup
from ..ec2.launch_template_rows import LaunchTemplateSpecification
from . import from_instance, group_request, group_view, hook_rules, passing, rehearsal, tag_rules, traffic
from .finding import arn, busy, changeable, in_use, invalid, members, named, touch
from .group_request import HookInput, MixedInstancesInput, TagInput, TrafficSourceInput

MOST_GROUPS = 500
_DEFAULTS: dict[str, Any] = {
    "DefaultCooldown": 300, "HealthCheckType": "EC2", "HealthCheckGracePeriod": 0, "TerminationPolicies": ["Default"],
    "NewInstancesProtectedFromScaleIn": False, "CapacityRebalance": False,
}  # fmt: skip


@operation()
def create_auto_scaling_group(
    call: Call,
    *,
    auto_scaling_group_name: str,
    min_size: int,
    max_size: int,
    launch_configuration_name: str | None = None,
    launch_template: LaunchTemplateSpecification | None = None,
    mixed_instances_policy: MixedInstancesInput | None = None,
    instance_id: str | None = None,
    desired_capacity: int | None = None,
    default_cooldown: int | None = None,
    availability_zones: list[str] | None = None,
    load_balancer_names: list[str] | None = None,
    target_group_arns: list[str] | None = None,
    health_check_type: str | None = None,
    health_check_grace_period: int | None = None,
    vpc_zone_identifier: str | None = None,
    termination_policies: list[str] | None = None,
    new_instances_protected_from_scale_in: bool | None = None,
    capacity_rebalance: bool | None = None,
    lifecycle_hook_specification_list: list[HookInput] | None = None,
    tags: list[TagInput] | None = None,
    service_linked_role_arn: str | None = None,
    max_instance_lifetime: int | None = None,
    context: str | None = None,
    desired_capacity_type: str | None = None,
    default_instance_warmup: int | None = None,
    traffic_sources: list[TrafficSourceInput] | None = None,
) -> Answer:
    """CreateAutoScalingGroup. The answer is given before its instances run."""
    name = auto_scaling_group_name
    desired = min_size if desired_capacity is None else desired_capacity
    _new_name(call, name)
    group_request.sizes(min_size, max_size, desired)
    source = {
        "LaunchTemplate": launch_template, "LaunchConfigurationName": launch_configuration_name, "InstanceId": instance_id,
        "MixedInstancesPolicy": mixed_instances_policy,
    }  # fmt: skip
    if sum(bool(value) for value in source.values()) != 1:
        wanted = f"{', '.join(group_request.SOURCES[:-1])} or {group_request.SOURCES[-1]}"
        raise invalid(f"Valid requests must contain either {wanted} parameter.")
    if instance_id:
        check(call.caller, "autoscaling", "ec2:RunInstances")
        source = {"LaunchConfigurationName": from_instance.configuration(call, name, instance_id)}
        if not vpc_zone_identifier and not availability_zones:
            vpc_zone_identifier = from_instance.subnet(call, instance_id)
    plain = group_request.checked(
        {
            "DefaultCooldown": default_cooldown, "HealthCheckType": health_check_type,
            "HealthCheckGracePeriod": health_check_grace_period, "TerminationPolicies": termination_policies,
            "NewInstancesProtectedFromScaleIn": new_instances_protected_from_scale_in, "CapacityRebalance": capacity_rebalance,
            "ServiceLinkedRoleARN": service_linked_role_arn, "MaxInstanceLifetime": max_instance_lifetime, "Context": context,
            "DesiredCapacityType": desired_capacity_type, "DefaultInstanceWarmup": default_instance_warmup,
        }
    )  # fmt: skip
    passing.role(call, service_linked_role_arn)
    settings = {
        **_DEFAULTS, **_role(call), **plain, **group_request.places(call, vpc_zone_identifier, availability_zones),
        **group_request.launch_source(call, source),
    }  # fmt: skip
    rehearsal.check(call, settings)
    row = ScalingGroup(
        name=name, arn=arn(call, "autoScalingGroup", f"autoScalingGroupName/{name}"), min_size=min_size, max_size=max_size,
        desired=desired, settings=settings, created=call.now,
        cause=texts.changing(call.now, "a user request created an AutoScalingGroup", 0, desired),
        sources=traffic.wanted(call, traffic_sources, target_group_arns, load_balancer_names), makers=call.makers,
    )  # fmt: skip
    call.cloud.state.scaling_groups.add(row)
    tag_rules.put(call, [{**tag, "ResourceId": name} for tag in tags or []])
    for hook in lifecycle_hook_specification_list or []:
        hook_rules.put(call, row, hook["LifecycleHookName"], hook)
    touch(call, row)
    return {}


def _new_name(call: Call, name: str) -> None:
    groups = call.cloud.state.scaling_groups
    if not name.strip() or ":" in name or len(name) > 255 or not name.isprintable():
        raise invalid("A group's name has 1 to 255 characters, none of them a colon or a control character")
    if groups.get(name) is not None:
        raise ApiError(
            "AlreadyExists", f"AutoScalingGroup by this name already exists - A group with the name {name} already exists"
        )
    if len(groups.query()) >= MOST_GROUPS:
        raise ApiError("LimitExceeded", f"You have reached the limit of {MOST_GROUPS} Auto Scaling groups")


def _role(call: Call) -> dict[str, str]:
    role = "aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
    return {"ServiceLinkedRoleARN": f"arn:aws:iam::{call.cloud.settings.account_id}:role/{role}"}


@operation()
def update_auto_scaling_group(
    call: Call,
    *,
    auto_scaling_group_name: str,
    launch_configuration_name: str | None = None,
    launch_template: LaunchTemplateSpecification | None = None,
    mixed_instances_policy: MixedInstancesInput | None = None,
    min_size: int | None = None,
    max_size: int | None = None,
    desired_capacity: int | None = None,
    default_cooldown: int | None = None,
    availability_zones: list[str] | None = None,
    health_check_type: str | None = None,
    health_check_grace_period: int | None = None,
    vpc_zone_identifier: str | None = None,
    termination_policies: list[str] | None = None,
    new_instances_protected_from_scale_in: bool | None = None,
    service_linked_role_arn: str | None = None,
    max_instance_lifetime: int | None = None,
    capacity_rebalance: bool | None = None,
    context: str | None = None,
    desired_capacity_type: str | None = None,
    default_instance_warmup: int | None = None,
) -> Answer:
    """UpdateAutoScalingGroup. Bounds that the desired capacity is outside of move it."""
    row = changeable(call, auto_scaling_group_name)
    settings, makers = dict(row.settings), row.makers
    passing.role(call, service_linked_role_arn)
    source = {
        "LaunchTemplate": launch_template, "LaunchConfigurationName": launch_configuration_name,
        "MixedInstancesPolicy": mixed_instances_policy,
    }  # fmt: skip
    if given := group_request.launch_source(call, source):
        settings = {key: value for key, value in settings.items() if key not in group_request.LAUNCH} | given
        makers = call.makers
    if vpc_zone_identifier is not None or availability_zones is not None:
        settings |= group_request.places(call, vpc_zone_identifier, availability_zones)
    if given or vpc_zone_identifier is not None or availability_zones is not None:
        rehearsal.check(call, settings)
    settings |= group_request.checked(
        {
            "DefaultCooldown": default_cooldown, "HealthCheckType": health_check_type,
            "HealthCheckGracePeriod": health_check_grace_period, "TerminationPolicies": termination_policies,
            "NewInstancesProtectedFromScaleIn": new_instances_protected_from_scale_in, "CapacityRebalance": capacity_rebalance,
            "ServiceLinkedRoleARN": service_linked_role_arn, "MaxInstanceLifetime": max_instance_lifetime, "Context": context,
            "DesiredCapacityType": desired_capacity_type, "DefaultInstanceWarmup": default_instance_warmup,
        }
    )  # fmt: skip
    if settings.get("DefaultInstanceWarmup") == -1:
        del settings["DefaultInstanceWarmup"]
    if settings.get("MaxInstanceLifetime") == 0:
        del settings["MaxInstanceLifetime"]
    low = row.min_size if min_size is None else min_size
    high = row.max_size if max_size is None else max_size
    desired = max(low, min(high, row.desired)) if desired_capacity is None else desired_capacity
    group_request.sizes(low, high, desired)
    cause = texts.changing(call.now, texts.constraints(low, high, desired), row.desired, desired) or row.cause
    call.cloud.state.scaling_groups.change(
        row.name, settings=settings, min_size=low, max_size=high, desired=desired, cause=cause, failures=0, retry_at="",
        makers=makers,
    )  # fmt: skip
    touch(call, row)
    return {}


@operation()
def delete_auto_scaling_group(call: Call, *, auto_scaling_group_name: str, force_delete: bool = False) -> Answer:
    """DeleteAutoScalingGroup.

    With `force_delete` its instances are terminated, without their lifecycle hooks, and it goes last.
    """
    row, state = named(call, auto_scaling_group_name), call.cloud.state
    if row.deleting:
        return {}
    there = members(call, row)
    if not force_delete:
        if any(one.state != "InService" and not one.state.endswith("Standby") for one in there):
            raise busy("You cannot delete an AutoScalingGroup while there are scaling activities in progress for that group.")
        if there:
            raise in_use(
                "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in "
                "the group."
            )
        if state.scaling_groups.get(row.name) and row.desired > 0 and not row.suspended and not row.failures:
            raise busy("You cannot delete an AutoScalingGroup while there are scaling activities in progress for that group.")
    cause = texts.changing(call.now, "a user request force deleted AutoScalingGroup", row.desired, 0)
    state.scaling_groups.change(row.name, deleting="force", desired=0, min_size=0, cause=cause)
    touch(call, row)
    return {}


_FILTERS = {"tag-key": "Tags[].Key", "tag-value": "Tags[].Value"}


@operation(items="AutoScalingGroups", key="AutoScalingGroupName", filters=_FILTERS)
def describe_auto_scaling_groups(
    call: Call,
    *,
    auto_scaling_group_names: list[str] | None = None,
    include_instances: bool = True,
    include_managed_resources: bool = True,
) -> Answer:
    """DescribeAutoScalingGroups. Names that no group has are left out, as AWS does."""
    del include_managed_resources  # nobody else manages groups here
    table = call.cloud.state.scaling_groups
    rows = table.among("name", auto_scaling_group_names) if auto_scaling_group_names else table.query()
    shown = group_view.groups(call, sorted(rows, key=lambda row: row.name), instances=include_instances)
    return {"AutoScalingGroups": shown}
