"""The way of one member through AWS's lifecycle states: a pure function of the view.

    Pending -> (Pending:Wait) -> Pending:Proceed -> InService -> Terminating -> (Terminating:Wait) -> Terminating:Proceed -> gone
    InService -> EnteringStandby -> Standby -> Pending; InService -> Detaching -> gone
    Warmed:Pending -> (Warmed:Pending:Wait) -> Warmed:Stopped or Warmed:Running -> Pending, or Warmed:Terminating ...

A state in which somebody waits lasts until what is waited for is seen. Out of service means: taken out of the load balancers
first, and drained there.
"""

from collections.abc import Callable
from typing import Any

from ..aws import autoscaling_texts as texts
from ..aws import times
from ..state.rows_autoscaling import ScalingMember
from .autoscaling_actions import Ask, Move
from .autoscaling_view import DOWN, GONE, LONGEST_HOOK, Sight, View

LAUNCHING, TERMINATING = "autoscaling:EC2_INSTANCE_LAUNCHING", "autoscaling:EC2_INSTANCE_TERMINATING"
LAUNCHED, NOT_LAUNCHED = "autoscaling:EC2_INSTANCE_LAUNCH", "autoscaling:EC2_INSTANCE_LAUNCH_ERROR"
TERMINATED = "autoscaling:EC2_INSTANCE_TERMINATE"
DONE = {"status": "Successful", "progress": 100}


def step(view: View, row: ScalingMember) -> Move | None:
    """What is to be done for a member now; None while there is only waiting."""
    warm = row.state.startswith("Warmed:")
    state = row.state.removeprefix("Warmed:")
    if state in ("Pending", "Pending:Wait", "Pending:Proceed"):
        return _coming(view, row, state, warm=warm)
    if state in ("Terminating", "Terminating:Wait", "Terminating:Proceed"):
        return _going(view, row, state, warm=warm)
    others: dict[str, Callable[[View, ScalingMember], Move | None]] = {
        "InService": _serving, "EnteringStandby": _to_standby, "Detaching": _detaching, "Stopped": _pooled, "Running": _pooled,
    }  # fmt: skip
    return others[state](view, row) if state in others else None


def enter(view: View, state: str, **fields: Any) -> dict[str, Any]:
    """The fields of a member that enters a state now."""
    return {"state": state, "changed": view.moment, **fields}


def _hooked(view: View, transition: str) -> bool:
    return any(hook.transition == transition for hook in view.hooks)


def _verdict(view: View, row: ScalingMember) -> str:
    """What the lifecycle actions that a member waits for come to: CONTINUE, ABANDON, or nothing yet."""
    results = []
    for hook in row.hooks:
        over = times.due(min(hook["deadline"], hook["limit"], key=times.seconds), LONGEST_HOOK, view.now)
        results.append(hook["result"] or (hook["default"] if over else ""))
    if "ABANDON" in results:
        return "ABANDON"
    return "" if "" in results else "CONTINUE"


# Coming


def _coming(view: View, row: ScalingMember, state: str, *, warm: bool) -> Move | None:
    sight = view.sight(row)
    settled = warm and sight.state == "stopped" and state != "Pending:Wait"
    if sight.state in DOWN and not (warm and sight.state in ("stopping", "stopped")):
        return _came_to_nothing(view, row, sight)
    if state == "Pending:Wait":
        return _waiting_to_come(view, row, warm=warm)
    if sight.state not in ("running", "stopping") and not settled:
        return None
    if state == "Pending" and not row.in_service and not settled and sight.state == "running" and _hooked(view, LAUNCHING):
        prefix = "Warmed:" if warm else ""
        fields = enter(view, f"{prefix}Pending:Wait")
        return Move(row, fields, activity={"status": "MidLifecycleAction", "progress": 60}, hooks=LAUNCHING)
    return _into_pool(view, row, sight) if warm else _arrive(view, row, sight)


def _came_to_nothing(view: View, row: ScalingMember, sight: Sight) -> Move:
    """It ended before it served. What is only off is terminated; the activity has failed either way."""
    why = sight.reason or f"The instance is {sight.state or 'gone'}"
    said = f"{why.rstrip('.')}. Launching EC2 instance failed."
    failed = {"status": "Failed", "message": said, "progress": 100}
    if sight.state in (*GONE, "shutting-down"):
        asks = () if sight.state == "" else tuple(_deregister(view, row, sight))
        return Move(row, asks=asks, activity=failed, remove=True, failed=True, tell=NOT_LAUNCHED)
    prefix = "Warmed:" if row.state.startswith("Warmed:") else ""
    fields = enter(view, f"{prefix}Terminating", health="Unhealthy", hooks=[])
    begin = ("Terminating EC2 instance", texts.unhealthy(view.moment, "stopped"))
    return Move(row, fields, begin=begin, activity=failed, failed=True, tell=NOT_LAUNCHED)


def _waiting_to_come(view: View, row: ScalingMember, *, warm: bool) -> Move | None:
    verdict = _verdict(view, row)
    prefix = "Warmed:" if warm else ""
    if verdict == "ABANDON":
        fields = enter(view, f"{prefix}Terminating", hooks=[])
        begin = ("Terminating EC2 instance", texts.unhealthy(view.moment, "hook"))
        cancelled = {"status": "Cancelled", "progress": 100, "message": "The launch lifecycle action was abandoned."}
        return Move(row, fields, begin=begin, activity=cancelled, failed=True, tell=NOT_LAUNCHED)
    if not verdict:
        return None
    fields = enter(view, f"{prefix}Pending:Proceed", hooks=[])
    return Move(row, fields, activity={"status": "InProgress", "progress": 70})


def _arrive(view: View, row: ScalingMember, sight: Sight) -> Move | None:
    """Register, wait for health where the group checks it, then serve."""
    missing = _register(view, sight, row)
    if missing or (row.state == "Pending" and view.group.sources):
        fields = enter(view, "Pending:Proceed") if row.state != "Pending:Proceed" else {}
        return Move(row, fields, asks=missing, activity={"status": "InProgress", "progress": 80})
    if "ELB" in view.setting("HealthCheckType", "EC2") and view.may("AddToLoadBalancer"):
        unready = any(state in ("initial", "unhealthy") for state in sight.traffic.values())
        if unready and not view.over(row.changed, view.setting("HealthCheckGracePeriod", 0)):
            return None
    fields = enter(view, "InService", in_service=row.in_service or view.moment)
    return Move(row, fields, activity=DONE, tell="" if row.in_service else LAUNCHED)


def _into_pool(view: View, row: ScalingMember, sight: Sight) -> Move | None:
    if view.group.warm_pool.get("PoolState", "Stopped") == "Running":
        if sight.state == "stopped":
            return Move(row, asks=(Ask("ec2", "StartInstances", {"InstanceIds": [row.instance_id]}),))
        return Move(row, enter(view, "Warmed:Running"), activity=DONE, tell=LAUNCHED) if sight.state == "running" else None
    if sight.state == "running":
        return Move(row, asks=(Ask("ec2", "StopInstances", {"InstanceIds": [row.instance_id]}),), activity={"progress": 80})
    return Move(row, enter(view, "Warmed:Stopped"), activity=DONE, tell=LAUNCHED) if sight.state == "stopped" else None


def _pooled(view: View, row: ScalingMember) -> Move | None:
    """In the pool an instance may be off, but it must be there."""
    if view.sight(row).state in (*GONE, "shutting-down"):
        fields = enter(view, "Warmed:Terminating", health="Unhealthy")
        begin = ("Terminating EC2 instance from warm pool", texts.unhealthy(view.moment, "stopped"))
        return Move(row, fields, begin=begin)
    return None


# Serving


def _serving(view: View, row: ScalingMember) -> Move | None:
    """A source that was attached to the group later gets the members that are there."""
    missing = _register(view, view.sight(row), row)
    return Move(row, asks=missing) if missing else None


def _register(view: View, sight: Sight, row: ScalingMember) -> tuple[Ask, ...]:
    if not view.may("AddToLoadBalancer") or sight.state != "running":
        return ()
    return tuple(
        registration(source, row.instance_id, register=True)
        for source in view.sources("Adding", "Added", "InService")
        if source["Identifier"] not in view.blind | view.lost and source["Identifier"] not in sight.traffic
    )


def registration(source: dict[str, str], instance_id: str, *, register: bool) -> Ask:
    """The request that makes an instance a target of a source, or makes it none."""
    makers = tuple(source.get("Makers", "").split()) if register else ()
    if source["Type"] == "elbv2":
        name = "RegisterTargets" if register else "DeregisterTargets"
        params: dict[str, Any] = {"TargetGroupArn": source["Identifier"], "Targets": [{"Id": instance_id}]}
        return Ask("elbv2", name, params, light=True, makers=makers)
    name = "RegisterInstancesWithLoadBalancer" if register else "DeregisterInstancesFromLoadBalancer"
    params = {"LoadBalancerName": source["Identifier"], "Instances": [{"InstanceId": instance_id}]}
    return Ask("elb", name, params, light=True, makers=makers)


# Going


def _deregister(view: View, row: ScalingMember, sight: Sight) -> list[Ask]:
    """The requests that take a member out of the sources that still send to it."""
    return [
        registration(source, row.instance_id, register=False)
        for source in view.group.sources
        if sight.traffic.get(source["Identifier"], "draining") != "draining"
    ]


def _drained(view: View, row: ScalingMember) -> Move | bool | None:
    """True once nothing is sent to it any more; else what is to be done, or None while it drains."""
    sight = view.sight(row)
    if asks := _deregister(view, row, sight):
        return Move(row, asks=tuple(asks), activity={"status": "WaitingForELBConnectionDraining", "progress": 30})
    return True if sight.state in DOWN or not sight.traffic else None


def _end(view: View, row: ScalingMember, *, warm: bool) -> Move:
    """Terminate. Protection is for people: AWS's groups pay no regard to it either."""
    asks: list[Ask] = []
    if view.sight(row).protected:
        off = [{"InstanceId": row.instance_id, name: {"Value": False}} for name in ("DisableApiTermination", "DisableApiStop")]
        asks += [Ask("ec2", "ModifyInstanceAttribute", params) for params in off]
    if view.sight(row).state not in (*GONE, "shutting-down"):
        asks.append(Ask("ec2", "TerminateInstances", {"InstanceIds": [row.instance_id]}))
    fields = enter(view, "Warmed:Terminating:Proceed" if warm else "Terminating:Proceed", hooks=[])
    return Move(row, fields, asks=tuple(asks), activity={"status": "InProgress", "progress": 50})


def _ending(view: View, row: ScalingMember, *, warm: bool) -> Move | None:
    if view.sight(row).state in GONE:
        return Move(row, activity=DONE, remove=True, tell=TERMINATED)
    return _end(view, row, warm=warm) if view.sight(row).state != "shutting-down" else None


def _going(view: View, row: ScalingMember, state: str, *, warm: bool) -> Move | None:
    if state == "Terminating:Proceed":
        return _ending(view, row, warm=warm)
    if view.group.deleting:
        asks = tuple(_deregister(view, row, view.sight(row)))
        ended = _end(view, row, warm=warm)
        return Move(row, ended.fields, asks=(*asks, *ended.asks), activity=ended.activity)
    if state == "Terminating:Wait":
        return _end(view, row, warm=warm) if _verdict(view, row) else None
    drained = True if warm else _drained(view, row)
    return _after_draining(view, row, warm=warm) if drained is True else drained or None


def _after_draining(view: View, row: ScalingMember, *, warm: bool) -> Move:
    """Wait for those who want to see it go, return to the pool, or end."""
    if _hooked(view, TERMINATING) and not row.to_pool:
        fields = enter(view, "Warmed:Terminating:Wait" if warm else "Terminating:Wait")
        return Move(row, fields, activity={"status": "MidLifecycleAction", "progress": 40}, hooks=TERMINATING)
    if row.to_pool and view.sight(row).state == "running":
        fields = enter(view, "Warmed:Pending:Proceed", to_pool=False, in_service="", surge=False)
        return Move(row, fields, activity={"status": "InProgress", "progress": 60})
    return _end(view, row, warm=warm)


def _to_standby(view: View, row: ScalingMember) -> Move | None:
    drained = _drained(view, row)
    if drained is not True:
        return drained or None
    return Move(row, enter(view, "Standby"), activity=DONE)


def _detaching(view: View, row: ScalingMember) -> Move | None:
    drained = _drained(view, row)
    if drained is not True:
        return drained or None
    return Move(row, enter(view, "Detached"), activity=DONE, remove=True)
