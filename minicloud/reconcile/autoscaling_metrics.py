"""The metrics of groups, each minute, in AWS/AutoScaling: pure counting, and one request for all groups."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from .. import api
from ..aws import times
from ..cloud import Cloud
from . import autoscaling_warm, isolation
from .autoscaling_view import View

_MOST = 1000
_PARTS = {
    "InService": ("InService",), "Pending": ("Pending", "Pending:Wait", "Pending:Proceed"), "Standby": ("Standby",
    "EnteringStandby"), "Terminating": ("Terminating", "Terminating:Wait", "Terminating:Proceed", "Detaching"),
}  # fmt: skip


def values(view: View) -> dict[str, int]:
    """All metrics of a group."""
    group = view.group
    states = Counter(row.state for row in view.members)
    found = {"GroupMinSize": group.min_size, "GroupMaxSize": group.max_size, "GroupDesiredCapacity": group.desired}
    for name, parts in _PARTS.items():
        found[f"Group{name}Instances"] = found[f"Group{name}Capacity"] = sum(states[part] for part in parts)
    total = sum(number for state, number in states.items() if not state.startswith("Warmed:"))
    found["GroupTotalInstances"] = found["GroupTotalCapacity"] = total
    wanted = autoscaling_warm.size(view) if group.warm_pool else 0
    pooled = {state.removeprefix("Warmed:"): number for state, number in states.items() if state.startswith("Warmed:")}
    found["WarmPoolDesiredCapacity"] = wanted
    found["WarmPoolWarmedCapacity"] = pooled.get("Stopped", 0) + pooled.get("Running", 0)
    for name in ("Pending", "Terminating"):
        found[f"WarmPool{name}Capacity"] = sum(number for state, number in pooled.items() if state.startswith(name))
    found["WarmPoolTotalCapacity"] = sum(pooled.values())
    found["GroupAndWarmPoolDesiredCapacity"] = group.desired + wanted
    found["GroupAndWarmPoolTotalCapacity"] = total + sum(pooled.values())
    return found


def put(cloud: Cloud, views: Sequence[View], now: float) -> None:
    """Measure the groups that want it and were not measured in this minute."""
    minute = times.text(now // 60 * 60)
    due = [view for view in views if view.group.metrics and view.group.measured != minute]
    data: list[dict[str, Any]] = []

    def measure(view: View) -> None:
        dimensions = [{"Name": "AutoScalingGroupName", "Value": view.group.name}]
        found = values(view)
        data.extend(
            {"MetricName": name, "Dimensions": dimensions, "Timestamp": minute, "Value": float(found[name]), "Unit": "None"}
            for name in view.group.metrics
        )

    isolation.each(cloud, "metrics of groups", [(view.group.name, view) for view in due], measure)
    for start in range(0, len(data), _MOST):
        params = {"Namespace": "AWS/AutoScaling", "MetricData": data[start : start + _MOST]}
        api.call(cloud, "cloudwatch", "PutMetricData", params)
    if due:
        with cloud.state.transaction():
            for view in due:
                cloud.state.scaling_groups.change(view.group.name, measured=minute)
