"""The copy of a state that goes into a backup with disks: its volumes are as they were when they were frozen (`backup_freeze`).

It is made while nobody else writes to the state, and changed afterwards, beside it. What only the host that it was copied from
can finish is not in it: snapshots that were just being taken, volumes that were about to go, layers that nothing needs.
"""

from collections.abc import Mapping

from ..state.rows import Volume
from ..state.rows_storage import Layer
from ..state.store import State
from . import backup_freeze, layer_files

_CUT_SHORT = "It was being taken when the backup was made that this state was restored from"
_LEFT_OUT = "It could not be copied when the backup was made that this state was restored from, and is not in that"


def settle(state: State, batch: str, left_out: Mapping[str, str]) -> list[Layer]:
    """Let volumes stand on what was frozen for the backup `batch`; returns the layers whose files belong to the copy.

    Volumes that were `left_out`, by their ids with the reasons, are in error.
    """
    with state.transaction():
        frozen = {row.volume_id: row.layer_id for row in state.snapshots.query("batch like ?", [f"{batch}%"]) if row.layer_id}
        state.snapshots.remove_where("batch like ?", f"{backup_freeze.BATCH}%")
        _end_what_was_begun(state)
        not_there = set[str]()
        for volume in state.volumes.query():
            layer = state.layers.get(volume.layer_id)
            if volume.id in frozen and layer is not None:
                _go_on(state, volume, frozen[volume.id], layer)
            elif layer is not None and layer.made:
                not_there.add(layer.id)
                state.volumes.change(volume.id, state="error", reason=_reason(left_out.get(volume.id, "")))
        kept = _sweep(state)
        return [layer for layer in kept if layer.made and not layer.base and layer.id not in not_there]


def _reason(why: str) -> str:
    return f"{_LEFT_OUT}: {why}" if why else _LEFT_OUT


def lose(state: State, lost: Mapping[str, str]) -> dict[str, str]:
    """Layers have no files in the backup, by their ids with the reasons: what reads from them is in error. Those that were not
    in error before, by their ids, with the reasons.
    """
    rows, found = {layer.id: layer for layer in state.layers.query()}, dict[str, str]()

    def why(layer_id: str) -> str:
        while layer_id in rows and layer_id not in lost:
            layer_id = rows[layer_id].parent
        return lost.get(layer_id, "")

    with state.transaction():
        for volume in state.volumes.query():
            if (said := why(volume.layer_id)) and volume.state != "error":
                state.volumes.change(volume.id, state="error", reason=_reason(said))
                found[volume.id] = said
        for snapshot in state.snapshots.find(state="completed"):
            if said := why(snapshot.layer_id):
                state.snapshots.change(snapshot.id, state="error", message=_reason(said))
                found[snapshot.id] = said
        for image in state.images.find(state="available"):
            devices = [image.snapshot_id, *(device.get("Ebs", {}).get("SnapshotId", "") for device in image.devices)]
            if of := next((one for one in devices if one in found), ""):
                state.images.change(image.id, state="failed", reason=_reason(f"its snapshot {of}: {found[of]}"))
                found[image.id] = f"its snapshot {of}: {found[of]}"
    return found


def _end_what_was_begun(state: State) -> None:
    for snapshot in state.snapshots.find(state="pending"):
        state.snapshots.change(snapshot.id, state="error", next_layer="", message=_CUT_SHORT)
    for image in state.images.find(state="pending"):
        state.images.change(image.id, state="failed", reboot="", reason=_CUT_SHORT)
    for volume in state.volumes.find(state="deleting"):
        state.tags.remove_where("resource_id = ?", volume.id)
        state.modifications.remove(volume.id)
        state.volumes.remove(volume.id)


def _go_on(state: State, volume: Volume, frozen: str, top: Layer) -> None:
    """Let a volume write to what was frozen, if that is its own alone and as large as it is; else to a new layer on it."""
    layer = state.layers.get(frozen)
    shared = [row for row in state.layers.find(parent=frozen) if row.id != top.id] or state.snapshots.find(layer_id=frozen)
    needed = state.snapshots.find(layer_id=top.id) or state.layers.find(parent=top.id)
    if shared or needed or layer is None or layer.size != top.size:
        new = state.layers.add(layer_files.new(frozen, top.size))
        state.volumes.change(volume.id, layer_id=new.id)
    else:
        state.volumes.change(volume.id, layer_id=frozen)


def _sweep(state: State) -> list[Layer]:
    """Remove the layers that nothing needs; the others."""
    rows = {layer.id: layer for layer in state.layers.query()}
    named = {volume.layer_id for volume in state.volumes.query()} | {snapshot.layer_id for snapshot in state.snapshots.query()}
    kept = set[str]()
    new = named & rows.keys()
    while new:
        kept |= new
        new = {rows[layer_id].parent for layer_id in new} & rows.keys() - kept
    for layer_id in rows.keys() - kept:
        state.layers.remove(layer_id)
    return [rows[layer_id] for layer_id in kept]
