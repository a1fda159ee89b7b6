"""Rows of layers whose files are gone: an older state knows layers that were merged into others, or removed, since. What it knows
of one that is there may be over, too: a volume was made to stand on others, and its former layer was written to.

What stood on a merged layer stands where its own file says, which reads as it always did: rows come to say so, too. Whether a
merged layer's own bytes are in what it stood on or in what stood on it, no file says: a snapshot that names it is lost for
this state, a volume that does is in error, and a snapshot that names what it stood on may read otherwise, if it was deleted
since, as may one on whose layer nothing has stood all the time. All of it is told, and nothing is made up.
"""

from collections.abc import Iterable, Iterator, Mapping

from ..cloud import Cloud
from ..errors import HostError, Permanent, StateError
from ..host import disk_places
from ..reconcile import layer_files, locks, snapshots
from ..state.rows_storage import Layer

WHY = "is not there: it was merged into another, or removed, after this state was made"

_UNSURE = "may read as a later one: if it was deleted after this state was made, what stood on its layer was merged into that"


def gone(cloud: Cloud) -> set[str]:
    """The layers that were made, and whose files are not there. Raises HostError."""
    there = cloud.host.disks.list()
    return {layer.id for layer in cloud.state.layers.find(base="", made=True) if layer.id not in there}


def refuse_absent(cloud: Cloud) -> None:
    """Raise StateError where a layer's file is not there now, and what has its name may be it again: a link to a file system
    that is not mounted. It was neither merged nor removed. Raises HostError.
    """
    lost = gone(cloud)
    strangers = cloud.host.disks.others().keys() if lost else set[str]()
    if found := sorted(path for path in map(cloud.host.disks.path, lost) if path in strangers):
        raise StateError(
            f"{found[0]} is a link that leads to no file, or no file: if what it leads to is to be mounted, do that first; if "
            f"the disk is lost, delete it (rm {found[0]}). There are {len(found)} of these"
        )


def left(cloud: Cloud) -> list[Layer]:
    """The layers whose rows stand on one that is gone, and whose files are there: `follow` sees to them. Raises HostError."""
    lost = gone(cloud)
    there = cloud.host.disks.list() if lost else {}
    return [layer for layer in cloud.state.layers.among("parent", sorted(lost)) if layer.id in there]


def follow(cloud: Cloud, *, older: bool) -> Iterator[str]:
    """Bring the rows to what the files say; what was done, in sentences. May be asked again. Raises HostError.

    A state that is not older may be in the midst of a merge, where the files are ahead (`layers.correct_headers`).
    """
    with locks.held(cloud.settings.run, layer_files.LOCK, layer_files.PATIENCE):
        places, lost = _places(cloud), left(cloud)
        above = cloud.host.disks.all_above(cloud.host.disks.list())  # no header changes meanwhile
        for layer in [*lost, *(_standing(cloud) if older else ())]:
            try:
                below = cloud.host.disks.backing(layer.id)
            except Permanent as error:
                yield f"what {layer.id} stands on cannot be told: {error.message}"
                continue
            found = _found(cloud, places, above, layer.id, below) if below is not None else ""
            if found is None:
                yield f"{layer.id} stands on {below}, which no row knows, and not on {layer.parent}: it is left as it is"
            elif found != layer.parent:
                _flush(cloud, layer.id)
                cloud.state.layers.change(layer.id, parent=found)
                why = f"{layer.parent} {WHY}" if layer in lost else f"its file says so, and not {layer.parent}"
                yield f"{layer.id} stands on {found or 'nothing'} from now on: {why}"
    yield from _lost(cloud, sorted(gone(cloud)))


def _standing(cloud: Cloud) -> list[Layer]:
    """The layers that are there, and stand on one that is, by their rows.

    Also those that a guest has: QEMU writes where a layer stands when a merge ends, and nobody merges with an older state.
    """
    there = cloud.host.disks.list()
    return [layer for layer in cloud.state.layers.among("parent", sorted(there)) if layer.id in there]


def _flush(cloud: Cloud, layer_id: str) -> None:
    """What guests that have a layer copied into it is on the disk, as the header says. Raises HostError."""
    path = cloud.host.disks.path(layer_id)
    for guest_id in cloud.host.guests.list():
        for serial, chain in cloud.host.blocks.chains(guest_id).items():
            if path in chain:
                cloud.host.blocks.flush(guest_id, serial)


def _places(cloud: Cloud) -> dict[str, str]:
    """The layers that are there, by the paths of their files."""
    there, found = cloud.host.disks.list(), dict[str, str]()
    for layer in cloud.state.layers.query():
        if layer.base or layer.id in there:
            try:
                found[layer_files.path(cloud, layer)] = layer.id
            except HostError:  # the image is gone, and with it what stands on it
                continue
    return found


def _found(cloud: Cloud, places: Mapping[str, str], above: Mapping[str, set[str]], layer_id: str, below: str) -> str | None:
    """The layer on which the file of one stands whose header says `below`, as it may have been written elsewhere."""
    if below in places:
        return places[below]

    def stands_on(other: str, path: str) -> bool:
        return disk_places.same_image(below, path) if _is_image(cloud, other) else layer_id in above.get(other, ())

    return min((other for path, other in places.items() if stands_on(other, path)), default=None)


def _is_image(cloud: Cloud, layer_id: str) -> bool:
    """Whether a layer is a base image, which never changes."""
    layer = cloud.state.layers.get(layer_id)
    return layer is not None and bool(layer.base)


def _lost(cloud: Cloud, layer_ids: list[str]) -> Iterator[str]:
    for snapshot in cloud.state.snapshots.among("layer_id", layer_ids):
        if snapshot.state == "completed":
            cloud.state.snapshots.change(snapshot.id, state="error", message=f"its layer {snapshot.layer_id} {WHY}")
            yield f"the snapshot {snapshot.id} is in error: its layer {snapshot.layer_id} {WHY}"
    for snapshot in cloud.state.snapshots.among("next_layer", layer_ids):
        if snapshot.state == "pending":
            snapshots.fail(cloud, snapshot, f"the layer {snapshot.next_layer}, with which its volume was to go on, {WHY}")
            yield f"the snapshot {snapshot.id} is in error: the layer {snapshot.next_layer} {WHY}"
    below = {layer.parent for layer in cloud.state.layers.among("id", layer_ids) if layer.parent} - set(layer_ids)
    yield from doubt(cloud, below)
    for layer_id, why in _unreadable(cloud, layer_ids):
        for volume in cloud.state.volumes.find(layer_id=layer_id):
            if volume.state not in ("error", "deleting"):
                cloud.state.volumes.change(volume.id, state="error", reason=why)
                yield f"the volume {volume.id} is in error: {why}"


def _unreadable(cloud: Cloud, layer_ids: list[str]) -> Iterator[tuple[str, str]]:
    """Layers that are gone, and those that cannot be made because what they were to stand on is; with the reason."""
    yield from ((layer_id, f"its layer {layer_id} {WHY}") for layer_id in layer_ids)
    there = cloud.host.disks.list() if layer_ids else {}
    for layer in cloud.state.layers.among("parent", layer_ids):
        if not layer.made and layer.id not in there:
            yield layer.id, f"its layer was to be made on {layer.parent}, which {WHY}"


def doubt(cloud: Cloud, layer_ids: Iterable[str]) -> Iterator[str]:
    """Tell of the snapshots of layers that what stood on them may have been merged into."""
    for snapshot in cloud.state.snapshots.among("layer_id", sorted(layer_ids)):
        if snapshot.state == "completed" and snapshot.message != _UNSURE and not _is_image(cloud, snapshot.layer_id):
            cloud.state.snapshots.change(snapshot.id, message=_UNSURE)
            yield f"the snapshot {snapshot.id} {_UNSURE}"
