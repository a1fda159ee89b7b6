"""What every VPC has one of, shown as AWS shows it: main route table, network ACL and DHCP options. They are as they come with a
VPC and cannot be changed: subnets of a VPC reach one another, and the outside where an internet gateway is attached.
"""

from collections.abc import Iterable
from typing import Any

from ...api import Answer, Call, operation, require
from ...aws import ids
from ...state.rows import Subnet, Vpc

ROUTE_TABLES = {
    "association.main": "Associations[].Main",
    "association.route-table-association-id": "Associations[].RouteTableAssociationId",
    "association.route-table-id": "Associations[].RouteTableId",
    "owner-id": "OwnerId",
    "route-table-id": "RouteTableId",
    "route.destination-cidr-block": "Routes[].DestinationCidrBlock",
    "route.gateway-id": "Routes[].GatewayId",
    "route.origin": "Routes[].Origin",
    "route.state": "Routes[].State",
    "vpc-id": "VpcId",
}
NETWORK_ACLS = {
    "association.association-id": "Associations[].NetworkAclAssociationId",
    "association.network-acl-id": "Associations[].NetworkAclId",
    "association.subnet-id": "Associations[].SubnetId",
    "default": "IsDefault",
    "entry.cidr": "Entries[].CidrBlock",
    "entry.protocol": "Entries[].Protocol",
    "entry.rule-action": "Entries[].RuleAction",
    "entry.egress": "Entries[].Egress",
    "entry.rule-number": "Entries[].RuleNumber",
    "network-acl-id": "NetworkAclId",
    "owner-id": "OwnerId",
    "vpc-id": "VpcId",
}
DHCP_OPTIONS = {
    "dhcp-options-id": "DhcpOptionsId",
    "key": "DhcpConfigurations[].Key",
    "owner-id": "OwnerId",
    "value": "DhcpConfigurations[].Values[].Value",
}


def _chosen(kind: str, wanted: Iterable[str] | None, found: dict[str, Vpc]) -> list[tuple[str, Vpc]]:
    names = list(wanted or ())
    ids.check(kind, names)
    require(kind, names, found)
    return [(name, found[name]) for name in names or found]


@operation(items="RouteTables", key="RouteTableId", filters=ROUTE_TABLES)
def describe_route_tables(call: Call, *, route_table_ids: list[str] | None = None) -> Answer:
    """DescribeRouteTables: the main one of each VPC."""
    state = call.cloud.state
    chosen = _chosen("route-table", route_table_ids, {vpc.route_table_id: vpc for vpc in state.vpcs.query()})
    tags = state.tags_of(name for name, _ in chosen)
    return {"RouteTables": [_route_table(call, vpc, tags[name]) for name, vpc in chosen]}


def _route_table(call: Call, vpc: Vpc, tags: list[dict[str, str]]) -> dict[str, Any]:
    local = {"DestinationCidrBlock": vpc.cidr, "GatewayId": "local", "Origin": "CreateRouteTable", "State": "active"}
    outside = {
        "DestinationCidrBlock": "0.0.0.0/0",
        "GatewayId": vpc.internet_gateway_id,
        "Origin": "CreateRoute",
        "State": "active",
    }
    association = {
        "Main": True,
        "RouteTableAssociationId": f"rtbassoc-{vpc.route_table_id.removeprefix('rtb-')}",
        "RouteTableId": vpc.route_table_id,
        "AssociationState": {"State": "associated"},
    }
    return {
        "Associations": [association],
        "PropagatingVgws": [],
        "RouteTableId": vpc.route_table_id,
        "Routes": [local, outside] if vpc.internet_gateway_id else [local],
        "Tags": tags,
        "VpcId": vpc.id,
        "OwnerId": call.cloud.settings.account_id,
    }


@operation(items="NetworkAcls", key="NetworkAclId", filters=NETWORK_ACLS)
def describe_network_acls(call: Call, *, network_acl_ids: list[str] | None = None) -> Answer:
    """DescribeNetworkAcls: the default one of each VPC, which lets everything through."""
    state = call.cloud.state
    chosen = _chosen("network-acl", network_acl_ids, {vpc.network_acl_id: vpc for vpc in state.vpcs.query()})
    tags = state.tags_of(name for name, _ in chosen)
    subnets = state.subnets.query()
    return {"NetworkAcls": [_network_acl(call, vpc, subnets, tags[name]) for name, vpc in chosen]}


def _network_acl(call: Call, vpc: Vpc, subnets: Iterable[Subnet], tags: list[dict[str, str]]) -> dict[str, Any]:
    entries = [
        {"CidrBlock": "0.0.0.0/0", "Egress": egress, "Protocol": "-1", "RuleAction": action, "RuleNumber": number}
        for egress in (True, False)
        for action, number in (("allow", 100), ("deny", 32767))
    ]
    associations = [
        {
            "NetworkAclAssociationId": f"aclassoc-{subnet.id.removeprefix('subnet-')}",
            "NetworkAclId": vpc.network_acl_id,
            "SubnetId": subnet.id,
        }
        for subnet in subnets
        if subnet.vpc_id == vpc.id
    ]
    return {
        "Associations": associations,
        "Entries": entries,
        "IsDefault": True,
        "NetworkAclId": vpc.network_acl_id,
        "Tags": tags,
        "VpcId": vpc.id,
        "OwnerId": call.cloud.settings.account_id,
    }


@operation(items="DhcpOptions", key="DhcpOptionsId", filters=DHCP_OPTIONS)
def describe_dhcp_options(call: Call, *, dhcp_options_ids: list[str] | None = None) -> Answer:
    """DescribeDhcpOptions: what all VPCs give their guests."""
    state, settings = call.cloud.state, call.cloud.settings
    chosen = _chosen("dhcp-options", dhcp_options_ids, {vpc.dhcp_options_id: vpc for vpc in state.vpcs.query()})
    tags = state.tags_of(name for name, _ in chosen)
    given = {"domain-name": settings.private_domain, "domain-name-servers": "AmazonProvidedDNS"}
    configurations = [{"Key": key, "Values": [{"Value": value}]} for key, value in given.items()]
    return {
        "DhcpOptions": [
            {
                "OwnerId": settings.account_id,
                "Tags": tags[name],
                "DhcpOptionsId": name,
                "DhcpConfigurations": configurations,
            }
            for name, _ in chosen
        ]
    }
