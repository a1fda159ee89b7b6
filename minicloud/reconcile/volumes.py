"""Volumes: made, deleted, plugged in and out, changed. Each row under the locks of its instance and of itself."""

import contextlib
import functools
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping

from ..aws import times
from ..cloud import Cloud
from ..errors import Away, HostError, Permanent, Retry
from ..host.contracts_storage import refuse_strangers
from ..state.rows import Volume
from ..state.rows_storage import Modification
from . import disk_spec, foreign_tops, generations, isolation, layer_files, layers, locks, off_guests, snapshots
from .guest_power import is_on, while_on

log = logging.getLogger(__name__)

MOST_FAILURES = 5
ASK_AGAIN = 5.0
"""Seconds after which a guest that has not let a disk go is asked again, and the attachment is shown as busy."""
_WISH = ("instance_id", "attachment")
_UNSETTLED = (
    "state in ('creating', 'deleting') or attachment in ('attaching', 'detaching', 'busy') "
    "or id in (select volume_id from modifications where state = 'modifying')"
)


def reconcile(cloud: Cloud, touched: Collection[str] = ()) -> bool:
    """One round over the volumes that the host may not agree with; whether anything was done."""

    def see_to(volume: Volume) -> bool:
        with _locked(cloud, volume, layer_files.PATIENCE if volume.id in touched else 0.0):
            current = cloud.state.volumes.get(volume.id)
            if current is None or current.instance_id != volume.instance_id:
                return False
            with isolation.recorded(functools.partial(_failed, cloud, current)):
                return _step(current)(cloud, current)

    return isolation.each(cloud, "volumes", [(row.id, row) for row in cloud.state.volumes.query(_UNSETTLED)], see_to)


@contextlib.contextmanager
def _locked(cloud: Cloud, volume: Volume, wait: float) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for name in (volume.instance_id, volume.id):
            if name:
                stack.enter_context(locks.held(cloud.settings.run, name, wait))
        yield


def _step(volume: Volume) -> Callable[[Cloud, Volume], bool]:
    """The next step of a volume; it says whether it did anything."""
    by_state: dict[str, Callable[[Cloud, Volume], bool]] = {"creating": _create, "deleting": _delete}
    by_attachment = {"attaching": _attach, "detaching": _detach, "busy": _detach}
    return by_state.get(volume.state) or by_attachment.get(volume.attachment) or _modify


def _failed(cloud: Cloud, volume: Volume, error: HostError) -> bool:
    """Record a failure in the row; whether it is given up, which nothing is that is to be detached or deleted."""
    failures = volume.failures + 1
    over = isinstance(error, Permanent) or (failures >= MOST_FAILURES and not isinstance(error, Away))
    fields: dict[str, object] = {"failures": 0 if over else failures, "reason": error.message}
    with cloud.state.transaction():
        if over and volume.state == "creating":
            _settled(cloud, volume, state="error")
        elif over and volume.attachment == "attaching":
            _settled(cloud, volume, **_freed(cloud, volume))
        elif over and volume.attachment not in ("detaching", "busy"):
            cloud.state.modifications.change(volume.id, state="failed", message=error.message, ended=times.now())
        elif _step(volume) is _modify:
            cloud.state.modifications.change(volume.id, message=error.message)
        cloud.state.volumes.change(volume.id, **fields)
    return over and volume.state != "deleting" and volume.attachment not in ("detaching", "busy")


_DETACHED: dict[str, object] = {
    "instance_id": "", "device": "", "attachment": "", "attached": "", "force_detach": False,
    "detach_asked": "", "delete_on_termination": False,
}  # fmt: skip
"""The columns of a volume that is attached to nothing, but for its state."""


def _settled(cloud: Cloud, volume: Volume, **fields: object) -> bool:
    """Record what has become of a volume, unless something else is wished for meanwhile: then that is the next round's affair.
    True: either way something is new. A volume's state is a wish where it is made or deleted."""
    columns = ("state", *_WISH) if volume.state in ("creating", "deleting") else _WISH
    cloud.state.volumes.change_if(volume, columns, **fields)
    return True


def _freed(cloud: Cloud, volume: Volume) -> dict[str, object]:
    """The columns of a volume that is attached to nothing any more. One in error stays so; one of a launch that never came to
    have its file made is made now.
    """
    layer = cloud.state.layers.get(volume.layer_id)
    made = layer is None or layer.made
    return {**_DETACHED, "state": "error" if volume.state == "error" else "available" if made else "creating"}


def _create(cloud: Cloud, volume: Volume) -> bool:
    """One that was in error (EnableVolumeIO) is looked at from one end to the other."""
    layers.make(cloud, volume.layer_id)
    if volume.reason:
        layer_files.verify(cloud, volume.layer_id, thorough=True)
    return _settled(cloud, volume, state="available", failures=0, reason="")


def _delete(cloud: Cloud, volume: Volume) -> bool:
    """Only the rows: its layer, if nothing else needs it, goes as any such layer goes."""
    forget(cloud, volume.id)
    return True


def forget(cloud: Cloud, volume_id: str) -> None:
    """Delete a volume's rows."""
    state = cloud.state
    with state.transaction():
        for tag in state.tags.find(resource_id=volume_id):
            state.tags.remove(volume_id, tag.key)
        state.modifications.remove(volume_id)
        state.volumes.remove(volume_id)


def _attach(cloud: Cloud, volume: Volume) -> bool:
    """A guest that is off has all its instance's volumes when it starts. It counts: in an older state the volume is another's."""
    prepare_one(cloud, volume)
    generations.count(cloud)
    if is_on(cloud, volume.instance_id):
        with while_on(cloud, volume.instance_id):
            cloud.host.blocks.attach(volume.instance_id, disk_spec.of_volume(cloud.host, volume))
    else:
        off_guests.keep_off(cloud, volume.instance_id)
    return _settled(cloud, volume, attachment="attached", failures=0, reason="")


def _detach(cloud: Cloud, volume: Volume) -> bool:
    foreign_tops.refuse(cloud, [volume])
    free = {**_freed(cloud, volume), "failures": 0, **({"reason": ""} if volume.state != "error" else {})}
    if not is_on(cloud, volume.instance_id):
        off_guests.keep_off(cloud, volume.instance_id)
        return _settled(cloud, volume, **free)
    serial, asked = disk_spec.serial(volume), volume.detach_asked
    if serial not in cloud.host.blocks.chains(volume.instance_id):
        cloud.host.blocks.detach(volume.instance_id, serial)  # it goes from the definition, too
        cloud.host.guests.keep_off(volume.instance_id)
        return _settled(cloud, volume, **free)
    if asked and not times.over(asked, ASK_AGAIN, time.time()):
        return False
    if not asked:
        generations.count(cloud)
    if asked and volume.force_detach:
        cloud.host.guests.keep_off(volume.instance_id)
        cloud.host.blocks.seize(volume.instance_id, serial)
        return _settled(cloud, volume, **free)
    cloud.host.blocks.detach(volume.instance_id, serial)
    cloud.state.volumes.change(volume.id, detach_asked=times.now(), attachment="busy" if asked else "detaching")
    return not asked


def _tell_strangers(cloud: Cloud, row: Modification, instance_id: str, jobs: Mapping[str, str]) -> None:
    """Let a modification say that it waits for another program."""
    message = ""
    try:
        refuse_strangers(instance_id, jobs)
    except Retry as error:
        message = error.message
    if row.message != message:
        cloud.state.modifications.change(row.volume_id, message=message)


def _modify(cloud: Cloud, volume: Volume) -> bool:
    row = cloud.state.modifications.get(volume.id)
    if row is None or row.state != "modifying":
        return False
    wanted = disk_spec.modified(volume, row.target)
    if wanted.size > volume.size:
        foreign_tops.refuse(cloud, [volume])
    if is_on(cloud, volume.instance_id):
        serial = disk_spec.serial(volume)
        if serial not in cloud.host.blocks.chains(volume.instance_id):
            raise Retry(f"{volume.instance_id} does not have {volume.id} yet")
        if wanted.size > volume.size and (jobs := cloud.host.blocks.jobs(volume.instance_id)):
            _tell_strangers(cloud, row, volume.instance_id, jobs)
            return False  # it is resized when what the guest copies is copied, however long that takes
        with while_on(cloud, volume.instance_id):
            if wanted.size > volume.size:
                generations.count(cloud)
                cloud.host.blocks.resize(volume.instance_id, serial, wanted.size * disk_spec.GIB)
            cloud.host.blocks.limit(volume.instance_id, serial, disk_spec.limits(wanted))
    else:
        off_guests.keep_off(cloud, volume.instance_id)
        layers.make(cloud, volume.layer_id)
        layers.correct_headers(cloud, volume.layer_id)
        generations.count(cloud)
        cloud.host.disks.resize(volume.layer_id, wanted.size * disk_spec.GIB)
    with cloud.state.transaction():
        cloud.state.layers.change(volume.layer_id, size=wanted.size * disk_spec.GIB)
        cloud.state.volumes.change(
            volume.id, size=wanted.size, kind=wanted.kind, iops=wanted.iops, throughput=wanted.throughput, failures=0, reason=""
        )
        cloud.state.modifications.change(volume.id, state="completed", ended=times.now(), message="")
    return True


def watch(cloud: Cloud) -> None:
    """Volumes that a guest's QEMU found to be damaged are in error, and say so."""
    rows = cloud.state.volumes.find(state="in-use", attachment="attached")
    isolation.each(cloud, "damaged volumes", [(row.id, row) for row in rows], functools.partial(_watch, cloud))


def _watch(cloud: Cloud, volume: Volume) -> None:
    if not _damage(cloud, volume.layer_id):
        return
    with locks.held(cloud.settings.run, volume.id):
        current = cloud.state.volumes.get(volume.id)  # its layer may have been merged into another meanwhile
        if current is not None and (damage := _damage(cloud, current.layer_id)):
            log.warning("%s: %s", volume.id, damage)
            cloud.state.volumes.change(volume.id, state="error", reason=damage)


def _damage(cloud: Cloud, layer_id: str) -> str:
    try:
        return cloud.host.disks.damage(layer_id)
    except Permanent as error:
        return error.message


def prepare_one(cloud: Cloud, volume: Volume) -> None:
    """A volume's files are there and whole enough to be read; else the volume is in error. Raises HostError."""
    try:
        foreign_tops.refuse_one(cloud, volume)
        layers.make(cloud, volume.layer_id)
        layer_files.verify(cloud, volume.layer_id, thorough=volume.state == "error")
        layers.correct_headers(cloud, volume.layer_id)
        layers.refuse_frozen(cloud, volume.layer_id)
        cloud.host.disks.unseal(volume.layer_id)
    except Permanent as error:
        cloud.state.volumes.change(volume.id, state="error", reason=error.message)
        raise Permanent(f"{volume.id}: {error.message}", "Client.VolumeInError") from error
    if volume.state == "error" and volume.instance_id:  # somebody has mended it
        cloud.state.volumes.change(volume.id, state="in-use", reason="")


def prepare(cloud: Cloud, instance_id: str) -> None:
    """What the volumes of an instance need before its guest starts. The caller holds the instance's lock."""
    if cloud.state.volumes.find(instance_id=instance_id, attachment="attaching"):
        generations.count(cloud)
    else:
        generations.check(cloud)
    snapshots.settle(cloud, instance_id)
    with contextlib.ExitStack() as stack:
        for volume in sorted(cloud.state.volumes.find(instance_id=instance_id), key=lambda volume: volume.id):
            stack.enter_context(locks.held(cloud.settings.run, volume.id, layer_files.PATIENCE))
            prepare_one(cloud, volume)


def release(cloud: Cloud, instance_id: str) -> None:
    """An instance has ended, and its guest is gone: volumes that end with it go, the others are free."""
    snapshots.settle(cloud, instance_id)
    for volume in cloud.state.volumes.find(instance_id=instance_id):
        if volume.delete_on_termination:
            forget(cloud, volume.id)
        else:
            cloud.state.volumes.change(volume.id, **_freed(cloud, volume))
