"""Layers: carries out `layer_plan`.

Copying takes its time, and is done under the locks of the volumes that read from the layers, so that no guest starts with
them and no snapshot is taken of them meanwhile; a lock that somebody holds puts it off. What a running guest's own QEMU
copies goes on between the passes: a pass begins it, a later one finds it done.
"""

import contextlib
import logging
import shlex
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from ..cloud import Cloud
from ..errors import HostError, Permanent, Retry
from ..host import disk_links, disk_places, disk_stamp, failures
from ..host.contracts import Power
from ..host.contracts_storage import refuse_strangers
from ..state import chains
from ..state.rows_storage import Layer
from . import foreign_tops, generations, isolation, layer_files, layer_plan, locks, off_guests
from .layer_plan import Action, Commit, Drop, Pull, Seen, Top

log = logging.getLogger(__name__)

MERGES = "merges of layers"
"""The lock of all that removes layers or writes one into another. A backup holds it alone: what it copies must not change."""


def observe(cloud: Cloud) -> Seen:
    """The rows, in one view, and which guests are on. Raises HostError."""
    state = cloud.state
    with state.transaction(write=False):
        rows = {layer.id: layer for layer in state.layers.query()}
        volumes = [volume for volume in state.volumes.query() if volume.layer_id]
        snapshots = state.snapshots.query()
    guests = cloud.host.guests.list() if any(volume.instance_id for volume in volumes) else {}
    on = {name for name, guest in guests.items() if guest.power in (Power.RUNNING, Power.PAUSED)}
    named = {snapshot.layer_id for snapshot in snapshots} | {snapshot.next_layer for snapshot in snapshots}
    return Seen(
        layers=rows,
        named=frozenset(named | {volume.layer_id for volume in volumes}),
        tops=tuple(
            Top(volume.id, volume.layer_id, volume.instance_id, volume.instance_id in on)
            for volume in volumes
            if volume.layer_id in rows
        ),
    )


def reconcile(cloud: Cloud, *, merge: bool) -> bool:
    """Remove layers, and with `merge` also merge them; whether anything was done."""
    planned = layer_plan.plan(observe(cloud)) if _something_to_do(cloud) else []
    rows = [(_about(action), action) for action in planned if merge or isinstance(action, Drop)]
    keep = [_about(action) for action in planned]
    return isolation.each(cloud, "layers", rows, lambda action: _attempt(cloud, action), keep=keep)


def _about(action: Action) -> str:
    return action.top.layer_id if isinstance(action, Pull) else action.layer_id


def _something_to_do(cloud: Cloud) -> bool:
    """A cheap look: most passes find every layer named, and no volume with more layers than it may have."""
    return bool(cloud.state.layers.query(_UNNAMED)) or len(cloud.state.layers.query()) > chains.MOST_DEPTH


_UNNAMED = (
    "id not in (select layer_id from volumes) and id not in (select layer_id from snapshots) "
    "and id not in (select next_layer from snapshots)"
)


def _attempt(cloud: Cloud, action: Action) -> bool:
    """Carry out one action if it is still right once its locks are held, and nobody copies layers. Raises HostError, Busy."""
    with locks.held(cloud.settings.run, MERGES, shared=True), _locked(cloud, observe(cloud).users(_about(action))):
        seen = observe(cloud)
        if action not in layer_plan.plan(seen):
            return False
        if not isinstance(action, Drop):
            if foreign_tops.pinned(cloud, _about(action)):
                return False
            users = {top.volume_id for top in seen.users(_about(action))}
            foreign_tops.refuse(cloud, cloud.state.volumes.among("id", sorted(users)))
        for instance_id in {top.instance_id for top in seen.users(_about(action)) if not top.running}:
            off_guests.keep_off(cloud, instance_id)
        return _execute(cloud, seen, action)


@contextlib.contextmanager
def _locked(cloud: Cloud, tops: Iterable[Top]) -> Iterator[None]:
    """Hold the instances and the volumes of these tops, in one order for all. Raises Busy."""
    users = list(tops)
    names = sorted({top.instance_id for top in users if top.instance_id}) + sorted({top.volume_id for top in users})
    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(locks.held(cloud.settings.run, name))
        yield


def _execute(cloud: Cloud, seen: Seen, action: Action) -> bool:
    if isinstance(action, Drop):
        return _drop(cloud, action.layer_id)
    if isinstance(action, Commit):
        return _commit(cloud, seen, action) if action.top is None else _commit_live(cloud, seen, action, action.top)
    return _pull(cloud, seen, action)


def _drop(cloud: Cloud, layer_id: str) -> bool:
    """The file first: a row without a file is found and dropped again, a file without a row would be nobody's."""
    with locks.held(cloud.settings.run, layer_files.LOCK, layer_files.PATIENCE):
        if Drop(layer_id) not in layer_plan.plan(observe(cloud)):
            return False
        layer = cloud.state.layers.get(layer_id)
        if layer is None:
            return False
        if not layer.base:
            generations.count(cloud)
            cloud.host.disks.remove(layer_id)
        return cloud.state.layers.remove(layer_id)


def _commit(cloud: Cloud, seen: Seen, action: Commit) -> bool:
    child, parent = seen.layers[action.layer_id], seen.layers[action.parent]
    if not child.made:
        make(cloud, child.id)
    _correct_around(cloud, child.id)
    refuse_linked(cloud, parent.id)
    _refuse_unknown(cloud, parent.id, cloud.host.disks.above(parent.id))
    generations.count(cloud, layer=child.id, into=parent.id, volume=seen.writer(child.id))
    cloud.host.disks.commit(child.id, parent.id)
    _replace(cloud, child.id, parent)
    return True


def _commit_live(cloud: Cloud, seen: Seen, action: Commit, top: Top) -> bool:
    child, parent = seen.layers[action.layer_id], seen.layers[action.parent]
    jobs, chain = _under_way(cloud, top)
    if top.serial in jobs:
        return False
    if layer_files.path(cloud, parent) not in chain:
        return _follow(cloud, seen, top, chain)
    if layer_files.path(cloud, child) not in chain:
        cloud.host.blocks.flush(top.instance_id, top.serial)
        _replace(cloud, child.id, parent)
        return True
    if jobs:
        return False
    _correct_around(cloud, child.id)
    refuse_linked(cloud, parent.id)
    _refuse_unknown(cloud, parent.id, cloud.host.disks.above(parent.id))
    generations.count(cloud, layer=child.id, into=parent.id, volume=seen.writer(child.id))
    cloud.host.blocks.commit(top.instance_id, top.serial, layer_files.path(cloud, child), layer_files.path(cloud, parent))
    return True


def _correct_around(cloud: Cloud, layer_id: str) -> None:
    """The headers of a layer, of what stands on it and is to stand on another, and of all below."""
    above = [layer.id for layer in cloud.state.layers.find(parent=layer_id, made=True)]
    for each in above:
        refuse_linked(cloud, each)
    for each in [layer_id, *above]:
        correct_headers(cloud, each)


def _under_way(cloud: Cloud, top: Top) -> tuple[dict[str, str], tuple[str, ...]]:
    """The disks of a top's guest that have a job, and then what the top reads from: if it has no job that is not about to change.

    The other way round, a job that ends between the two looks would be begun again, with a layer that has left the chain. Raises
    Retry while another program has a job of the guest's disks.
    """
    jobs = cloud.host.blocks.jobs(top.instance_id)
    refuse_strangers(top.instance_id, jobs)
    return jobs, cloud.host.blocks.chains(top.instance_id).get(top.serial, ())


def _replace(cloud: Cloud, child_id: str, parent: Layer) -> None:
    """Everything that stood on the child, or named it, has the parent now, which reads the same."""
    state = cloud.state
    with locks.held(cloud.settings.run, layer_files.LOCK, layer_files.PATIENCE):
        child = state.layers.get(child_id)
        assert child is not None  # noqa: S101  its locks are held
        generations.count(cloud)
        for layer in state.layers.find(parent=child_id, made=True):
            cloud.host.disks.repoint(layer.id, layer_files.path(cloud, parent))
        with state.transaction():
            state.layers.change(parent.id, size=max(child.size, parent.size))
            for layer in state.layers.find(parent=child_id):  # also those whose files are still to be made
                state.layers.change(layer.id, parent=parent.id)
            for volume in state.volumes.find(layer_id=child_id):
                state.volumes.change(volume.id, layer_id=parent.id)
            for snapshot in state.snapshots.find(layer_id=child_id):
                state.snapshots.change(snapshot.id, layer_id=parent.id)


def make(cloud: Cloud, layer_id: str) -> None:
    """Make a layer's file if it was not made: QEMU opens all that it stands on, by the headers. Raises HostError."""
    layer = cloud.state.layers.get(layer_id)
    if layer is not None and not layer.made:
        correct_headers(cloud, layer_id)
    layer_files.make(cloud, layer_id)


def correct_headers(cloud: Cloud, layer_id: str) -> None:
    """Let the files of a layer, and of what it stands on, stand where their rows say, if no guest that is on reads from them.

    A file says that it stands elsewhere where the home was moved, and further down than its row says where a merge came to its
    end and was not recorded. QEMU writes into the header where a layer stands before what it copied is on the disk, so the
    copies may be lost with QEMU; what they were made of is there as long as a row stands on it. Therefore the row is right, and
    the merge is done again. Raises HostError.
    """
    with locks.held(cloud.settings.run, layer_files.LOCK, layer_files.PATIENCE):
        layer = cloud.state.layers.get(layer_id)
        while layer is not None and layer.parent:
            parent = cloud.state.layers.get(layer.parent)
            if parent is not None and layer.made and not layer.base:
                _correct_header(cloud, layer, parent)
            layer = parent


def _correct_header(cloud: Cloud, layer: Layer, parent: Layer) -> None:
    below = layer_files.path(cloud, parent)
    if cloud.host.disks.backing(layer.id) == below or _is_read(cloud, layer):
        return
    _refuse_shared(cloud, layer, parent)
    if not parent.base:
        cloud.host.disks.size(parent.id)  # raises where it is not there: nothing could be read of what is put onto it
    log.info("%s stands on %s again: a merge was not finished, or the home was moved", layer.id, below)
    generations.count(cloud)
    cloud.host.disks.repoint(layer.id, below)


def _refuse_shared(cloud: Cloud, layer: Layer, parent: Layer) -> None:
    """Raise Permanent where a header was written in another place, and a link leads out of this home to the file or to what it is
    to stand on.

    The home may have been copied with its links: then both are the other home's.
    """
    name = cloud.host.disks.backing(layer.id)
    for one in (layer, parent):
        path = Path(layer_files.path(cloud, one))
        file = "" if one.base else disk_links.outside(path, cloud.settings.home)
        if name is not None and file and not any(disk_places.same(path.parent / name, place) for place in _own_places(cloud)):
            raise Permanent(
                f"{layer.id} stands on {name}, of another place, and {path} is a link to {file}: another home may have that "
                "file, so it is not written to. Put it, or a copy, in the place of the link (cp -p --sparse=always "
                f"--remove-destination {shlex.quote(file)} {shlex.quote(str(path))})"
            )


def _own_places(cloud: Cloud) -> Iterator[Path]:
    for layer in cloud.state.layers.query():
        with contextlib.suppress(HostError):  # an image that is gone
            yield Path(layer_files.path(cloud, layer))


def settle_aside(cloud: Cloud) -> None:
    """Let disks that were set aside stand where what they stand on is, and this, too. Raises HostError."""
    with contextlib.ExitStack() as stack:
        stack.callback(correct_moved, cloud)
        layer_files.follow_aside(cloud)


def correct_moved(cloud: Cloud) -> None:
    """Where disks were set aside: correct the headers of layers that say where what they stand on was before the home was moved.

    Others are corrected when they are used; what stands on these is used by nobody who could do it. Raises HostError when all
    were looked at; what somebody has locked waits.
    """
    if not disk_stamp.asides(cloud.settings.home / "volumes"):
        return
    rows, failed = {layer.id: layer for layer in cloud.state.layers.query()}, list[HostError]()
    for layer in rows.values():
        try:
            if _is_moved(cloud, layer, rows.get(layer.parent)):
                _correct_moved(cloud, layer.id)
        except locks.Busy:
            continue
        except HostError as error:
            failed.append(error)
    if failed:
        raise failed[0]


def _is_moved(cloud: Cloud, layer: Layer, parent: Layer | None) -> bool:
    if parent is None or layer.base or not layer.made:
        return False
    name = None
    with contextlib.suppress(HostError):  # it is told elsewhere that it cannot be read
        name = cloud.host.disks.backing(layer.id)
    here = Path(cloud.host.disks.path(layer.id)).parent
    return name is not None and disk_places.is_moved(str(here / name), layer_files.path(cloud, parent))


def _correct_moved(cloud: Cloud, layer_id: str) -> None:
    with (
        locks.held(cloud.settings.run, MERGES, shared=True),
        _locked(cloud, observe(cloud).users(layer_id)),
        locks.held(cloud.settings.run, layer_files.LOCK, layer_files.PATIENCE),
    ):
        layer = cloud.state.layers.get(layer_id)
        parent = cloud.state.layers.get(layer.parent) if layer is not None else None
        if layer is not None and parent is not None and _is_moved(cloud, layer, parent):
            _correct_header(cloud, layer, parent)


def _is_read(cloud: Cloud, layer: Layer) -> bool:
    """Whether a guest that is on has the file."""
    guests = {top.instance_id for top in observe(cloud).users(layer.id) if top.running}
    path = layer_files.path(cloud, layer)
    return any(path in chain for guest_id in guests for chain in cloud.host.blocks.chains(guest_id).values())


def refuse_frozen(cloud: Cloud, layer_id: str) -> None:
    """Whatever rows say: a layer on whose file another stands is not written to, or that one would read otherwise.

    Nor is one to whose file a link leads that another home may have. What stands there and is about to go (`Drop`), as after a
    merge, is no obstacle. Raises Retry for a layer that rows know,
    such as that of a snapshot which is just being taken, Permanent for what they do not.
    """
    refuse_linked(cloud, layer_id)
    above = cloud.host.disks.above(layer_id) | _unreadable_above(cloud, layer_id)
    if above:
        _refuse_unknown(cloud, layer_id, above)
        seen = observe(cloud)
        needed = {layer.parent for layer in seen.layers.values()} | seen.named
        if busy := sorted(above & needed):
            raise Retry(f"{busy[0]} stands on {layer_id}")


@failures.of_system()
def refuse_linked(cloud: Cloud, layer_id: str) -> None:
    """Raise Permanent where a layer's file may be another home's as well, by a link. Raises Retry where that cannot be told."""
    disk_links.refuse_shared(Path(cloud.host.disks.path(layer_id)), cloud.settings.home / "volumes")


def _unreadable_above(cloud: Cloud, layer_id: str) -> set[str]:
    """What stands on a layer by its row, and cannot be asked."""
    found = set[str]()
    for layer in cloud.state.layers.find(parent=layer_id, made=True):
        try:
            cloud.host.disks.backing(layer.id)
        except Permanent:  # it is not there, or is no disk
            continue
        except Retry:
            found.add(layer.id)
    return found


def _refuse_unknown(cloud: Cloud, layer_id: str, above: Collection[str]) -> None:
    """Raise Permanent where what stands on a layer is known to no row: to write to the layer would change what that reads."""
    known = {layer.id for layer in cloud.state.layers.query()}
    if unknown := sorted(set(above) - known):
        raise Permanent(f"{unknown[0]}, which no row knows, stands on {layer_id}: it is not written to; see minicloud doctor")


def _pull(cloud: Cloud, seen: Seen, action: Pull) -> bool:
    """The row follows when all that was copied is on the disk; until then a crash leaves the old chain right."""
    top, layer = action.top, seen.layers[action.top.layer_id]
    onto = layer_files.path(cloud, seen.layers[action.onto]) if action.onto else None
    if not top.running:
        correct_headers(cloud, layer.id)
        generations.count(cloud)
        cloud.host.disks.rebase(layer.id, onto)
        return cloud.state.layers.change(layer.id, parent=action.onto)
    jobs, chain = _under_way(cloud, top)
    if layer_files.path(cloud, layer) != (chain or ("",))[0] or top.serial in jobs:
        return False
    if (chain[1] if len(chain) > 1 else None) == onto:
        cloud.host.blocks.flush(top.instance_id, top.serial)
        return cloud.state.layers.change(layer.id, parent=action.onto)
    if onto is not None and onto not in chain:
        return _follow(cloud, seen, top, chain)
    if jobs:
        return False
    generations.count(cloud)
    cloud.host.blocks.pull(top.instance_id, top.serial, onto)
    return True


def _follow(cloud: Cloud, seen: Seen, top: Top, chain: tuple[str, ...]) -> bool:
    """Let the row of a top stand where its file does in its guest, if that is further down than the row says; whether it did.

    A pull came to its end and was not recorded, and by the next pass the plan was another: what that needs has left the chain.
    """
    layer, *below = seen.chain(top.layer_id)
    if layer_files.path(cloud, layer) != (chain or ("",))[0]:
        return False
    places = {layer_files.path(cloud, one): one.id for one in below}
    found = places.get(chain[1], layer.parent) if len(chain) > 1 else ""
    if found == layer.parent:
        return False
    cloud.host.blocks.flush(top.instance_id, top.serial)
    return cloud.state.layers.change(layer.id, parent=found)
