"""Which members are not well, and what is done about it. Pure functions of the view.

An instance that is off is unhealthy at once; status checks and load balancers are believed after the grace period. One that ends
soon after it began to serve is a launch that came to nothing: the next one waits, the longer the more there were in a row.
"""

from ..aws import autoscaling_texts as texts
from ..state.rows_autoscaling import ScalingMember
from .autoscaling_actions import Action, Move, SetGroup
from .autoscaling_lifecycle import enter
from .autoscaling_view import DOWN, LONGEST_PAUSE, View

STEADY = 300.0
"""Seconds in service after which an instance counts as a launch that succeeded."""
_FIRST = 15.0


def pause(failures: int) -> float:
    """Seconds to wait after so many failures in a row; none after the first."""
    return 0.0 if failures < 2 else min(LONGEST_PAUSE, _FIRST * 2 ** min(failures - 2, 10))


def verdict(view: View, row: ScalingMember) -> str:
    """Why a member is unhealthy, as `texts.UNHEALTHY` has it; empty for one that is well."""
    sight = view.sight(row)
    if view.may("HealthCheck"):
        if sight.state in DOWN:
            return "stopped"
        if view.over(row.in_service, view.setting("HealthCheckGracePeriod", 0)):
            if sight.impaired:
                return "impaired"
            if "ELB" in view.setting("HealthCheckType", "EC2") and "unhealthy" in sight.traffic.values():
                return "balancer"
    return "user" if row.health == "Unhealthy" else ""


def plan(view: View) -> list[Action]:
    """Replace what is unhealthy: its end begins here, and the group is then smaller than it should be."""
    found: list[Action] = []
    for row in view.members:
        if row.state == "InService" and (why := verdict(view, row)):
            if view.may("ReplaceUnhealthy") and view.may("Terminate"):
                fields = enter(view, "Terminating", health="Unhealthy")
                begin = ("Terminating EC2 instance", texts.unhealthy(view.moment, why))
                failed = why != "user" and not view.over(row.in_service, STEADY)
                found.append(Move(row, fields, begin=begin, failed=failed))
            elif row.health == "Healthy":
                found.append(Move(row, {"health": "Unhealthy"}))
    return found


def steady(view: View) -> list[Action]:
    """Failures are forgotten once all that there should be has served for a while."""
    group, counted = view.group, view.counted
    well = all(row.state == "InService" and view.over(row.in_service, STEADY) for row in counted)
    if group.failures and well and len(counted) >= group.desired and counted:
        return [SetGroup(group, {"failures": 0, "retry_at": ""})]
    return []
