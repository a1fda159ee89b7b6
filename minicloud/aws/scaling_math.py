"""What a scaling policy makes of a capacity. Pure functions; a capacity is a number of instances.

Instances that still warm up add nothing to the metric yet: a scale-out counts from those that do, so that one load is answered
once, and nothing is scaled in meanwhile.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

LOW_PART = 0.9
"""The part of its target below which target tracking scales in; its lower alarm is there, as AWS makes it."""
ADJUSTMENT_TYPES = ("ChangeInCapacity", "ExactCapacity", "PercentChangeInCapacity")


def adjusted(kind: str, capacity: int, adjustment: int, least: int = 0) -> int:
    """The capacity after an adjustment. `least` is the MinAdjustmentMagnitude of a percentage."""
    if kind == "ExactCapacity":
        return adjustment
    if kind == "ChangeInCapacity":
        return capacity + adjustment
    change = capacity * adjustment / 100
    # As AWS rounds: away from zero below one, toward zero above.
    whole = int(math.copysign(1, change)) if 0 < abs(change) < 1 else int(change)
    if adjustment and abs(whole) < least:
        whole = int(math.copysign(least, adjustment))
    return capacity + whole


def step_for(steps: Sequence[Mapping[str, Any]], excess: float) -> Mapping[str, Any] | None:
    """The step adjustment for a metric that is `excess` over its threshold; None if no step speaks of it."""
    for step in steps:
        low, high = step.get("MetricIntervalLowerBound"), step.get("MetricIntervalUpperBound")
        # Of a positive interval the lower bound belongs to it, of a negative one the upper.
        if excess >= 0:
            inside = (low is None or low <= excess) and (high is None or excess < high)
        else:
            inside = (low is None or low < excess) and (high is None or excess <= high)
        if inside:
            return step
    return None


def stepped(settings: Mapping[str, Any], desired: int, warm: int, excess: float, *, warming: bool) -> int | None:
    """What a step policy sets the desired capacity to; None for no change.

    `warm` are the instances that have warmed up; `warming` is whether others still do.
    """
    step = step_for(settings["StepAdjustments"], excess)
    if step is None:
        return None
    least = settings.get("MinAdjustmentMagnitude", settings.get("MinAdjustmentStep", 0))
    kind, change = settings["AdjustmentType"], step["ScalingAdjustment"]
    base = warm if warming else desired
    outward = adjusted(kind, base, change, least)
    if outward > base:
        return outward if outward > desired else None
    inward = adjusted(kind, desired, change, least)
    return None if warming or inward >= desired else inward


def tracked(target: float, value: float, desired: int, warm: int, *, warming: bool, outward: bool) -> int | None:
    """What target tracking sets the desired capacity to; None for no change.

    The metric is an average over the instances that have warmed up, so that it falls as their number grows. Inward it goes as
    far as LOW_PART of the target only: a load that stays as it is brings nothing back that was just taken away.
    """
    if outward:
        # With nothing there that could be measured, one is the start of everything.
        wanted = max(math.ceil(warm * value / target - 1e-9), 1)
        return wanted if wanted > desired else None
    wanted = math.ceil(warm * value / (target * LOW_PART) - 1e-9)
    return None if warming or wanted >= desired else wanted


def bounded(capacity: int, minimum: int, maximum: int) -> int:
    """Within the group's bounds."""
    return max(minimum, min(maximum, capacity))
