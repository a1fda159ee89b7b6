"""Processes of a group that can be suspended. What is suspended, its reconciler leaves undone until it is resumed."""

from ...api import Answer, Call, operation
from .finding import changeable, invalid, touch

PROCESSES = (
    "AZRebalance", "AddToLoadBalancer", "AlarmNotification", "HealthCheck", "InstanceRefresh", "Launch", "ReplaceUnhealthy",
    "ScheduledActions", "Terminate",
)  # fmt: skip


def _checked(names: list[str] | None) -> list[str]:
    if strange := [name for name in names or [] if name not in PROCESSES]:
        raise invalid(f"Invalid process name: {strange[0]}. Allowed: {', '.join(PROCESSES)}")
    return names or list(PROCESSES)


@operation()
def suspend_processes(call: Call, *, auto_scaling_group_name: str, scaling_processes: list[str] | None = None) -> Answer:
    """SuspendProcesses: the named ones, or all."""
    group, names = changeable(call, auto_scaling_group_name), _checked(scaling_processes)
    said = dict.fromkeys(names, f"User suspended at {call.now[:19]}Z")
    call.cloud.state.scaling_groups.change(group.name, suspended={**said, **group.suspended})
    return {}


@operation()
def resume_processes(call: Call, *, auto_scaling_group_name: str, scaling_processes: list[str] | None = None) -> Answer:
    """ResumeProcesses: the named ones, or all."""
    group, names = changeable(call, auto_scaling_group_name), _checked(scaling_processes)
    left = {name: why for name, why in group.suspended.items() if name not in names}
    call.cloud.state.scaling_groups.change(group.name, suspended=left)
    touch(call, group)
    return {}


@operation()
def describe_scaling_process_types(call: Call) -> Answer:
    """DescribeScalingProcessTypes."""
    del call
    return {"Processes": [{"ProcessName": name} for name in PROCESSES]}
