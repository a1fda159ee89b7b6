"""Taking snapshots: the volume's top is frozen, and the volume goes on with a new layer on it. Constant time.

The steps, for all snapshots of one batch together, under the locks of the instance and its volumes:

1. journal: a row for each new layer, named by its snapshot (`next_layer`);
2. the files of the new layers;
3. a running guest is switched to them, all its disks at one moment, its file systems quiesced where its agent answers;
4. the rows: the snapshot names the frozen layer, the volume the new one, the journal is empty.

A crash between any two is mended by doing the rest. In particular, whether or not step 3 was done, the rest is right: a new
layer that the guest does not write to yet is empty, and the guest is switched to it; one that it writes to is its top already.
Therefore nothing may start a guest with a volume whose journal is not empty: who starts one calls `settle` first.
"""

import contextlib
import logging
from collections.abc import Collection, Iterator, Sequence

from ..aws import times
from ..cloud import Cloud
from ..errors import HostError, Permanent
from ..host.contracts import Power
from ..state.rows import Volume
from ..state.rows_storage import Snapshot
from . import layer_files, layers, locks

log = logging.getLogger(__name__)

GIB = 1 << 30
MOST_FAILURES = 5


def reconcile(cloud: Cloud, touched: Collection[str] = ()) -> bool:
    """Take what is pending; whether anything was done. Batches in `touched` are waited for, others are left if busy."""
    batches = {snapshot.batch: snapshot for snapshot in cloud.state.snapshots.find(state="pending")}
    acted = False
    for batch in batches:
        try:
            acted |= take(cloud, batch, wait=layer_files.PATIENCE if touched else 0.0)
        except locks.Busy:
            continue
    return acted


def take(cloud: Cloud, batch: str, wait: float = 0.0) -> bool:
    """Take the snapshots of a batch. Raises Busy."""
    first = cloud.state.snapshots.find(batch=batch, state="pending")
    if not first:
        return False
    volume = cloud.state.volumes.get(first[0].volume_id)
    instance_id = volume.instance_id if volume else ""
    with contextlib.ExitStack() as stack:
        if instance_id:
            stack.enter_context(locks.held(cloud.settings.run, instance_id, wait))
        return _take_locked(cloud, batch, instance_id, wait)


def settle(cloud: Cloud, instance_id: str) -> None:
    """Finish what is pending on the volumes of an instance whose lock the caller holds. Raises HostError, Busy."""
    for volume in cloud.state.volumes.find(instance_id=instance_id):
        for snapshot in cloud.state.snapshots.find(volume_id=volume.id, state="pending"):
            _take_locked(cloud, snapshot.batch, instance_id, layer_files.PATIENCE)
            current = cloud.state.snapshots.get(snapshot.id)
            if current is not None and current.next_layer:
                raise Permanent(f"the snapshot {snapshot.id} of {volume.id} cannot be finished: {current.message}")


def _take_locked(cloud: Cloud, batch: str, instance_id: str, wait: float) -> bool:
    names = sorted(snapshot.volume_id for snapshot in cloud.state.snapshots.find(batch=batch, state="pending"))
    with _held(cloud, names, wait):
        snapshots = cloud.state.snapshots.find(batch=batch, state="pending")
        if _must_wait(cloud, batch, instance_id):
            return False
        volumes = {volume.id: volume for volume in cloud.state.volumes.among("id", names)}
        if any(volume.instance_id != instance_id for volume in volumes.values()):
            return True  # attached or detached meanwhile: once more, under the right lock
        lost = [snapshot for snapshot in snapshots if snapshot.volume_id not in volumes]
        for snapshot in lost:
            _fail(cloud, snapshot, "its volume was deleted")
        left = [snapshot for snapshot in snapshots if snapshot.volume_id in volumes]
        if left:
            _attempt(cloud, left, volumes, instance_id)
        return True


def _must_wait(cloud: Cloud, batch: str, instance_id: str) -> bool:
    """Whether the snapshots are of an image that wants its instance to be shut down first, and it is not yet."""
    image = cloud.state.images.get(batch)
    return image is not None and image.reboot == "wanted" and _is_on(cloud, instance_id)


def _is_on(cloud: Cloud, instance_id: str) -> bool:
    guest = cloud.host.guests.list().get(instance_id)
    return guest is not None and guest.power in (Power.RUNNING, Power.PAUSED)


@contextlib.contextmanager
def _held(cloud: Cloud, names: Sequence[str], wait: float) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(locks.held(cloud.settings.run, name, wait))
        yield


def _attempt(cloud: Cloud, snapshots: list[Snapshot], volumes: dict[str, Volume], instance_id: str) -> None:
    """Take them. What fails is tried a few times at once, and then it has failed: a later moment is not what was asked for."""
    try:
        journaled = [_journal(cloud, snapshot, volumes[snapshot.volume_id]) for snapshot in snapshots]
        for snapshot in journaled:
            layer_files.make(cloud, snapshot.next_layer)
        message = _switch(cloud, journaled, instance_id)
        _record(cloud, journaled, message)
    except HostError as error:
        log.warning("snapshot of %s: %s", ", ".join(volumes), error.message)
        for snapshot in snapshots:
            count = snapshot.failures + 1
            cloud.state.snapshots.change(snapshot.id, failures=count, message=error.message)
        if isinstance(error, Permanent) or snapshots[0].failures + 1 >= MOST_FAILURES:
            _give_up(cloud, snapshots, instance_id, error.message)


def _journal(cloud: Cloud, snapshot: Snapshot, volume: Volume) -> Snapshot:
    if not snapshot.next_layer:
        layer_files.make(cloud, volume.layer_id)
        layers.correct_headers(cloud, volume.layer_id)
        layer = layer_files.new(volume.layer_id, volume.size * GIB)
        with cloud.state.transaction():
            cloud.state.layers.add(layer)
            cloud.state.snapshots.change(snapshot.id, next_layer=layer.id)
        snapshot.next_layer = layer.id
    return snapshot


def _switch(cloud: Cloud, snapshots: Sequence[Snapshot], instance_id: str) -> str:
    """Switch a running guest; returns why its file systems were not quiesced, or what else is to be said."""
    if not instance_id or not _is_on(cloud, instance_id):
        return ""
    there = cloud.host.blocks.chains(instance_id)
    tops = {
        serial: cloud.host.disks.path(snapshot.next_layer)
        for snapshot in snapshots
        if (serial := snapshot.volume_id.replace("-", "")) in there
    }
    if not tops:
        return ""
    why = cloud.host.blocks.freeze(instance_id, tops)
    return f"taken without quiescing the guest's file systems: {why}" if why else ""


def _record(cloud: Cloud, snapshots: Sequence[Snapshot], message: str) -> None:
    state = cloud.state
    with state.transaction():
        for snapshot in snapshots:
            volume = state.volumes.get(snapshot.volume_id)
            assert volume is not None  # noqa: S101  its lock is held
            state.snapshots.change(
                snapshot.id, layer_id=volume.layer_id, next_layer="", state="completed", completed=times.now(), message=message
            )
            state.volumes.change(volume.id, layer_id=snapshot.next_layer)
        _finish_image(cloud, snapshots[0].batch, state="available")


def _finish_image(cloud: Cloud, image_id: str, **fields: str) -> None:
    """The image that the snapshots were taken for, if they were, is made; its instance, if it was shut down, starts again."""
    image = cloud.state.images.get(image_id)
    if image is None or image.state != "pending":
        return
    cloud.state.images.change(image.id, reboot="", **fields)
    if image.reboot:
        # Not started in this life of the host: so the plan starts it, as it does after a restart of the host.
        cloud.state.instances.change(image.instance_id, started_boot="for an image", stop_asked="", stop_began="")


def _give_up(cloud: Cloud, snapshots: Sequence[Snapshot], instance_id: str, message: str) -> None:
    """End in error, unless the guest writes to a new layer already, or nobody can tell: then only going on is right."""
    try:
        chains = cloud.host.blocks.chains(instance_id) if instance_id else {}
    except HostError:
        return
    tops = {path[0] for path in chains.values() if path}
    if any(snapshot.next_layer and cloud.host.disks.path(snapshot.next_layer) in tops for snapshot in snapshots):
        return
    made = [layer.made for layer in cloud.state.layers.among("id", [snapshot.next_layer for snapshot in snapshots])]
    if instance_id and not chains and len(made) == len(snapshots) and all(made):
        # The guest is off now, and may have been switched before: what it may have written to is kept.
        _record(cloud, snapshots, message)
        return
    for snapshot in snapshots:
        _fail(cloud, snapshot, message)


def _fail(cloud: Cloud, snapshot: Snapshot, message: str) -> None:
    with cloud.state.transaction():
        cloud.state.snapshots.change(snapshot.id, state="error", next_layer="", message=message)
        _finish_image(cloud, snapshot.batch, state="failed", reason=message)
