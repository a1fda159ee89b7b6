"""Subnets: ranges of addresses in a zone. Of each range EC2 keeps the first four addresses and the last for itself."""

from ipaddress import IPv4Network
from typing import Any

from ...api import Answer, Call, operation, require
from ...aws import ids
from ...aws.names import zone_id
from ...aws.tags import tag_set
from ...state.rows import Subnet
from ...state.store import State

RESERVED = 5
FILTERS = {
    "availability-zone": "AvailabilityZone",
    "availabilityZone": "AvailabilityZone",
    "availability-zone-id": "AvailabilityZoneId",
    "availabilityZoneId": "AvailabilityZoneId",
    "available-ip-address-count": "AvailableIpAddressCount",
    "cidr": "CidrBlock",
    "cidr-block": "CidrBlock",
    "cidrBlock": "CidrBlock",
    "default-for-az": "DefaultForAz",
    "defaultForAz": "DefaultForAz",
    "enable-dns64": "EnableDns64",
    "ipv6-native": "Ipv6Native",
    "map-customer-owned-ip-on-launch": "MapCustomerOwnedIpOnLaunch",
    "map-public-ip-on-launch": "MapPublicIpOnLaunch",
    "owner-id": "OwnerId",
    "private-dns-name-options-on-launch.enable-resource-name-dns-a-record": (
        "PrivateDnsNameOptionsOnLaunch.EnableResourceNameDnsARecord"
    ),
    "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record": (
        "PrivateDnsNameOptionsOnLaunch.EnableResourceNameDnsAAAARecord"
    ),
    "private-dns-name-options-on-launch.hostname-type": "PrivateDnsNameOptionsOnLaunch.HostnameType",
    "state": "State",
    "subnet-arn": "SubnetArn",
    "subnet-id": "SubnetId",
    "vpc-id": "VpcId",
}


@operation(items="Subnets", key="SubnetId", filters=FILTERS)
def describe_subnets(call: Call, *, subnet_ids: list[str] | None = None) -> Answer:
    """DescribeSubnets."""
    ids.check("subnet", subnet_ids or ())
    state = call.cloud.state
    rows = {subnet.id: subnet for subnet in state.subnets.query()}
    require("subnet", subnet_ids or (), rows)
    wanted = [rows[subnet_id] for subnet_id in subnet_ids or rows]
    tags = state.tags_of(subnet.id for subnet in wanted)
    return {"Subnets": [view(call, subnet, tags[subnet.id]) for subnet in wanted]}


def view(call: Call, subnet: Subnet, tags: list[dict[str, str]]) -> dict[str, Any]:
    """A subnet as AWS answers it."""
    settings, used = call.cloud.settings, len(addresses_in(call.cloud.state, subnet.id))
    return {
        "AvailabilityZoneId": zone_id(settings.region, subnet.zone),
        "MapCustomerOwnedIpOnLaunch": False,
        "OwnerId": settings.account_id,
        "AssignIpv6AddressOnCreation": False,
        "Ipv6CidrBlockAssociationSet": [],
        **tag_set(tags),
        "SubnetArn": f"arn:aws:ec2:{settings.region}:{settings.account_id}:subnet/{subnet.id}",
        "EnableDns64": False,
        "Ipv6Native": False,
        "PrivateDnsNameOptionsOnLaunch": {
            "HostnameType": "ip-name",
            "EnableResourceNameDnsARecord": False,
            "EnableResourceNameDnsAAAARecord": False,
        },
        "SubnetId": subnet.id,
        "State": "available",
        "VpcId": subnet.vpc_id,
        "CidrBlock": subnet.cidr,
        "AvailableIpAddressCount": IPv4Network(subnet.cidr).num_addresses - RESERVED - used,
        "AvailabilityZone": subnet.zone,
        "DefaultForAz": subnet.is_default,
        "MapPublicIpOnLaunch": subnet.public_ip_on_launch,
    }


def addresses_in(state: State, subnet_id: str) -> set[str]:
    """All addresses of a subnet that interfaces have."""
    found = {address for (address,) in state.interfaces.counts(["address"], "subnet_id = ?", [subnet_id])}
    for row in state.interfaces.query("subnet_id = ? and secondary != '[]'", [subnet_id]):
        found.update(row.secondary)
    return found
