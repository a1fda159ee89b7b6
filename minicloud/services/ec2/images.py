"""AMIs: described, deregistered. An AMI names a snapshot for each disk of its instances.

Base images that appear on the host are registered by a reconciler; `image_making` makes others.
"""

import re
from typing import Any

from ...api import Answer, Call, operation, require
from ...aws import ids
from ...aws.tags import tag_set
from ...errors import ApiError
from ...state.rows import Image
from ...state.store import State
from . import image_protection, snapshots
from .snapshots import GROUP_ALL

_NAME = re.compile(r"[A-Za-z0-9()\[\] ./\-'@_]{3,128}")
FILTERS = {
    "architecture": "Architecture",
    "block-device-mapping.delete-on-termination": "BlockDeviceMappings[].Ebs.DeleteOnTermination",
    "block-device-mapping.device-name": "BlockDeviceMappings[].DeviceName",
    "block-device-mapping.encrypted": "BlockDeviceMappings[].Ebs.Encrypted",
    "block-device-mapping.snapshot-id": "BlockDeviceMappings[].Ebs.SnapshotId",
    "block-device-mapping.volume-size": "BlockDeviceMappings[].Ebs.VolumeSize",
    "block-device-mapping.volume-type": "BlockDeviceMappings[].Ebs.VolumeType",
    "boot-mode": "BootMode",
    "creation-date": "CreationDate",
    "description": "Description",
    "ena-support": "EnaSupport",
    "free-tier-eligible": "=false",
    "hypervisor": "Hypervisor",
    "image-allowed": "=true",
    "image-id": "ImageId",
    "image-type": "ImageType",
    "is-public": "Public",
    "manifest-location": "ImageLocation",
    "name": "Name",
    "owner-id": "OwnerId",
    "root-device-name": "RootDeviceName",
    "root-device-type": "RootDeviceType",
    "sriov-net-support": "SriovNetSupport",
    "source-image-id": "SourceImageId",
    "source-image-region": "SourceImageRegion",
    "source-instance-id": "SourceInstanceId",
    "state": "State",
    "state-reason-code": "StateReason.Code",
    "state-reason-message": "StateReason.Message",
    "virtualization-type": "VirtualizationType",
}


def available(state: State, image_id: str) -> Image:
    """A registered image. Raises ApiError where it is malformed, unknown or deregistered."""
    ids.check("image", [image_id])
    image = state.images.get(image_id)
    if image is None:
        raise ids.not_found("image", [image_id])
    if image.state != "available":
        raise ApiError("InvalidAMIID.Unavailable", f"The image ID '{image_id}' is no longer available")
    return image


def check_name(state: State, name: str) -> None:
    """Refuse a name that is malformed or taken. Raises ApiError."""
    if not _NAME.fullmatch(name):
        raise ApiError(
            "InvalidAMIName.Malformed",
            "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, "
            "'(', ')', '.', '-', '/' and '_'",
        )
    if taken := state.images.query("name = ? and state in ('available', 'pending', 'disabled')", [name]):
        raise ApiError("InvalidAMIName.Duplicate", f"AMI name {name} is already in use by AMI {taken[0].id}")


@operation(items="Images", key="ImageId", filters=FILTERS)
def describe_images(
    call: Call,
    *,
    image_ids: list[str] | None = None,
    owners: list[str] | None = None,
    executable_users: list[str] | None = None,
    include_deprecated: bool = True,
    include_disabled: bool = False,
) -> Answer:
    """DescribeImages. All images are the account's own, so `owners` finds them as self or by the account's number."""
    del include_deprecated  # an owner sees the deprecated ones in any case
    account = call.cloud.settings.account_id
    ids.check("image", image_ids or ())
    rows = {row.id: row for row in call.cloud.state.images.query("state in ('available', 'pending', 'failed', 'disabled')")}
    require("image", image_ids or (), rows)
    if owners and not {"self", account} & set(owners):
        rows = {}
    if executable_users and not {"self", account} & set(executable_users):
        rows = {image_id: row for image_id, row in rows.items() if set(executable_users) & set(row.users)}
    if not include_disabled and not image_ids:
        rows = {image_id: row for image_id, row in rows.items() if row.state != "disabled"}
    wanted = [rows[image_id] for image_id in image_ids or rows if image_id in rows]
    tags = call.cloud.state.tags_of(row.id for row in wanted)
    return {"Images": [_view(call, row, tags[row.id]) for row in wanted]}


def _view(call: Call, image: Image, tags: list[dict[str, str]]) -> dict[str, Any]:
    shown = {
        "PlatformDetails": "Linux/UNIX",
        "UsageOperation": "RunInstances",
        "BlockDeviceMappings": image.devices,
        "Description": image.description,
        "EnaSupport": True,
        "SriovNetSupport": "simple",
        "Hypervisor": "xen",
        "Name": image.name,
        "RootDeviceName": image.root_device_name,
        "RootDeviceType": "ebs",
        **tag_set(tags),
        "VirtualizationType": "hvm",
        "BootMode": image.boot_mode,
        "ImageId": image.id,
        "ImageLocation": image.location,
        "State": image.state,
        "OwnerId": call.cloud.settings.account_id,
        "CreationDate": image.created,
        "Public": GROUP_ALL in image.users,
        "Architecture": image.architecture,
        "ImageType": "machine",
        "DeregistrationProtection": image_protection.shown(call, image),
    }
    if image.source_image:
        shown |= {"SourceImageId": image.source_image, "SourceImageRegion": call.cloud.settings.region}
    if image.deprecated_at:
        shown["DeprecationTime"] = image.deprecated_at
    if image.instance_id:
        shown["SourceInstanceId"] = image.instance_id
    if image.reason:
        shown["StateReason"] = {"Code": "Server.InternalError", "Message": image.reason}
    return shown


@operation()
def deregister_image(call: Call, *, image_id: str, delete_associated_snapshots: bool = False) -> Answer:
    """DeregisterImage: no new instances of it; those that run do not notice. A base image's file stays on the host."""
    state = call.cloud.state
    ids.check("image", [image_id])
    image = state.images.get(image_id)
    if image is None or image.state == "deregistered":
        raise ids.not_found("image", [image_id])
    if image.state == "pending":
        raise ApiError("InvalidAMIID.Unavailable", f"The image ID '{image_id}' is still being made")
    image_protection.check_deregister(call, image)
    state.images.change(image_id, state="deregistered", deregistered_at=call.now)
    for tag in state.tags.find(resource_id=image_id):
        state.tags.remove(image_id, tag.key)
    if not delete_associated_snapshots:
        return {"Return": True}
    there = [device["Ebs"]["SnapshotId"] for device in image.devices if "SnapshotId" in device["Ebs"]]
    return {"Return": True, "DeleteSnapshotResults": [_delete(call, snapshot_id) for snapshot_id in there]}


def _delete(call: Call, snapshot_id: str) -> dict[str, str]:
    if snapshots.images_of(call.cloud.state, snapshot_id):
        return {"SnapshotId": snapshot_id, "ReturnCode": "skipped"}
    snapshots.remove(call, snapshot_id)
    return {"SnapshotId": snapshot_id, "ReturnCode": "success"}
