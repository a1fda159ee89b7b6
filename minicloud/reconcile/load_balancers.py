"""Load balancers: what rows say is served, what probes say is written into the rows of targets, what has drained goes.

HAProxy probes and serves by itself: while no minicloud runs, traffic goes on, and turns away from targets that fail.
"""

import time
from collections.abc import Mapping
from typing import Any

from ..aws import times
from ..cloud import Cloud
from ..errors import HostError, Permanent
from ..host.contracts_lb import Health
from ..state import rows_lb
from ..state.lb_registry import Registry
from ..state.rows_lb import Target, TargetGroup
from . import balancer_spec, isolation, locks
from .balancer_classic import group_id

_WAIT = 30.0
_LOOK_AGAIN = 5.0
LONGEST_DRAIN = 3600.0
"""AWS's limit of a deregistration delay."""


def plan(want: Mapping[str, str], have: Mapping[str, str | None]) -> tuple[list[str], list[str]]:
    """Which balancers to make so, and which to take away; both by id, with the fingerprints of what they serve."""
    return [name for name, print_ in want.items() if have.get(name) != print_], [name for name in have if name not in want]


def _wanted(cloud: Cloud) -> dict[str, str]:
    """The fingerprints of all; empty for one that cannot be made because something of it is gone."""
    found = {}
    with cloud.state.transaction(write=False):
        given = balancer_spec.parts(cloud.state, cloud.settings)
        for row in given.registry.balancers.values():
            try:
                found[row.id] = balancer_spec.spec(given, row).fingerprint()
            except Exception as error:  # noqa: BLE001  `_serve` raises it again, for this one alone
                found[row.id] = f"none: {error}"
    return found


def reconcile(cloud: Cloud) -> bool:
    """Bring all balancers to what the rows say; whether anything was done. Raises HostError."""
    want, have = _wanted(cloud), cloud.host.balancers.list()
    serve, remove = plan(want, have)
    # One that is served as it should be may still say otherwise, where a command was killed before it could record that.
    serve += [row.id for row in cloud.state.load_balancers.query("state != 'active'") if have.get(row.id) == want.get(row.id)]
    rows = [(balancer_id, _serve) for balancer_id in serve] + [(balancer_id, _remove) for balancer_id in remove]
    acted = isolation.each(
        cloud, "load balancers", ((name, (name, act)) for name, act in rows), lambda one: one[1](cloud, one[0])
    )
    return _look(cloud) or acted


def _serve(cloud: Cloud, balancer_id: str) -> bool:
    """Make one so, after everybody else who is at it: rows are read again."""
    with (
        locks.held(cloud.settings.run, balancer_id, _WAIT),
        isolation.recorded(lambda error: _failed(cloud, balancer_id, error)),
    ):
        with cloud.state.transaction(write=False):
            given = balancer_spec.parts(cloud.state, cloud.settings)
            row = given.registry.balancers.get(balancer_id)
            if row is None:
                return False
            wanted = balancer_spec.spec(given, row)
        if cloud.host.balancers.list().get(balancer_id) != wanted.fingerprint():
            cloud.host.balancers.ensure(wanted)
        _record(cloud, balancer_id, {"state": "active", "reason": ""})
    return True


def _failed(cloud: Cloud, balancer_id: str, error: HostError) -> bool:
    """Record a failure, which is never the last attempt: what may pass is no state yet for one that was never served."""
    row = cloud.state.load_balancers.get(balancer_id)
    fields = failed(row.state if row else "", error.message)
    if row is not None and row.state == "provisioning" and not isinstance(error, Permanent):
        fields["state"] = row.state
    _record(cloud, balancer_id, fields)
    return False


def failed(state: str, reason: str) -> dict[str, str]:
    """The columns of a balancer that cannot be made so: one that has served goes on with what it had."""
    return {"state": "failed" if state in ("provisioning", "failed") else "active_impaired", "reason": reason}


def _record(cloud: Cloud, balancer_id: str, fields: dict[str, str]) -> bool:
    """Write it where it is not so already; whether it was."""
    with cloud.state.transaction():
        row = cloud.state.load_balancers.get(balancer_id)
        if row is None or all(getattr(row, name) == value for name, value in fields.items()):
            return False
        return cloud.state.load_balancers.change(balancer_id, **fields)


def _remove(cloud: Cloud, balancer_id: str) -> bool:
    with locks.held(cloud.settings.run, balancer_id, _WAIT):
        if cloud.state.load_balancers.get(balancer_id) is not None:
            return False
        if balancer_id in cloud.host.balancers.unmarked():
            return False  # whose it is nobody wrote down, and there is no row: doctor tells it
        cloud.host.balancers.remove(balancer_id)
    return True


def _look(cloud: Cloud) -> bool:
    """Write down what probes say, and forget targets that have drained; whether a target went."""
    probed: dict[str, dict[tuple[str, str], Health]] = {}

    def ask(balancer_id: str) -> None:
        probed[balancer_id] = cloud.host.balancers.health(balancer_id)

    rows = cloud.state.load_balancers.query()
    isolation.each(cloud, "health of targets", [(row.id, row.id) for row in rows], ask, longest=_LOOK_AGAIN)
    now, gone = time.time(), False
    changes = _changes(cloud, probed, now)
    if not changes:
        return False
    with cloud.state.transaction():
        for target, fields in changes:
            key = (target.group_id, target.target_id, target.port)
            if cloud.state.targets.get(*key) != target:
                continue  # somebody has changed it meanwhile: the next look decides
            if fields is None:
                gone |= cloud.state.targets.remove(*key)
            else:
                cloud.state.targets.change(*key, **fields)
    return gone


def _changes(
    cloud: Cloud, probed: Mapping[str, Mapping[tuple[str, str], Health]], now: float
) -> list[tuple[Target, dict[str, Any] | None]]:
    """What to write into each target, if it is still what is looked at here; None for one that goes."""
    with cloud.state.transaction(write=False):
        registry, targets = Registry(cloud.state), cloud.state.targets.query()
        places = {row.id: _first_group(cloud, row) for row in registry.balancers.values()}
    found: list[tuple[Target, dict[str, Any] | None]] = []

    def look(target: Target) -> None:
        group = registry.groups.get(target.group_id)
        if group is None:
            return
        if target.wish == "draining" and target.drain_until and times.due(target.drain_until, LONGEST_DRAIN, now):
            found.append((target, None))
            return
        balancer = registry.balancer_of(group)
        idle = target.wish != "registered" or balancer is None or registry.unused(group, target) is not None
        health = None
        if not idle and balancer is not None:
            name, port = places[balancer.id] if group.target_type == "classic" else (group.id, 0)
            health = probed.get(balancer.id, {}).get((name, f"{registry.address_of(target)}:{target.port or port}"))
        if fields := judged(target, group, health, now, idle=idle):
            found.append((target, fields))

    rows = [(f"{one.group_id} {one.target_id}:{one.port}", one) for one in targets]
    isolation.each(cloud, "targets", rows, look, longest=_LOOK_AGAIN)
    return found


def _first_group(cloud: Cloud, row: rows_lb.LoadBalancer) -> tuple[str, int]:
    """Where a classic balancer's probes are seen: the group of its first listener, and the instances' port there."""
    if row.kind != "classic":
        return "", 0
    first = cloud.state.listeners.query("load_balancer_id = ?", [row.id], order="port limit 1")
    return (group_id(first[0]), first[0].instance_port) if first else ("", 0)


def judged(target: Target, group: TargetGroup, health: Health | None, now: float, *, idle: bool) -> dict[str, Any]:
    """The columns that change after a look. A new target has as many probes as an old one before it is unhealthy."""
    if idle:
        new = ("initial", "Elb.RegistrationInProgress", "Target registration is in progress")
    elif health is None:
        return {}
    elif health.up:
        new = ("healthy", "", "")
    elif not health.problem or (target.health == "initial" and _patient(target, group, now)):
        new = ("initial", "Elb.InitialHealthChecking", "Initial health checks in progress")
        if target.health == "unhealthy":
            return {}
    else:
        new = ("unhealthy", *problem(health))
    if (target.health, target.reason, target.description) == new and target.since:
        return {}
    fields = {"health": new[0], "reason": new[1], "description": new[2]}
    # Waiting begins when a target is first probed.
    began = target.health == new[0] and target.reason == new[1] and target.since
    return fields if began else {**fields, "since": times.text(now)}


def _patient(target: Target, group: TargetGroup, now: float) -> bool:
    waits = group.check_interval * group.unhealthy_count
    return target.reason != "Elb.InitialHealthChecking" or not target.since or not times.over(target.since, waits, now)


def problem(health: Health) -> tuple[str, str]:
    """AWS's reason and words for a probe that failed."""
    if health.problem == "timeout":
        return "Target.Timeout", "Request timed out"
    if health.problem == "codes":
        return "Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{health.code}]"
    return "Target.FailedHealthChecks", "Health checks failed"


def due(cloud: Cloud) -> float | None:
    """When the next target has drained (seconds since 1970), or None."""
    moments = [times.seconds(one.drain_until) for one in cloud.state.targets.query("drain_until != ''")]
    return min(moments, default=None)
