"""Load balancers: what rows say is served, what probes say is written into the rows of targets, what has drained goes.

HAProxy probes and serves by itself: while no minicloud runs, traffic goes on, and turns away from targets that fail.
"""

import logging
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
from . import balancer_spec, locks
from .balancer_classic import group_id

log = logging.getLogger(__name__)
_WAIT = 30.0


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
            except Permanent as error:
                found[row.id] = f"none: {error.message}"
    return found


def reconcile(cloud: Cloud) -> bool:
    """Bring all balancers to what the rows say; whether anything was done. Raises HostError."""
    serve, remove = plan(_wanted(cloud), cloud.host.balancers.list())
    acted = False
    for balancer_id in serve:
        acted |= _serve(cloud, balancer_id)
    for balancer_id in remove:
        acted |= _remove(cloud, balancer_id)
    return _look(cloud) or acted


def _serve(cloud: Cloud, balancer_id: str) -> bool:
    """Make one so, after everybody else who is at it: rows are read again."""
    try:
        with locks.held(cloud.settings.run, balancer_id, _WAIT):
            with cloud.state.transaction(write=False):
                given = balancer_spec.parts(cloud.state, cloud.settings)
                row = given.registry.balancers.get(balancer_id)
                if row is None:
                    return False
                wanted = balancer_spec.spec(given, row)
            if cloud.host.balancers.list().get(balancer_id) != wanted.fingerprint():
                cloud.host.balancers.ensure(wanted)
    except Permanent as error:
        return _record(cloud, balancer_id, failed(row.state if row else "", error.message))
    except (HostError, locks.Busy) as error:
        log.warning("%s: %s", balancer_id, error)
        return False
    _record(cloud, balancer_id, {"state": "active", "reason": ""})
    return True


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
        cloud.host.balancers.remove(balancer_id)
    return True


def _look(cloud: Cloud) -> bool:
    """Write down what probes say, and forget targets that have drained; whether a target went."""
    probed: dict[str, dict[tuple[str, str], Health]] = {}
    for row in cloud.state.load_balancers.query():
        try:
            probed[row.id] = cloud.host.balancers.health(row.id)
        except HostError as error:
            log.warning("%s: %s", row.id, error)
    now, gone = time.time(), False
    with cloud.state.transaction(write=False):
        changes = list(_changes(cloud, probed, now))
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
    """What to write into each target; None for one that goes."""
    registry = Registry(cloud.state)
    places = {row.id: _first_group(cloud, row) for row in registry.balancers.values()}
    found: list[tuple[Target, dict[str, Any] | None]] = []
    for target in cloud.state.targets.query():
        group = registry.groups.get(target.group_id)
        if group is None:
            continue
        if target.wish == "draining" and target.drain_until and times.seconds(target.drain_until) <= now:
            found.append((target, None))
            continue
        balancer = registry.balancer_of(group)
        idle = target.wish != "registered" or balancer is None or registry.unused(group, target) is not None
        health = None
        if not idle and balancer is not None:
            name, port = places[balancer.id] if group.target_type == "classic" else (group.id, 0)
            health = probed.get(balancer.id, {}).get((name, f"{registry.address_of(target)}:{target.port or port}"))
        if fields := judged(target, group, health, now, idle=idle):
            found.append((target, fields))
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
    return target.reason != "Elb.InitialHealthChecking" or not target.since or now - times.seconds(target.since) < waits


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
