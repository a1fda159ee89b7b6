"""What is known of a volume's health, and its attributes.

A volume is impaired when it is in error, or when its instance's guest was halted because the host's disk is full. Such a
guest goes on by itself when there is room again; EnableVolumeIO only has it looked at sooner. A volume in error that is
attached to nothing is looked at again, from one end to the other; one that is attached, when its instance starts.
"""

from typing import Any, TypedDict

from ...api import Answer, Call, operation
from ...errors import ApiError
from ...host.contracts import Power
from ...state.rows import Volume
from .volume_view import named, wanted

FILTERS = {
    "action.code": "Actions[].Code",
    "action.description": "Actions[].Description",
    "event.description": "Events[].Description",
    "event.event-type": "Events[].EventType",
    "availability-zone": "AvailabilityZone",
    "volume-status.details-name": "VolumeStatus.Details[].Name",
    "volume-status.details-status": "VolumeStatus.Details[].Status",
    "volume-status.status": "VolumeStatus.Status",
}


class BooleanValue(TypedDict, total=False):
    """A truth value in a structure of its own."""

    Value: bool


@operation(items="VolumeStatuses", key="VolumeId", filters=FILTERS)
def describe_volume_status(call: Call, *, volume_ids: list[str] | None = None) -> Answer:
    """DescribeVolumeStatus."""
    guests = call.cloud.host.guests.list()
    halted = {name for name, guest in guests.items() if guest.power is Power.PAUSED}
    return {"VolumeStatuses": [_status(row, row.instance_id in halted) for row in wanted(call.cloud.state, volume_ids)]}


def _status(row: Volume, halted: bool) -> dict[str, Any]:
    impaired = row.state == "error" or halted
    why = row.reason or "The host's disk is full; the instance is halted until there is room"
    actions = [{"Code": "enable-volume-io", "Description": "Enable volume I/O", "EventType": "potential-data-inconsistency"}]
    return {
        "VolumeId": row.id,
        "AvailabilityZone": row.zone,
        "VolumeStatus": {
            "Status": "impaired" if impaired else "insufficient-data" if row.state == "creating" else "ok",
            "Details": [
                {"Name": "io-enabled", "Status": "failed" if impaired else "passed"},
                {"Name": "io-performance", "Status": "not-applicable"},
            ],
        },
        "Events": [{"EventType": "potential-data-inconsistency", "Description": why}] if impaired else [],
        "Actions": actions if halted else [],
    }


@operation()
def enable_volume_io(call: Call, *, volume_id: str) -> Answer:
    """EnableVolumeIO: has a volume looked at now, so that a guest that was halted goes on, and one that was mended is used."""
    row = named(call.cloud.state, [volume_id])[0]
    if row.state == "error" and not row.instance_id:
        call.cloud.state.volumes.change(row.id, state="creating", failures=0)
    call.touch(row.id, *([row.instance_id] if row.instance_id else []))
    return {}


@operation()
def describe_volume_attribute(call: Call, *, volume_id: str, attribute: str) -> Answer:
    """DescribeVolumeAttribute: autoEnableIO or productCodes."""
    row = named(call.cloud.state, [volume_id])[0]
    if attribute == "autoEnableIO":
        return {"VolumeId": row.id, "AutoEnableIO": {"Value": row.auto_enable_io}}
    return {"VolumeId": row.id, "ProductCodes": []}


@operation()
def modify_volume_attribute(call: Call, *, volume_id: str, auto_enable_io: BooleanValue | None = None) -> Answer:
    """ModifyVolumeAttribute."""
    row = named(call.cloud.state, [volume_id])[0]
    if auto_enable_io is None or "Value" not in auto_enable_io:
        raise ApiError("MissingParameter", "The request must contain the parameter autoEnableIO")
    call.cloud.state.volumes.change(row.id, auto_enable_io=auto_enable_io["Value"])
    return {}
