"""Guests that were halted because the host's disk is full: they go on when there is room, and nothing of theirs is lost."""

import contextlib
import logging

from ..cloud import Cloud
from ..host.contracts import Power
from . import locks

log = logging.getLogger(__name__)

ENOUGH = 128 << 20
"""Bytes that must be free before a guest goes on: with less it would soon be halted again."""


def reconcile(cloud: Cloud) -> bool:
    """Let halted guests of instances that are to run go on; whether one did."""
    running = {row.id for row in cloud.state.instances.find(wish="running", state="running")}
    if not running:
        return False
    guests = cloud.host.guests.list()
    halted = [name for name in running & guests.keys() if guests[name].power is Power.PAUSED]
    acted = False
    for instance_id in halted:
        if cloud.host.disks.free() < ENOUGH:
            log.warning("%s is halted: the host's disk is full; make room on it", instance_id)
            continue
        with contextlib.suppress(locks.Busy), locks.held(cloud.settings.run, instance_id):
            acted |= cloud.host.blocks.resume(instance_id)
    return acted
