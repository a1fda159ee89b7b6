"""Capacity reservations: room on this host that is kept for instances to come (`reserved` says who runs in which)."""

from typing import Any

from ...api import Answer, Call, operation, require
from ...aws import ids, instance_types, times
from ...aws.names import zone_id
from ...errors import ApiError
from ...state.rows_access import CapacityReservation
from . import capacity, instance_rows, reserved
from .reserved import Specification

FILTERS = {
    "availability-zone": "AvailabilityZone",
    "end-date": "EndDate",
    "end-date-type": "EndDateType",
    "instance-match-criteria": "InstanceMatchCriteria",
    "instance-platform": "InstancePlatform",
    "instance-type": "InstanceType",
    "owner-id": "OwnerId",
    "start-date": "StartDate",
    "state": "State",
    "tenancy": "Tenancy",
}


def _view(call: Call, row: CapacityReservation, free: int, tags: list[dict[str, str]]) -> dict[str, Any]:
    settings, state = call.cloud.settings, reserved.state_of(row, call.now)
    return {
        "CapacityReservationId": row.id,
        "OwnerId": settings.account_id,
        "CapacityReservationArn": f"arn:aws:ec2:{settings.region}:{settings.account_id}:capacity-reservation/{row.id}",
        "AvailabilityZoneId": zone_id(settings.region, row.zone),
        "InstanceType": row.instance_type,
        "InstancePlatform": "Linux/UNIX",
        "AvailabilityZone": row.zone,
        "Tenancy": "default",
        "TotalInstanceCount": row.count,
        "AvailableInstanceCount": free if state == "active" else 0,
        "EbsOptimized": row.ebs_optimized,
        "EphemeralStorage": False,
        "State": state,
        "StartDate": row.created,
        **({"EndDate": row.ends} if row.ends else {}),
        "EndDateType": "limited" if row.ends else "unlimited",
        "InstanceMatchCriteria": row.matches,
        "CreateDate": row.created,
        "Tags": tags,
    }


def _end(call: Call, date: str | None, kind: str | None) -> str:
    """When a reservation ends, as its row keeps it: empty for never. Raises ApiError."""
    if (kind == "limited") != (date is not None) and not (kind is None and date is not None):
        raise ApiError("InvalidParameterCombination", "An EndDate goes with the EndDateType limited, and with no other")
    if date is None:
        return ""
    if times.seconds(date) <= times.seconds(call.now):
        raise ApiError("InvalidParameterValue", f"Value ({date}) for parameter endDate is invalid. It must lie in the future.")
    return times.text(times.seconds(date))


def _zone(call: Call, zone: str | None, identifier: str | None) -> str:
    settings = call.cloud.settings
    wanted = zone or next((name for name in settings.zone_names if zone_id(settings.region, name) == identifier), None)
    if wanted is None and identifier is None:
        raise ApiError("MissingParameter", "The request must contain the parameter availabilityZone or availabilityZoneId")
    if wanted not in settings.zone_names:
        raise ApiError("InvalidParameterValue", f"Invalid availability zone: [{zone or identifier}]")
    return wanted


@operation(tags=("capacity-reservation",))
def create_capacity_reservation(
    call: Call,
    *,
    instance_type: str,
    instance_platform: str,
    instance_count: int,
    availability_zone: str | None = None,
    availability_zone_id: str | None = None,
    tenancy: str = "default",
    ebs_optimized: bool = False,
    end_date: str | None = None,
    end_date_type: str | None = None,
    instance_match_criteria: str = "open",
) -> Answer:
    """CreateCapacityReservation. Instances that match an open one and run already are in it, so that they need no new room."""
    kind, state = instance_types.get(instance_type), call.cloud.state
    zone = _zone(call, availability_zone, availability_zone_id)
    if instance_platform != "Linux/UNIX" or tenancy != "default":
        raise ApiError("UnsupportedOperation", "minicloud reserves for the platform Linux/UNIX and the tenancy default")
    if instance_count < 1:
        raise ApiError("InvalidParameterValue", "Value (0) for parameter instanceCount is invalid. It must be at least 1.")
    row = CapacityReservation(
        ids.new_id("capacity-reservation"), kind.name, zone, instance_count, instance_match_criteria, "active",
        _end(call, end_date, end_date_type), ebs_optimized, call.now,
    )  # fmt: skip
    _room(call, row)
    state.capacity_reservations.add(row)
    tags = call.tag("capacity-reservation", row.id)
    return {"CapacityReservation": _view(call, row, reserved.free(call)[row.id], tags)}


def _room(call: Call, row: CapacityReservation) -> None:
    """Refuse a reservation that the host has no room for. Raises ApiError (InsufficientInstanceCapacity)."""
    others = [other for other in reserved.active(call) if other.id != row.id]
    capacity.check_reservations(call, [*others, row], instance_types.get(row.instance_type), row.zone)


@operation(items="CapacityReservations", key="CapacityReservationId", filters=FILTERS)
def describe_capacity_reservations(call: Call, *, capacity_reservation_ids: list[str] | None = None) -> Answer:
    """DescribeCapacityReservations, those that are over too."""
    ids.check("capacity-reservation", capacity_reservation_ids or ())
    rows = {row.id: row for row in call.cloud.state.capacity_reservations.query()}
    require("capacity-reservation", capacity_reservation_ids or (), rows)
    chosen = [rows[each] for each in capacity_reservation_ids or rows]
    tags, free = call.cloud.state.tags_of(row.id for row in chosen), reserved.free(call)
    return {"CapacityReservations": [_view(call, row, free.get(row.id, 0), tags[row.id]) for row in chosen]}


@operation()
def modify_capacity_reservation(
    call: Call,
    *,
    capacity_reservation_id: str,
    instance_count: int | None = None,
    end_date: str | None = None,
    end_date_type: str | None = None,
    instance_match_criteria: str | None = None,
) -> Answer:
    """ModifyCapacityReservation: how many places, until when, and for whom; never fewer places than are taken."""
    row = _active(call, capacity_reservation_id)
    used = row.count - reserved.free(call)[row.id]
    if instance_count is not None and instance_count < max(1, used):
        raise ApiError(
            "InvalidParameterValue", f"Value ({instance_count}) for parameter instanceCount is invalid. {used} places are in use."
        )
    row.count, row.matches = instance_count or row.count, instance_match_criteria or row.matches
    if end_date is not None or end_date_type is not None:
        row.ends = _end(call, end_date, end_date_type)
    _room(call, row)
    call.cloud.state.capacity_reservations.change(row.id, count=row.count, matches=row.matches, ends=row.ends)
    return {"Return": True}


def _active(call: Call, reservation_id: str) -> CapacityReservation:
    row = reserved.named(call, reservation_id)
    if (state := reserved.state_of(row, call.now)) != "active":
        raise ApiError("InvalidCapacityReservationState", f"The Capacity Reservation {row.id} is {state}.")
    return row


@operation()
def cancel_capacity_reservation(call: Call, *, capacity_reservation_id: str) -> Answer:
    """CancelCapacityReservation: its room is anybody's; instances in it run on."""
    row = _active(call, capacity_reservation_id)
    call.cloud.state.capacity_reservations.change(row.id, state="cancelled", ended=call.now)
    return {"Return": True}


@operation(items="InstanceUsages", key="AccountId")
def get_capacity_reservation_usage(call: Call, *, capacity_reservation_id: str) -> Answer:
    """GetCapacityReservationUsage."""
    row = reserved.named(call, capacity_reservation_id)
    free = reserved.free(call).get(row.id)
    used = 0 if free is None else row.count - free
    return {
        "CapacityReservationId": row.id,
        "InstanceType": row.instance_type,
        "TotalInstanceCount": row.count,
        "AvailableInstanceCount": free or 0,
        "State": reserved.state_of(row, call.now),
        "InstanceUsages": [{"AccountId": call.cloud.settings.account_id, "UsedInstanceCount": used}] if used else [],
    }


@operation()
def modify_instance_capacity_reservation_attributes(
    call: Call, *, instance_id: str, capacity_reservation_specification: Specification
) -> Answer:
    """ModifyInstanceCapacityReservationAttributes: in which reservations a stopped instance starts next time."""
    row = instance_rows.named(call.cloud.state, [instance_id])[0]
    chosen = reserved.preference(call, capacity_reservation_specification)
    if row.state != "stopped":
        raise ApiError("IncorrectInstanceState", f"The instance '{row.id}' is not in the 'stopped' state.")
    call.cloud.state.instances.change(row.id, capacity_reservation=chosen)
    return {"Return": True}
