"""AMIs: names for base images. Base images that appear on the host are registered by a reconciler; here is the rest."""

import re
from typing import Any, TypedDict

from ...api import Answer, Call, operation, require
from ...aws import ids
from ...errors import ApiError
from ...state.rows import Image
from ...state.store import State

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
    "hypervisor": "Hypervisor",
    "image-id": "ImageId",
    "image-type": "ImageType",
    "is-public": "Public",
    "manifest-location": "ImageLocation",
    "name": "Name",
    "owner-id": "OwnerId",
    "root-device-name": "RootDeviceName",
    "root-device-type": "RootDeviceType",
    "state": "State",
    "virtualization-type": "VirtualizationType",
}


class EbsInput(TypedDict, total=False):
    """The disk of a mapping."""

    SnapshotId: str


class BlockDeviceInput(TypedDict, total=False):
    """A block device of an image to register."""

    DeviceName: str
    Ebs: EbsInput


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
    if taken := state.images.find(name=name, state="available"):
        raise ApiError("InvalidAMIName.Duplicate", f"AMI name {name} is already in use by AMI {taken[0].id}")


@operation(items="Images", key="ImageId", filters=FILTERS)
def describe_images(call: Call, *, image_ids: list[str] | None = None, owners: list[str] | None = None) -> Answer:
    """DescribeImages. All images are the account's own, so `owners` finds them as self or by the account's number."""
    ids.check("image", image_ids or ())
    rows = {row.id: row for row in call.cloud.state.images.find(state="available")}
    require("image", image_ids or (), rows)
    if owners and not {"self", call.cloud.settings.account_id} & set(owners):
        rows = {}
    wanted = [rows[image_id] for image_id in image_ids or rows if image_id in rows]
    tags = call.cloud.state.tags_of(row.id for row in wanted)
    return {"Images": [_view(row, tags[row.id], call.cloud.settings.account_id) for row in wanted]}


def _view(image: Image, tags: list[dict[str, str]], owner: str) -> dict[str, Any]:
    ebs = {
        "DeleteOnTermination": True,
        "SnapshotId": image.snapshot_id,
        "VolumeSize": image.size,
        "VolumeType": "gp3",
        "Encrypted": False,
    }
    return {
        "PlatformDetails": "Linux/UNIX",
        "UsageOperation": "RunInstances",
        "BlockDeviceMappings": [{"DeviceName": image.root_device_name, "Ebs": ebs}],
        "Description": image.description,
        "EnaSupport": True,
        "Hypervisor": "xen",
        "Name": image.name,
        "RootDeviceName": image.root_device_name,
        "RootDeviceType": "ebs",
        "Tags": tags,
        "VirtualizationType": "hvm",
        "BootMode": image.boot_mode,
        "ImageId": image.id,
        "ImageLocation": image.location,
        "State": image.state,
        "OwnerId": owner,
        "CreationDate": image.created,
        "Public": image.public,
        "Architecture": image.architecture,
        "ImageType": "machine",
    }


def _origin(state: State, location: str | None, root: BlockDeviceInput | None) -> Image:
    """The image whose base a new one shares: named by its snapshot or by its location. Raises ApiError."""
    if location is not None:
        found = state.images.find(location=location) or state.images.find(id=location)
        if not found:
            raise ApiError("InvalidAMIID.NotFound", f"The image id '[{location}]' does not exist")
        return found[0]
    snapshot_id = (root or {}).get("Ebs", EbsInput()).get("SnapshotId")
    if snapshot_id is None:
        raise ApiError("InvalidBlockDeviceMapping", "No root snapshot specified in device mapping.")
    ids.check("snapshot", [snapshot_id])
    found = state.images.find(snapshot_id=snapshot_id)
    if not found:
        raise ids.not_found("snapshot", [snapshot_id])
    return found[0]


@operation(tags=("image",))
def register_image(
    call: Call,
    *,
    name: str,
    description: str = "",
    image_location: str | None = None,
    root_device_name: str | None = None,
    block_device_mappings: list[BlockDeviceInput] | None = None,
    architecture: str = "x86_64",
    boot_mode: str | None = None,
    virtualization_type: str = "hvm",
    ena_support: bool = True,
) -> Answer:
    """RegisterImage: another name for a base image that is here, by its snapshot or its location."""
    del ena_support
    state = call.cloud.state
    check_name(state, name)
    if architecture != "x86_64" or virtualization_type != "hvm":
        raise ApiError("UnsupportedOperation", "minicloud runs images of architecture x86_64 and virtualization type hvm")
    devices = block_device_mappings or []
    root = next((device for device in devices if device.get("DeviceName") == root_device_name), None)
    origin = _origin(state, image_location, root)
    row = Image(
        id=ids.new_id("image"),
        base=origin.base,
        name=name,
        description=description,
        architecture=architecture,
        boot_mode=boot_mode or origin.boot_mode,
        default_user=origin.default_user,
        root_device_name=root_device_name or origin.root_device_name,
        size=origin.size,
        snapshot_id=origin.snapshot_id,
        state="available",
        public=False,
        location=f"{call.cloud.settings.account_id}/{name}",
        created=call.now,
    )
    state.images.add(row)
    call.tag("image", row.id)
    return {"ImageId": row.id}


@operation()
def deregister_image(call: Call, *, image_id: str) -> Answer:
    """DeregisterImage: no new instances of it; those that run do not notice. The base image stays on the host."""
    state = call.cloud.state
    try:
        available(state, image_id)
    except ApiError as error:
        if error.code == "InvalidAMIID.Unavailable":
            raise ids.not_found("image", [image_id]) from error
        raise
    state.images.change(image_id, state="deregistered", deregistered_at=call.now)
    return {"Return": True}
