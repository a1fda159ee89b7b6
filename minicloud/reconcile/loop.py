"""One pass over everything, and the order of it: images, networks, firewall, instances, until nothing is left to do.

Networks come before instances because a guest must find its address waiting when it starts, and the firewall because it must
be in force before a guest's first packet; and both again after them, because what was terminated leaves its network. The same
pass is a command's and the daemon's.
"""

import logging
import sqlite3
import time
from collections.abc import Collection

from ..cloud import Cloud
from ..errors import HostError
from . import (
    cards,
    certificates,
    firewall,
    halted,
    images,
    instance_plan,
    instances,
    layers,
    locks,
    networks,
    reachability,
    snapshots,
    volumes,
)

log = logging.getLogger(__name__)

_MOST_ROUNDS = 6


def _networks(cloud: Cloud) -> bool:
    """What cannot be made is the affair of the instances that need it: they take it as the reason why they do not start."""
    try:
        return networks.reconcile(cloud)
    except HostError as error:
        log.warning("%s", error)
        return False


def _firewall(cloud: Cloud) -> bool:
    """No guest starts without it, and those that would take its failure as the reason; what ends may end all the same."""
    try:
        return firewall.reconcile(cloud)
    except HostError as error:
        log.warning("%s", error)
        return False


def _balancers(cloud: Cloud) -> bool:
    """Guests and load balancers do not wait for one another. What they take is imported when there is one."""
    try:
        if not cloud.host.balancers.list() and not _wants_balancers(cloud):
            return False
        from . import load_balancers

        return load_balancers.reconcile(cloud)
    except HostError as error:
        log.warning("%s", error)
        return False


def _wants_balancers(cloud: Cloud) -> bool:
    return bool(cloud.state.load_balancers.query(order="rowid limit 1"))


def _balancers_due(cloud: Cloud) -> float | None:
    if not _wants_balancers(cloud):
        return None
    from . import load_balancers

    return load_balancers.due(cloud)


def take_snapshots(cloud: Cloud, touched: Collection[str]) -> None:
    """Take what snapshots are asked for, now: a caller who has the answer may count on what is in them."""
    try:
        snapshots.reconcile(cloud, touched)
    except (HostError, locks.Busy, sqlite3.OperationalError) as error:
        log.warning("%s", error)


def _groups(cloud: Cloud) -> bool:
    """Auto Scaling; what it takes is imported when there is a group, because most commands need none of it."""
    if not cloud.state.scaling_groups.query("rowid = (select min(rowid) from scaling_groups)"):
        return False
    from . import autoscaling

    return autoscaling.reconcile(cloud)


def _wires(cloud: Cloud, touched: Collection[str]) -> bool:
    """All that has to do with networks, and looks at the host's; another round does so only if this one has changed anything."""
    acted = _networks(cloud)
    acted |= _firewall(cloud)
    acted |= cards.reconcile(cloud, touched)
    acted |= instances.reconcile(cloud, touched)
    acted |= _balancers(cloud)
    return _groups(cloud) or acted


def run_pass(cloud: Cloud, touched: Collection[str] = (), *, look: bool = False) -> float | None:
    """Make the host as it is wished to be. `look` also asks the running instances whether they answer.

    Returns the time (seconds since 1970) at which something is due by itself, or None. A failure of the host as a whole is
    logged and ends the pass; failures of single rows are recorded in them.
    """
    try:
        wired = True
        for _ in range(_MOST_ROUNDS):
            acted = images.reconcile(cloud)
            acted |= snapshots.reconcile(cloud, touched)
            acted |= volumes.reconcile(cloud, touched)
            wired = _wires(cloud, touched) if wired else instances.reconcile(cloud, touched)
            acted |= wired
            acted |= halted.reconcile(cloud)
            acted |= layers.reconcile(cloud, merge=look or bool(touched))
            acted |= certificates.reconcile(cloud)
            if not acted:
                break
        if look:
            volumes.watch(cloud)
            reachability.reconcile(cloud)
    except (HostError, locks.Busy) as error:
        log.warning("%s", error)
    except sqlite3.OperationalError as error:
        # A full disk above all: what was done on the host is seen again by the next pass, which then records it.
        log.warning(
            "the state cannot be read or written: %s%s", error, "; make room where it lies" if "full" in str(error) else ""
        )
    now = time.time()
    due = [instance_plan.waits_until(row, now) for row in instances.unsettled(cloud)] + [_balancers_due(cloud)]
    return min((moment for moment in due if moment is not None), default=None)
