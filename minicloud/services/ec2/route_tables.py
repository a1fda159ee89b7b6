"""Route tables: which subnets reach the outside. A subnet uses its own table, or the main one of its VPC.

All of a VPC reaches each other, by a route that every table has. A route to an internet gateway is for 0.0.0.0/0; one whose
gateway was detached leads nowhere (`blackhole`). Other destinations and targets are refused.
"""

from collections.abc import Iterable
from ipaddress import IPv4Network
from typing import Any

from ...api import Answer, Call, named, operation, require
from ...aws import ids, ip_permissions
from ...errors import ApiError
from ...state.rows import Vpc
from ...state.rows_network import Route, RouteAssociation, RouteTable
from ...state.store import State

EVERYWHERE = "0.0.0.0/0"
FILTERS = {
    "association.main": "Associations[].Main",
    "association.route-table-association-id": "Associations[].RouteTableAssociationId",
    "association.route-table-id": "Associations[].RouteTableId",
    "association.subnet-id": "Associations[].SubnetId",
    "owner-id": "OwnerId",
    "route-table-id": "RouteTableId",
    "route.destination-cidr-block": "Routes[].DestinationCidrBlock",
    "route.gateway-id": "Routes[].GatewayId",
    "route.origin": "Routes[].Origin",
    "route.state": "Routes[].State",
    "vpc-id": "VpcId",
}


def _table(state: State, table_id: str) -> RouteTable:
    return named(state.route_tables, "route-table", table_id)


def _vpc(state: State, table: RouteTable) -> Vpc:
    return named(state.vpcs, "vpc", table.vpc_id)


def main_association(table_id: str) -> str:
    """The id of the association by which a table is the main one of its VPC."""
    return f"rtbassoc-{table_id.rpartition('-')[2]}"


def add(state: State, vpc_id: str, table_id: str, now: str, gateway_id: str = "") -> None:
    """A new table, with a way out if a gateway is given."""
    state.route_tables.add(RouteTable(table_id, vpc_id, now))
    if gateway_id:
        state.routes.add(Route(table_id, EVERYWHERE, gateway_id))


def remove(state: State, table_id: str) -> None:
    """Delete a table with its routes and tags."""
    state.routes.remove_where("table_id = ?", table_id)
    for tag in state.tags.find(resource_id=table_id):
        state.tags.remove(tag.resource_id, tag.key)
    state.route_tables.remove(table_id)


@operation(items="RouteTables", key="RouteTableId", filters=FILTERS)
def describe_route_tables(call: Call, *, route_table_ids: list[str] | None = None) -> Answer:
    """DescribeRouteTables."""
    state, wanted = call.cloud.state, route_table_ids or []
    ids.check("route-table", wanted)
    rows = {row.id: row for row in state.route_tables.query()}
    require("route-table", wanted, rows)
    return {"RouteTables": _views(call, [rows[table_id] for table_id in wanted or rows])}


def _views(call: Call, rows: Iterable[RouteTable]) -> list[dict[str, Any]]:
    state = call.cloud.state
    vpcs = {vpc.id: vpc for vpc in state.vpcs.query()}
    routes, links = state.routes.query(order="cidr"), state.route_associations.query()
    tags = state.tags_of(row.id for row in rows)
    return [
        {
            "Associations": _associations(row, vpcs[row.vpc_id], links),
            "PropagatingVgws": [],
            "RouteTableId": row.id,
            "Routes": _routes(vpcs[row.vpc_id], [route for route in routes if route.table_id == row.id]),
            "Tags": tags[row.id],
            "VpcId": row.vpc_id,
            "OwnerId": call.cloud.settings.account_id,
        }
        for row in rows
    ]


def _associations(row: RouteTable, vpc: Vpc, links: Iterable[RouteAssociation]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"Main": False, "RouteTableAssociationId": link.id, "SubnetId": link.subnet_id}
        for link in links
        if link.table_id == row.id
    ]
    if vpc.route_table_id == row.id:
        found.insert(0, {"Main": True, "RouteTableAssociationId": main_association(row.id)})
    return [{**one, "RouteTableId": row.id, "AssociationState": {"State": "associated"}} for one in found]


def _routes(vpc: Vpc, routes: Iterable[Route]) -> list[dict[str, Any]]:
    local = {"DestinationCidrBlock": vpc.cidr, "GatewayId": "local", "Origin": "CreateRouteTable", "State": "active"}
    return [local] + [
        {
            "DestinationCidrBlock": route.cidr,
            "GatewayId": route.gateway_id,
            "Origin": "CreateRoute",
            "State": "active" if route.gateway_id == vpc.internet_gateway_id else "blackhole",
        }
        for route in routes
    ]


@operation(tags=("route-table",))
def create_route_table(call: Call, *, vpc_id: str) -> Answer:
    """CreateRouteTable: with the VPC's own route only."""
    state, table_id = call.cloud.state, ids.new_id("route-table")
    add(state, named(state.vpcs, "vpc", vpc_id).id, table_id, call.now)
    call.tag("route-table", table_id)
    return {"RouteTable": _views(call, [_table(state, table_id)])[0]}


@operation()
def delete_route_table(call: Call, *, route_table_id: str) -> Answer:
    """DeleteRouteTable: one that no subnet uses, and that is not the main one."""
    state, table = call.cloud.state, _table(call.cloud.state, route_table_id)
    if _vpc(state, table).route_table_id == table.id or state.route_associations.find(table_id=table.id):
        raise ApiError("DependencyViolation", f"The routeTable '{table.id}' has dependencies and cannot be deleted.")
    remove(state, table.id)
    return {}


def _destination(call: Call, table: RouteTable, cidr: str | None, gateway_id: str | None) -> str:
    """The range of a route that is wanted, once it is sure that it can be. Raises ApiError."""
    state = call.cloud.state
    if cidr is None:
        raise ApiError("MissingParameter", "The request must contain the parameter destinationCidrBlock")
    if gateway_id is None:
        raise ApiError("MissingParameter", "The request must contain the parameter gatewayId")
    wanted, vpc = ip_permissions.cidr(cidr), _vpc(state, table)
    if IPv4Network(wanted).subnet_of(IPv4Network(vpc.cidr)):
        raise ApiError(
            "InvalidParameterValue",
            f"The destination CIDR block {wanted} is equal to or more specific than one of this VPC's CIDR blocks. "
            "This route can target only an interface or an instance.",
        )
    if wanted != EVERYWHERE:
        raise ApiError("UnsupportedOperation", f"minicloud's routes are for {EVERYWHERE}; {wanted} is not supported")
    gateway = named(state.internet_gateways, "internet-gateway", gateway_id)
    if vpc.internet_gateway_id != gateway.id:
        raise ApiError(
            "InvalidParameterValue", f"route table {table.id} and network gateway {gateway.id} belong to different networks"
        )
    return wanted


@operation()
def create_route(
    call: Call, *, route_table_id: str, destination_cidr_block: str | None = None, gateway_id: str | None = None
) -> Answer:
    """CreateRoute: to an internet gateway; subnets of the table reach the outside before this answers."""
    state, table = call.cloud.state, _table(call.cloud.state, route_table_id)
    wanted = _destination(call, table, destination_cidr_block, gateway_id)
    there = state.routes.get(table.id, wanted)
    if there is not None and there.gateway_id != gateway_id:
        raise ApiError("RouteAlreadyExists", f"The route identified by {wanted} already exists.")
    if there is None:
        state.routes.add(Route(table.id, wanted, gateway_id or ""))
        call.touch(table.id)
    return {"Return": True}


@operation()
def replace_route(
    call: Call, *, route_table_id: str, destination_cidr_block: str | None = None, gateway_id: str | None = None
) -> Answer:
    """ReplaceRoute: another gateway for a range."""
    state, table = call.cloud.state, _table(call.cloud.state, route_table_id)
    wanted = _destination(call, table, destination_cidr_block, gateway_id)
    if not state.routes.change(table.id, wanted, gateway_id=gateway_id):
        raise _no_route(table.id, wanted)
    call.touch(table.id)
    return {}


@operation()
def delete_route(call: Call, *, route_table_id: str, destination_cidr_block: str | None = None) -> Answer:
    """DeleteRoute."""
    state, table = call.cloud.state, _table(call.cloud.state, route_table_id)
    if destination_cidr_block is None:
        raise ApiError("MissingParameter", "The request must contain the parameter destinationCidrBlock")
    wanted = ip_permissions.cidr(destination_cidr_block)
    if wanted == _vpc(state, table).cidr:
        raise ApiError("InvalidParameterValue", f"cannot remove local route {wanted} in route table {table.id}")
    if not state.routes.remove(table.id, wanted):
        raise _no_route(table.id, wanted)
    call.touch(table.id)
    return {}


def _no_route(table_id: str, cidr: str) -> ApiError:
    return ApiError("InvalidRoute.NotFound", f"no route with destination-cidr-block {cidr} in route table {table_id}")
