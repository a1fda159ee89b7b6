"""Layers: carries out `layer_plan`.

Copying takes its time, and is done under the locks of the volumes that read from the layers, so that no guest starts with
them and no snapshot is taken of them meanwhile; a lock that somebody holds puts it off. What a running guest's own QEMU
copies goes on between the passes: a pass begins it, a later one finds it done.
"""

import contextlib
import logging
from collections.abc import Iterable, Iterator

from ..cloud import Cloud
from ..errors import HostError
from ..host.contracts import Power
from ..state.rows_storage import Layer
from . import layer_files, layer_plan, locks
from .layer_plan import Action, Commit, Drop, Pull, Seen, Top

log = logging.getLogger(__name__)


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
    if not _something_to_do(cloud):
        return False
    planned = layer_plan.plan(observe(cloud))
    acted = False
    for action in planned:
        if merge or isinstance(action, Drop):
            acted |= _attempt(cloud, action)
    return acted


def _something_to_do(cloud: Cloud) -> bool:
    """A cheap look: most passes find every layer named, and no volume with more layers than it may have."""
    return bool(cloud.state.layers.query(_UNNAMED)) or len(cloud.state.layers.query()) > layer_plan.MOST_DEPTH


_UNNAMED = (
    "id not in (select layer_id from volumes) and id not in (select layer_id from snapshots) "
    "and id not in (select next_layer from snapshots)"
)


def _attempt(cloud: Cloud, action: Action) -> bool:
    """Carry out one action if it is still right once its locks are held."""
    layer_id = action.top.layer_id if isinstance(action, Pull) else action.layer_id
    try:
        with _locked(cloud, observe(cloud).users(layer_id)):
            seen = observe(cloud)
            if action not in layer_plan.plan(seen):
                return False
            return _execute(cloud, seen, action)
    except locks.Busy:
        return False
    except HostError as error:
        log.warning("%s: %s", layer_id, error.message)
        return False


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
            cloud.host.disks.remove(layer_id)
        return cloud.state.layers.remove(layer_id)


def _commit(cloud: Cloud, seen: Seen, action: Commit) -> bool:
    child, parent = seen.layers[action.layer_id], seen.layers[action.parent]
    if not child.made:
        layer_files.make(cloud, child.id)
    correct_headers(cloud, child.id)
    cloud.host.disks.commit(child.id, parent.id)
    _replace(cloud, child.id, parent)
    return True


def _commit_live(cloud: Cloud, seen: Seen, action: Commit, top: Top) -> bool:
    child, parent = seen.layers[action.layer_id], seen.layers[action.parent]
    chain = cloud.host.blocks.chains(top.instance_id).get(top.serial, ())
    jobs = cloud.host.blocks.jobs(top.instance_id)
    if layer_files.path(cloud, parent) not in chain or top.serial in jobs:
        return False
    if layer_files.path(cloud, child) not in chain:
        cloud.host.blocks.flush(top.instance_id, top.serial)
        _replace(cloud, child.id, parent)
        return True
    if jobs:
        return False
    cloud.host.blocks.commit(top.instance_id, top.serial, layer_files.path(cloud, child), layer_files.path(cloud, parent))
    return True


def _replace(cloud: Cloud, child_id: str, parent: Layer) -> None:
    """Everything that stood on the child, or named it, has the parent now, which reads the same."""
    state = cloud.state
    with locks.held(cloud.settings.run, layer_files.LOCK, layer_files.PATIENCE):
        child = state.layers.get(child_id)
        assert child is not None  # noqa: S101  its locks are held
        for layer in state.layers.find(parent=child_id, made=True):
            cloud.host.disks.repoint(layer.id, layer_files.path(cloud, parent))
        with state.transaction():
            state.layers.change(parent.id, size=child.size)
            for layer in state.layers.find(parent=child_id):  # also those whose files are still to be made
                state.layers.change(layer.id, parent=parent.id)
            for volume in state.volumes.find(layer_id=child_id):
                state.volumes.change(volume.id, layer_id=parent.id)
            for snapshot in state.snapshots.find(layer_id=child_id):
                state.snapshots.change(snapshot.id, layer_id=parent.id)


def correct_headers(cloud: Cloud, layer_id: str) -> None:
    """Let the files of a layer, and of what it stands on, stand where their rows say, if no guest that is on reads from them.

    A file stands further down than its row says where a merge came to its end and was not recorded. QEMU writes into the
    header where a layer stands before what it copied is on the disk, so the copies may be lost with QEMU; what they were made
    of is there as long as a row stands on it. Therefore the row is right, and the merge is done again. Raises HostError.
    """
    with locks.held(cloud.settings.run, layer_files.LOCK, layer_files.PATIENCE):
        layer = cloud.state.layers.get(layer_id)
        while layer is not None and layer.parent:
            parent = cloud.state.layers.get(layer.parent)
            if parent is not None and layer.made and not layer.base:
                _correct_header(cloud, layer, layer_files.path(cloud, parent))
            layer = parent


def _correct_header(cloud: Cloud, layer: Layer, below: str) -> None:
    if cloud.host.disks.backing(layer.id) == below or _is_read(cloud, layer):
        return
    log.info("%s stands on %s again: a merge was not finished", layer.id, below)
    cloud.host.disks.repoint(layer.id, below)


def _is_read(cloud: Cloud, layer: Layer) -> bool:
    """Whether a guest that is on has the file."""
    guests = {top.instance_id for top in observe(cloud).users(layer.id) if top.running}
    path = layer_files.path(cloud, layer)
    return any(path in chain for guest_id in guests for chain in cloud.host.blocks.chains(guest_id).values())


def _pull(cloud: Cloud, seen: Seen, action: Pull) -> bool:
    """The row follows when all that was copied is on the disk; until then a crash leaves the old chain right."""
    top, layer = action.top, seen.layers[action.top.layer_id]
    onto = layer_files.path(cloud, seen.layers[action.onto]) if action.onto else None
    if not top.running:
        correct_headers(cloud, layer.id)
        cloud.host.disks.rebase(layer.id, onto)
        return cloud.state.layers.change(layer.id, parent=action.onto)
    chain = cloud.host.blocks.chains(top.instance_id).get(top.serial, ())
    jobs = cloud.host.blocks.jobs(top.instance_id)
    if layer_files.path(cloud, layer) != (chain or ("",))[0] or top.serial in jobs:
        return False
    if (chain[1] if len(chain) > 1 else None) == onto:
        cloud.host.blocks.flush(top.instance_id, top.serial)
        return cloud.state.layers.change(layer.id, parent=action.onto)
    if jobs:
        return False
    cloud.host.blocks.pull(top.instance_id, top.serial, onto)
    return True
