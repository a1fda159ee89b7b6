"""Taking snapshots: the volume's top is frozen, and the volume goes on with a new layer on it. Constant time.

The steps, for all snapshots of one batch together, under the locks of the instance and its volumes:

1. journal: a row for each new layer, named by its snapshot (`next_layer`);
2. the files of the new layers;
3. a running guest is switched to them, all its disks at one moment, its file systems quiesced where its agent answers;
4. the rows: the snapshot names the frozen layer, the volume the new one, the journal is empty.

A crash between any two is mended by doing the rest. In particular, whether or not step 3 was done, the rest is right: a new
layer that the guest does not write to yet is empty, and the guest is switched to it; one that it writes to is its top already.
Therefore nothing may start a guest with a volume whose journal is not empty: who starts one calls `settle` first.

The moment of a snapshot ends with the answer to its request (`miss`), after which its caller may write on. One that was not
taken by then has failed, unless its guest was switched already; where nobody can tell that, when somebody can. The same
holds once the volumes of a batch are attached to different instances: they have no moment in common any more.
"""

import contextlib
import functools
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence

from ..aws import times
from ..cloud import Cloud
from ..errors import HostError, Permanent, Retry
from ..state.rows import Volume
from ..state.rows_storage import Snapshot
from . import foreign_tops, generations, isolation, layer_files, layers, locks, off_guests, quiesce, sealing
from .guest_power import is_on

log = logging.getLogger(__name__)

GIB = 1 << 30
MOST_FAILURES = 5
_QUICK = MOST_FAILURES - 1
"""How often a failed attempt is repeated at once: a later moment is not what was asked for."""


def reconcile(cloud: Cloud, touched: Collection[str] = ()) -> bool:
    """Take what is pending; whether anything was done. Those in `touched` are waited for, others are left if busy."""
    batches: dict[str, set[str]] = {}
    for snapshot in cloud.state.snapshots.find(state="pending"):
        batches.setdefault(snapshot.batch, {snapshot.batch}).add(snapshot.id)
    waits = {batch: layer_files.PATIENCE if names & set(touched) else 0.0 for batch, names in batches.items()}
    return isolation.each(
        cloud, "snapshots", [(batch, batch) for batch in batches], lambda batch: take(cloud, batch, waits[batch]), quick=_QUICK
    )


def take(cloud: Cloud, batch: str, wait: float = 0.0) -> bool:
    """Take the snapshots of a batch. Raises HostError, GaveUp, Busy."""
    pending = cloud.state.snapshots.find(batch=batch, state="pending")
    if not pending:
        return False
    instance_id = _instance(cloud, batch, cloud.state.volumes.among("id", [snapshot.volume_id for snapshot in pending]))
    with contextlib.ExitStack() as stack:
        if instance_id:
            stack.enter_context(locks.held(cloud.settings.run, instance_id, wait))
        return _take_locked(cloud, batch, instance_id, wait)


def _instance(cloud: Cloud, batch: str, volumes: Sequence[Volume]) -> str:
    """The instance whose volumes are seen to next; empty for none."""
    image = cloud.state.images.get(batch)
    if image is not None and image.state == "pending":
        return image.instance_id
    return next((volume.instance_id for volume in volumes if volume.instance_id), "")


def settle(cloud: Cloud, instance_id: str) -> None:
    """Finish what is pending on the volumes of an instance whose lock the caller holds. Raises HostError, Busy."""
    for volume in cloud.state.volumes.find(instance_id=instance_id):
        for snapshot in cloud.state.snapshots.find(volume_id=volume.id, state="pending"):
            isolation.each(
                cloud,
                "snapshots",
                [(snapshot.batch, snapshot.batch)],
                lambda batch: _take_locked(cloud, batch, instance_id, layer_files.PATIENCE),
                keep=[other.batch for other in cloud.state.snapshots.find(state="pending")],
                at_once=[snapshot.batch],
                quick=_QUICK,
            )
            current = cloud.state.snapshots.get(snapshot.id)
            if current is not None and current.next_layer:
                raise Permanent(f"the snapshot {snapshot.id} of {volume.id} cannot be finished: {current.message}")


def _take_locked(cloud: Cloud, batch: str, instance_id: str, wait: float) -> bool:
    names = sorted(snapshot.volume_id for snapshot in cloud.state.snapshots.find(batch=batch, state="pending"))
    with _held(cloud, names, wait):
        volumes = {volume.id: volume for volume in cloud.state.volumes.among("id", names)}
        if why := _scattered(cloud, batch, volumes):
            _end_moment(cloud, batch, why)
        elif _must_wait(cloud, batch, instance_id):
            _refuse_early(cloud, batch, volumes, instance_id)
            return False
        # One that was detached meanwhile is at rest: its own lock is enough.
        elsewhere = {volume.id for volume in volumes.values() if volume.instance_id not in ("", instance_id)}
        if elsewhere and not why:
            return True  # attached meanwhile: once more, under the right lock
        snapshots = [row for row in cloud.state.snapshots.find(batch=batch, state="pending") if row.volume_id not in elsewhere]
        lost = [snapshot for snapshot in snapshots if snapshot.volume_id not in volumes]
        for snapshot in lost:
            fail(cloud, snapshot, "its volume was deleted")
        left = [snapshot for snapshot in snapshots if snapshot.volume_id in volumes]
        if left:
            _attempt(cloud, left, volumes, instance_id)
        return True


def _scattered(cloud: Cloud, batch: str, volumes: Mapping[str, Volume]) -> str:
    """That the volumes of a batch are not those of one instance any more; empty if they are, or are of none."""
    at = {volume.id: volume.instance_id for volume in volumes.values() if volume.instance_id}
    image = cloud.state.images.get(batch)
    own = {image.instance_id} if image is not None and image.state == "pending" else set[str]()
    if len(own.union(at.values())) < 2:
        return ""
    places = ", ".join(f"{volume_id} is attached to {instance_id}" for volume_id, instance_id in sorted(at.items()))
    return f"the volumes were to be taken at one moment, as those of one instance, and are not that any more: {places}"


def _end_moment(cloud: Cloud, batch: str, why: str) -> None:
    """What is pending of a batch is not taken any more, as what was missed; each instance's volumes end under its own lock."""
    with cloud.state.transaction():
        for snapshot in cloud.state.snapshots.find(batch=batch, state="pending"):
            cloud.state.snapshots.change(snapshot.id, failures=MOST_FAILURES, message=why)
        _finish_image(cloud, batch, state="failed", reason=why)


def _must_wait(cloud: Cloud, batch: str, instance_id: str) -> bool:
    """Whether the snapshots are of an image that wants its instance to be shut down first, and it is not yet, or of a guest whose
    memory was saved, and which goes on first.
    """
    image = cloud.state.images.get(batch)
    if image is not None and image.reboot == "wanted":
        return is_on(cloud, instance_id)
    rows = cloud.state.snapshots.find(batch=batch, state="pending")
    return all(row.failures < MOST_FAILURES for row in rows) and off_guests.waits(cloud, instance_id, rows)


def _refuse_early(cloud: Cloud, batch: str, volumes: Mapping[str, Volume], instance_id: str) -> None:
    """What cannot be taken ends before an instance is shut down for it, and would not start again."""
    there = [row for row in cloud.state.snapshots.find(batch=batch, state="pending") if row.volume_id in volumes]
    if there:
        with isolation.recorded(functools.partial(_failed, cloud, there, instance_id)):
            foreign_tops.refuse_snapshots(cloud, there, volumes)


@contextlib.contextmanager
def _held(cloud: Cloud, names: Sequence[str], wait: float) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(locks.held(cloud.settings.run, name, wait))
        yield


def _attempt(cloud: Cloud, snapshots: list[Snapshot], volumes: dict[str, Volume], instance_id: str) -> None:
    """Take them. What fails is tried a few times at once, and then it has failed: a later moment is not what was asked for.

    Whether a guest was switched may not be known at once: then it has failed when that is known.
    """
    _end_missed(cloud, snapshots, instance_id)
    with isolation.recorded(functools.partial(_failed, cloud, snapshots, instance_id)):
        foreign_tops.refuse_snapshots(cloud, snapshots, volumes)
        _refuse_elsewhere(cloud, [volumes[row.volume_id] for row in snapshots if not row.next_layer], instance_id)
        if not any(row.next_layer for row in snapshots):
            off_guests.refuse_saved(cloud, instance_id)
        journaled = [_journal(cloud, snapshot, volumes[snapshot.volume_id]) for snapshot in snapshots]
        for snapshot in journaled:
            layers.make(cloud, snapshot.next_layer)
        message = _switch(cloud, journaled, instance_id)
        _record(cloud, journaled, message)
    sealing.at_once(cloud, instance_id, [volumes[row.volume_id].layer_id for row in snapshots])


def _refuse_elsewhere(cloud: Cloud, volumes: Sequence[Volume], instance_id: str) -> None:
    """Raise Retry where a process that is not the guest which has a volume by its row has it open: it writes on, whatever is
    frozen here.
    """
    if not (found := [volume for volume in volumes if cloud.host.disks.is_open(volume.layer_id)]):
        return
    chains = _chains(cloud, instance_id)
    for volume in found:
        if volume.id.replace("-", "") not in chains:
            place = cloud.host.disks.path(volume.layer_id)
            raise Retry(f"a process has {place} open, and is not the guest of {volume.id}: end it first (see fuser)")


def _failed(cloud: Cloud, snapshots: list[Snapshot], instance_id: str, error: HostError) -> bool:
    """Record a failure in the rows; whether that was the last attempt."""
    for snapshot in snapshots:
        cloud.state.snapshots.change(snapshot.id, failures=snapshot.failures + 1, message=error.message)
    over = isinstance(error, Permanent) or snapshots[0].failures + 1 >= MOST_FAILURES
    return over and _give_up(cloud, snapshots, instance_id, error.message)


def _journal(cloud: Cloud, snapshot: Snapshot, volume: Volume) -> Snapshot:
    if not snapshot.next_layer:
        layers.make(cloud, volume.layer_id)
        layers.correct_headers(cloud, volume.layer_id)
        layer = layer_files.new(volume.layer_id, volume.size * GIB)
        with cloud.state.transaction():
            cloud.state.layers.add(layer)
            cloud.state.snapshots.change(snapshot.id, next_layer=layer.id)
        snapshot.next_layer = layer.id
    return snapshot


def _switch(cloud: Cloud, snapshots: Sequence[Snapshot], instance_id: str) -> str:
    """Switch a running guest; returns why its file systems were not quiesced, or what else is to be said."""
    if not is_on(cloud, instance_id):
        off_guests.keep_off(cloud, instance_id, begun=True)
        return ""
    cloud.host.guests.keep_off(instance_id)
    there = cloud.host.blocks.chains(instance_id)
    tops = {
        serial: cloud.host.disks.path(snapshot.next_layer)
        for snapshot in snapshots
        if (serial := snapshot.volume_id.replace("-", "")) in there
        and cloud.host.disks.path(snapshot.next_layer) not in there[serial]
    }
    if not tops:
        return ""  # or a crash was after it; what was frozen for it is thawed apart from it
    generations.count(cloud)
    return quiesce.around(cloud, instance_id, lambda: cloud.host.blocks.freeze(instance_id, tops))


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


def _give_up(cloud: Cloud, snapshots: Sequence[Snapshot], instance_id: str, message: str) -> bool:
    """End in error, unless the guest writes to a new layer already, or nobody can tell: then it says False."""
    try:
        chains = _chains_at_last(cloud, snapshots, instance_id)
        untouched = any(foreign_tops.stands_on_layer(cloud, row.volume_id) for row in snapshots if row.next_layer)
    except Exception as error:  # noqa: BLE001  nobody can tell, whatever it is
        log.warning("whether %s writes to new layers already cannot be told: %r", instance_id, error)
        return False
    if _is_switched(cloud, snapshots, chains):
        return False
    if instance_id and not chains and not untouched and _are_made(cloud, snapshots):
        # The guest is off now, and may have been switched before: what it may have written to is kept.
        _record(cloud, snapshots, message)
    else:
        for snapshot in snapshots:
            fail(cloud, snapshot, message, go_on=_goes_on(cloud, snapshot, chains))
    return True


def _chains(cloud: Cloud, instance_id: str) -> Mapping[str, tuple[str, ...]]:
    return cloud.host.blocks.chains(instance_id) if instance_id else {}


def _chains_at_last(cloud: Cloud, snapshots: Sequence[Snapshot], instance_id: str) -> Mapping[str, tuple[str, ...]]:
    """The same before volumes may go on with new layers without a guest, which stays off then. Raises HostError."""
    chains = _chains(cloud, instance_id)
    if any(snapshot.next_layer for snapshot in snapshots) and not chains and not is_on(cloud, instance_id):
        off_guests.keep_off(cloud, instance_id, begun=True)
    return chains


def _is_switched(cloud: Cloud, snapshots: Sequence[Snapshot], chains: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether the guest writes to a new layer already: only going on is right then."""
    there = {path for chain in chains.values() for path in chain}  # others may have had it go on in a file of theirs since
    return any(snapshot.next_layer and cloud.host.disks.path(snapshot.next_layer) in there for snapshot in snapshots)


def _goes_on(cloud: Cloud, snapshot: Snapshot, chains: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether a volume that has failed goes on with its new layer: where no guest has it now, one may have written to that
    before it was off, or the volume was taken from it. Not where it wrote last to what others have put on the old one.
    """
    layer = cloud.state.layers.get(snapshot.next_layer) if snapshot.next_layer else None
    if layer is None or not layer.made or snapshot.volume_id.replace("-", "") in chains:
        return False
    return not foreign_tops.stands_on_layer(cloud, snapshot.volume_id)


def _are_made(cloud: Cloud, snapshots: Sequence[Snapshot]) -> bool:
    """Whether all new layers have their files, without which no guest can be switched to them."""
    made = [layer.made for layer in cloud.state.layers.among("id", [snapshot.next_layer for snapshot in snapshots])]
    return len(made) == len(snapshots) and all(made)


def miss(cloud: Cloud, touched: Collection[str]) -> None:
    """A request is answered now, and what its caller does next is not to be in these snapshots: those that are still pending
    are not taken any more, but for what a guest was switched to already. Raises sqlite3.Error where that cannot be noted.
    """
    for snapshot in cloud.state.snapshots.find(state="pending"):
        image = cloud.state.images.get(snapshot.batch)
        waits = image is not None and image.reboot == "wanted"
        if {snapshot.id, snapshot.batch} & set(touched) and not waits and snapshot.failures < MOST_FAILURES:
            cloud.state.snapshots.change(snapshot.id, failures=MOST_FAILURES)


def _end_missed(cloud: Cloud, snapshots: Sequence[Snapshot], instance_id: str) -> None:
    """Raises GaveUp where the moment of these is over and the guest was not switched, HostError where that cannot be told.

    Of a guest that is off now nobody can tell any more: its volumes go on with the new layers, which it may have written to,
    and the old ones may have what was written too late.
    """
    if max(snapshot.failures for snapshot in snapshots) < MOST_FAILURES:
        return
    chains = _chains_at_last(cloud, snapshots, instance_id)
    if not _is_switched(cloud, snapshots, chains):
        message = next((snapshot.message for snapshot in snapshots if snapshot.message), "it could not be taken in time")
        for snapshot in snapshots:
            fail(cloud, snapshot, message, go_on=_goes_on(cloud, snapshot, chains))
        raise isolation.GaveUp(message)


def fail(cloud: Cloud, snapshot: Snapshot, message: str, *, go_on: bool = False) -> None:
    """It is in error; its volume goes on with the layer that it has, or with the new one."""
    with cloud.state.transaction():
        if go_on:
            cloud.state.volumes.change(snapshot.volume_id, layer_id=snapshot.next_layer)
        cloud.state.snapshots.change(snapshot.id, state="error", next_layer="", message=message)
        _finish_image(cloud, snapshot.batch, state="failed", reason=message)
