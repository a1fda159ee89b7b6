"""Volumes as rows and as AWS shows them."""

from collections.abc import Sequence
from typing import Any

from ...api import Call, require
from ...aws import ids
from ...aws.names import zone_id
from ...aws.tags import tag_set
from ...state.rows import Volume
from ...state.store import State

SHOWS_IOPS = ("gp2", "gp3", "io1", "io2")


def named(state: State, volume_ids: Sequence[str]) -> list[Volume]:
    """The volumes of these ids, in their order. Raises ApiError (InvalidParameterValue, InvalidVolume.NotFound)."""
    ids.check("volume", volume_ids)
    rows = {row.id: row for row in state.volumes.among("id", set(volume_ids))}
    require("volume", volume_ids, rows)
    return [rows[volume_id] for volume_id in dict.fromkeys(volume_ids)]


def wanted(state: State, volume_ids: Sequence[str] | None) -> list[Volume]:
    """The volumes of these ids, or all."""
    return named(state, volume_ids) if volume_ids else state.volumes.query()


def attachment_view(row: Volume) -> dict[str, Any]:
    """A volume's attachment."""
    return {
        "DeleteOnTermination": row.delete_on_termination,
        "VolumeId": row.id,
        "InstanceId": row.instance_id,
        "Device": row.device,
        "State": row.attachment,
        "AttachTime": row.attached,
    }


def view(row: Volume, tags: list[dict[str, str]], region: str) -> dict[str, Any]:
    """A volume."""
    shown: dict[str, Any] = {
        "Attachments": [attachment_view(row)] if row.instance_id else [],
        "AvailabilityZone": row.zone,
        "AvailabilityZoneId": zone_id(region, row.zone),
        "CreateTime": row.created,
        "Encrypted": False,
        "MultiAttachEnabled": False,
        "Size": row.size,
        "SnapshotId": row.snapshot_id,
        "State": row.state,
        **tag_set(tags),
        "VolumeId": row.id,
        "VolumeType": row.kind,
    }
    if row.kind in SHOWS_IOPS:
        shown["Iops"] = row.iops
    if row.throughput:
        shown["Throughput"] = row.throughput
    return shown


def views(call: Call, rows: Sequence[Volume]) -> list[dict[str, Any]]:
    """Volumes with their tags."""
    tags = call.cloud.state.tags_of(row.id for row in rows)
    return [view(row, tags[row.id], call.cloud.settings.region) for row in rows]
