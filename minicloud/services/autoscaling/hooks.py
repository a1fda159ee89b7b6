"""Lifecycle hooks: instances wait, while they come or go, until somebody says that they may."""

from collections.abc import Callable
from typing import Any

from ...api import Answer, Call, operation
from ...aws import times
from ...state.rows_autoscaling import ScalingMember
from . import hook_rules
from .finding import changeable, invalid, member, named, touch


@operation()
def put_lifecycle_hook(
    call: Call,
    *,
    lifecycle_hook_name: str,
    auto_scaling_group_name: str,
    lifecycle_transition: str | None = None,
    role_arn: str | None = None,
    notification_target_arn: str | None = None,
    notification_metadata: str | None = None,
    heartbeat_timeout: int | None = None,
    default_result: str | None = None,
) -> Answer:
    """PutLifecycleHook: for the transitions that begin from now on."""
    given = {
        "LifecycleTransition": lifecycle_transition, "RoleARN": role_arn, "NotificationTargetARN": notification_target_arn,
        "NotificationMetadata": notification_metadata, "HeartbeatTimeout": heartbeat_timeout, "DefaultResult": default_result,
    }  # fmt: skip
    hook_rules.put(call, changeable(call, auto_scaling_group_name), lifecycle_hook_name, given)
    return {}


@operation()
def delete_lifecycle_hook(call: Call, *, lifecycle_hook_name: str, auto_scaling_group_name: str) -> Answer:
    """DeleteLifecycleHook: what waits for it goes on at once, as if told to with its default result."""
    state, group = call.cloud.state, named(call, auto_scaling_group_name)
    if not state.lifecycle_hooks.remove(group.name, lifecycle_hook_name):
        raise invalid(f"No Lifecycle Hook found with name: {lifecycle_hook_name}")
    for row in state.scaling_members.find(group_name=group.name):
        kept = [{**hook, "deadline": call.now} if hook["name"] == lifecycle_hook_name else hook for hook in row.hooks]
        if kept != row.hooks:
            state.scaling_members.change(row.instance_id, hooks=kept)
    touch(call, group)
    return {}


@operation()
def describe_lifecycle_hooks(
    call: Call, *, auto_scaling_group_name: str, lifecycle_hook_names: list[str] | None = None
) -> Answer:
    """DescribeLifecycleHooks."""
    group = named(call, auto_scaling_group_name)
    rows = call.cloud.state.lifecycle_hooks.query("group_name = ?", [group.name], "name")
    return {
        "LifecycleHooks": [
            {
                "LifecycleHookName": row.name,
                "AutoScalingGroupName": row.group_name,
                "LifecycleTransition": row.transition,
                "GlobalTimeout": min(hook_rules.LONGEST_IN_ALL, row.settings["HeartbeatTimeout"] * 100),
                **row.settings,
            }
            for row in rows
            if not lifecycle_hook_names or row.name in lifecycle_hook_names
        ]
    }


@operation()
def complete_lifecycle_action(
    call: Call,
    *,
    lifecycle_hook_name: str,
    auto_scaling_group_name: str,
    lifecycle_action_result: str,
    lifecycle_action_token: str | None = None,
    instance_id: str | None = None,
) -> Answer:
    """CompleteLifecycleAction."""
    if lifecycle_action_result not in hook_rules.RESULTS:
        raise invalid(f"LifecycleActionResult must be one of {', '.join(hook_rules.RESULTS)}")
    token, name = lifecycle_action_token, lifecycle_hook_name
    row = _waiting(call, auto_scaling_group_name, name, token, instance_id)
    _change(call, row, name, lambda hook: {**hook, "result": lifecycle_action_result})
    return {}


@operation()
def record_lifecycle_action_heartbeat(
    call: Call,
    *,
    lifecycle_hook_name: str,
    auto_scaling_group_name: str,
    lifecycle_action_token: str | None = None,
    instance_id: str | None = None,
) -> Answer:
    """RecordLifecycleActionHeartbeat: another HeartbeatTimeout from now, within the whole of the time that there is."""
    name = lifecycle_hook_name
    row = _waiting(call, auto_scaling_group_name, name, lifecycle_action_token, instance_id)
    hook = call.cloud.state.lifecycle_hooks.get(auto_scaling_group_name, name)
    more = times.seconds(call.now) + (hook.settings["HeartbeatTimeout"] if hook else 0)
    _change(call, row, name, lambda one: {**one, "deadline": min(times.text(more), one["limit"])})
    return {}


def _waiting(call: Call, group_name: str, name: str, token: str | None, instance_id: str | None) -> ScalingMember:
    """The member that waits for a hook. Raises ApiError."""
    group = named(call, group_name)
    if not token and not instance_id:
        raise invalid("Either LifecycleActionToken or InstanceId must be given")
    rows = [member(call, group, instance_id)] if instance_id else call.cloud.state.scaling_members.find(group_name=group.name)
    for row in rows:
        for hook in row.hooks:
            if hook["name"] == name and not hook["result"] and token in (None, hook["token"]):
                return row
    what = f"token {token}" if token else f"instance ID {instance_id}"
    raise invalid(f"No active Lifecycle Action found with {what}")


def _change(call: Call, row: ScalingMember, name: str, change: Callable[[dict[str, str]], dict[str, Any]]) -> None:
    hooks = [change(hook) if hook["name"] == name else hook for hook in row.hooks]
    call.cloud.state.scaling_members.change(row.instance_id, hooks=hooks)
    touch(call, row.group_name)
