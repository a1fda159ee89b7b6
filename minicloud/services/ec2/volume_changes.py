"""ModifyVolume and what became of it: a running guest sees the new size and has the new limits."""

from typing import Any

from ...api import Answer, Call, operation
from ...aws import times, volume_types
from ...errors import ApiError
from ...state.rows import Volume
from ...state.rows_storage import Modification
from .volume_view import named

FILTERS = {
    "modification-state": "ModificationState",
    "originalMultiAttachEnabled": "OriginalMultiAttachEnabled",
    "targetMultiAttachEnabled": "TargetMultiAttachEnabled",
    "original-iops": "OriginalIops",
    "original-size": "OriginalSize",
    "original-volume-type": "OriginalVolumeType",
    "start-time": "StartTime",
    "target-iops": "TargetIops",
    "target-size": "TargetSize",
    "target-volume-type": "TargetVolumeType",
    "volume-id": "VolumeId",
}


@operation()
def modify_volume(
    call: Call,
    *,
    volume_id: str,
    size: int | None = None,
    volume_type: str | None = None,
    iops: int | None = None,
    throughput: int | None = None,
) -> Answer:
    """ModifyVolume: larger, another type, other IOPS or throughput, while it is in use."""
    state = call.cloud.state
    volume = named(state, [volume_id])[0]
    if volume.state not in ("available", "in-use"):
        raise ApiError("IncorrectState", f"Volume '{volume.id}' is not in the 'available' or 'in-use' state.")
    before = state.modifications.get(volume.id)
    if before is not None and before.state == "modifying":
        raise ApiError("IncorrectModificationState", f"Volume '{volume.id}' is being modified already.")
    if size is not None and size < volume.size:
        raise ApiError("InvalidParameterValue", "New size cannot be smaller than existing size")
    chosen = _target(volume, size, volume_type, iops, throughput)
    row = Modification(volume.id, "modifying", _values(chosen), _values(volume), call.now)
    state.modifications.remove(volume.id)
    state.modifications.add(row)
    call.touch(volume.id, *([volume.instance_id] if volume.instance_id else []))
    return {"VolumeModification": _view(row)}


def _target(volume: Volume, size: int | None, name: str | None, iops: int | None, throughput: int | None) -> Any:
    """What is not asked for stays where the type stays, else it is the new type's own."""
    kind = volume_types.get(name or volume.kind)
    if kind.name == volume.kind:
        iops = volume.iops if iops is None and kind.iops else iops
        throughput = volume.throughput if throughput is None and kind.throughput else throughput
    return volume_types.check(kind.name, volume.size if size is None else size, iops, throughput)


def _values(of: Any) -> dict[str, Any]:
    return {"Size": of.size, "VolumeType": of.kind, "Iops": of.iops, "Throughput": of.throughput}


def _view(row: Modification) -> dict[str, Any]:
    shown = {
        "VolumeId": row.volume_id,
        "ModificationState": row.state,
        "Progress": 100 if row.state == "completed" else 0,
        "StartTime": row.started,
        "TargetMultiAttachEnabled": False,
        "OriginalMultiAttachEnabled": False,
        **({"StatusMessage": row.message} if row.message else {}),
        **({"EndTime": row.ended} if row.ended else {}),
    }
    for prefix, values in (("Target", row.target), ("Original", row.original)):
        shown |= {f"{prefix}{name}": value for name, value in values.items() if value}
    return shown


@operation(items="VolumesModifications", key="VolumeId", filters=FILTERS)
def describe_volumes_modifications(call: Call, *, volume_ids: list[str] | None = None) -> Answer:
    """DescribeVolumesModifications: the latest of each volume."""
    state = call.cloud.state
    rows = {row.volume_id: row for row in state.modifications.query()}
    named(state, volume_ids or [])
    if volume_ids:
        _require_modified(volume_ids, rows)
    chosen = [rows[volume_id] for volume_id in volume_ids or rows]
    return {"VolumesModifications": [_view(row) for row in sorted(chosen, key=lambda row: times.seconds(row.started))]}


def _require_modified(volume_ids: list[str], rows: dict[str, Modification]) -> None:
    if missing := [volume_id for volume_id in volume_ids if volume_id not in rows]:
        raise ApiError("InvalidVolumeModification.NotFound", f"Modification for volume '{missing[0]}' does not exist.")
