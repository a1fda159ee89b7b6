"""Guests that are off, while their disks change: nobody else may start them by what the hypervisor has kept.

It keeps how a guest was last started, and the memory of one that was saved (virsh managedsave, libvirt-guests); both name the
layers that its disks had then. Each change of the disks of a guest that is off comes after `keep_off`, in whichever process and
whatever is killed: before a row tells of another layer, nobody can write to the one before.

The memory of a guest that is to run is not given up for that: it is started first, and its disks change when it is on. Nor is
it for what keeps it from being started and may pass, however often: who does without it stops the instance.
"""

import functools
import logging
from collections.abc import Collection

from ..cloud import Cloud
from ..errors import Retry
from ..host.contracts import Host, Power
from ..state.rows_storage import Snapshot
from . import isolation, locks
from .guest_power import is_on

log = logging.getLogger(__name__)

PART = "guests that are off"
_SAVED = "the hypervisor has saved its memory (virsh managedsave, libvirt-guests); it is started first, and goes on with it"


def is_saved(cloud: Cloud, instance_id: str) -> bool:
    """Whether a guest that is to run is off with its memory saved. Raises HostError."""
    row = cloud.state.instances.get(instance_id) if instance_id else None
    return row is not None and row.wish == "running" and not is_on(cloud, instance_id) and cloud.host.guests.has_save(instance_id)


def may_be_saved(cloud: Cloud, instance_id: str) -> bool:
    """Whether a guest that is to run may have memory that is lost where its start is given up: also where nobody can tell."""
    try:
        return is_saved(cloud, instance_id)
    except Exception as error:  # noqa: BLE001  whatever it is: what waits is lost to nobody
        log.warning("whether memory of %s is saved cannot be told: %r", instance_id, error)
        return True


def refuse_saved(cloud: Cloud, instance_id: str) -> None:
    """Raise Retry for such a guest."""
    if is_saved(cloud, instance_id):
        raise Retry(f"{instance_id} is off: {_SAVED}")


def keep_off(cloud: Cloud, instance_id: str, *, begun: bool = False) -> None:
    """Before disks or cards of a guest that is off change. `begun`: they have begun to, and saved memory is of no use any more.

    Raises Retry where somebody has just started it, and as `refuse_saved`.
    """
    if not instance_id:
        return
    if not begun:
        refuse_saved(cloud, instance_id)
    cloud.host.guests.keep_off(instance_id)
    if is_on(cloud, instance_id):
        raise Retry(f"{instance_id} was off, and somebody has started it")


def waits(cloud: Cloud, instance_id: str, snapshots: Collection[Snapshot]) -> bool:
    """Whether snapshots that nothing was done for are put off until their instance's guest goes on; they say so."""
    try:
        if any(row.next_layer for row in snapshots) or not is_saved(cloud, instance_id):
            return False
    except Exception as error:  # noqa: BLE001  whatever it is: who takes them meets it again, and records it
        log.warning("whether memory of %s is saved cannot be told: %r", instance_id, error)
        return False
    for row in snapshots:
        if row.message != _SAVED:
            cloud.state.snapshots.change(row.id, message=_SAVED)
    return True


def keep_all_off(host: Host) -> None:
    """Before the disks of a whole home become others. Raises HostError."""
    for guest in host.guests.list().values():
        if guest.power not in (Power.RUNNING, Power.PAUSED):
            host.guests.keep_off(guest.guest_id)


def reconcile(cloud: Cloud) -> None:
    """See that nobody else can start a guest by its definition: an older minicloud has left them so, and a start that was killed.

    One that is off and is to run is left to its start.
    """
    rows = cloud.state.instances.query("state in ('running', 'stopped')")
    there = cloud.host.guests.list() if rows else {}
    isolation.each(cloud, PART, [(row.id, row.id) for row in rows if row.id in there], functools.partial(_see_to, cloud))


def _see_to(cloud: Cloud, instance_id: str) -> None:
    with locks.held(cloud.settings.run, instance_id):
        row = cloud.state.instances.get(instance_id)
        if row is not None and (row.wish == "stopped" or is_on(cloud, instance_id)):
            cloud.host.guests.keep_off(instance_id)
