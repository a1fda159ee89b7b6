"""AMIs of one's own: of an instance (CreateImage), of snapshots (RegisterImage), of another AMI (CopyImage).

None of them copies a block: an image names snapshots, and instances of it start from these.
"""

from typing import Any

from ...api import Answer, Call, operation
from ...aws import ids
from ...errors import ApiError
from ...state.rows import Image, Instance
from ...state.rows_storage import Snapshot
from ...state.store import State
from . import block_devices, images, instance_rows, snapshots, volumes
from .block_devices import BlockDeviceInput

_MOST_DESCRIPTION = 255


def _check_description(text: str) -> None:
    if len(text) > _MOST_DESCRIPTION:
        raise ApiError("InvalidParameterValue", f"A description has at most {_MOST_DESCRIPTION} characters.")


@operation(tags=("image", "snapshot"))
def create_image(
    call: Call,
    *,
    instance_id: str,
    name: str,
    description: str = "",
    no_reboot: bool = False,
    block_device_mappings: list[BlockDeviceInput] | None = None,
) -> Answer:
    """CreateImage. A running instance is shut down for the moment of the snapshots, unless `no_reboot`."""
    state = call.cloud.state
    instance = instance_rows.named(state, [instance_id])[0]
    images.check_name(state, name)
    _check_description(description)
    if instance.wish == "terminated" or instance.state not in ("running", "stopped"):
        raise ApiError("IncorrectState", f"The instance '{instance.id}' is neither running nor stopped.")
    if state.images.find(instance_id=instance.id, state="pending"):
        raise ApiError(
            "ConcurrentCreateImageNoRebootLimitExceeded",
            "The maximum number of concurrent CreateImage requests for the instance has been reached.",
        )
    origin = state.images.get(instance.image_id)
    assert origin is not None  # noqa: S101  an instance's image keeps its row
    row = _image(call, name, description, origin)
    row.state, row.instance_id, row.source_image = "pending", instance.id, origin.id
    row.reboot = "wanted" if instance.state == "running" and not no_reboot else ""
    _snapshots(call, row, instance, block_device_mappings or [])
    state.images.add(row)
    call.tag("image", row.id)
    call.touch(row.id, instance.id)
    return {"ImageId": row.id}


def _snapshots(call: Call, image: Image, instance: Instance, mappings: list[BlockDeviceInput]) -> None:
    """The image's devices, with a snapshot to be taken of each of the instance's volumes among them."""
    found = block_devices.merged(block_devices.of_instance(call, instance), mappings)
    if image.root_device_name not in found:
        raise ApiError("InvalidBlockDeviceMapping", f"The root device {image.root_device_name} cannot be left out")
    block_devices.complete(call, found)
    for ebs in found.values():
        if "VolumeId" not in ebs:
            continue
        volume = call.cloud.state.volumes.get(ebs["VolumeId"])
        assert volume is not None  # noqa: S101  of_instance has just found it
        if ebs["VolumeSize"] < volume.size:
            raise ApiError("InvalidBlockDeviceMapping", f"A disk made of {volume.id} has at least {volume.size} GiB")
        text = f"Created by CreateImage({instance.id}) for {image.id}"
        snapshot = snapshots.add(call, volume, text, batch=image.id, image_id=image.id)
        call.tag("snapshot", snapshot.id)
        call.touch(snapshot.id)
        ebs["SnapshotId"] = snapshot.id
    image.devices = block_devices.final(found)
    _root_of(image)


def _root_of(image: Image) -> None:
    """The columns that repeat what the root device says."""
    root = next(device["Ebs"] for device in image.devices if device["DeviceName"] == image.root_device_name)
    image.snapshot_id, image.size = root["SnapshotId"], root["VolumeSize"]


def _image(call: Call, name: str, description: str, origin: Image | None) -> Image:
    """A row that starts as its origin does."""
    return Image(
        id=ids.new_id("image"),
        base=origin.base if origin else "",
        name=name,
        description=description,
        architecture="x86_64",
        boot_mode=origin.boot_mode if origin else "legacy-bios",
        default_user=origin.default_user if origin else "",
        root_device_name=origin.root_device_name if origin else "/dev/sda1",
        size=origin.size if origin else 0,
        snapshot_id=origin.snapshot_id if origin else "",
        state="available",
        public=False,
        location=f"{call.cloud.settings.account_id}/{name}",
        created=call.now,
    )


def _origin(state: State, snapshot: Snapshot) -> Image | None:
    """The image whose disk a snapshot comes from, in the end: it knows the default user, and how to boot."""
    known = state.images.query("id = ? or snapshot_id = ?", [snapshot.image_id, snapshot.id])
    layer_id = snapshot.layer_id
    while not known and layer_id:
        layer = state.layers.get(layer_id)
        if layer is None:
            break
        known = state.images.find(id=layer.base) if layer.base else []
        layer_id = layer.parent
    return known[0] if known else None


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
    """RegisterImage: of a snapshot of a root volume, and of others; or of an image that is here, by its location."""
    del ena_support
    state = call.cloud.state
    images.check_name(state, name)
    _check_description(description)
    if architecture != "x86_64" or virtualization_type != "hvm":
        raise ApiError("UnsupportedOperation", "minicloud runs images of architecture x86_64 and virtualization type hvm")
    row = _of_location(call, name, description, image_location) if image_location else None
    row = row or _of_snapshots(call, name, description, root_device_name, block_device_mappings or [])
    row.boot_mode = boot_mode or row.boot_mode
    state.images.add(row)
    call.tag("image", row.id)
    return {"ImageId": row.id}


def _of_location(call: Call, name: str, description: str, location: str) -> Image:
    found = call.cloud.state.images.query("(location = ? or id = ?) and state = 'available'", [location, location])
    if not found:
        raise ApiError("InvalidAMIID.NotFound", f"The image id '[{location}]' does not exist")
    row = _image(call, name, description, found[0])
    row.devices = found[0].devices
    return row


def _of_snapshots(call: Call, name: str, description: str, root_name: str | None, mappings: list[BlockDeviceInput]) -> Image:
    found = block_devices.merged([], mappings)
    root = found.get(root_name or "/dev/sda1", {})
    if "SnapshotId" not in root:
        raise ApiError("InvalidBlockDeviceMapping", "No root snapshot specified in device mapping.")
    block_devices.complete(call, found)
    snapshot = volumes.usable_snapshot(call.cloud.state, root["SnapshotId"])
    row = _image(call, name, description, _origin(call.cloud.state, snapshot))
    row.root_device_name = root_name or "/dev/sda1"
    row.devices = block_devices.final(found)
    _root_of(row)
    return row


@operation(tags=("image", "snapshot"))
def copy_image(
    call: Call,
    *,
    name: str,
    source_image_id: str,
    source_region: str,
    description: str | None = None,
    copy_image_tags: bool = False,
) -> Answer:
    """CopyImage: another image with snapshots of its own, which share every block with the source's."""
    state = call.cloud.state
    if source_region != call.cloud.settings.region:
        raise ApiError("InvalidParameterValue", f"minicloud has one region, {call.cloud.settings.region}, not {source_region}")
    source = images.available(state, source_image_id)
    images.check_name(state, name)
    _check_description(description or "")
    row = _image(call, name, source.description if description is None else description, source)
    row.source_image = source.id
    row.devices = [_copied(call, row, device) for device in source.devices]
    _root_of(row)
    state.images.add(row)
    wanted = call.tag("image", row.id)
    if copy_image_tags:
        snapshots.copy_tags(state, source.id, row.id, "image", {tag["Key"] for tag in wanted})
    return {"ImageId": row.id}


def _copied(call: Call, image: Image, device: dict[str, Any]) -> dict[str, Any]:
    """A device with a snapshot of its own."""
    if "SnapshotId" not in device["Ebs"]:
        return device
    source = volumes.usable_snapshot(call.cloud.state, device["Ebs"]["SnapshotId"])
    text = f"Copied for DestinationAmi {image.id} from SourceSnapshot {source.id}"
    copy = snapshots.add_copy(call, source, text, image.id)
    call.tag("snapshot", copy.id)
    return {**device, "Ebs": {**device["Ebs"], "SnapshotId": copy.id}}
