"""Which route table a subnet uses, and which one is the main table of a VPC."""

from ...api import Answer, Call, named, operation
from ...aws import ids
from ...errors import ApiError
from ...state.rows import Vpc
from ...state.rows_network import RouteAssociation, RouteTable
from ...state.store import State
from .route_tables import main_association

_ASSOCIATED = {"State": "associated"}


def _found(state: State, association_id: str) -> RouteAssociation | Vpc:
    """The association of a subnet, or the VPC whose main table an association names. Raises ApiError."""
    ids.check("route-table-association", [association_id])
    row = state.route_associations.get(association_id)
    vpc = next((vpc for vpc in state.vpcs.query() if main_association(vpc.route_table_id) == association_id), None)
    found = row or vpc
    if found is None:
        raise ids.not_found("route-table-association", [association_id])
    return found


def _same_network(table: RouteTable, vpc_id: str, what: str) -> None:
    if table.vpc_id != vpc_id:
        raise ApiError("InvalidParameterValue", f"route table {table.id} and {what} belong to different networks")


@operation()
def associate_route_table(call: Call, *, route_table_id: str, subnet_id: str | None = None) -> Answer:
    """AssociateRouteTable: with a subnet that uses the main table until now."""
    state = call.cloud.state
    if subnet_id is None:
        raise ApiError("MissingParameter", "The request must contain the parameter subnetId")
    table, subnet = named(state.route_tables, "route-table", route_table_id), named(state.subnets, "subnet", subnet_id)
    _same_network(table, subnet.vpc_id, f"subnet {subnet.id}")
    there = next(iter(state.route_associations.find(subnet_id=subnet.id)), None)
    if there is not None and there.table_id != table.id:
        raise ApiError(
            "Resource.AlreadyAssociated",
            f"the specified association for route table {table.id} conflicts with an existing association",
        )
    row = there or state.route_associations.add(RouteAssociation(ids.new_id("route-table-association"), table.id, subnet.id))
    call.touch(table.id)
    return {"AssociationId": row.id, "AssociationState": _ASSOCIATED}


@operation()
def disassociate_route_table(call: Call, *, association_id: str) -> Answer:
    """DisassociateRouteTable: the subnet uses the main table again."""
    state = call.cloud.state
    row = _found(state, association_id)
    if isinstance(row, Vpc):
        raise ApiError("InvalidParameterValue", f"cannot disassociate the main route table association {association_id}")
    state.route_associations.remove(row.id)
    call.touch(row.table_id)
    return {}


@operation()
def replace_route_table_association(call: Call, *, association_id: str, route_table_id: str) -> Answer:
    """ReplaceRouteTableAssociation: another table for a subnet, or, by the main association, another main table."""
    state = call.cloud.state
    row, table = _found(state, association_id), named(state.route_tables, "route-table", route_table_id)
    call.touch(table.id)
    if isinstance(row, Vpc):
        _same_network(table, row.id, f"network {row.id}")
        state.vpcs.change(row.id, route_table_id=table.id)
        return {"NewAssociationId": main_association(table.id), "AssociationState": _ASSOCIATED}
    subnet = named(state.subnets, "subnet", row.subnet_id)
    _same_network(table, subnet.vpc_id, f"subnet {subnet.id}")
    state.route_associations.remove(row.id)
    new = state.route_associations.add(RouteAssociation(ids.new_id("route-table-association"), table.id, subnet.id))
    return {"NewAssociationId": new.id, "AssociationState": _ASSOCIATED}
