"""Where instances are: placement groups as records, and the topology of one host."""

from typing import Any, TypedDict

from ...api import Answer, Call, operation
from ...aws import ids
from ...aws.names import zone_id
from ...errors import ApiError
from ...state.rows import Instance
from . import instance_rows

TOPOLOGY_FILTERS = {"availability-zone": "AvailabilityZone", "instance-type": "InstanceType", "zone-id": "ZoneId"}


class Placement(TypedDict, total=False):
    """Where an instance is to be: a zone, and a placement group, each by its name or its id."""

    AvailabilityZone: str
    AvailabilityZoneId: str
    Tenancy: str
    GroupName: str
    GroupId: str


def check_tenancy(tenancy: str | None) -> None:
    """Refuse a host of one's own. Raises ApiError."""
    if tenancy not in (None, "default"):
        raise ApiError("UnsupportedOperation", "minicloud has one host, so the tenancy is always default")


def group_of(call: Call, placement: Placement) -> str:
    """The name of the placement group that is meant; empty for none. Raises ApiError (InvalidPlacementGroup.Unknown)."""
    name, group_id = placement.get("GroupName"), placement.get("GroupId")
    if name and group_id:
        raise ApiError("InvalidParameterCombination", "A placement group can be given by GroupName or GroupId, not by both")
    if not name and not group_id:
        return ""
    if group_id:
        ids.check("placement-group", [group_id])
    found = call.cloud.state.placement_groups.find(**({"name": name} if name else {"id": group_id}))
    if not found:
        raise ApiError("InvalidPlacementGroup.Unknown", f"The Placement Group '{name or group_id}' is unknown.")
    return found[0].name


def zone_of(call: Call, placement: Placement) -> str | None:
    """The name of the zone that is asked for, if one is. Raises ApiError where both are given, or no zone has the id."""
    name, wanted_id = placement.get("AvailabilityZone"), placement.get("AvailabilityZoneId")
    if wanted_id is None:
        return name
    if name is not None:
        raise ApiError(
            "InvalidParameterCombination", "A zone can be given by AvailabilityZone or AvailabilityZoneId, not by both"
        )
    settings = call.cloud.settings
    for zone in settings.zone_names:
        if zone_id(settings.region, zone) == wanted_id:
            return zone
    raise ApiError("InvalidParameterValue", f"Invalid availability zone id: [{wanted_id}]")


@operation()
def modify_instance_placement(
    call: Call, *, instance_id: str, group_name: str | None = None, group_id: str | None = None, tenancy: str | None = None
) -> Answer:
    """ModifyInstancePlacement: a stopped instance into a placement group, or with an empty name out of it."""
    row = instance_rows.named(call.cloud.state, [instance_id])[0]
    check_tenancy(tenancy)
    if group_name is None and group_id is None and tenancy is None and not call.passed_over:
        raise ApiError("MissingParameter", "The request must contain the parameter groupName, groupId or tenancy")
    if row.state != "stopped":
        raise ApiError("IncorrectInstanceState", f"The instance '{row.id}' is not in the 'stopped' state.")
    if group_name is not None or group_id is not None:
        group = group_of(call, {"GroupName": group_name or "", "GroupId": group_id or ""})
        call.cloud.state.instances.change(row.id, placement_group=group)
    return {"Return": True}


@operation(items="Instances", key="InstanceId", filters=TOPOLOGY_FILTERS)
def describe_instance_topology(
    call: Call, *, instance_ids: list[str] | None = None, group_names: list[str] | None = None
) -> Answer:
    """DescribeInstanceTopology: all running instances share the one network node that this host is."""
    for name in group_names or ():
        group_of(call, {"GroupName": name})
    rows = [row for row in instance_rows.wanted(call.cloud.state, instance_ids) if row.state == "running"]
    return {"Instances": [_topology(call, row) for row in rows if not group_names or row.placement_group in group_names]}


def _topology(call: Call, row: Instance) -> dict[str, Any]:
    region = call.cloud.settings.region
    # An id of AWS's form that is the same for all: three layers of network, of which this host has one.
    node = f"nn-{call.cloud.settings.account_id:0>17}"
    return {
        "InstanceId": row.id,
        "InstanceType": row.instance_type,
        **({"GroupName": row.placement_group} if row.placement_group else {}),
        "NetworkNodes": [node],
        "AvailabilityZone": row.zone,
        "ZoneId": zone_id(region, row.zone),
    }
