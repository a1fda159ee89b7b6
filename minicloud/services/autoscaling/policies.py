"""Scaling policies: what an alarm, or somebody, may have a group do."""

from typing import Any

from ...api import Answer, Call, operation
from ...aws import autoscaling_texts as texts
from ...aws import scaling_math, times
from ...errors import ApiError
from ...state.rows_autoscaling import ScalingGroup, ScalingMember, ScalingPolicy
from . import policy_rules
from .finding import HELD, arn, busy, changeable, invalid, members, named, touch
from .policy_rules import SIMPLE, STEP, TRACKING, StepInput, TrackingInput
from .sizes import cool, cooling

MOST_POLICIES = 50
ALARMS = "cloudwatch.amazonaws.com"
"""The user id of a caller that is an alarm; its ARN is the alarm's."""


@operation()
def put_scaling_policy(
    call: Call,
    *,
    auto_scaling_group_name: str,
    policy_name: str,
    policy_type: str = SIMPLE,
    adjustment_type: str | None = None,
    min_adjustment_step: int | None = None,
    min_adjustment_magnitude: int | None = None,
    scaling_adjustment: int | None = None,
    cooldown: int | None = None,
    metric_aggregation_type: str | None = None,
    step_adjustments: list[StepInput] | None = None,
    estimated_instance_warmup: int | None = None,
    target_tracking_configuration: TrackingInput | None = None,
    enabled: bool | None = None,
) -> Answer:
    """PutScalingPolicy: makes one, or overwrites the one of that name. Target tracking makes two alarms with it."""
    group, table = changeable(call, auto_scaling_group_name), call.cloud.state.scaling_policies
    given = {
        "AdjustmentType": adjustment_type, "MinAdjustmentStep": min_adjustment_step, "Cooldown": cooldown,
        "MinAdjustmentMagnitude": min_adjustment_magnitude, "ScalingAdjustment": scaling_adjustment,
        "MetricAggregationType": metric_aggregation_type, "StepAdjustments": step_adjustments,
        "EstimatedInstanceWarmup": estimated_instance_warmup, "TargetTrackingConfiguration": target_tracking_configuration,
    }  # fmt: skip
    settings: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if not policy_name or len(policy_name) > 255 or ":" in policy_name or not policy_name.isprintable():
        raise invalid("A policy's name has 1 to 255 printable characters and no colon")
    policy_rules.check(policy_type, settings)
    settings["Enabled"] = True if enabled is None else enabled
    before = table.get(group.name, policy_name)
    if before is not None and before.kind != policy_type:
        raise invalid(f"The policy {policy_name} is of the type {before.kind}, which cannot be changed")
    if before is None and len(table.find(group_name=group.name)) >= MOST_POLICIES:
        raise ApiError("LimitExceeded", f"A group has at most {MOST_POLICIES} scaling policies")
    own = before.arn if before else arn(call, "scalingPolicy", f"autoScalingGroupName/{group.name}:policyName/{policy_name}")
    alarms = before.alarms if before else []
    if policy_type == TRACKING:
        alarms = policy_rules.put_alarms(call, group, own, settings["TargetTrackingConfiguration"], alarms)
    table.remove(group.name, policy_name)
    table.add(ScalingPolicy(group.name, policy_name, own, policy_type, settings, call.now, alarms))
    return {"PolicyARN": own, "Alarms": alarms}


def _found(call: Call, group_name: str | None, name: str) -> ScalingPolicy:
    """A policy by its ARN, or by its name in a group. Raises ApiError."""
    table = call.cloud.state.scaling_policies
    if name.startswith("arn:"):
        rows = [row for row in table.find(arn=name) if group_name in (None, row.group_name)]
    elif group_name is None:
        raise invalid("AutoScalingGroupName is required with the name of a policy")
    else:
        named(call, group_name)
        rows = table.find(group_name=group_name, name=name)
    if not rows:
        raise invalid(f"PolicyName not found - {name}")
    return rows[0]


@operation()
def delete_policy(call: Call, *, policy_name: str, auto_scaling_group_name: str | None = None) -> Answer:
    """DeletePolicy, with the alarms that target tracking made."""
    row = _found(call, auto_scaling_group_name, policy_name)
    if row.kind == TRACKING:
        policy_rules.delete_alarms(call, row.alarms)
    call.cloud.state.scaling_policies.remove(row.group_name, row.name)
    return {}


@operation(items="ScalingPolicies", key="AutoScalingGroupName PolicyName")
def describe_policies(
    call: Call,
    *,
    auto_scaling_group_name: str | None = None,
    policy_names: list[str] | None = None,
    policy_types: list[str] | None = None,
    include_managed_resources: bool = True,
) -> Answer:
    """DescribePolicies."""
    del include_managed_resources
    table = call.cloud.state.scaling_policies
    rows = table.find(group_name=auto_scaling_group_name) if auto_scaling_group_name else table.query()
    return {
        "ScalingPolicies": [
            {
                "AutoScalingGroupName": row.group_name,
                "PolicyName": row.name,
                "PolicyARN": row.arn,
                "PolicyType": row.kind,
                "Alarms": row.alarms,
                **row.settings,
            }
            for row in sorted(rows, key=lambda row: (row.group_name, row.name))
            if (not policy_names or row.name in policy_names or row.arn in policy_names)
            and (not policy_types or row.kind in policy_types)
        ]
    }


@operation()
def execute_policy(
    call: Call,
    *,
    policy_name: str,
    auto_scaling_group_name: str | None = None,
    honor_cooldown: bool = False,
    metric_value: float | None = None,
    breach_threshold: float | None = None,
) -> Answer:
    """ExecutePolicy, by a user or by an alarm. Only an alarm executes target tracking."""
    alarm = call.caller is not None and call.caller.user_id == ALARMS
    policy = _found(call, auto_scaling_group_name, policy_name)
    group = changeable(call, policy.group_name)
    if policy.kind == STEP and (metric_value is None or breach_threshold is None):
        raise invalid("MetricValue and BreachThreshold are required to execute a step scaling policy")
    if policy.kind == TRACKING and (not alarm or metric_value is None):
        raise invalid(f"Policy {policy.name} is of the type {TRACKING}, which only its alarms execute")
    if policy.kind == SIMPLE and (alarm or honor_cooldown) and cooling(call, group):
        raise busy(f"Scaling activity is in progress for {group.name}: its cooldown ends at {group.cooldown_until}")
    if not policy.settings.get("Enabled", True) or (alarm and "AlarmNotification" in group.suspended):
        return {}
    wanted = _wanted(call, group, policy, metric_value or 0.0, breach_threshold or 0.0)
    if wanted is None:
        return {}
    after = scaling_math.bounded(wanted, group.min_size, group.max_size)
    if after == group.desired:
        return {}
    fields: dict[str, Any] = {
        "desired": after,
        "cause": texts.changing(call.now, _why(call, policy, alarm), group.desired, after),
    }
    if policy.kind == SIMPLE:
        fields["cooldown_until"] = cool(call, group, policy.settings.get("Cooldown"))
    call.cloud.state.scaling_groups.change(group.name, failures=0, retry_at="", **fields)
    touch(call, group)
    return {}


def _why(call: Call, policy: ScalingPolicy, alarm: bool) -> str:
    if not alarm or call.caller is None:
        return f"a user request executed policy {policy.name}"
    _, found, name = call.caller.arn.partition(":alarm:")
    return f"a monitor alarm {name + ' ' if found else ''}in state ALARM triggered policy {policy.name}"


def _wanted(call: Call, group: ScalingGroup, policy: ScalingPolicy, value: float, threshold: float) -> int | None:
    settings = policy.settings
    if policy.kind == SIMPLE:
        least = settings.get("MinAdjustmentMagnitude", settings.get("MinAdjustmentStep", 0))
        return scaling_math.adjusted(settings["AdjustmentType"], group.desired, settings["ScalingAdjustment"], least)
    found = members(call, group)
    length = settings.get(
        "EstimatedInstanceWarmup", group.settings.get("DefaultInstanceWarmup", group.settings["DefaultCooldown"])
    )
    warm = sum(_warm(call, row, length) for row in found)
    warming = any(row.state in HELD and not _warm(call, row, length) for row in found)
    if policy.kind == STEP:
        return scaling_math.stepped(settings, group.desired, warm, value - threshold, warming=warming)
    tracking = settings["TargetTrackingConfiguration"]
    target = tracking["TargetValue"]
    outward = value > target
    if not outward and tracking.get("DisableScaleIn"):
        return None
    return scaling_math.tracked(target, value, group.desired, warm, warming=warming, outward=outward)


def _warm(call: Call, row: ScalingMember, length: float) -> bool:
    """Whether a member serves, and has done so for long enough."""
    return row.state == "InService" and times.over(row.in_service or call.now, length, times.seconds(call.now))
