"""Layers that others were merged into after an older state was made, as the stamp beside the disks says.

What was being merged is there until all of it was written, and reads right on what is half written over: the volume that had
the layer goes on with it, unless it is another volume's by now. The layer alone reads as it did at no moment.
"""

from collections.abc import Iterator, Mapping

from ..aws import times
from ..cloud import Cloud
from ..host.contracts_storage import Merged
from ..state.rows import Volume
from ..state.rows_storage import Layer

OVERWRITTEN = "has what was written later, or a part of it: another was being merged into it after this state was made"


def since(cloud: Cloud) -> dict[str, Merged]:
    """The layers that others were merged into after this state was made, or are in part. Raises HostError."""
    stamp, own = cloud.host.disks.stamp(), cloud.state.identity
    merged = stamp.merged if stamp is not None else {}
    return {name: one for name, one in merged.items() if stamp and (stamp.identity != own.id or one.generation > own.generation)}


def settle(cloud: Cloud) -> Iterator[str]:
    """See to what names a layer that may be half written over, before any disk is put aside; what was done, in sentences.

    Volumes that go on with the layer of a snapshot in progress are `adoption_begun`'s. May be asked again. Raises HostError.
    """
    merged = since(cloud)
    above = cloud.host.disks.all_above(merged)
    half: Mapping[str, Merged] = {name: one for name, one in merged.items() if one.layer in above[name]}
    there = cloud.host.disks.list()
    busy = {row.volume_id for row in cloud.state.snapshots.find(state="pending") if row.next_layer in there}
    for volume in cloud.state.volumes.among("layer_id", sorted(half)):
        if volume.id not in busy and volume.state not in ("error", "deleting"):
            yield _settle(cloud, volume, half[volume.layer_id])
    for snapshot in cloud.state.snapshots.among("layer_id", sorted(half)):
        if snapshot.state == "completed":
            cloud.state.snapshots.change(snapshot.id, state="error", message=f"its layer {snapshot.layer_id} {OVERWRITTEN}")
            yield f"the snapshot {snapshot.id} is in error: its layer {snapshot.layer_id} {OVERWRITTEN}"


def _settle(cloud: Cloud, volume: Volume, one: Merged) -> str:
    before = cloud.state.layers.get(volume.layer_id)
    if before is None or one.volume not in ("", volume.id) or cloud.state.layers.get(one.layer) is not None:
        why = f"its layer {volume.layer_id} {OVERWRITTEN}"
        cloud.state.volumes.change(volume.id, state="error", reason=why)
        return f"the volume {volume.id} is in error: {why}"
    with cloud.state.transaction():
        cloud.state.layers.add(Layer(one.layer, before.id, "", before.size, times.now(), made=True))
        cloud.state.volumes.change(volume.id, layer_id=one.layer)
    return f"{volume.id} goes on with {one.layer}, which was being merged into {before.id}"
