"""What ModifyInstanceAttribute changes of an instance's block devices: whether a volume ends with its instance."""

from typing import TypedDict

from ...api import Call
from ...errors import ApiError
from ...state.rows import Instance, Volume


class EbsChange(TypedDict, total=False):
    """What is to become of one volume; `VolumeId` only says which one is meant."""

    DeleteOnTermination: bool
    VolumeId: str


class DeviceChange(TypedDict, total=False):
    """A change of one block device."""

    DeviceName: str
    Ebs: EbsChange


def change(call: Call, instance: Instance, wanted: list[DeviceChange]) -> None:
    """Carry out the changes, all or none. Raises ApiError (InvalidInstanceAttributeValue) for a device that is not there."""
    if instance.state == "terminated":
        raise ApiError("IncorrectInstanceState", f"The instance '{instance.id}' is terminated.")
    devices = {volume.device: volume for volume in call.cloud.state.volumes.find(instance_id=instance.id)}
    for volume, ends in [(_meant(devices, each), each.get("Ebs", {}).get("DeleteOnTermination")) for each in wanted]:
        if ends is not None:
            call.cloud.state.volumes.change(volume.id, delete_on_termination=ends)


def _meant(devices: dict[str, Volume], wanted: DeviceChange) -> Volume:
    device, volume_id = wanted.get("DeviceName"), wanted.get("Ebs", {}).get("VolumeId")
    if not device:
        raise ApiError("MissingParameter", "The request must contain the parameter BlockDeviceMapping.DeviceName")
    found = devices.get(device)
    if found is None or volume_id not in (None, found.id):
        raise ApiError("InvalidInstanceAttributeValue", f"No device is currently mapped at {device}")
    return found
