"""What to do about a group: a pure function of its view, which is made anew until there is nothing left to do.

Members go their way first; what is unhealthy is taken out before anything is counted; sizes come next, and what can wait
comes last.
"""

from ..aws import autoscaling_texts as texts
from . import autoscaling_capacity, autoscaling_health, autoscaling_refresh, autoscaling_warm
from .autoscaling_actions import Action, ForgetGroup, Move, SetGroup
from .autoscaling_lifecycle import enter, registration, step
from .autoscaling_view import View

_ON_THE_WAY = ("Terminating", "Detaching")


def plan(view: View) -> list[Action]:
    """The actions for a group; none while there is only waiting."""
    if view.group.deleting:
        return _delete(view)
    moves: list[Action] = [move for row in view.members if (move := step(view, row)) is not None]
    if unhealthy := autoscaling_health.plan(view):
        return [*moves, *unhealthy]
    if sizes := autoscaling_capacity.plan(view):
        return [*moves, *sizes]
    if refreshed := autoscaling_refresh.plan(view):
        return [*moves, *refreshed]
    return [
        *moves,
        *_sources(view),
        *autoscaling_health.steady(view),
        *(autoscaling_refresh.too_old(view) or autoscaling_capacity.rebalance(view)),
        *autoscaling_warm.plan(view),
    ]


def _delete(view: View) -> list[Action]:
    """Terminate all, at once and without asking anybody; the group goes last."""
    if not view.members:
        return [ForgetGroup(view.group)]
    actions: list[Action] = []
    for row in view.members:
        state = row.state.removeprefix("Warmed:")
        if state.startswith(_ON_THE_WAY):
            actions += [move] if (move := step(view, row)) is not None else []
            continue
        size = len(view.counted)
        cause = texts.surplus(view.moment, view.group.cause, size, 0, row.instance_id)
        prefix = "Warmed:" if row.state.startswith("Warmed:") else ""
        fields = enter(view, f"{prefix}Terminating", hooks=[], to_pool=False)
        actions.append(Move(row, fields, begin=("Terminating EC2 instance", cause)))
    return actions


def _sources(view: View) -> list[Action]:
    """The states of traffic sources; those that are being removed lose the members that they still have."""
    changed, actions = [], []
    for source in view.group.sources:
        name = source["Identifier"]
        if name in view.lost:
            continue
        at = {row.instance_id: state for row in view.members if (state := view.sight(row).traffic.get(name)) is not None}
        if source["State"] == "Removing":
            left = [row for row in view.members if at.get(row.instance_id, "draining") != "draining"]
            actions += [Move(row, asks=(registration(source, row.instance_id, register=False),)) for row in left]
            if at:
                changed.append(source)
            continue
        serving = [row for row in view.members if row.state == "InService"]
        state = source["State"]
        if "healthy" in at.values():
            state = "InService"
        elif all(row.instance_id in at for row in serving):
            state = "Added"
        changed.append({**source, "State": state})
    return [*actions, *([SetGroup(view.group, {"sources": changed})] if changed != view.group.sources else [])]
