"""Block device mappings: what an image brings, changed by what a request says, as the disks of new instances or images."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from ...api import Call
from ...aws import volume_types
from ...aws.volume_types import Wanted
from ...errors import ApiError
from ...state.rows import Image, Instance
from ...state.rows_storage import Snapshot
from . import volumes
from .volume_attachments import check_device


class EbsInput(TypedDict, total=False):
    """The volume of a mapping: GiB, IOPS, MiB/s."""

    SnapshotId: str
    VolumeSize: int
    VolumeType: str
    Iops: int
    Throughput: int
    DeleteOnTermination: bool
    Encrypted: bool


class BlockDeviceInput(TypedDict, total=False):
    """A block device. `NoDevice` takes away the one of that name; a `VirtualName` is an instance store's, and changes nothing."""

    DeviceName: str
    Ebs: EbsInput
    NoDevice: str
    VirtualName: str


_STORE = re.compile(r"ephemeral([0-9]|1[0-9]|2[0-3])")
"""Names of instance stores. AWS: those of NVMe, as all present types have, are there without mappings, which have no effect."""


@dataclass(frozen=True)
class Disk:
    """A volume to be made for an instance."""

    device: str
    snapshot: Snapshot | None
    what: Wanted
    delete_on_termination: bool


def merged(devices: Sequence[dict[str, Any]], mappings: Sequence[BlockDeviceInput]) -> dict[str, dict[str, Any]]:
    """The settings of each device by its name: the image's, overridden by the request's. Raises ApiError."""
    found = {device["DeviceName"]: dict(device["Ebs"]) for device in devices}
    seen: set[str] = set()
    for mapping in mappings:
        name = mapping.get("DeviceName")
        if not name:
            raise ApiError("MissingParameter", "The request must contain the parameter deviceName")
        if name in seen:
            raise ApiError("InvalidBlockDeviceMapping", f"The device '{name}' is used in more than one block-device mapping")
        seen.add(name)
        if "NoDevice" in mapping:
            found.pop(name, None)
            continue
        check_device(name)
        if "Ebs" not in mapping and _STORE.fullmatch(mapping.get("VirtualName", "")):
            continue
        if "Ebs" not in mapping or "VirtualName" in mapping:
            raise ApiError(
                "InvalidBlockDeviceMapping", f"The mapping of {name} has neither Ebs nor NoDevice, or a virtual name that is none"
            )
        found[name] = _overridden(found.get(name), mapping["Ebs"], name)
    return found


def _overridden(before: dict[str, Any] | None, ebs: EbsInput, device: str) -> dict[str, Any]:
    if ebs.get("Encrypted"):
        raise ApiError("UnsupportedOperation", "minicloud does not have encrypted volumes")
    given: dict[str, Any] = {name: value for name, value in ebs.items() if name != "Encrypted"}
    if before is None:
        return {"VolumeType": "gp2", "DeleteOnTermination": True, **given}
    if given.get("SnapshotId", before.get("SnapshotId")) != before.get("SnapshotId"):
        raise ApiError("InvalidBlockDeviceMapping", f"snapshotId cannot be modified on {device}, which the image maps")
    if given.get("VolumeType", before.get("VolumeType")) != before.get("VolumeType"):
        before = {name: value for name, value in before.items() if name not in ("Iops", "Throughput")}
    return {**before, **given}


def disks(call: Call, image: Image, mappings: Sequence[BlockDeviceInput]) -> list[Disk]:
    """The volumes of an instance of an image, the root first. Raises ApiError."""
    found = merged(image.devices, mappings)
    if image.root_device_name not in found:
        raise ApiError("InvalidBlockDeviceMapping", f"The root device {image.root_device_name} cannot be left out")
    root_kind = found[image.root_device_name].get("VolumeType")
    if root_kind in ("st1", "sc1"):
        raise ApiError("InvalidParameterValue", f"A root volume cannot be of type {root_kind}.")
    names = sorted(found, key=lambda name: (name != image.root_device_name, name))
    return [_disk(call, name, found[name]) for name in names]


def _disk(call: Call, device: str, ebs: dict[str, Any]) -> Disk:
    snapshot = volumes.usable_snapshot(call.cloud.state, ebs["SnapshotId"]) if ebs.get("SnapshotId") else None
    size = ebs.get("VolumeSize", snapshot.size if snapshot else None)
    if size is None:
        raise ApiError("MissingParameter", "The request must contain the parameter size or snapshotId")
    what = volume_types.check(ebs["VolumeType"], size, ebs.get("Iops"), ebs.get("Throughput"))
    if snapshot and size < snapshot.size:
        raise ApiError(
            "InvalidBlockDeviceMapping",
            f"Volume of size {size}GB is smaller than snapshot '{snapshot.id}', expect size>= {snapshot.size}GB",
        )
    return Disk(device, snapshot, what, ebs.get("DeleteOnTermination", True))


def attach(call: Call, instance: Instance, wanted: Sequence[Disk]) -> None:
    """The rows of an instance's volumes, which its guest starts with."""
    for disk in wanted:
        volume = volumes.add(
            call, disk.what, instance.zone, disk.snapshot, state="in-use", instance_id=instance.id, device=disk.device,
            delete_on_termination=disk.delete_on_termination, attached=call.now, attachment="attached",
        )  # fmt: skip
        call.tag("volume", volume.id)


def of_instance(call: Call, instance: Instance) -> list[dict[str, Any]]:
    """The devices that an image of an instance has by default: its volumes, their snapshots still to be named."""
    found = []
    for volume in call.cloud.state.volumes.find(instance_id=instance.id):
        ebs: dict[str, Any] = {
            "VolumeId": volume.id, "VolumeSize": volume.size, "VolumeType": volume.kind,
            "DeleteOnTermination": volume.delete_on_termination,
        }  # fmt: skip
        if volume_types.get(volume.kind).iops:
            ebs["Iops"] = volume.iops
        if volume.throughput:
            ebs["Throughput"] = volume.throughput
        found.append({"DeviceName": volume.device, "Ebs": ebs})
    return found


def limited(instance_type_most: int, wanted: Sequence[Disk]) -> None:
    """Refuse more volumes than a type takes. Raises ApiError."""
    if len(wanted) > instance_type_most:
        raise ApiError("AttachmentLimitExceeded", f"An instance of this type has at most {instance_type_most} volumes.")


def complete(call: Call, devices: dict[str, dict[str, Any]]) -> None:
    """Give the devices of a new image the sizes that they do not say, and refuse those that no volume could be made of."""
    for ebs in devices.values():
        if "SnapshotId" in ebs:
            size = volumes.usable_snapshot(call.cloud.state, ebs["SnapshotId"]).size
            if ebs.setdefault("VolumeSize", size) < size:
                raise ApiError("InvalidBlockDeviceMapping", f"A disk made of {ebs['SnapshotId']} has at least {size} GiB")
        elif "VolumeSize" not in ebs:
            raise ApiError("MissingParameter", "The request must contain the parameter size or snapshotId")
        volume_types.check(ebs["VolumeType"], ebs["VolumeSize"], ebs.get("Iops"), ebs.get("Throughput"))


def final(devices: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Devices as an image's row holds them."""
    return [
        {"DeviceName": name, "Ebs": {"Encrypted": False, **{key: ebs[key] for key in ebs if key != "VolumeId"}}}
        for name, ebs in devices.items()
    ]
