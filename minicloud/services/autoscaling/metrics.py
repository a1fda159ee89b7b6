"""Which metrics of a group are kept, in AWS/AutoScaling, a value each minute."""

from ...api import Answer, Call, operation
from .finding import changeable, invalid, named

METRICS = (
    "GroupMinSize", "GroupMaxSize", "GroupDesiredCapacity", "GroupInServiceInstances", "GroupPendingInstances",
    "GroupStandbyInstances", "GroupTerminatingInstances", "GroupTotalInstances", "GroupInServiceCapacity",
    "GroupPendingCapacity", "GroupStandbyCapacity", "GroupTerminatingCapacity", "GroupTotalCapacity",
    "WarmPoolDesiredCapacity", "WarmPoolWarmedCapacity", "WarmPoolPendingCapacity", "WarmPoolTerminatingCapacity",
    "WarmPoolTotalCapacity", "GroupAndWarmPoolDesiredCapacity", "GroupAndWarmPoolTotalCapacity",
)  # fmt: skip


def _checked(names: list[str] | None) -> list[str]:
    if strange := [name for name in names or [] if name not in METRICS]:
        raise invalid(f"Invalid metric: {strange[0]}. Allowed: {', '.join(METRICS)}")
    return names or list(METRICS)


@operation()
def enable_metrics_collection(
    call: Call, *, auto_scaling_group_name: str, granularity: str, metrics: list[str] | None = None
) -> Answer:
    """EnableMetricsCollection: the named ones, or all."""
    group, names = changeable(call, auto_scaling_group_name), _checked(metrics)
    if granularity != "1Minute":
        raise invalid("Granularity must be 1Minute")
    call.cloud.state.scaling_groups.change(group.name, metrics=[name for name in METRICS if name in {*names, *group.metrics}])
    return {}


@operation()
def disable_metrics_collection(call: Call, *, auto_scaling_group_name: str, metrics: list[str] | None = None) -> Answer:
    """DisableMetricsCollection: the named ones, or all."""
    group, names = named(call, auto_scaling_group_name), _checked(metrics)
    call.cloud.state.scaling_groups.change(group.name, metrics=[name for name in group.metrics if name not in names])
    return {}
