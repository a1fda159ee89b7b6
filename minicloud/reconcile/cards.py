"""Network interfaces on their way into running instances, and out of them. Each row under its instance's lock.

A card is plugged in when its network serves it and the firewall knows it, and both forget it when the guest has it no more.
A guest that is off has all its instance's interfaces when it starts.
"""

import contextlib
import logging
import time
from collections.abc import Collection

from ..aws import times
from ..cloud import Cloud
from ..errors import HostError, Permanent
from ..host.contracts import Power
from ..state.rows import Interface
from . import firewall, guest_spec, locks, networks

log = logging.getLogger(__name__)

MOST_FAILURES = 5
ASK_AGAIN = 5.0
"""Seconds after which a guest that has not let a card go is asked again, or loses it if that was wished."""
_PATIENCE = 60.0
DETACHED: dict[str, object] = {
    "instance_id": "", "device_index": 0, "attachment_id": "", "attached": "", "attachment": "", "detach_asked": "",
    "force_detach": False, "failures": 0,
}  # fmt: skip
"""The columns of an interface that is attached to nothing."""


def reconcile(cloud: Cloud, touched: Collection[str] = ()) -> bool:
    """One round over the interfaces that are on their way; whether anything was done."""
    acted = False
    for row in cloud.state.interfaces.query("attachment in ('attaching', 'detaching')"):
        wait = _PATIENCE if row.id in touched else 0.0
        with contextlib.suppress(locks.Busy), locks.held(cloud.settings.run, row.instance_id, wait):
            current = cloud.state.interfaces.get(row.id)
            if current is not None and current.instance_id == row.instance_id:
                acted |= _see_to(cloud, current)
    return acted


def _see_to(cloud: Cloud, row: Interface) -> bool:
    """The next step; whether there was one. What cannot be plugged in at all is attached to nothing in the end."""
    try:
        return {"attaching": _attach, "detaching": _detach}.get(row.attachment, _nothing)(cloud, row)
    except HostError as error:
        log.warning("%s: %s", row.id, error.message)
        over = isinstance(error, Permanent) or row.failures + 1 >= MOST_FAILURES
        given_up = over and row.attachment == "attaching"
        cloud.state.interfaces.change(row.id, **(DETACHED if given_up else {"failures": row.failures + 1}))
        return given_up


def _nothing(_: Cloud, __: Interface) -> bool:
    return False


def _on(cloud: Cloud, row: Interface) -> bool:
    guest = cloud.host.guests.list().get(row.instance_id)
    return guest is not None and guest.power in (Power.RUNNING, Power.PAUSED)


def _attach(cloud: Cloud, row: Interface) -> bool:
    if _on(cloud, row):
        networks.assure(cloud, {row.subnet_id})
        firewall.reconcile(cloud)
        cloud.host.cards.attach(row.instance_id, guest_spec.card(row))
    return cloud.state.interfaces.change(row.id, attachment="attached", failures=0)


def _detach(cloud: Cloud, row: Interface) -> bool:
    asked = row.detach_asked
    if not _on(cloud, row) or row.mac not in cloud.host.cards.list(row.instance_id):
        return cloud.state.interfaces.change(row.id, **DETACHED)
    if asked and time.time() - times.seconds(asked) < ASK_AGAIN:
        return False
    if asked and row.force_detach:
        cloud.host.cards.seize(row.instance_id, row.mac)
        return cloud.state.interfaces.change(row.id, **DETACHED)
    cloud.host.cards.detach(row.instance_id, row.mac)
    cloud.state.interfaces.change(row.id, detach_asked=times.now())
    return not asked
