"""Layers that no guest is to write to any more: the host keeps QEMU from writing to them, whoever starts it.

Others can have a guest write where no row says that it does: by what they saved or defined themselves (virsh restore, create,
snapshot-revert), and by virsh blockcommit without a base, which writes all that a guest's disk stands on down into the lowest
layer. What snapshots name, and what other volumes stand on, would read otherwise from then on.

A layer is sealed when a snapshot has frozen it, and once a minute whatever else is to be: what a kill left, and an older
minicloud. It is unsealed before a guest starts with it as a volume's, or has it plugged in, and while a guest merges into it.
"""

import logging
from collections.abc import Collection

from ..cloud import Cloud
from . import layer_files, layer_plan, layers, locks
from .layer_plan import Commit

log = logging.getLogger(__name__)


def reconcile(cloud: Cloud) -> None:
    """Seal all that is to be. Raises HostError, Busy."""
    with locks.held(cloud.settings.run, layer_files.LOCK):
        if found := frozen(cloud):
            cloud.host.disks.seal(found)


def frozen(cloud: Cloud) -> list[str]:
    """The layers that have files and that no guest writes to: as a volume's, or what is to be one's, or what it merges."""
    seen = layers.observe(cloud)
    written = {top.layer_id for top in seen.tops} | {row.next_layer for row in cloud.state.snapshots.query("next_layer != ''")}
    for action in layer_plan.plan(seen):
        if isinstance(action, Commit) and action.top is not None:
            written |= {action.parent, *(layer.id for layer in seen.children().get(action.layer_id, []))}
    return [layer.id for layer in seen.layers.values() if layer.made and not layer.base and layer.id not in written]


def at_once(cloud: Cloud, layer_ids: Collection[str]) -> None:
    """Seal those of some layers that are to be; what fails is told, and done by the next look at all."""
    try:
        with locks.held(cloud.settings.run, layer_files.LOCK, layer_files.PATIENCE):
            if found := [layer_id for layer_id in frozen(cloud) if layer_id in layer_ids]:
                cloud.host.disks.seal(found)
    except Exception as error:  # noqa: BLE001  whatever it is, it is met again, and recorded
        log.warning("layers are not kept from being written to yet: %r", error)
