"""The warm pool: how many instances wait in it. Pure functions of the view."""

from ..aws import autoscaling_texts as texts
from .autoscaling_actions import Action, Move, SetGroup
from .autoscaling_capacity import held_back, launches
from .autoscaling_lifecycle import enter
from .autoscaling_view import View

_DESCRIPTION = "Terminating EC2 instance from warm pool"


def size(view: View) -> int:
    """How many the pool is to have.

    What the group may still grow by, or what it is to be prepared for, and at least its own minimum.
    """
    pool, group = view.group.warm_pool, view.group
    prepared = pool.get("MaxGroupPreparedCapacity", group.max_size)
    return max(int(pool.get("MinSize", 0)), int(prepared) - group.desired, 0)


def plan(view: View) -> list[Action]:
    """Fill it or empty it, once the group itself has what it needs."""
    group = view.group
    pooled = [row for row in view.members if row.state.startswith("Warmed:")]
    leaving = [row for row in pooled if "Terminating" in row.state]
    if group.warm_pool.get("Status") == "PendingDelete" and not pooled:
        return [SetGroup(group, {"warm_pool": {}})]
    if not group.warm_pool or len(view.counted) < group.desired:
        return []
    wanted = 0 if group.warm_pool.get("Status") == "PendingDelete" else size(view)
    there = [row for row in pooled if row not in leaving]
    if len(there) < wanted:
        cause = texts.at(view.moment, "an instance was launched into the warm pool in response to a difference in its size")
        return [] if held_back(view) else launches(view, wanted - len(there), cause, warm=True)
    if not view.may("Terminate"):
        return []
    surplus = sorted(there, key=lambda row: (row.state in ("Warmed:Stopped", "Warmed:Running"), row.joined))
    cause = texts.at(view.moment, "an instance was taken out of the warm pool in response to a difference in its size")
    return [
        Move(row, enter(view, "Warmed:Terminating", hooks=[]), begin=(_DESCRIPTION, cause))
        for row in surplus[: len(there) - wanted]
    ]
