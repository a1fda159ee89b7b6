"""The attributes of an AMI, and its deprecation."""

from typing import Any

from ...api import Answer, Call, operation
from ...aws import ids, times
from ...errors import ApiError
from ...state.rows import Image
from . import image_protection
from .instance_attributes import TextValue
from .snapshot_attributes import ModificationsInput, by_operation, changed, permission_view

_PERMISSION = "launchPermission"


def _named(call: Call, image_id: str) -> Image:
    ids.check("image", [image_id])
    row = call.cloud.state.images.get(image_id)
    if row is None or row.state == "deregistered":
        raise ids.not_found("image", [image_id])
    return row


@operation()
def describe_image_attribute(call: Call, *, image_id: str, attribute: str) -> Answer:
    """DescribeImageAttribute."""
    row = _named(call, image_id)
    values: dict[str, tuple[str, Any]] = {
        "description": ("Description", {"Value": row.description}),
        "kernel": ("KernelId", {}),
        "ramdisk": ("RamdiskId", {}),
        "launchPermission": ("LaunchPermissions", [permission_view(user) for user in row.users]),
        "productCodes": ("ProductCodes", []),
        "blockDeviceMapping": ("BlockDeviceMappings", row.devices),
        "sriovNetSupport": ("SriovNetSupport", {"Value": "simple"}),
        "bootMode": ("BootMode", {"Value": row.boot_mode}),
        "tpmSupport": ("TpmSupport", {}),
        "uefiData": ("UefiData", {}),
        "imdsSupport": ("ImdsSupport", {}),
        "deregistrationProtection": ("DeregistrationProtection", {"Value": image_protection.shown(call, row)}),
    }
    if attribute not in values:
        raise ApiError("UnsupportedOperation", f"minicloud does not keep the image attribute {attribute}")
    name, value = values[attribute]
    return {"ImageId": row.id, name: value}


@operation()
def modify_image_attribute(
    call: Call,
    *,
    image_id: str,
    attribute: str | None = None,
    value: str | None = None,
    description: TextValue | None = None,
    launch_permission: ModificationsInput | None = None,
    operation_type: str | None = None,
    user_ids: list[str] | None = None,
    user_groups: list[str] | None = None,
) -> Answer:
    """ModifyImageAttribute: the description, or who may launch it, by its name in either case (Ansible: LaunchPermission)."""
    row, named = _named(call, image_id), (attribute or "").lower()
    text = (description or {}).get("Value", value if named == "description" else None)
    if named not in ("", "description", _PERMISSION.lower()):
        raise ApiError("UnsupportedOperation", f"minicloud cannot change the image attribute {attribute}")
    add, remove = by_operation(operation_type, user_ids, user_groups, launch_permission or ModificationsInput())
    if (text is None) == (not add and not remove):
        raise ApiError("InvalidParameterCombination", "Exactly one attribute of an image can be changed with one request")
    if text is not None:
        call.cloud.state.images.change(row.id, description=text)
    else:
        call.cloud.state.images.change(row.id, users=changed(row.users, add, remove))
    return {}


@operation()
def reset_image_attribute(call: Call, *, image_id: str, attribute: str) -> Answer:
    """ResetImageAttribute: nobody but the account itself may launch it."""
    row = _named(call, image_id)
    if attribute != _PERMISSION:
        raise ApiError("InvalidParameterValue", f"The attribute {attribute} of an image cannot be reset")
    call.cloud.state.images.change(row.id, users=[])
    return {}


@operation()
def enable_image_deprecation(call: Call, *, image_id: str, deprecate_at: str) -> Answer:
    """EnableImageDeprecation: says from when on it should not be used any more; nothing else changes."""
    row = _named(call, image_id)
    moment = times.seconds(deprecate_at)
    if moment < times.seconds(call.now):
        raise ApiError("InvalidParameterValue", "The time of deprecation lies in the past")
    call.cloud.state.images.change(row.id, deprecated_at=times.text(moment - moment % 60))
    return {"Return": True}


@operation()
def disable_image_deprecation(call: Call, *, image_id: str) -> Answer:
    """DisableImageDeprecation."""
    call.cloud.state.images.change(_named(call, image_id).id, deprecated_at="")
    return {"Return": True}
