"""Network interfaces on their way into running instances, and out of them. Each row under its instance's lock.

Whoever wishes for something needs no lock: what was wished for while a card was plugged in or out stands (`_settled`), and is
the next round's affair.

A card is plugged in when its network serves it and the firewall knows it, and both forget it when the guest has it no more.
A guest that is off has all its instance's interfaces when it starts, and one whose memory was saved has those that it had: it
is started first.
"""

import functools
import time
from collections.abc import Collection

from ..aws import times
from ..cloud import Cloud
from ..errors import HostError, Permanent
from ..state.rows import Interface
from . import firewall, guest_spec, isolation, locks, networks, off_guests
from .guest_power import is_on, while_on

MOST_FAILURES = 5
ASK_AGAIN = 5.0
"""Seconds after which a guest that has not let a card go is asked again, or loses it if that was wished."""
_PATIENCE = 60.0
DETACHED: dict[str, object] = {
    "instance_id": "", "device_index": 0, "attachment_id": "", "attached": "", "attachment": "", "detach_asked": "",
    "force_detach": False, "failures": 0,
}  # fmt: skip
"""The columns of an interface that is attached to nothing."""
_WISH = ("instance_id", "attachment_id", "attachment")


def reconcile(cloud: Cloud, touched: Collection[str] = ()) -> bool:
    """One round over the interfaces that are on their way; whether anything was done."""

    def see_to(row: Interface) -> bool:
        with locks.held(cloud.settings.run, row.instance_id, _PATIENCE if row.id in touched else 0.0):
            current = cloud.state.interfaces.get(row.id)
            if current is None or current.instance_id != row.instance_id:
                return False
            with isolation.recorded(functools.partial(_failed, cloud, current)):
                return {"attaching": _attach, "detaching": _detach}.get(current.attachment, _nothing)(cloud, current)

    rows = cloud.state.interfaces.query("attachment in ('attaching', 'detaching')")
    return isolation.each(cloud, "network interfaces", [(row.id, row) for row in rows], see_to)


def _failed(cloud: Cloud, row: Interface, error: HostError) -> bool:
    """What cannot be plugged in at all is attached to nothing in the end: whether that has come."""
    over = isinstance(error, Permanent) or row.failures + 1 >= MOST_FAILURES
    given_up = over and row.attachment == "attaching"
    if given_up:
        _settled(cloud, row, **DETACHED)
    else:
        cloud.state.interfaces.change(row.id, failures=row.failures + 1)
    return given_up


def _nothing(_: Cloud, __: Interface) -> bool:
    return False


def _settled(cloud: Cloud, row: Interface, **fields: object) -> bool:
    """Record what has become of a row, unless something else is wished for meanwhile. True: either way something is new."""
    cloud.state.interfaces.change_if(row, _WISH, **fields)
    return True


def _attach(cloud: Cloud, row: Interface) -> bool:
    if is_on(cloud, row.instance_id):
        networks.assure(cloud, {row.subnet_id})
        firewall.reconcile(cloud, {row.id})
        with while_on(cloud, row.instance_id):
            cloud.host.cards.attach(row.instance_id, guest_spec.card(row))
    else:
        off_guests.keep_off(cloud, row.instance_id)
    return _settled(cloud, row, attachment="attached", failures=0)


def _detach(cloud: Cloud, row: Interface) -> bool:
    asked = row.detach_asked
    if not is_on(cloud, row.instance_id):
        off_guests.keep_off(cloud, row.instance_id)
        return _settled(cloud, row, **DETACHED)
    if row.mac not in cloud.host.cards.list(row.instance_id):
        return _settled(cloud, row, **DETACHED)
    if asked and not times.over(asked, ASK_AGAIN, time.time()):
        return False
    if asked and row.force_detach:
        cloud.host.cards.seize(row.instance_id, row.mac)
        return _settled(cloud, row, **DETACHED)
    cloud.host.cards.detach(row.instance_id, row.mac)
    cloud.state.interfaces.change(row.id, detach_asked=times.now())
    return not asked
