"""What is known of a volume's health, and its attributes.

A volume is impaired when it is in error, when what was written to it last is in a file that is not minicloud's, or when its
instance's guest was halted because the host's disk is full. Such a guest goes on by itself when there is room again;
EnableVolumeIO only has it looked at sooner. A volume in error that is attached to nothing is looked at again, from one end to
the other; one that is attached, when its instance starts.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import Any, TypedDict

from ...api import Answer, Call, FilterPaths, operation
from ...cloud import Cloud
from ...errors import ApiError
from ...host.contracts import Power
from ...state.rows import Volume
from ...state.rows_failures import FOREIGN_TOPS, WRITES_ELSEWHERE
from .volume_view import named, wanted

log = logging.getLogger(__name__)


def _attached_to(cloud: Cloud, item: dict[str, Any]) -> Iterator[str]:
    """The instance that a volume of the answer is attached to, which the answer does not say."""
    row = cloud.state.volumes.get(item["VolumeId"])
    if row is not None and row.instance_id:
        yield row.instance_id


def _attachment_performance(cloud: Cloud, item: dict[str, Any]) -> Iterator[str]:
    """The same of an attachment as of the volume itself: it is not measured."""
    return ("not-applicable" for _ in _attached_to(cloud, item))


FILTERS: FilterPaths = {
    "action.code": "Actions[].Code",
    "action.description": "Actions[].Description",
    "event.description": "Events[].Description",
    "event.event-type": "Events[].EventType",
    "attachment-status.instance-id": _attached_to,
    "attachment-status.io-performance": _attachment_performance,
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
    return {"VolumeStatuses": _statuses(call.cloud, wanted(call.cloud.state, volume_ids))}


def of_instance(cloud: Cloud, instance_id: str) -> str:
    """The status of all volumes of an instance together: impaired if one is, and ok if all are."""
    rows = cloud.state.volumes.find(instance_id=instance_id)
    found = {status["VolumeStatus"]["Status"] for status in _statuses(cloud, rows)}
    return next((status for status in ("impaired", "insufficient-data") if status in found), "ok")


def _statuses(cloud: Cloud, rows: Sequence[Volume]) -> list[dict[str, Any]]:
    halted = _halted(cloud)
    failures = cloud.state.failures.query("subject like 'vol-%'")
    failing = {one.subject: one.message for one in failures}
    elsewhere = {one.subject for one in failures if (one.part, one.code) == (FOREIGN_TOPS, WRITES_ELSEWHERE)}
    return [_status(row, halted, row.reason or failing.get(row.id, ""), elsewhere=row.id in elsewhere) for row in rows]


def _halted(cloud: Cloud) -> set[str] | None:
    """The instances whose guests are halted; None where the hypervisor does not say."""
    try:
        guests = cloud.host.guests.list()
    except Exception as error:  # noqa: BLE001  whatever it is, the loop meets it too and records it; what is known is told
        log.info("the status of volumes is told without the hypervisor: %r", error)
        return None
    return {name for name, guest in guests.items() if guest.power is Power.PAUSED}


def _status(row: Volume, all_halted: set[str] | None, reason: str, *, elsewhere: bool) -> dict[str, Any]:
    halted = all_halted is not None and row.instance_id in all_halted
    impaired = row.state == "error" or halted or elsewhere
    unknown = row.state == "creating" or (all_halted is None and bool(row.instance_id))
    why = reason or ("The host's disk is full; the instance is halted until there is room" if halted else "")
    actions = [{"Code": "enable-volume-io", "Description": "Enable volume I/O", "EventType": "potential-data-inconsistency"}]
    return {
        "VolumeId": row.id,
        "AvailabilityZone": row.zone,
        "VolumeStatus": {
            "Status": "impaired" if impaired else "insufficient-data" if unknown else "ok",
            "Details": [
                {"Name": "io-enabled", "Status": "failed" if impaired else "passed"},
                {"Name": "io-performance", "Status": "not-applicable"},
            ],
        },
        "Events": [{"EventType": "potential-data-inconsistency", "Description": why}] if impaired or why else [],
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
