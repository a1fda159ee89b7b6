"""What a lifecycle hook may be."""

from collections.abc import Mapping
from typing import Any

from ...api import Call
from ...errors import ApiError
from ...state.rows_autoscaling import LifecycleHook, ScalingGroup
from . import passing, told_topics
from .finding import invalid

LAUNCHING, TERMINATING = "autoscaling:EC2_INSTANCE_LAUNCHING", "autoscaling:EC2_INSTANCE_TERMINATING"
TRANSITIONS = (LAUNCHING, TERMINATING)
MOST_HOOKS = 50
LONGEST_HEARTBEAT, LONGEST_IN_ALL = 7200, 172_800
RESULTS = ("CONTINUE", "ABANDON")


def put(call: Call, group: ScalingGroup, name: str, given: Mapping[str, Any]) -> None:
    """Make a hook, or change the members of one that are given. Raises ApiError."""
    table = call.cloud.state.lifecycle_hooks
    before = table.get(group.name, name)
    transition = given.get("LifecycleTransition") or (before.transition if before else "")
    if transition not in TRANSITIONS:
        raise invalid(f"Lifecycle Transition must be one of {', '.join(TRANSITIONS)}")
    settings = {"HeartbeatTimeout": 3600, "DefaultResult": "ABANDON", **(before.settings if before else {})}
    members = ("NotificationTargetARN", "RoleARN", "NotificationMetadata", "HeartbeatTimeout", "DefaultResult")
    settings |= {member: given[member] for member in members if given.get(member) is not None}
    if not 30 <= settings["HeartbeatTimeout"] <= LONGEST_HEARTBEAT:
        raise invalid(f"Heartbeat timeout must be between 30 and {LONGEST_HEARTBEAT} seconds")
    if settings["DefaultResult"] not in RESULTS:
        raise invalid(f"DefaultResult must be one of {', '.join(RESULTS)}")
    if before is None and len(table.find(group_name=group.name)) >= MOST_HOOKS:
        raise ApiError("LimitExceeded", f"A group has at most {MOST_HOOKS} lifecycle hooks")
    passing.role(call, given.get("RoleARN"))
    makers = before.makers if before else call.makers
    if topic := given.get("NotificationTargetARN"):
        told_topics.test(call, group, told_topics.checked(call, topic))
        makers = call.makers
    table.remove(group.name, name)
    table.add(LifecycleHook(group.name, name, transition, settings, makers))
