"""Snapshots: created, described, copied, deleted. A snapshot is taken before the answer is given."""

from collections.abc import Sequence
from typing import Any, TypedDict

from ...api import Answer, Call, operation, require
from ...aws import ids
from ...aws.tags import is_reserved, tag_set
from ...errors import ApiError
from ...state import chains
from ...state.rows import Tag, Volume
from ...state.rows_storage import Snapshot
from ...state.store import State
from . import instance_rows, volume_view

FILTERS = {
    "description": "Description",
    "encrypted": "Encrypted",
    "owner-id": "OwnerId",
    "progress": "Progress",
    "snapshot-id": "SnapshotId",
    "start-time": "StartTime",
    "status": "State",
    "storage-tier": "StorageTier",
    "transfer-type": "TransferType",
    "volume-id": "VolumeId",
    "volume-size": "VolumeSize",
}
COPIED = "vol-ffffffff"
"""What AWS shows as the volume of a snapshot that was made of none."""
GROUP_ALL = "all"
"""How `users` says that everybody may use it."""


class InstanceSpecification(TypedDict, total=False):
    """Which of an instance's volumes CreateSnapshots is about."""

    InstanceId: str
    ExcludeBootVolume: bool
    ExcludeDataVolumeIds: list[str]


def named(state: State, snapshot_ids: Sequence[str]) -> list[Snapshot]:
    """The snapshots of these ids, in their order. Raises ApiError."""
    ids.check("snapshot", snapshot_ids)
    rows = {row.id: row for row in state.snapshots.among("id", set(snapshot_ids))}
    require("snapshot", snapshot_ids, rows)
    return [rows[snapshot_id] for snapshot_id in dict.fromkeys(snapshot_ids)]


def check_description(text: str) -> None:
    """Refuse what AWS refuses. Raises ApiError."""
    if not text.isascii():
        raise ApiError(
            "InvalidParameterValue",
            f"Value ({text}) for parameter description is invalid. Character sets beyond ASCII are not supported.",
        )
    if len(text) > 255:
        raise ApiError("InvalidParameterValue", "A description has at most 255 characters.")


def add(call: Call, volume: Volume, description: str, batch: str, image_id: str = "") -> Snapshot:
    """The row of a snapshot that is to be taken. Raises ApiError where the volume is in no state for it."""
    if volume.state not in ("available", "in-use"):
        raise ApiError("IncorrectState", f"Volume '{volume.id}' is not in the 'available' or 'in-use' state.")
    state = call.cloud.state
    too_deep = chains.depth(state.layers, volume.layer_id) >= chains.MOST_CHAIN  # until it was flattened
    if too_deep or state.snapshots.find(volume_id=volume.id, state="pending"):
        raise ApiError(
            "SnapshotCreationPerVolumeRateExceeded",
            "The maximum per volume CreateSnapshot request rate has been exceeded. "
            "Use an increasing or variable sleep interval between requests.",
        )
    row = Snapshot(ids.new_id("snapshot"), volume.id, "", volume.size, description, call.now, batch, image_id=image_id)
    return state.snapshots.add(row)


def _touch(call: Call, rows: Sequence[Snapshot], volumes: Sequence[Volume]) -> None:
    call.touch(*(row.id for row in rows), *{volume.instance_id for volume in volumes if volume.instance_id})


@operation(tags=("snapshot",))
def create_snapshot(call: Call, *, volume_id: str, description: str = "") -> Answer:
    """CreateSnapshot. Constant time; a running guest's file systems are quiesced if its guest agent answers."""
    volume = volume_view.named(call.cloud.state, [volume_id])[0]
    check_description(description)
    row = add(call, volume, description, batch=ids.new_id("reservation"))
    _touch(call, [row], [volume])
    return view(row, call.tag("snapshot", row.id), call.cloud.settings.account_id)


@operation(tags=("snapshot",))
def create_snapshots(
    call: Call,
    *,
    instance_specification: InstanceSpecification,
    description: str = "",
    copy_tags_from_source: str | None = None,
) -> Answer:
    """CreateSnapshots: the volumes of an instance, all at one moment."""
    state, owner = call.cloud.state, call.cloud.settings.account_id
    check_description(description)
    volumes = _chosen(call, instance_specification)
    batch = ids.new_id("reservation")
    rows = [add(call, volume, description, batch) for volume in volumes]
    shown = []
    for row, volume in zip(rows, volumes, strict=True):
        tags = call.tag("snapshot", row.id)
        if copy_tags_from_source == "volume":
            tags += copy_tags(state, volume.id, row.id, "snapshot", {tag["Key"] for tag in tags})
        full = view(row, tags, owner)
        shown.append({name: full[name] for name in full if name not in ("StorageTier", "StateMessage")})
    _touch(call, rows, volumes)
    return {"Snapshots": shown}


def _chosen(call: Call, wanted: InstanceSpecification) -> list[Volume]:
    state = call.cloud.state
    if "InstanceId" not in wanted:
        raise ApiError("MissingParameter", "The request must contain the parameter InstanceSpecification.InstanceId")
    instance = instance_rows.named(state, [wanted["InstanceId"]])[0]
    image = state.images.get(instance.image_id)
    root = image.root_device_name if image else ""
    volumes = state.volumes.find(instance_id=instance.id)
    excluded = set(wanted.get("ExcludeDataVolumeIds", ()))
    if strange := excluded - {volume.id for volume in volumes if volume.device != root}:
        raise ApiError("InvalidParameterValue", f"{sorted(strange)[0]} is not a data volume of {instance.id}")
    left = [
        volume
        for volume in volumes
        if volume.id not in excluded and not (wanted.get("ExcludeBootVolume") and volume.device == root)
    ]
    if not left:
        raise ApiError("InvalidParameterValue", f"No volume of {instance.id} is left to make a snapshot of")
    return left


def copy_tags(state: State, source: str, target: str, kind: str, but: set[str]) -> list[dict[str, str]]:
    """Give a new resource the user's tags of another, but for the keys that it has; returns them as AWS answers them.

    What a service has marked as its own is not copied: the copy is not what that service made.
    """
    copied = [tag for tag in state.tags.find(resource_id=source) if tag.key not in but and not is_reserved(tag.key)]
    for tag in copied:
        state.tags.add(Tag(target, tag.key, tag.value, kind))
    return [{"Key": tag.key, "Value": tag.value} for tag in copied]


@operation(tags=("snapshot",))
def copy_snapshot(call: Call, *, source_region: str, source_snapshot_id: str, description: str = "") -> Answer:
    """CopySnapshot: a snapshot of its own that shares every block with the source, and outlives it."""
    state = call.cloud.state
    if source_region != call.cloud.settings.region:
        raise ApiError("InvalidParameterValue", f"minicloud has one region, {call.cloud.settings.region}, not {source_region}")
    check_description(description)
    source = named(state, [source_snapshot_id])[0]
    if source.state != "completed":
        raise ApiError("IncorrectState", f"Snapshot is in invalid state - {source.state}")
    row = add_copy(call, source, description)
    return {"SnapshotId": row.id, "Tags": call.tag("snapshot", row.id)}


def add_copy(call: Call, source: Snapshot, description: str, image_id: str = "") -> Snapshot:
    """The row of a copy."""
    return call.cloud.state.snapshots.add(
        Snapshot(
            id=ids.new_id("snapshot"), volume_id=COPIED, layer_id=source.layer_id, size=source.size, state="completed",
            description=description, started=call.now, completed=call.now, batch="", message=source.message, image_id=image_id,
        )
    )  # fmt: skip


@operation(items="Snapshots", key="SnapshotId", filters=FILTERS)
def describe_snapshots(
    call: Call,
    *,
    snapshot_ids: list[str] | None = None,
    owner_ids: list[str] | None = None,
    restorable_by_user_ids: list[str] | None = None,
) -> Answer:
    """DescribeSnapshots. All are the account's own."""
    state, owner = call.cloud.state, call.cloud.settings.account_id
    rows = named(state, snapshot_ids) if snapshot_ids else state.snapshots.query()
    if owner_ids and not {"self", owner} & set(owner_ids):
        rows = []
    if restorable_by_user_ids and not {"self", owner} & set(restorable_by_user_ids):
        rows = [row for row in rows if {GROUP_ALL, *restorable_by_user_ids} & set(row.users)]
    tags = state.tags_of(row.id for row in rows)
    return {"Snapshots": [view(row, tags[row.id], owner) for row in rows]}


@operation()
def delete_snapshot(call: Call, *, snapshot_id: str) -> Answer:
    """DeleteSnapshot. What other snapshots and volumes need of its blocks stays."""
    row = named(call.cloud.state, [snapshot_id])[0]
    if users := images_of(call.cloud.state, row.id):
        raise ApiError("InvalidSnapshot.InUse", f"The snapshot {row.id} is currently in use by {users[0]}")
    if row.state == "pending":
        raise ApiError("IncorrectState", f"Snapshot is in invalid state - {row.state}")
    remove(call, row.id)
    return {}


def images_of(state: State, snapshot_id: str) -> list[str]:
    """The ids of the registered images that have a disk of this snapshot."""
    return [
        image.id
        for image in state.images.query("state in ('available', 'pending', 'disabled')")
        if snapshot_id in {device.get("Ebs", {}).get("SnapshotId") for device in image.devices}
    ]


def remove(call: Call, snapshot_id: str) -> None:
    """Delete a snapshot's rows; its layer goes, or becomes one with another, when nothing else needs it."""
    state = call.cloud.state
    state.snapshots.remove(snapshot_id)
    for tag in state.tags.find(resource_id=snapshot_id):
        state.tags.remove(snapshot_id, tag.key)
    call.touch(snapshot_id)


def view(row: Snapshot, tags: list[dict[str, str]], owner: str) -> dict[str, Any]:
    """A snapshot as AWS shows it. StateMessage also says when a guest's file systems could not be quiesced."""
    shown = {
        "Description": row.description,
        "Encrypted": False,
        "OwnerId": owner,
        "Progress": "100%" if row.state == "completed" else "0%" if row.state == "error" else "",
        "SnapshotId": row.id,
        "StartTime": row.started,
        "State": row.state,
        "StorageTier": "standard",
        **tag_set(tags),
        "VolumeId": row.volume_id,
        "VolumeSize": row.size,
    }
    if row.volume_id == COPIED and not row.batch:
        shown["TransferType"] = "standard"
    if row.completed:
        shown["CompletionTime"] = row.completed
    return {**shown, "StateMessage": row.message} if row.message else shown
