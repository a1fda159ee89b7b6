"""Layers that no guest is to write to any more: the host keeps QEMU from writing to them, whoever starts it.

Others can have a guest write where no row says that it does: by what they saved or defined themselves (virsh restore, create,
snapshot-revert), and by virsh blockcommit without a base, which writes all that a guest's disk stands on down into the lowest
layer. What snapshots name, and what other volumes stand on, would read otherwise from then on.

A layer is sealed when a snapshot has frozen it, and once a minute whatever else is to be: what a kill left, and an older
minicloud. It is unsealed before a guest starts with it as a volume's, or has it plugged in, and before a guest merges into it.

A guest that merges may have to write to more than what it merges into, and could be lost where it may not. So nothing is sealed
of what a guest with a job reads, and none of ours begins meanwhile: a merge holds `layers.MERGES`, and the lock of its instance.
"""

import logging
from collections.abc import Collection

from ..cloud import Cloud
from . import layers, locks

log = logging.getLogger(__name__)


def reconcile(cloud: Cloud) -> None:
    """Seal all that is to be. Raises whatever keeps it from being told of a guest whether it has a job; Busy."""
    failed = list[Exception]()
    with locks.held(cloud.settings.run, layers.MERGES):
        if found := frozen(cloud, failed):
            cloud.host.disks.seal(found)
    if failed:
        raise failed[0]


def frozen(cloud: Cloud, failed: list[Exception]) -> list[str]:
    """The layers that have files and that no guest writes to, now or at the end of a job: none is, or is to be, a volume's."""
    seen = layers.observe(cloud)
    written = {top.layer_id for top in seen.tops} | {row.next_layer for row in cloud.state.snapshots.query("next_layer != ''")}
    for instance_id in sorted({top.instance_id for top in seen.tops if top.running}):
        try:
            merging = bool(cloud.host.blocks.jobs(instance_id))
        except Exception as error:  # noqa: BLE001  whatever it is, what others have is sealed
            failed.append(error)
            merging = True
        if merging:
            tops = [top for top in seen.tops if top.instance_id == instance_id]
            written |= {layer.id for top in tops for layer in seen.chain(top.layer_id)}
    return [layer.id for layer in seen.layers.values() if layer.made and not layer.base and layer.id not in written]


def at_once(cloud: Cloud, instance_id: str, layer_ids: Collection[str]) -> None:
    """Seal layers of an instance's volumes that a snapshot has just frozen. The caller holds the instance's lock.

    What fails is told, and done by the next look at all.
    """
    try:
        if instance_id and cloud.host.blocks.jobs(instance_id):
            return
        kept = {row.id for row in cloud.state.layers.among("id", layer_ids) if row.made and not row.base}
        kept -= {row.layer_id for row in cloud.state.volumes.among("layer_id", kept)}
        if kept:
            cloud.host.disks.seal(sorted(kept))
    except Exception as error:  # noqa: BLE001  whatever it is, it is met again, and recorded
        log.warning("layers are not kept from being written to yet: %r", error)
