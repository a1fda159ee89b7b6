"""Internet gateways. Subnets whose route table leads to their VPC's reach the outside; others are alone."""

from typing import Any

from ...api import Answer, Call, named, operation, require
from ...aws import ids
from ...errors import ApiError
from ...state.rows import Vpc
from ...state.rows_network import InternetGateway
from ...state.store import State

FILTERS = {
    "attachment.state": "Attachments[].State",
    "attachment.vpc-id": "Attachments[].VpcId",
    "internet-gateway-id": "InternetGatewayId",
    "owner-id": "OwnerId",
}


@operation(items="InternetGateways", key="InternetGatewayId", filters=FILTERS)
def describe_internet_gateways(call: Call, *, internet_gateway_ids: list[str] | None = None) -> Answer:
    """DescribeInternetGateways."""
    state = call.cloud.state
    ids.check("internet-gateway", internet_gateway_ids or ())
    rows = {row.id: row for row in state.internet_gateways.query()}
    require("internet-gateway", internet_gateway_ids or (), rows)
    attached = {vpc.internet_gateway_id: vpc.id for vpc in state.vpcs.query()}
    tags = state.tags_of(rows)
    return {"InternetGateways": [_view(call, name, attached.get(name), tags[name]) for name in internet_gateway_ids or rows]}


def _view(call: Call, gateway_id: str, vpc_id: str | None, tags: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "Attachments": [{"State": "available", "VpcId": vpc_id}] if vpc_id else [],
        "InternetGatewayId": gateway_id,
        "OwnerId": call.cloud.settings.account_id,
        "Tags": tags,
    }


@operation(tags=("internet-gateway",))
def create_internet_gateway(call: Call) -> Answer:
    """CreateInternetGateway."""
    row = call.cloud.state.internet_gateways.add(InternetGateway(ids.new_id("internet-gateway"), call.now))
    return {"InternetGateway": _view(call, row.id, None, call.tag("internet-gateway", row.id))}


def _both(state: State, gateway_id: str, vpc_id: str) -> tuple[InternetGateway, Vpc]:
    return named(state.internet_gateways, "internet-gateway", gateway_id), named(state.vpcs, "vpc", vpc_id)


@operation()
def attach_internet_gateway(call: Call, *, internet_gateway_id: str, vpc_id: str) -> Answer:
    """AttachInternetGateway: a route to it makes subnets reach the outside."""
    state = call.cloud.state
    gateway, vpc = _both(state, internet_gateway_id, vpc_id)
    if state.vpcs.find(internet_gateway_id=gateway.id):
        raise ApiError("Resource.AlreadyAssociated", f"resource {gateway.id} is already attached to network {vpc.id}")
    if vpc.internet_gateway_id:
        raise ApiError("InvalidParameterValue", f"Network {vpc.id} already has an internet gateway attached")
    state.vpcs.change(vpc.id, internet_gateway_id=gateway.id)
    call.touch(gateway.id)
    return {}


@operation()
def detach_internet_gateway(call: Call, *, internet_gateway_id: str, vpc_id: str) -> Answer:
    """DetachInternetGateway: not while public addresses lead through it."""
    state = call.cloud.state
    gateway, vpc = _both(state, internet_gateway_id, vpc_id)
    if vpc.internet_gateway_id != gateway.id:
        raise ApiError("Gateway.NotAttached", f"resource {gateway.id} is not attached to network {vpc.id}")
    inside = {interface.id for interface in state.interfaces.find(vpc_id=vpc.id)}
    if any(row.interface_id in inside for row in state.public_addresses.query("interface_id != ''")):
        raise ApiError(
            "DependencyViolation",
            f"Network {vpc.id} has some mapped public address(es). "
            "Please unmap those public address(es) before detaching the gateway.",
        )
    state.vpcs.change(vpc.id, internet_gateway_id="")
    call.touch(gateway.id)
    return {}


@operation()
def delete_internet_gateway(call: Call, *, internet_gateway_id: str) -> Answer:
    """DeleteInternetGateway."""
    state = call.cloud.state
    gateway = named(state.internet_gateways, "internet-gateway", internet_gateway_id)
    if state.vpcs.find(internet_gateway_id=gateway.id):
        raise ApiError("DependencyViolation", f"The internetGateway '{gateway.id}' has dependencies and cannot be deleted.")
    for tag in state.tags.find(resource_id=gateway.id):
        state.tags.remove(tag.resource_id, tag.key)
    state.internet_gateways.remove(gateway.id)
    return {}
