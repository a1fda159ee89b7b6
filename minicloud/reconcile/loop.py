"""One pass over everything, and the order of it: images, networks, firewall, instances, until nothing is left to do.

Networks come before instances because a guest must find its address waiting when it starts, and the firewall because it must
be in force before a guest's first packet; and both again after them, because what was terminated leaves its network. The same
pass is a command's and the daemon's.

Each step is a stage of its own (`isolation.stage`): one that fails as a whole keeps no other from its work, and no request from
its answer. No guest starts without its network and the firewall: those that would take their failure as the reason.
"""

import functools
import time
from collections.abc import Callable, Collection

from ..cloud import Cloud
from ..errors import Permanent
from . import (
    backup_freeze,
    cards,
    certificates,
    clock,
    ended,
    ending,
    firewall,
    foreign_tops,
    generations,
    halted,
    images,
    instance_plan,
    instances,
    isolation,
    layers,
    networks,
    off_guests,
    quiesce,
    reachability,
    sealing,
    snapshots,
    volumes,
)

_MOST_ROUNDS = 6


def _balancers(cloud: Cloud) -> bool:
    """Guests and load balancers do not wait for one another. What they take is imported when there is one."""
    if not cloud.host.balancers.list() and not _wants_balancers(cloud):
        isolation.over(cloud, "load balancers", "health of targets", "targets")
        return False
    from . import load_balancers

    return load_balancers.reconcile(cloud)


def _wants_balancers(cloud: Cloud) -> bool:
    return bool(cloud.state.load_balancers.query(order="rowid limit 1"))


def _balancers_due(cloud: Cloud) -> float | None:
    if not _wants_balancers(cloud):
        return None
    from . import load_balancers

    return load_balancers.due(cloud)


def _clock(cloud: Cloud) -> None:
    """Once a minute what is over is forgotten, and disks that were put aside are looked at. Where the look cannot be noted, on a
    full disk above all, the next one sees as much.
    """
    noted = list[bool]()
    isolation.stage(cloud, "clock", lambda: noted.append(clock.follow(cloud)))
    if True in noted:
        isolation.stage(cloud, "ended rows", lambda: ended.forget(cloud))
        isolation.stage(cloud, "guests that are off", lambda: off_guests.reconcile(cloud))
        isolation.stage(cloud, "layers that stay as they are", lambda: sealing.reconcile(cloud))
        isolation.stage(cloud, "disks put aside", lambda: layers.settle_aside(cloud))
    isolation.stage(cloud, "files of others", lambda: foreign_tops.watch(cloud, everything=True in noted))


def take_snapshots(cloud: Cloud, touched: Collection[str]) -> None:
    """Take what snapshots are asked for, now: a caller who has the answer may count on what is in them."""
    isolation.guarded(cloud, lambda: isolation.stage(cloud, "snapshots", lambda: snapshots.reconcile(cloud, touched)))


def end(cloud: Cloud, instances_: Collection[str]) -> None:
    """Cut off what is to be off among these, now, whatever a loop, or anybody, is waiting for."""
    isolation.guarded(cloud, lambda: isolation.stage(cloud, "ends", lambda: ending.reconcile(cloud, instances_)))


def enforce(cloud: Cloud) -> None:
    """Bring the firewall to what the rows say, now: a loop may be busy with slow guests for a while."""
    isolation.guarded(cloud, lambda: isolation.stage(cloud, "firewall", lambda: firewall.reconcile(cloud)))


def _groups(cloud: Cloud) -> bool:
    """Auto Scaling; what it takes is imported when there is a group, because most commands need none of it."""
    if not cloud.state.scaling_groups.query("rowid = (select min(rowid) from scaling_groups)"):
        isolation.over(cloud, "groups", "looks at groups", "actions of groups", "metrics of groups", "scheduled actions")
        return False
    from . import autoscaling

    return autoscaling.reconcile(cloud)


def _carry_out(cloud: Cloud, stages: dict[str, Callable[[], object]]) -> bool:
    acted = False
    for name, act in stages.items():
        acted |= isolation.stage(cloud, name, act)
    return acted


def _wires(cloud: Cloud, touched: Collection[str]) -> bool:
    """All that has to do with networks, and looks at the host's; another round does so only if this one has changed anything."""
    return _carry_out(
        cloud,
        {
            "networks": lambda: networks.reconcile(cloud),
            "firewall": lambda: firewall.reconcile(cloud),
            "network interfaces": lambda: cards.reconcile(cloud, touched),
            "instances": lambda: instances.reconcile(cloud, touched),
            "load balancers": lambda: _balancers(cloud),
            "groups": lambda: _groups(cloud),
        },
    )


def _round(cloud: Cloud, touched: Collection[str], *, wired: bool, look: bool) -> tuple[bool, bool]:
    """One round over all stages; whether anything was done, and whether there was anything about networks."""
    before: dict[str, Callable[[], object]] = {
        "images": lambda: images.reconcile(cloud),
        "snapshots": lambda: snapshots.reconcile(cloud, touched),
        "volumes": lambda: volumes.reconcile(cloud, touched),
    }
    after: dict[str, Callable[[], object]] = {
        "halted guests": lambda: halted.reconcile(cloud),
        "layers": lambda: layers.reconcile(cloud, merge=look or bool(touched)),
        "certificates": lambda: certificates.reconcile(cloud),
    }
    acted = _carry_out(cloud, before)
    guests = functools.partial(instances.reconcile, cloud, touched)
    wired = _wires(cloud, touched) if wired else isolation.stage(cloud, "instances", guests)
    acted |= wired
    return _carry_out(cloud, after) or acted, wired


def run_pass(cloud: Cloud, touched: Collection[str] = (), *, look: bool = False, alone: bool = True) -> float | None:
    """Make the host as it is wished to be. `look` also asks the running instances whether they answer; `alone` also thaws what
    a daemon has a thread for.

    Returns the time (seconds since 1970) at which something is due by itself, or None. Raises nothing: failures are recorded.
    """
    due: list[float] = []
    isolation.guarded(cloud, functools.partial(_pass, cloud, touched, due, look=look, alone=alone))
    return min(due, default=None)


def _pass(cloud: Cloud, touched: Collection[str], due: list[float], *, look: bool, alone: bool) -> None:
    isolation.stage(cloud, "whose the disks are", lambda: _agree(cloud))
    if generations.known_refusal(cloud):
        return
    isolation.stage(cloud, "where the disks are", lambda: generations.note_place(cloud))
    _clock(cloud)
    isolation.stage(cloud, "ends", lambda: ending.reconcile(cloud))
    if alone:
        isolation.stage(cloud, "thaws", lambda: quiesce.reconcile(cloud))
    isolation.stage(cloud, "what backups left", lambda: backup_freeze.sweep(cloud))
    acted = wired = True
    for _ in range(_MOST_ROUNDS):
        acted, wired = _round(cloud, touched, wired=wired, look=look)
        if not acted:
            break
    if look:
        _carry_out(
            cloud,
            {"damaged volumes": lambda: volumes.watch(cloud), "reachability": lambda: reachability.reconcile(cloud)},
        )
    isolation.stage(cloud, "due times", lambda: due.extend(_due(cloud)))


def _agree(cloud: Cloud) -> None:
    """Raise Permanent where nothing may be changed with this state: so it is told."""
    if why := generations.refusal(cloud):
        raise Permanent(why)


def _due(cloud: Cloud) -> list[float]:
    now = time.time()
    moments = [instance_plan.waits_until(row, now) for row in instances.unsettled(cloud)] + [_balancers_due(cloud)]
    return [moment for moment in moments if moment is not None]
