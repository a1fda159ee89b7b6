"""Going on knowingly with a state beside disks that are newer than it, another state's, or left of a lost one.

1. No guest may be on that writes to what this state does not know: it would lose what it writes. With an older state none may
   merge layers, nor any other process have a disk open: what is half merged, no file tells.
   What such a state has of a layer that is half written over follows what was being merged (`adoption_merged`).
2. Disks that no row knows are put aside, never deleted; those on which a known one stands stay where they are.
3. What an older state was in the midst of is ended, where the files do not show that it was done (`adoption_begun`).
4. Rows of layers follow the files, where layers that they name were merged or removed since (`adoption_layers`), and sizes do,
   where volumes were made larger (`adoption_sizes`).
5. The state counts beyond the stamp, and the stamp is this state's: from here on it may change things, so its rows are right.
6. Snapshots that were being taken, and were taken as the files show, are finished.
7. A volume whose layer something unknown stands on, aside or not, goes on with a new layer, and a snapshot keeps the old one
   as it is. So does one whose layer became another volume's by a merge: what that wrote is nowhere else. Until it is done,
   `layers.refuse_frozen` keeps everybody from writing to a layer that something stands on. One with which this fails keeps no
   other from it.

Each may be cut short: asked once more, the rest is done.
"""

import contextlib
from collections.abc import Iterator

from ..aws import times
from ..aws.ids import new_id
from ..cloud import Cloud
from ..errors import HostError, Permanent, Retry, StateError
from ..host.contracts import Host, Power
from ..host.contracts_storage import Stamp
from ..reconcile import disk_spec, generations, guest_spec, isolation, layer_files, layers, off_guests, snapshots
from ..state.rows import Volume
from ..state.rows_storage import Snapshot
from . import adoption_begun, adoption_layers, adoption_merged, adoption_sizes

DESCRIPTION = "Kept by minicloud adopt: disks that it put aside, or does not know, stand on this"


def adopt(cloud: Cloud) -> list[str]:
    """Do it; what was done, in sentences. Raises StateError, HostError."""
    return list(steps(cloud))


def steps(cloud: Cloud) -> Iterator[str]:
    """The same, each sentence when that is done."""
    generations.refuse_unmounted(cloud)
    refuse_running(cloud)
    adoption_layers.refuse_absent(cloud)
    off_guests.keep_all_off(cloud.host)
    why = generations.refusal(cloud)
    if why:
        yield from adoption_merged.settle(cloud)
    if aside := movable(cloud):
        place = cloud.host.disks.set_aside(sorted(aside), why or "no row knew them")
        yield f"put {len(aside)} disks aside, into {place}"
    layer_files.follow_aside(cloud)
    if why:
        yield from adoption_begun.end(cloud)
    yield from adoption_layers.follow(cloud, older=bool(why))
    if why:
        yield from adoption_sizes.follow(cloud)
        yield from _plug_again(cloud)
        stamp = cloud.host.disks.stamp()
        own = cloud.state.advance(beyond=stamp.generation if stamp else 0)
        cloud.host.disks.put_stamp(Stamp(own.id, own.generation, stamp.merged if stamp else {}))
        yield f"the disks belong to the state {own.id} from now on, at generation {own.generation}"
    with contextlib.suppress(HostError):  # the passes do it, too, and tell of it
        layers.correct_moved(cloud)
    yield from adoption_begun.finish(cloud)
    failed = dict[str, HostError]()
    for volume, why in _to_keep(cloud):
        try:
            snapshot = _keep(cloud, volume)
        except HostError as error:
            failed[volume.id] = error
            continue
        yield f"{volume.id} goes on with a new layer; {snapshot} keeps what it was, because {why}"
    if failed:
        kind = Retry if any(isinstance(error, Retry) for error in failed.values()) else Permanent
        raise kind("; ".join(f"{volume_id} cannot go on with a new layer: {error}" for volume_id, error in failed.items()))


def unfinished(cloud: Cloud) -> int:
    """How many volumes and layers an adoption that was cut short has left. Raises HostError."""
    return len(_to_keep(cloud)) + len(adoption_layers.left(cloud))


def _to_keep(cloud: Cloud) -> list[tuple[Volume, str]]:
    """The volumes on whose layer something stands that no row accounts for, and those whose layer is another's, each with why."""
    found, stamp, there = list[tuple[Volume, str]](), cloud.host.disks.stamp(), cloud.host.disks.list()
    merged = stamp.merged if stamp is not None else {}
    volumes, known = cloud.state.volumes.query("layer_id != ''"), known_disks(cloud)
    above = cloud.host.disks.all_above(volume.layer_id for volume in volumes)
    for volume in volumes:
        other = merged[volume.layer_id].volume if volume.layer_id in merged.keys() & there else ""
        if above[volume.layer_id] - known:
            found.append((volume, "something stands on that"))
        elif other not in ("", volume.id):
            found.append((volume, f"{volume.id} has what the volume {other} wrote, whose layer that was"))
    return found


def known_disks(cloud: Cloud) -> set[str]:
    """The disks that rows account for."""
    rows = cloud.state.instances.query("state != 'terminated'")
    return {layer.id for layer in cloud.state.layers.query()} | {disk for row in rows for disk in guest_spec.scratch_disks(row)}


def movable(cloud: Cloud) -> set[str]:
    """The disks that no row knows and that nothing which one knows stands on, directly or not."""
    disks, known, there = cloud.host.disks, known_disks(cloud), cloud.host.disks.list()
    found = there.keys() - known
    for disk_id in there if found else ():
        with contextlib.suppress(Permanent):  # no disk, or gone
            disks.backing(disk_id)  # raises where it cannot be read: nobody knows what it stands on then
    above = disks.all_above(found)
    while held := {disk_id for disk_id in found if above[disk_id] & (known | (above.keys() - found))}:
        found -= held
    return found


def refuse_running(cloud: Cloud) -> None:
    """Raise StateError while a guest, whoever's, is on with disks that are here and that this state does not know.

    With an older state also while a guest, or a process that is none, may be merging layers.
    """
    on = _on(cloud.host)
    strangers = {guest_id for guest_id in on if not _writes_where_it_should(cloud, guest_id)}
    stamp = cloud.host.disks.stamp()
    if stamp is not None and stamp.identity != cloud.state.identity.id:
        strangers |= _on(cloud.host_of(stamp.identity)) - on
    if strangers:
        first, *_ = listed = sorted(strangers)
        raise StateError(
            f"guests run with disks that this state does not know: {', '.join(listed)}; shut them down first "
            f"(virsh -c {cloud.settings.libvirt_uri} shutdown {first})"
        )
    older = bool(generations.refusal(cloud))
    if merging := sorted(guest_id for guest_id in on if cloud.host.blocks.jobs(guest_id)) if older else []:
        raise StateError(
            f"guests merge layers of their disks: {', '.join(merging)}; leave them on, and try again when that is done "
            f"(virsh -c {cloud.settings.libvirt_uri} blockjob {merging[0]} DISK tells how far it is)"
        )
    ours = {path for guest_id in on for chain in cloud.host.blocks.chains(guest_id).values() for path in chain}
    unknown_disks, in_use = movable(cloud), cloud.host.disks.in_use()
    in_use = in_use if older else in_use & unknown_disks
    if held := sorted(disk_id for disk_id in in_use if cloud.host.disks.path(disk_id) not in ours):
        whose = "that this state does not know" if unknown_disks.intersection(held) else "and is no guest of this state"
        raise StateError(
            f"a process has disks open {whose}: {', '.join(held[:5])}; end it first (fuser "
            f"{cloud.host.disks.path(held[0])} tells which it is, virsh -c {cloud.settings.libvirt_uri} list names the guests)"
        )


def _plug_again(cloud: Cloud) -> Iterator[str]:
    """Volumes that guests which are on have let go since are theirs again, as their rows say."""
    for guest_id in sorted(_on(cloud.host)):
        there = cloud.host.blocks.chains(guest_id)
        for volume in cloud.state.volumes.find(instance_id=guest_id, attachment="attached"):
            if disk_spec.serial(volume) not in there:
                cloud.state.volumes.change(volume.id, attachment="attaching")
                yield f"{volume.id} is attached to {guest_id} again, which has let it go after this state was made"


def _on(host: Host) -> set[str]:
    return {name for name, guest in host.guests.list().items() if guest.power in (Power.RUNNING, Power.PAUSED)}


def _writes_where_it_should(cloud: Cloud, guest_id: str) -> bool:
    """Whether each disk of a guest writes to the layer that its volume has, or is about to go on with."""
    wanted = {
        disk_spec.serial(volume): {
            cloud.host.disks.path(layer_id)
            for layer_id in (volume.layer_id, *(row.next_layer for row in cloud.state.snapshots.find(volume_id=volume.id)))
            if layer_id
        }
        for volume in cloud.state.volumes.find(instance_id=guest_id)
    }
    row = cloud.state.instances.get(guest_id)
    scratch = {cloud.host.disks.path(disk) for disk in guest_spec.scratch_disks(row)} if row else set()
    chains = cloud.host.blocks.chains(guest_id)
    return all(chain[0] in wanted.get(serial, set()) | scratch for serial, chain in chains.items() if chain)


def _keep(cloud: Cloud, volume: Volume) -> str:
    """A snapshot as any other, taken now; one that was begun is finished."""
    begun = cloud.state.snapshots.find(volume_id=volume.id, state="pending", description=DESCRIPTION)
    snapshot = begun[0] if begun else Snapshot(new_id("snapshot"), volume.id, "", volume.size, DESCRIPTION, times.now(), "")
    if not begun:
        snapshot.batch = snapshot.id
        with cloud.state.transaction():
            cloud.state.snapshots.add(snapshot)
    try:
        snapshots.take(cloud, snapshot.batch, wait=60.0)
    except isolation.GaveUp as error:
        raise Permanent(str(error)) from error
    return snapshot.id
