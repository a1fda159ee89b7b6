"""The attributes of an instance that can be read and changed one at a time."""

import base64
from typing import Any, TypedDict

from ...api import Answer, Call, operation
from ...aws import instance_types
from ...errors import ApiError
from ...state.rows import Instance
from . import instance_devices
from .instance_rows import named
from .instance_view import around
from .interfaces import groups_of, wanted_groups
from .launch import check_user_data, credits_of, decode_user_data


class TextValue(TypedDict, total=False):
    """A text in a structure of its own."""

    Value: str


class BooleanValue(TypedDict, total=False):
    """A truth value in a structure of its own."""

    Value: bool


class BlobValue(TypedDict, total=False):
    """Base64 text in a structure of its own."""

    Value: bytes | str


@operation()
def describe_instance_attribute(call: Call, *, instance_id: str, attribute: str) -> Answer:
    """DescribeInstanceAttribute."""
    row = named(call.cloud.state, [instance_id])[0]
    values = _values(call, row)
    if attribute not in values:
        raise ApiError("UnsupportedOperation", f"minicloud does not keep the instance attribute {attribute}")
    name, value = values[attribute]
    return {"InstanceId": row.id, name: value}


def _values(call: Call, row: Instance) -> dict[str, tuple[str, Any]]:
    found = around(call, [row])
    image, interfaces = found.images[row.image_id], found.interfaces[row.id]
    devices = [
        {
            "DeviceName": volume.device,
            "Ebs": {
                "AttachTime": volume.attached,
                "DeleteOnTermination": volume.delete_on_termination,
                "Status": "detaching" if volume.attachment == "busy" else volume.attachment,
                "VolumeId": volume.id,
            },
        }
        for volume in found.volumes[row.id]
    ]
    user_data = {"Value": base64.b64encode(row.user_data).decode()} if row.user_data else {}
    return {
        "instanceType": ("InstanceType", {"Value": row.instance_type}),
        "userData": ("UserData", user_data),
        "disableApiTermination": ("DisableApiTermination", {"Value": row.protect_termination}),
        "disableApiStop": ("DisableApiStop", {"Value": row.protect_stop}),
        "instanceInitiatedShutdownBehavior": ("InstanceInitiatedShutdownBehavior", {"Value": row.shutdown_behavior}),
        "rootDeviceName": ("RootDeviceName", {"Value": image.root_device_name}),
        "blockDeviceMapping": ("BlockDeviceMappings", devices),
        "productCodes": ("ProductCodes", []),
        "sourceDestCheck": ("SourceDestCheck", {"Value": all(nic.source_dest_check for nic in interfaces)}),
        "groupSet": ("Groups", groups_of(call.cloud.state, interfaces[0], found.groups) if interfaces else []),
        "ebsOptimized": ("EbsOptimized", {"Value": row.ebs_optimized}),
        "enaSupport": ("EnaSupport", {"Value": True}),
        "sriovNetSupport": ("SriovNetSupport", {"Value": "simple"}),
        "kernel": ("KernelId", {}),
        "ramdisk": ("RamdiskId", {}),
        "enclaveOptions": ("EnclaveOptions", {"Enabled": False}),
    }


SO_ALREADY = {("sriovNetSupport", "simple"), ("enclaveOptions", "false")}
"""Attributes with the value that each instance has of them."""


@operation()
def modify_instance_attribute(
    call: Call,
    *,
    instance_id: str,
    attribute: str | None = None,
    value: str | None = None,
    instance_type: TextValue | None = None,
    user_data: BlobValue | None = None,
    disable_api_termination: BooleanValue | None = None,
    disable_api_stop: BooleanValue | None = None,
    instance_initiated_shutdown_behavior: TextValue | None = None,
    ebs_optimized: BooleanValue | None = None,
    groups: list[str] | None = None,
    source_dest_check: BooleanValue | None = None,
    block_device_mappings: list[instance_devices.DeviceChange] | None = None,
    ena_support: BooleanValue | None = None,
) -> Answer:
    """ModifyInstanceAttribute: one attribute at a time, by a parameter of its own or by `attribute` and `value`."""
    row = named(call.cloud.state, [instance_id])[0]
    given: dict[str, Any] = {
        "instanceType": (instance_type or {}).get("Value"),
        "userData": (user_data or {}).get("Value"),
        "disableApiTermination": (disable_api_termination or {}).get("Value"),
        "disableApiStop": (disable_api_stop or {}).get("Value"),
        "instanceInitiatedShutdownBehavior": (instance_initiated_shutdown_behavior or {}).get("Value"),
        "ebsOptimized": (ebs_optimized or {}).get("Value"),
        "sourceDestCheck": (source_dest_check or {}).get("Value"),
        "enaSupport": (ena_support or {}).get("Value"),
    }
    if (attribute, value) in SO_ALREADY:
        return {}
    if attribute is not None:
        if attribute not in given and not (attribute in ("blockDeviceMapping", "groupSet") and value is None):
            raise ApiError("UnsupportedOperation", f"minicloud cannot change the instance attribute {attribute} by its value")
        if value is not None:
            given[attribute] = value
    given |= {"groupSet": groups, "blockDeviceMapping": block_device_mappings}
    chosen = {name: wanted for name, wanted in given.items() if wanted is not None}
    if call.passed_over and not chosen:
        return {}
    if len(chosen) != 1:
        raise ApiError("InvalidParameterCombination", "Exactly one attribute of an instance can be changed with one request")
    name, wanted = chosen.popitem()
    if name == "blockDeviceMapping":
        instance_devices.change(call, row, wanted)
    elif name in ("groupSet", "sourceDestCheck"):
        _change_interface(call, row, wanted if name == "groupSet" else _truth(name, wanted))
    elif changes := _change(call, row, name, wanted):
        call.cloud.state.instances.change(row.id, **changes)
    return {}


def _change_interface(call: Call, row: Instance, wanted: list[str] | bool) -> None:
    """The groups, or the source/destination check, of an instance's only interface."""
    if row.state == "terminated":
        raise ApiError("IncorrectInstanceState", f"The instance '{row.id}' is terminated.")
    found = call.cloud.state.interfaces.find(instance_id=row.id)
    if len(found) != 1:
        raise ApiError(
            "InvalidInstanceID",
            f"There are multiple interfaces attached to instance '{row.id}'. "
            "Please specify an interface ID for the operation instead.",
        )
    if isinstance(wanted, list):
        groups = wanted_groups(call.cloud.state, found[0].vpc_id, wanted, place=f"interface {found[0].id}")
        call.cloud.state.interfaces.change(found[0].id, group_ids=groups)
    else:
        call.cloud.state.interfaces.change(found[0].id, source_dest_check=wanted)
    call.touch(found[0].id)


_ONLY_STOPPED = ("instanceType", "userData", "ebsOptimized")
_BOOLEANS = {
    "disableApiTermination": "protect_termination",
    "disableApiStop": "protect_stop",
    "ebsOptimized": "ebs_optimized",
}


def _change(call: Call, row: Instance, name: str, wanted: Any) -> dict[str, Any]:
    """The columns that change. Raises ApiError."""
    if name in _ONLY_STOPPED and row.state != "stopped":
        raise ApiError("IncorrectInstanceState", f"The instance '{row.id}' is not in the 'stopped' state.")
    if row.state == "terminated":
        raise ApiError("IncorrectInstanceState", f"The instance '{row.id}' is terminated.")
    if name == "enaSupport":
        if not _truth(name, wanted):
            raise ApiError("UnsupportedOperation", "minicloud's network cards are as those with ENA; it cannot be switched off")
        return {}
    if name in _BOOLEANS:
        return {_BOOLEANS[name]: _truth(name, wanted)}
    if name == "instanceType":
        return _change_type(call, row, wanted)
    if name == "userData":
        # The aws CLI and botocore hand over the decoded bytes of a blob; over `value` it is base64 text.
        return {"user_data": check_user_data(wanted) if isinstance(wanted, bytes) else decode_user_data(wanted)}
    if wanted not in ("stop", "terminate"):
        raise ApiError("InvalidParameterValue", f"Value ({wanted}) for parameter {name} is invalid. Allowed: stop, terminate.")
    return {"shutdown_behavior": wanted}


def _truth(name: str, wanted: Any) -> bool:
    """A truth value that may have come as text. Raises ApiError."""
    truth = {"true": True, "false": False}.get(str(wanted).lower())
    if truth is None:
        raise ApiError("InvalidParameterValue", f"Value ({wanted}) for parameter {name} is invalid. Allowed: true, false.")
    return truth


def _change_type(call: Call, row: Instance, wanted: str) -> dict[str, Any]:
    """The columns of another type: its credits are its own, and CpuOptions are of the old one."""
    kind = instance_types.get(wanted)
    if kind.gpu_count or row.accelerators:
        raise ApiError("Unsupported", "An instance keeps the GPUs that it was launched with; launch another of that type.")
    return {"instance_type": kind.name, "credits": credits_of(call, kind), "cpu_cores": 0, "cpu_threads": 0}
