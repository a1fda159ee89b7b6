"""What an older state was in the midst of when it was copied: snapshots that were being taken, layers that were still to be made.

The newer state has done it since, has given it up, or has undone it: the files show which. Where the layer that a volume was to
go on with is there, the snapshot was taken, and is finished: what the volume stood on is frozen since. Where that layer is not
there, it was merged or removed since, or never made. Either way the moment of the snapshot is over: taken now, it would have
what was written later. A snapshot that was taken may have been deleted, and its layer, if nothing else stood on it, be another's.
"""

import contextlib
from collections.abc import Iterator, Mapping

from ..cloud import Cloud
from ..errors import HostError
from ..reconcile import isolation, snapshots
from ..state.rows_storage import Snapshot
from . import adoption_layers, adoption_merged

_OVER = "it was being taken when this state was copied, and its moment is over: the layer that its volume was to go on with"


def end(cloud: Cloud) -> Iterator[str]:
    """End what the files do not show as done, before the older state may change anything; what was done, in sentences.

    Raises HostError. May be asked again.
    """
    there, merged = cloud.host.disks.list(), adoption_merged.since(cloud).keys()
    for snapshot in cloud.state.snapshots.find(state="pending"):
        volume = cloud.state.volumes.get(snapshot.volume_id)
        if snapshot.next_layer not in there:
            yield _failed(cloud, snapshot.id, f"{_OVER} {adoption_layers.WHY}")
        elif volume is None or volume.layer_id not in there or volume.layer_id in merged:
            cloud.state.layers.change(snapshot.next_layer, made=True)
            layer_id = volume.layer_id if volume is not None else "of its volume"
            why = adoption_layers.WHY if layer_id not in merged & there.keys() else adoption_merged.OVERWRITTEN
            yield _failed(cloud, snapshot.id, f"its layer {layer_id} {why}", go_on=True)
    named = {snapshot.layer_id for snapshot in cloud.state.snapshots.find(state="completed")}
    above = cloud.host.disks.all_above(there)
    loose = {layer_id for layer_id in named & there.keys() if not _is_frozen(cloud, above, layer_id)}
    yield from adoption_layers.doubt(cloud, loose | merged)


def _is_frozen(cloud: Cloud, above: Mapping[str, set[str]], layer_id: str) -> bool:
    """Whether something has stood on a layer all the time, which was written to by nobody then. `above` is of all disks."""
    on_it = [layer.id for layer in cloud.state.layers.find(parent=layer_id, made=True) if layer.id in above[layer_id]]
    return any(_is_kept(cloud, above, one) for one in on_it)


def _is_kept(cloud: Cloud, above: Mapping[str, set[str]], layer_id: str) -> bool:
    """Whether what stood on a layer stands there yet, as far as it is there. One that was merged into what it stands on, and was
    not removed yet, is left by all.
    """
    stood = {layer.id for layer in cloud.state.layers.find(parent=layer_id) if layer.made or layer.id in above}
    stand = above.get(layer_id, set())
    return not stood or (bool(stand) and stood & above.keys() <= stand)


def _failed(cloud: Cloud, snapshot_id: str, message: str, *, go_on: bool = False) -> str:
    snapshot = cloud.state.snapshots.get(snapshot_id)
    assert snapshot is not None  # noqa: S101  nobody but this command changes an older state
    snapshots.fail(cloud, snapshot, message, go_on=go_on)
    return f"the snapshot {snapshot_id} is in error: {message}"


def finish(cloud: Cloud) -> Iterator[str]:
    """Let volumes go on with the layers that they went on with then, before anything is put on others; what was done, in
    sentences. What cannot be finished now is as any snapshot that is pending.
    """
    begun = [snapshot for snapshot in cloud.state.snapshots.find(state="pending") if snapshot.next_layer]
    doubtful = {layer_id for snapshot in begun if (layer_id := _left_by(cloud, snapshot))}
    for batch in sorted({snapshot.batch for snapshot in begun}):
        with contextlib.suppress(HostError, isolation.GaveUp):
            snapshots.take(cloud, batch, wait=60.0)
    for snapshot in cloud.state.snapshots.among("id", [snapshot.id for snapshot in begun]):
        if snapshot.state != "pending":
            yield f"the snapshot {snapshot.id}, which was being taken, is {snapshot.state}"
    yield from adoption_layers.doubt(cloud, doubtful)


def _left_by(cloud: Cloud, snapshot: Snapshot) -> str:
    """The layer that a snapshot is to have, if the one that its volume goes on with does not stand on it any more; else empty."""
    volume = cloud.state.volumes.get(snapshot.volume_id)
    if volume is None or snapshot.next_layer in cloud.host.disks.above(volume.layer_id):
        return ""
    return volume.layer_id
