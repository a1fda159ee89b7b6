"""EC2's resources by their ids and ARNs: of which kind each is, and whether it is there."""

from collections.abc import Iterable
from typing import Any

from ...aws import ids
from ...cloud import Cloud
from ...errors import ApiError
from ...state.store import State
from ...state.table import Table


def _tables(state: State) -> dict[str, Table[Any]]:
    return {
        "capacity-reservation": state.capacity_reservations,
        "instance": state.instances,
        "image": state.images,
        "key-pair": state.key_pairs,
        "launch-template": state.launch_templates,
        "placement-group": state.placement_groups,
        "volume": state.volumes,
        "snapshot": state.snapshots,
        "subnet": state.subnets,
        "vpc": state.vpcs,
        "security-group": state.security_groups,
        "security-group-rule": state.security_group_rules,
        "network-interface": state.interfaces,
        "internet-gateway": state.internet_gateways,
        "route-table": state.route_tables,
    }


def existing(state: State, resource_ids: Iterable[str]) -> dict[str, str]:
    """The resource type of each id. Raises ApiError (InvalidID, ...NotFound) for one that does not exist."""
    tables = _tables(state)
    others = {row.allocation_id for row in state.public_addresses.query("allocation_id != ''")}
    others |= {part for vpc in state.vpcs.query() for part in (vpc.network_acl_id, vpc.dhcp_options_id)}
    kinds = {}
    for resource_id in resource_ids:
        kind = ids.kind_of(resource_id)
        if kind is None:
            raise ApiError("InvalidID", f"The ID '{resource_id}' is not valid")
        there = kind in tables and tables[kind].get(resource_id) is not None
        if not there and resource_id not in others:
            raise ids.not_found(kind, [resource_id])
        kinds[resource_id] = kind
    return kinds


def arn(cloud: Cloud, kind: str, resource_id: str) -> str:
    """The ARN of a resource. Images and snapshots are of no account in theirs, and a placement group goes by its name."""
    group = cloud.state.placement_groups.get(resource_id) if kind == "placement-group" else None
    return _arn(cloud, kind, group.name if group else resource_id)


def _arn(cloud: Cloud, kind: str, name: str) -> str:
    account = "" if kind in ("image", "snapshot") else cloud.settings.account_id
    return f"arn:aws:ec2:{cloud.settings.region}:{account}:{kind}/{name}"


def id_of(cloud: Cloud, wanted: str) -> str:
    """The id of the resource that has an ARN; whether it is there is not looked up. Raises ApiError (InvalidID)."""
    kind, _, name = wanted.rpartition(":")[2].partition("/")
    if wanted != _arn(cloud, kind, name):
        raise ApiError("InvalidID", f"The ARN '{wanted}' is not valid")
    groups = cloud.state.placement_groups.find(name=name) if kind == "placement-group" else []
    found = groups[0].id if groups else name
    if ids.kind_of(found) != kind:
        raise ApiError("InvalidID", f"The ARN '{wanted}' is not valid")
    return found
