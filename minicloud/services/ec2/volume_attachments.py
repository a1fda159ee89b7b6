"""AttachVolume and DetachVolume. The wish is recorded; a running guest has the disk a moment later."""

import re

from ...api import Answer, Call, operation
from ...aws import instance_types
from ...errors import ApiError
from ...state.rows import Instance, Volume
from ...state.store import State
from . import instance_rows
from .volume_view import attachment_view, named

DEVICE = re.compile(r"(/dev/)?(sd[a-z]([1-9]|1[0-5])?|xvd[a-d]?[a-z]([1-9]|1[0-5])?|vd[a-z])")


def check_device(device: str) -> None:
    """Refuse a name that no block device of an instance can have. Raises ApiError."""
    if not DEVICE.fullmatch(device):
        raise ApiError(
            "InvalidParameterValue", f"Value ({device}) for parameter device is invalid. {device} is not a valid EBS device name."
        )


def check_number(instance: Instance, count: int) -> None:
    """Refuse more volumes than an instance of its type takes. Raises ApiError."""
    most = instance_types.get(instance.instance_type).max_volumes
    if count > most:
        raise ApiError("AttachmentLimitExceeded", f"The maximum number of attachments on {instance.id} is {most}.")


@operation()
def attach_volume(call: Call, *, volume_id: str, instance_id: str, device: str) -> Answer:
    """AttachVolume. In the guest the disk is /dev/disk/by-id/virtio-vol..., its own id without the dash."""
    state = call.cloud.state
    volume, instance = named(state, [volume_id])[0], instance_rows.named(state, [instance_id])[0]
    check_device(device)
    _check_attachable(state, volume, instance, device)
    state.volumes.change(
        volume.id, state="in-use", instance_id=instance.id, device=device, attached=call.now, attachment="attaching",
        delete_on_termination=False, force_detach=False, detach_asked="", failures=0, reason="",
    )  # fmt: skip
    call.touch(instance.id, volume.id)
    return attachment_view(named(state, [volume_id])[0])


def _check_attachable(state: State, volume: Volume, instance: Instance, device: str) -> None:
    if volume.instance_id:
        raise ApiError("VolumeInUse", f"{volume.id} is already attached to an instance")
    if volume.state != "available":
        raise ApiError("IncorrectState", f"{volume.id} is not 'available'.")
    if instance.wish == "terminated" or instance.state not in ("pending", "running", "stopping", "stopped"):
        raise ApiError("IncorrectState", f"Instance '{instance.id}' is not 'running'.")
    if volume.zone != instance.zone:
        raise ApiError(
            "InvalidVolume.ZoneMismatch",
            f"The volume '{volume.id}' is not in the same availability zone as instance '{instance.id}'",
        )
    there = state.volumes.find(instance_id=instance.id)
    if device in {other.device for other in there}:
        raise ApiError(
            "InvalidParameterValue", f"Invalid value '{device}' for unixDevice. Attachment point {device} is already in use"
        )
    check_number(instance, len(there) + 1)


@operation()
def detach_volume(
    call: Call, *, volume_id: str, instance_id: str | None = None, device: str | None = None, force: bool = False
) -> Answer:
    """DetachVolume. A running guest is asked to let it go; with `force` it is taken away if it does not."""
    state = call.cloud.state
    volume = named(state, [volume_id])[0]
    if not volume.instance_id:
        raise ApiError("IncorrectState", f"Volume '{volume.id}' is in the 'available' state.")
    if instance_id not in (None, volume.instance_id) or device not in (None, volume.device):
        where = f"instance {instance_id or volume.instance_id} as device {device or volume.device}"
        raise ApiError("InvalidAttachment.NotFound", f"The volume {volume.id} is not attached to {where}")
    _check_not_root(state, volume)
    if volume.attachment in ("attached", "attaching"):
        state.volumes.change(volume.id, attachment="detaching", force_detach=force, detach_asked="")
    elif force:
        state.volumes.change(volume.id, force_detach=True)
    call.touch(volume.instance_id, volume.id)
    return attachment_view(named(state, [volume_id])[0])


def _check_not_root(state: State, volume: Volume) -> None:
    instance = state.instances.get(volume.instance_id)
    image = state.images.get(instance.image_id) if instance else None
    if instance and image and instance.state != "stopped" and volume.device == image.root_device_name:
        raise ApiError(
            "OperationNotPermitted", f"Unable to detach root volume '{volume.id}' from instance '{volume.instance_id}'"
        )
