"""Where instances are: placement groups as records, and the topology of one host."""

from typing import Any

from ...api import Answer, Call, operation
from ...aws import ids
from ...errors import ApiError
from ...state.rows import Instance
from . import instance_rows
from .subnets import zone_id

TOPOLOGY_FILTERS = {"availability-zone": "AvailabilityZone", "instance-type": "InstanceType", "zone-id": "ZoneId"}


def check_group(call: Call, name: str) -> str:
    """The name of a placement group that is there. Raises ApiError (InvalidPlacementGroup.Unknown)."""
    if name and not call.cloud.state.placement_groups.find(name=name):
        raise ApiError("InvalidPlacementGroup.Unknown", f"The Placement Group '{name}' is unknown.")
    return name


@operation()
def modify_instance_placement(
    call: Call, *, instance_id: str, group_name: str | None = None, group_id: str | None = None, tenancy: str | None = None
) -> Answer:
    """ModifyInstancePlacement: a stopped instance into a placement group, or with an empty name out of it."""
    row = instance_rows.named(call.cloud.state, [instance_id])[0]
    if tenancy not in (None, "default"):
        raise ApiError("UnsupportedOperation", "minicloud has one host, so the tenancy is always default")
    if group_id is not None:
        ids.check("placement-group", [group_id])
        found = call.cloud.state.placement_groups.get(group_id)
        if found is None:
            raise ApiError("InvalidPlacementGroup.Unknown", f"The Placement Group '{group_id}' is unknown.")
        group_name = found.name
    if group_name is None and tenancy is None:
        raise ApiError("MissingParameter", "The request must contain the parameter groupName, groupId or tenancy")
    if row.state != "stopped":
        raise ApiError("IncorrectInstanceState", f"The instance '{row.id}' is not in the 'stopped' state.")
    if group_name is not None:
        call.cloud.state.instances.change(row.id, placement_group=check_group(call, group_name))
    return {"Return": True}


@operation(items="Instances", key="InstanceId", filters=TOPOLOGY_FILTERS)
def describe_instance_topology(
    call: Call, *, instance_ids: list[str] | None = None, group_names: list[str] | None = None
) -> Answer:
    """DescribeInstanceTopology: all running instances share the one network node that this host is."""
    for name in group_names or ():
        check_group(call, name)
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
