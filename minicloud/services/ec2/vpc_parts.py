"""What every VPC has one of: a default network ACL, and DHCP options.

They are facts about how the network here works, so they can be read and not changed: network ACLs let everything through; names
and servers come by DHCP.
"""

from collections.abc import Callable
from typing import Any

from ...api import Answer, Call, named, operation, require
from ...aws import ids
from ...errors import ApiError
from ...state.rows import Vpc

ACL_FILTERS = {
    "association.association-id": "Associations[].NetworkAclAssociationId",
    "association.network-acl-id": "Associations[].NetworkAclId",
    "association.subnet-id": "Associations[].SubnetId",
    "default": "IsDefault",
    "entry.cidr": "Entries[].CidrBlock",
    "entry.egress": "Entries[].Egress",
    "entry.protocol": "Entries[].Protocol",
    "entry.rule-action": "Entries[].RuleAction",
    "entry.rule-number": "Entries[].RuleNumber",
    "network-acl-id": "NetworkAclId",
    "owner-id": "OwnerId",
    "vpc-id": "VpcId",
}
DHCP_FILTERS = {
    "dhcp-options-id": "DhcpOptionsId",
    "key": "DhcpConfigurations[].Key",
    "owner-id": "OwnerId",
    "value": "DhcpConfigurations[].Values[].Value",
}
_View = Callable[[Call, Vpc, list[dict[str, str]]], dict[str, Any]]


def _described(call: Call, kind: str, column: str, wanted: list[str] | None, view: _View) -> list[dict[str, Any]]:
    """One part of each VPC, or those of these ids. Raises ApiError."""
    ids.check(kind, wanted or ())
    state = call.cloud.state
    by_id = {getattr(vpc, column): vpc for vpc in state.vpcs.query() if getattr(vpc, column)}
    require(kind, wanted or (), by_id)
    tags = state.tags_of(by_id)
    return [view(call, by_id[part], tags[part]) for part in wanted or by_id]


def _suffix(identifier: str) -> str:
    return identifier.rpartition("-")[2]


@operation(items="NetworkAcls", key="NetworkAclId", filters=ACL_FILTERS)
def describe_network_acls(call: Call, *, network_acl_ids: list[str] | None = None) -> Answer:
    """DescribeNetworkAcls: the default one of each VPC."""
    return {"NetworkAcls": _described(call, "network-acl", "network_acl_id", network_acl_ids, _network_acl)}


def _network_acl(call: Call, vpc: Vpc, tags: list[dict[str, str]]) -> dict[str, Any]:
    entries = [
        {"CidrBlock": "0.0.0.0/0", "Egress": egress, "Protocol": "-1", "RuleAction": action, "RuleNumber": number}
        for egress in (True, False)
        for number, action in ((100, "allow"), (32767, "deny"))
    ]
    associations = [
        {
            "NetworkAclAssociationId": f"aclassoc-{_suffix(subnet.id)}",
            "NetworkAclId": vpc.network_acl_id,
            "SubnetId": subnet.id,
        }
        for subnet in call.cloud.state.subnets.find(vpc_id=vpc.id)
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


@operation(items="DhcpOptions", key="DhcpOptionsId", filters=DHCP_FILTERS)
def describe_dhcp_options(call: Call, *, dhcp_options_ids: list[str] | None = None) -> Answer:
    """DescribeDhcpOptions."""
    return {"DhcpOptions": _described(call, "dhcp-options", "dhcp_options_id", dhcp_options_ids, _dhcp_options)}


def _dhcp_options(call: Call, vpc: Vpc, tags: list[dict[str, str]]) -> dict[str, Any]:
    values = {"domain-name": call.cloud.settings.private_domain, "domain-name-servers": "AmazonProvidedDNS"}
    return {
        "DhcpConfigurations": [{"Key": key, "Values": [{"Value": value}]} for key, value in values.items()],
        "DhcpOptionsId": vpc.dhcp_options_id,
        "OwnerId": call.cloud.settings.account_id,
        "Tags": tags,
    }


@operation()
def describe_vpc_attribute(call: Call, *, vpc_id: str, attribute: str) -> Answer:
    """DescribeVpcAttribute."""
    vpc = named(call.cloud.state.vpcs, "vpc", vpc_id)
    values = {
        "enableDnsSupport": ("EnableDnsSupport", vpc.dns_support),
        "enableDnsHostnames": ("EnableDnsHostnames", vpc.dns_hostnames),
        "enableNetworkAddressUsageMetrics": ("EnableNetworkAddressUsageMetrics", False),
    }
    if attribute not in values:
        raise ApiError("InvalidParameterValue", f"Value ({attribute}) for parameter attribute is invalid. Unknown attribute.")
    name, value = values[attribute]
    return {"VpcId": vpc.id, name: {"Value": value}}
