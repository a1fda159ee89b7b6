"""Guests that were halted because the host's disk is full: they go on when there is room, and nothing of theirs is lost."""

from ..cloud import Cloud
from ..errors import Retry
from ..host.contracts import Power
from . import isolation, locks

ENOUGH = 128 << 20
"""Bytes that must be free before a guest goes on: with less it would soon be halted again."""
_LOOK_AGAIN = 5.0
"""Seconds after which it is seen that there is room, at the latest."""


def reconcile(cloud: Cloud) -> bool:
    """Let halted guests of instances that are to run go on; whether one did."""
    running = {row.id for row in cloud.state.instances.find(wish="running", state="running")}
    guests = cloud.host.guests.list() if running else {}
    halted = [(name, name) for name in sorted(running & guests.keys()) if guests[name].power is Power.PAUSED]
    return isolation.each(cloud, "halted guests", halted, lambda name: _resume(cloud, name), longest=_LOOK_AGAIN)


def _resume(cloud: Cloud, instance_id: str) -> bool:
    if cloud.host.disks.free() < ENOUGH:
        raise Retry(f"{instance_id} is halted: the host's disk is full; make room on it")
    with locks.held(cloud.settings.run, instance_id):
        return cloud.host.blocks.resume(instance_id)
