"""VPCs and subnets made, changed and deleted. Ranges of VPCs do not overlap: they share one host's routing."""

import re
from ipaddress import IPv4Network
from typing import TypedDict

from ...api import Answer, Call, named, operation
from ...aws import ids
from ...errors import ApiError
from ...state.rows import Subnet, Vpc
from . import route_tables, security_groups, subnets, vpcs

_CIDR = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}")


class BooleanValue(TypedDict, total=False):
    """A truth value in a structure of its own."""

    Value: bool


def _network(text: str) -> IPv4Network:
    """A range as AWS takes it: host bits are dropped, the size is between a /16 and a /28."""
    try:
        network = IPv4Network(text, strict=False) if _CIDR.fullmatch(text) else None
    except ValueError:
        network = None
    if network is None:
        raise ApiError(
            "InvalidParameterValue",
            f"Value ({text}) for parameter cidrBlock is invalid. This is not a valid CIDR block.",
        )
    return network


@operation(tags=("vpc",))
def create_vpc(call: Call, *, cidr_block: str | None = None, instance_tenancy: str = "default") -> Answer:
    """CreateVpc: with a default security group; subnets and an internet gateway are for its owner to add."""
    state = call.cloud.state
    if cidr_block is None:
        raise ApiError("MissingParameter", "Either 'cidrBlock' or 'ipv4IpamPoolId' should be provided.")
    if instance_tenancy != "default":
        raise ApiError("UnsupportedOperation", "minicloud has one host, so the tenancy is always default")
    network = _network(cidr_block)
    if not 16 <= network.prefixlen <= 28:
        raise ApiError("InvalidVpc.Range", f"The CIDR '{cidr_block}' is invalid.")
    taken = [IPv4Network(vpc.cidr) for vpc in state.vpcs.query()] + [call.cloud.settings.public_cidr]
    if other := next((other for other in taken if other.overlaps(network)), None):
        raise ApiError("UnsupportedOperation", f"minicloud's VPCs share one host, and {network} overlaps with {other}")
    kinds = ("dhcp-options", "route-table", "network-acl")
    dhcp, table, acl = (ids.new_id(kind) for kind in kinds)
    vpc = state.vpcs.add(Vpc(ids.new_id("vpc"), str(network), False, False, True, dhcp, "", table, acl, call.now))
    route_tables.add(state, vpc.id, vpc.route_table_id, call.now)
    security_groups.add(state, vpc.id, "default", "default VPC security group", call.now)
    return {"Vpc": vpcs.view(vpc, call.tag("vpc", vpc.id), call.cloud.settings.account_id)}


@operation()
def delete_vpc(call: Call, *, vpc_id: str) -> Answer:
    """DeleteVpc: one that nothing is left in but what came with it."""
    state = call.cloud.state
    vpc = named(state.vpcs, "vpc", vpc_id)
    groups = state.security_groups.find(vpc_id=vpc.id)
    tables = state.route_tables.find(vpc_id=vpc.id)
    inside = state.subnets.find(vpc_id=vpc.id) or any(group.name != "default" for group in groups) or len(tables) > 1
    if inside or vpc.internet_gateway_id:
        raise ApiError("DependencyViolation", f"The vpc '{vpc.id}' has dependencies and cannot be deleted.")
    for group in groups:
        security_groups.remove(state, group.id)
    for tag in state.tags.among("resource_id", [vpc.id, vpc.dhcp_options_id, vpc.network_acl_id]):
        state.tags.remove(tag.resource_id, tag.key)
    for table in tables:
        route_tables.remove(state, table.id)
    state.vpcs.remove(vpc.id)
    return {}


@operation()
def modify_vpc_attribute(call: Call, *, vpc_id: str, enable_dns_hostnames: BooleanValue | None = None) -> Answer:
    """ModifyVpcAttribute: EnableDnsHostnames, whether public addresses in the VPC have DNS names."""
    vpc = named(call.cloud.state.vpcs, "vpc", vpc_id)
    if enable_dns_hostnames is None and not call.passed_over:
        raise ApiError("InvalidParameterCombination", "The request must contain one attribute to change")
    if enable_dns_hostnames is not None:
        call.cloud.state.vpcs.change(vpc.id, dns_hostnames=enable_dns_hostnames.get("Value", False))
        call.touch(vpc.id)
    return {}


@operation(tags=("subnet",))
def create_subnet(call: Call, *, vpc_id: str, cidr_block: str | None = None, availability_zone: str | None = None) -> Answer:
    """CreateSubnet: it gets a bridge of its own when somebody lives in it."""
    state, settings = call.cloud.state, call.cloud.settings
    vpc = named(state.vpcs, "vpc", vpc_id)
    if cidr_block is None:
        raise ApiError("MissingParameter", "The request must contain the parameter cidrBlock")
    network, zone = _network(cidr_block), availability_zone or settings.zone_names[0]
    if zone not in settings.zone_names:
        raise ApiError("InvalidParameterValue", f"Value ({zone}) for parameter availabilityZone is invalid.")
    if not 16 <= network.prefixlen <= 28 or not network.subnet_of(IPv4Network(vpc.cidr)):
        raise ApiError("InvalidSubnet.Range", f"The CIDR '{cidr_block}' is invalid.")
    if any(IPv4Network(other.cidr).overlaps(network) for other in state.subnets.find(vpc_id=vpc.id)):
        raise ApiError("InvalidSubnet.Conflict", f"The CIDR '{cidr_block}' conflicts with another subnet")
    row = Subnet(ids.new_id("subnet"), vpc.id, str(network), zone, is_default=False, public_ip_on_launch=False, created=call.now)
    state.subnets.add(row)
    return {"Subnet": subnets.view(call, row, call.tag("subnet", row.id))}


@operation()
def delete_subnet(call: Call, *, subnet_id: str) -> Answer:
    """DeleteSubnet: one that no interface is in."""
    state = call.cloud.state
    subnet = named(state.subnets, "subnet", subnet_id)
    if state.interfaces.find(subnet_id=subnet.id):
        raise ApiError("DependencyViolation", f"The subnet '{subnet.id}' has dependencies and cannot be deleted.")
    for tag in state.tags.find(resource_id=subnet.id):
        state.tags.remove(tag.resource_id, tag.key)
    state.route_associations.remove_where("subnet_id = ?", subnet.id)
    state.subnets.remove(subnet.id)
    return {}


@operation()
def modify_subnet_attribute(call: Call, *, subnet_id: str, map_public_ip_on_launch: BooleanValue | None = None) -> Answer:
    """ModifySubnetAttribute: whether instances launched into it get a public address."""
    subnet = named(call.cloud.state.subnets, "subnet", subnet_id)
    if map_public_ip_on_launch is None and not call.passed_over:
        raise ApiError("InvalidParameterCombination", "The request must contain one attribute to change")
    if map_public_ip_on_launch is not None:
        call.cloud.state.subnets.change(subnet.id, public_ip_on_launch=map_public_ip_on_launch.get("Value", False))
    return {}
