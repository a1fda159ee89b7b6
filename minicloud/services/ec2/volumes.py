"""Volumes: created, described, deleted."""

from ...api import Answer, Call, operation
from ...aws import ids, volume_types
from ...aws.volume_types import Wanted
from ...errors import ApiError
from ...state.rows import Volume
from ...state.rows_storage import Layer, Snapshot
from ...state.store import State
from .volume_view import named, view, views, wanted

GIB = 1 << 30
LEAST_FREE = 64 << 20
"""Bytes that must be free on the host for a new volume, which itself takes next to nothing until it is written to."""
FILTERS = {
    "attachment.attach-time": "Attachments[].AttachTime",
    "attachment.delete-on-termination": "Attachments[].DeleteOnTermination",
    "attachment.device": "Attachments[].Device",
    "attachment.instance-id": "Attachments[].InstanceId",
    "attachment.status": "Attachments[].State",
    "availability-zone": "AvailabilityZone",
    "availability-zone-id": "AvailabilityZoneId",
    "create-time": "CreateTime",
    "encrypted": "Encrypted",
    "fast-restored": "=false",
    "multi-attach-enabled": "MultiAttachEnabled",
    "operator.managed": "=false",
    "size": "Size",
    "snapshot-id": "SnapshotId",
    "status": "State",
    "volume-id": "VolumeId",
    "volume-type": "VolumeType",
}


def usable_snapshot(state: State, snapshot_id: str) -> Snapshot:
    """A snapshot that volumes can be made of. Raises ApiError."""
    ids.check("snapshot", [snapshot_id])
    snapshot = state.snapshots.get(snapshot_id)
    if snapshot is None:
        raise ids.not_found("snapshot", [snapshot_id])
    if snapshot.state != "completed":
        raise ApiError("IncorrectState", f"Snapshot is in invalid state - {snapshot.state}")
    return snapshot


def add(call: Call, what: Wanted, zone: str, snapshot: Snapshot | None, **fields: object) -> Volume:
    """The rows of a new volume and of the layer that it writes to."""
    state = call.cloud.state
    layer = Layer(ids.new_id("layer"), snapshot.layer_id if snapshot else "", "", what.size * GIB, call.now)
    volume = Volume(
        id=ids.new_id("volume"), size=what.size, kind=what.kind, iops=what.iops, throughput=what.throughput, zone=zone,
        snapshot_id=snapshot.id if snapshot else "", layer_id=layer.id, state="creating", created=call.now,
    )  # fmt: skip
    for name, value in fields.items():
        setattr(volume, name, value)
    state.layers.add(layer)
    state.volumes.add(volume)
    return volume


def check_room(call: Call) -> None:
    """Refuse what needs disk where there is none. Raises ApiError."""
    if call.cloud.host.disks.free() < LEAST_FREE:
        raise ApiError(
            "InsufficientVolumeCapacity", "There is not enough capacity to fulfill your EBS volume provision request.", 500
        )


def _zone(call: Call, zone: str | None) -> str:
    if zone is None:
        raise ApiError("MissingParameter", "The request must contain the parameter zone")
    if zone not in call.cloud.settings.zone_names:
        raise ApiError("InvalidZone.NotFound", f"The zone '{zone}' does not exist.")
    return zone


def _replayed(call: Call, answer: Answer) -> None:
    call.touch(answer["VolumeId"])


@operation(tags=("volume",), replay=_replayed)
def create_volume(
    call: Call,
    *,
    availability_zone: str | None = None,
    size: int | None = None,
    snapshot_id: str | None = None,
    volume_type: str = "gp2",
    iops: int | None = None,
    throughput: int | None = None,
    encrypted: bool = False,
    kms_key_id: str | None = None,
    multi_attach_enabled: bool = False,
) -> Answer:
    """CreateVolume. Reads as zeros, or as its snapshot; takes room on the host only for what is written."""
    zone = _zone(call, availability_zone)
    volume_types.get(volume_type)
    if kms_key_id is not None and not encrypted:
        raise ApiError("InvalidParameterDependency", "The parameter KmsKeyId requires the parameter Encrypted to be set.")
    if encrypted or multi_attach_enabled:
        what = "encrypted volumes" if encrypted else "volumes with Multi-Attach"
        raise ApiError("UnsupportedOperation", f"minicloud does not have {what}")
    if size is None and snapshot_id is None:
        raise ApiError("MissingParameter", "The request must contain the parameter size/snapshot")
    snapshot = usable_snapshot(call.cloud.state, snapshot_id) if snapshot_id else None
    what_size = size if size is not None else snapshot.size if snapshot else 0
    chosen = volume_types.check(volume_type, what_size, iops, throughput)
    if snapshot and chosen.size < snapshot.size:
        raise ApiError(
            "InvalidParameterValue",
            f"Value ({chosen.size}) for parameter size is invalid. It must be at least {snapshot.size}, "
            f"the size of {snapshot.id}.",
        )
    check_room(call)
    volume = add(call, chosen, zone, snapshot)
    call.touch(volume.id)
    return view(volume, call.tag("volume", volume.id), call.cloud.settings.region)


@operation(items="Volumes", key="VolumeId", filters=FILTERS)
def describe_volumes(call: Call, *, volume_ids: list[str] | None = None) -> Answer:
    """DescribeVolumes."""
    return {"Volumes": views(call, wanted(call.cloud.state, volume_ids))}


@operation()
def delete_volume(call: Call, *, volume_id: str) -> Answer:
    """DeleteVolume. Its snapshots stay."""
    volume = named(call.cloud.state, [volume_id])[0]
    if volume.instance_id:
        raise ApiError("VolumeInUse", f"Volume {volume.id} is currently attached to {volume.instance_id}")
    if call.cloud.state.snapshots.find(volume_id=volume.id, state="pending"):
        raise ApiError("IncorrectState", f"Volume '{volume.id}' has a snapshot that is not taken yet.")
    call.cloud.state.volumes.change(volume.id, state="deleting")
    call.touch(volume.id)
    return {}
