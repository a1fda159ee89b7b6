"""Cutting the power of guests that are to be off: needs no lock that anything keeps which waits for a guest.

A guest's agent, its power button, a device that it does not let go and a block job are waited for under the instance's lock.
Whoever holds that finds the guest ended, as it may at any moment anyway, and lets go; what else belongs to the end of an
instance is done under its lock then. The only lock here excludes a start of the same guest.
"""

import time
from collections.abc import Collection

from ..cloud import Cloud
from ..state.rows import Instance
from . import actions, instance_plan, instances, isolation, locks
from .instance_plan import Seen

PART = "ends of guests"
_MAY_END = (
    "(wish != 'running' and state not in ('stopped', 'terminated')) "
    "or id in (select instance_id from images where state = 'pending' and reboot = 'wanted')"
)
_ENDS = (actions.CutPower, actions.RemoveGuest)


def reconcile(cloud: Cloud, only: Collection[str] | None = None) -> bool:
    """Cut off all guests that are to be off now, or those among `only`; whether there was one."""
    rows = [row for row in cloud.state.instances.query(_MAY_END) if only is None or row.id in only]
    others = [] if only is None else [failure.subject for failure in cloud.state.failures.find(part=PART)]
    seen = instances.observe(cloud) if rows else None

    def see_to(row: Instance) -> bool:
        return seen is not None and _ends(row, seen(row)) and _cut(cloud, row.id)

    return isolation.each(cloud, PART, [(row.id, row) for row in rows], see_to, keep=others, at_once=only or ())


def _ends(row: Instance, seen: Seen) -> bool:
    """Whether the guest is on, and the plan ends it."""
    return seen.on and any(isinstance(action, _ENDS) for action in instance_plan.plan(row, seen, time.time()))


def _cut(cloud: Cloud, instance_id: str) -> bool:
    """Raises Busy where it is just being started, or cut off by another."""
    with locks.held(cloud.settings.run, instances.power_of(instance_id)):
        row = cloud.state.instances.get(instance_id)
        if row is None or not _ends(row, instances.observe(cloud)(row)):
            return False
        cloud.host.guests.destroy(instance_id)
        return True
