"""States that must not be used on a host, put there in the midst of a history: an older one, and that of another home.

With neither anything on the host may change. A state that was put back goes on as if nothing had been. Where a ground can be
had once more, the older state is adopted there: then nothing is deleted by that, and what both states know reads as it should.
"""

import contextlib
from collections.abc import Generator, Iterator
from pathlib import Path

from minicloud import api
from minicloud.cli import adoption
from minicloud.cloud import Cloud
from minicloud.errors import ApiError, StateError
from minicloud.reconcile import generations, layer_files, loop

from ..storage.older import keep, restore
from .grounds import Ground
from .model import BLOCKS, Content, Model
from .operations import Request

READING = ("DescribeInstances", "DescribeVolumes", "DescribeSnapshots", "DescribeAddresses")
_OLDER, _STRANGE = "is older than the disks", "another minicloud"


def is_older(cloud: Cloud, generation: int) -> bool:
    """Whether disks were changed since a state had counted so far."""
    stamp = cloud.host.disks.stamp()
    return stamp is not None and stamp.generation > generation


@contextlib.contextmanager
def beside(ground: Ground, copy: Path) -> Iterator[Cloud]:
    """A copy of the state in the place of the state, for a while."""
    newer = copy.with_name("newer.sqlite")
    newer.unlink(missing_ok=True)
    keep(ground.open(), newer)
    restore(ground.open(), copy)
    try:
        yield ground.open()
    finally:
        restore(ground.open(), newer)


def refused(ground: Ground, copy: Path, requests: list[Request]) -> Iterator[str]:
    """With an older state: what reads is answered, what changes is refused by name, and a pass changes nothing."""
    before = ground.seen()
    with beside(ground, copy) as cloud:
        for operation in READING:
            api.call(cloud, "ec2", operation, {})
        for request in requests:
            yield from _is_refused(ground.open(), request, _OLDER)
        loop.run_pass(ground.open(), look=True)
    yield from _differences("an older state", before, ground.seen())


def second_home(ground: Ground, requests: list[Request]) -> Iterator[str]:
    """Commands of another home, where this one has networks: none takes or changes anything of this one's."""
    if not ground.open().host.networks.list():
        return
    before, other = ground.seen(), ground.second()
    for operation in READING:
        found = api.call(other, "ec2", operation, {})
        yield from (f"another home's {operation} tells of {name}" for name in sorted(_names(ground.open())) if name in str(found))
    for request in requests:
        with contextlib.suppress(ApiError):
            api.call(other, request.service, request.operation, request.params)
    loop.run_pass(other, look=True)
    for row in other.state.instances.query():
        if row.state not in ("terminated", "pending") or _STRANGE not in row.reason_message:
            yield f"another home's {row.id} is {row.state} ({row.reason_message})"
    _leave(other)
    yield from _differences("another home", before, ground.seen())
    if left := [*other.host.disks.list(), *other.host.seeds.list()]:
        yield f"another home has left {left}"


def _names(cloud: Cloud) -> set[str]:
    """The identifiers of what clients have made."""
    state = cloud.state
    rows = [*state.instances.query(), *state.volumes.query(), *state.snapshots.query("volume_id != 'vol-ffffffff'")]
    return {row.id for row in rows} | {row.allocation_id for row in state.public_addresses.query("allocation_id != ''")}


def _leave(other: Cloud) -> None:
    """Everything in it is deleted by its own commands."""
    if living := [row.id for row in other.state.instances.query() if row.state != "terminated"]:
        api.call(other, "ec2", "TerminateInstances", {"InstanceIds": living})
    for volume in other.state.volumes.find(instance_id=""):
        api.call(other, "ec2", "DeleteVolume", {"VolumeId": volume.id})
    for address in other.state.public_addresses.query("allocation_id != ''"):
        api.call(other, "ec2", "ReleaseAddress", {"AllocationId": address.allocation_id})
    loop.run_pass(other, look=True)


def adopted(ground: Ground, copy: Path, model: Model, *, merged: bool) -> Iterator[str]:
    """An older state goes on knowingly, after the guests that write to what it does not know are off.

    `merged`: what guests copy has come to its end, and nobody has recorded it.
    """
    newer = {row.id for row in [*ground.open().state.volumes.query(), *ground.open().state.snapshots.query()]}
    if merged:
        ground.finish_jobs(ground.open())
    restore(ground.open(), copy)
    bytes_before = yield from _adopt(ground)
    if why := generations.refusal(ground.open()):
        yield f"adopted, and still: {why}"
    kept, aside = _contents(ground.open(), ground), ground.aside()
    yield from (f"adopting has deleted {name}" for name in sorted(bytes_before.keys() - kept.keys() - aside))
    yield from (f"adopting has changed {name}" for name in sorted(kept) if kept[name] != bytes_before.get(name, kept[name]))
    for _ in range(6):
        loop.run_pass(ground.open(), look=True)
        ground.finish_jobs(ground.open())
    yield from (f"{name} was put aside, and is gone" for name in sorted(aside - ground.aside()))
    yield from _reads(ground, model, newer)
    ground.accident(ground.open(), "the host restarts", 0)
    for snapshot in [None, *ground.open().state.snapshots.query("state != 'pending' and volume_id != 'vol-ffffffff'")]:
        if snapshot is not None:
            with contextlib.suppress(ApiError):  # an image has it
                api.call(ground.open(), "ec2", "DeleteSnapshot", {"SnapshotId": snapshot.id})
        for _ in range(3):
            loop.run_pass(ground.open(), look=True)
            ground.finish_jobs(ground.open())
        yield from _reads(ground, model, newer)


def _adopt(ground: Ground) -> Generator[str, None, dict[str, Content]]:
    """As who does what the refusals say; what layers read as before. Afterwards every layer stands where its row says."""
    for remedy in (lambda: ground.finish_jobs(ground.open()), lambda: _power_off(ground.open()), None):
        before, contents = ground.seen(), _contents(ground.open(), ground)
        try:
            adoption.adopt(ground.open())
            break
        except StateError:
            yield from _differences("an adoption that was refused", before, ground.seen())
            if remedy is None:
                raise
            remedy()
    cloud = ground.open()
    rows, there = {row.id: row for row in cloud.state.layers.query()}, cloud.host.disks.list()
    for row in rows.values():
        if row.id in there and row.made:
            wanted = layer_files.path(cloud, rows[row.parent]) if row.parent else None
            if (found := cloud.host.disks.backing(row.id)) != wanted:
                yield f"adopted, and {row.id} stands on {found}, not on {wanted}"
    return contents


def _power_off(cloud: Cloud) -> None:
    for guest_id in cloud.host.guests.list():
        cloud.host.guests.destroy(guest_id)


def _contents(cloud: Cloud, ground: Ground) -> dict[str, Content]:
    return {layer: ground.read(cloud, layer, BLOCKS) for layer in cloud.host.disks.list()}


def _reads(ground: Ground, model: Model, newer: set[str]) -> Iterator[str]:
    """Snapshots read as ever; volumes as they did at some moment. What was deleted since may read as anything."""
    cloud = ground.open()
    there = cloud.host.disks.list()
    made = {layer.id for layer in cloud.state.layers.find(base="", made=True)}
    whole = [*cloud.state.snapshots.find(state="completed"), *cloud.state.volumes.query("state != 'error'")]
    lost = made - there.keys()
    yield from (f"after adopting {row.id} is {row.state}, and has no file" for row in whole if row.layer_id in lost)
    for row in cloud.state.snapshots.find(state="completed"):
        if row.id in newer and row.id in model.snapshots and row.layer_id in there:
            read = ground.read(cloud, row.layer_id, BLOCKS)
            if read != model.snapshots[row.id]:
                yield f"after adopting {row.id} reads as {read}, not as {model.snapshots[row.id]}"
    for volume in cloud.state.volumes.query():
        if volume.id in newer and volume.id in model.ever and volume.layer_id in there:
            read = ground.read(cloud, volume.layer_id, BLOCKS)
            if read not in model.ever[volume.id]:
                yield f"after adopting {volume.id} reads as {read}, as it never did"


def _is_refused(cloud: Cloud, request: Request, why: str) -> Iterator[str]:
    try:
        answer = api.call(cloud, request.service, request.operation, request.params)
    except ApiError as error:
        if error.code != "OperationNotPermitted" or why not in error.message:
            yield f"{request} was refused with {error.code}: {error.message}, and not because the state {why}"
    else:
        yield f"{request} was answered though the state {why}: {answer}"


def _differences(who: str, before: list[str], after: list[str]) -> Iterator[str]:
    yield from (f"{who} has taken: {line}" for line in before if line not in after)
    yield from (f"{who} has put there: {line}" for line in after if line not in before)
