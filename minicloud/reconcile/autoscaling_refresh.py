"""Instance refreshes, and the end of instances that are too old. Pure functions of the view.

Members that are to be replaced carry the refresh's id. They are terminated as far as enough others are healthy, one at least;
with a maximum over 100 per cent the new ones come first.
"""

import math
from collections.abc import Mapping
from typing import Any

from ..aws import autoscaling_texts as texts
from ..state.rows_autoscaling import InstanceRefresh, ScalingMember
from .autoscaling_actions import Action, Move, SetRefresh
from .autoscaling_capacity import held_back, launches
from .autoscaling_lifecycle import enter
from .autoscaling_view import View, identity

MOST_FAILURES = 5
"""Launches in a row that may come to nothing before a refresh fails."""


def launch_source(view: View) -> Mapping[str, Any]:
    """How the group launches now: as the refresh says that goes on, else as it says itself."""
    going = view.refresh
    if going is not None and going.wanted and going.status in ("Pending", "InProgress"):
        return going.wanted
    return view.group.settings


def launch_makers(view: View) -> list[str]:
    """Who is behind what `launch_source` says."""
    going = view.refresh
    own = going is None or launch_source(view) is not going.wanted
    return view.group.makers if own or going is None else going.makers


def plan(view: View) -> list[Action]:
    """The next step of a refresh."""
    going = view.refresh
    if going is None:
        return []
    steps = {"Pending": _begin, "InProgress": _go_on, "Cancelling": _cancelled, "RollbackInProgress": _roll_back}
    return steps[going.status](view, going)


def _begin(view: View, going: InstanceRefresh) -> list[Action]:
    """Those that match already need no replacement, if that is asked for."""
    same = []
    if going.preferences.get("SkipMatching") and view.current:
        same = [row for row in view.members if row.refresh == going.id and identity(row) == view.current]
    unmarked: list[Action] = [Move(row, {"refresh": ""}) for row in same]
    return [*unmarked, SetRefresh(going, {"status": "InProgress", "total": going.total - len(same)})]


def _cancelled(view: View, going: InstanceRefresh) -> list[Action]:
    return [_over(view, going, "Cancelled")]


def _over(view: View, going: InstanceRefresh, status: str, reason: str = "") -> SetRefresh:
    left = sum(bool(row.refresh) for row in view.members)
    done = 100 if not going.total else round(100 * (going.total - left) / going.total)
    fields = {
        "status": status, "ended": view.moment, "reason": reason or going.reason,
        "rollback": {**going.rollback, "PercentageComplete": done, "InstancesToUpdate": left},
    }  # fmt: skip
    settings = going.wanted if status == "Successful" and going.wanted else None
    return SetRefresh(going, fields, over=True, settings=settings)


def _roll_back(view: View, going: InstanceRefresh) -> list[Action]:
    """What was launched meanwhile is marked in its turn, and replaced as the group launched before."""
    if going.rollback.get("Marked"):
        return _go_on(view, going)
    fresh = [row for row in view.counted if not row.refresh and row.joined > going.started]
    kept = [row for row in view.members if row.refresh]
    moves: list[Action] = [Move(row, {"refresh": going.id}) for row in fresh]
    moves += [Move(row, {"refresh": ""}) for row in kept]
    fields = {"rollback": {**going.rollback, "Marked": True}, "total": len(fresh), "checkpoint": 0, "paused": ""}
    return [*moves, SetRefresh(going, fields)]


def _go_on(view: View, going: InstanceRefresh) -> list[Action]:
    back = going.status == "RollbackInProgress"
    if view.group.failures >= MOST_FAILURES:
        return _failed(view, going, back=back)
    marked = [row for row in view.members if row.refresh == going.id]
    healthy = [row for row in view.counted if _well(view, row, going)]
    if not [row for row in marked if not row.state.startswith("Terminating")]:
        if not marked and len(healthy) >= view.group.desired:
            return [_over(view, going, "RollbackSuccessful" if back else "Successful")]
        return []
    if not view.may("InstanceRefresh") or not view.may("Terminate"):
        return []
    waiting = None if back else _checkpoint(view, going, len(marked))
    return waiting if waiting is not None else _replace(view, going, marked, healthy)


def _failed(view: View, going: InstanceRefresh, *, back: bool) -> list[Action]:
    why = f"{view.group.failures} launches in a row came to nothing."
    if going.preferences.get("AutoRollback") and not back:
        return [SetRefresh(going, {"status": "RollbackInProgress", "rollback": {"RollbackReason": why}})]
    return [_over(view, going, "RollbackFailed" if back else "Failed", why)]


def _well(view: View, row: ScalingMember, going: InstanceRefresh) -> bool:
    """Whether a member serves; a new one has warmed up, too."""
    old = row.refresh == going.id or row.joined <= going.started
    return row.state == "InService" and (old or view.over(row.in_service, going.preferences["InstanceWarmup"]))


def _checkpoint(view: View, going: InstanceRefresh, left: int) -> list[Action] | None:
    """Wait at a checkpoint that is reached; None to go on."""
    points = going.preferences.get("CheckpointPercentages") or []
    done = 100 if not going.total else 100 * (going.total - left) / going.total
    if going.checkpoint >= len(points) or done < points[going.checkpoint]:
        return None
    if not going.paused:
        return [
            SetRefresh(going, {"paused": view.moment, "reason": f"Checkpoint of {points[going.checkpoint]} percent reached."})
        ]
    if not view.over(going.paused, going.preferences.get("CheckpointDelay", 0)):
        return []
    return [SetRefresh(going, {"checkpoint": going.checkpoint + 1, "paused": "", "reason": ""})]


def _replace(view: View, going: InstanceRefresh, marked: list[ScalingMember], healthy: list[ScalingMember]) -> list[Action]:
    group, chosen = view.group, going.preferences
    most = max(group.desired, math.floor(group.desired * chosen["MaxHealthyPercentage"] / 100))
    least = math.ceil(group.desired * chosen["MinHealthyPercentage"] / 100)
    if chosen["MinHealthyPercentage"] == 100 and chosen["MaxHealthyPercentage"] > 100:
        most = max(most, group.desired + 1)
    room = min(most - len(view.counted), sum(row.state == "InService" for row in marked))
    able = [row for row in marked if _able(row, chosen)]
    cause = texts.at(view.moment, "an instance was taken out of service in response to an instance refresh")
    actions: list[Action] = []
    if room > 0 and most > group.desired and not held_back(view):
        new = texts.at(view.moment, "an instance was launched in response to an instance refresh")
        actions += launches(view, room, new, surge=True)
    whole = len(healthy) >= group.desired and len(view.counted) >= group.desired
    at_once = len(healthy) - least
    if most <= group.desired and at_once <= 0 and whole:
        at_once = 1  # one at a time, where the percentage allows none
    for row in [one for one in able if one in healthy or one.state != "InService"][: max(0, at_once)]:
        actions.append(Move(row, enter(view, "Terminating"), begin=("Terminating EC2 instance", cause)))
    return actions


def _able(row: ScalingMember, chosen: Mapping[str, Any]) -> bool:
    if row.state == "Standby":
        return bool(chosen["StandbyInstances"] == "Terminate")
    if row.protected and chosen["ScaleInProtectedInstances"] != "Refresh":
        return False
    return row.state == "InService"


def too_old(view: View) -> list[Action]:
    """Instances past the group's maximum lifetime: a tenth of the group at a time, while all of it serves."""
    lifetime, counted = view.setting("MaxInstanceLifetime"), view.counted
    if not lifetime or view.refresh is not None or not view.may("Terminate") or held_back(view):
        return []
    if len(counted) < view.group.desired or any(row.state != "InService" for row in counted):
        return []
    old = sorted((row for row in counted if view.age(row.joined) > lifetime), key=lambda row: row.joined)
    cause = texts.at(view.moment, "an instance was taken out of service because it exceeded the maximum instance lifetime")
    return [
        Move(row, enter(view, "Terminating"), begin=("Terminating EC2 instance", cause))
        for row in old[: max(1, len(counted) // 10)]
    ]
