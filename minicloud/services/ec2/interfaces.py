"""Network interfaces, and the private addresses that they take out of a subnet.

An address belongs to an interface row from the moment the row exists; the table's unique index is what makes a doubled
address impossible.
"""

import secrets
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from ...api import Answer, Call, operation, require
from ...aws import ids
from ...aws.names import private_dns_name, public_dns_name, zone_id
from ...config import Settings
from ...errors import ApiError
from ...state.rows import Interface, SecurityGroup, Subnet
from ...state.rows_network import PublicAddress
from ...state.store import State
from . import public_addresses
from .subnets import addresses_in

MOST_GROUPS = 5
FILTERS = {
    "addresses.association.owner-id": "PrivateIpAddresses[].Association.IpOwnerId",
    "addresses.association.public-ip": "PrivateIpAddresses[].Association.PublicIp",
    "association.allocation-id": "Association.AllocationId",
    "association.association-id": "Association.AssociationId",
    "association.ip-owner-id": "Association.IpOwnerId",
    "association.public-dns-name": "Association.PublicDnsName",
    "association.public-ip": "Association.PublicIp",
    "addresses.private-ip-address": "PrivateIpAddresses[].PrivateIpAddress",
    "addresses.primary": "PrivateIpAddresses[].Primary",
    "attachment.attach-time": "Attachment.AttachTime",
    "attachment.attachment-id": "Attachment.AttachmentId",
    "attachment.delete-on-termination": "Attachment.DeleteOnTermination",
    "attachment.device-index": "Attachment.DeviceIndex",
    "attachment.instance-id": "Attachment.InstanceId",
    "attachment.instance-owner-id": "Attachment.InstanceOwnerId",
    "attachment.status": "Attachment.Status",
    "availability-zone": "AvailabilityZone",
    "availability-zone-id": "AvailabilityZoneId",
    "description": "Description",
    "group-id": "Groups[].GroupId",
    "group-name": "Groups[].GroupName",
    "interface-type": "InterfaceType",
    "mac-address": "MacAddress",
    "network-interface-id": "NetworkInterfaceId",
    "operator.managed": "=false",
    "owner-id": "OwnerId",
    "private-dns-name": "PrivateDnsName",
    "private-ip-address": "PrivateIpAddress",
    "requester-id": "RequesterId",
    "requester-managed": "RequesterManaged",
    "source-dest-check": "SourceDestCheck",
    "status": "Status",
    "subnet-id": "SubnetId",
    "vpc-id": "VpcId",
}


def free_address(state: State, subnet: Subnet) -> str:
    """The lowest address of a subnet that nobody has. Raises ApiError (InsufficientFreeAddressesInSubnet)."""
    taken = addresses_in(state, subnet.id)
    network = IPv4Network(subnet.cidr)
    first, last = int(network.network_address) + 4, int(network.broadcast_address) - 1
    for number in range(first, last + 1):
        if (address := str(IPv4Address(number))) not in taken:
            return address
    raise ApiError(
        "InsufficientFreeAddressesInSubnet",
        f"There are not enough free addresses in subnet '{subnet.id}' to satisfy the requested number of instances.",
    )


def check_address(state: State, subnet: Subnet, address: str) -> None:
    """Refuse an address that the subnet cannot give. Raises ApiError."""
    try:
        wanted, network = IPv4Address(address), IPv4Network(subnet.cidr)
    except ValueError as error:
        raise ApiError("InvalidParameterValue", f"invalid value for parameter address: {address}") from error
    if wanted not in network:
        raise ApiError("InvalidParameterValue", "Address does not fall within the subnet's address range")
    offset = int(wanted) - int(network.network_address)
    if offset < 4 or wanted == network.broadcast_address:
        raise ApiError("InvalidParameterValue", f"Address {address} is in subnet's reserved address range")
    if address in addresses_in(state, subnet.id):
        raise ApiError("InvalidIPAddress.InUse", f"Address {address} is in use.")


def create(call: Call, subnet: Subnet, groups: list[str], address: str | None = None, description: str = "") -> Interface:
    """A new interface with its address and hardware address, not attached to anything."""
    state = call.cloud.state
    return state.interfaces.add(
        Interface(
            id=ids.new_id("network-interface"),
            subnet_id=subnet.id,
            vpc_id=subnet.vpc_id,
            mac=_free_mac(state),
            address=address or free_address(state, subnet),
            description=description,
            group_ids=groups,
            created=call.now,
        )
    )


def _free_mac(state: State) -> str:
    while True:
        # 0a: a locally administered, individual address.
        mac = ":".join(["0a", *(f"{byte:02x}" for byte in secrets.token_bytes(5))])
        if not state.interfaces.find(mac=mac):
            return mac


def wanted_groups(state: State, vpc_id: str, group_ids: Sequence[str], names: Sequence[str] = (), place: str = "") -> list[str]:
    """The groups for an interface in this VPC, by id or by name; the default group if none is named.

    `place` is what they are for, such as `subnet subnet-1`. Raises ApiError.
    """
    there = {group.name: group.id for group in state.security_groups.find(vpc_id=vpc_id)}
    wanted = list(dict.fromkeys(group_ids))
    _check_groups(state, vpc_id, wanted, place or f"VPC {vpc_id}")
    for name in names:
        if name not in there:
            raise ApiError("InvalidGroup.NotFound", f"The security group '{name}' does not exist in VPC '{vpc_id}'")
        wanted.append(there[name])
    if len(set(wanted)) > MOST_GROUPS:
        raise ApiError(
            "SecurityGroupsPerInterfaceLimitExceeded", "The maximum number of security groups per interface has been reached."
        )
    return list(dict.fromkeys(wanted)) or [there["default"]]


def _check_groups(state: State, vpc_id: str, wanted: Sequence[str], place: str) -> None:
    """Refuse identifiers of groups that are malformed, unknown, or of another VPC than `place`. Raises ApiError."""
    if "" in wanted:
        raise ApiError("InvalidParameterValue", "Value () for parameter groupId is invalid. The value cannot be empty")
    ids.check("security-group", wanted)
    found = {group.id: group for group in state.security_groups.among("id", wanted)}
    require("security-group", wanted, found)
    if others := [group for group in wanted if found[group].vpc_id != vpc_id]:
        raise ApiError("InvalidParameter", f"Security group {others[0]} and {place} belong to different networks.")


def groups_of(state: State, interface: Interface, groups: dict[str, SecurityGroup] | None = None) -> list[dict[str, str]]:
    """The security groups of an interface, as AWS answers them."""
    known = groups if groups is not None else {group.id: group for group in state.security_groups.query()}
    return [{"GroupId": group, "GroupName": known[group].name} for group in interface.group_ids if group in known]


@operation(items="NetworkInterfaces", key="NetworkInterfaceId", filters=FILTERS)
def describe_network_interfaces(call: Call, *, network_interface_ids: list[str] | None = None) -> Answer:
    """DescribeNetworkInterfaces."""
    ids.check("network-interface", network_interface_ids or ())
    state = call.cloud.state
    rows = {row.id: row for row in state.interfaces.query()}
    require("network-interface", network_interface_ids or (), rows)
    wanted = [rows[wanted_id] for wanted_id in network_interface_ids or rows]
    tags = state.tags_of(row.id for row in wanted)
    zones = {subnet.id: subnet.zone for subnet in state.subnets.query()}
    return {"NetworkInterfaces": [view(call, row, zones[row.subnet_id], tags[row.id]) for row in wanted]}


def view(call: Call, row: Interface, zone: str, tags: list[dict[str, str]]) -> dict[str, Any]:
    """An interface as AWS answers it."""
    settings = call.cloud.settings
    dns_name, publics = private_dns_name(row.address, settings), public_addresses.of(call.cloud.state, row.id)
    named = public_addresses.named(call.cloud.state, row.vpc_id)
    view = {
        "AvailabilityZone": zone,
        "AvailabilityZoneId": zone_id(settings.region, zone),
        "Description": row.description,
        "Groups": groups_of(call.cloud.state, row),
        "InterfaceType": "interface",
        "Ipv6Addresses": [],
        "MacAddress": row.mac,
        "NetworkInterfaceId": row.id,
        "OwnerId": settings.account_id,
        "PrivateDnsName": dns_name,
        "PrivateIpAddress": row.address,
        "PrivateIpAddresses": addresses_view(settings, row, publics, named=named),
        **association_view(settings, publics.get(row.address), named=named),
        "RequesterManaged": bool(row.load_balancer_id),
        "SourceDestCheck": row.source_dest_check,
        "Status": "in-use" if row.instance_id or row.load_balancer_id else "available",
        "SubnetId": row.subnet_id,
        "TagSet": tags,
        "VpcId": row.vpc_id,
    }
    if row.instance_id:
        view["Attachment"] = {**attachment_view(row), "InstanceId": row.instance_id, "InstanceOwnerId": settings.account_id}
    return {**view, **_balancer_view(row)}


def _balancer_view(row: Interface) -> dict[str, Any]:
    """What is different about the interface of a load balancer."""
    if not row.load_balancer_id:
        return {}
    attachment = {
        "AttachTime": row.attached,
        "AttachmentId": f"ela-attach-{row.id.removeprefix('eni-')}",
        "DeleteOnTermination": False,
        "DeviceIndex": 1,
        "InstanceOwnerId": "amazon-elb",
        "NetworkCardIndex": 0,
        "Status": "attached",
    }
    kind = "network_load_balancer" if row.description.startswith("ELB net/") else "interface"
    return {"InterfaceType": kind, "RequesterId": "amazon-elb", "Attachment": attachment}


def check_own(row: Interface) -> None:
    """Refuse an interface that belongs to a load balancer, which alone may change it. Raises ApiError."""
    if row.load_balancer_id:
        raise ApiError("OperationNotPermitted", f"You are not allowed to manage '{row.id}': it belongs to a load balancer.")


def association_view(settings: Settings, row: PublicAddress | None, *, named: bool, with_ids: bool = True) -> dict[str, Any]:
    """The public address that stands for a private one, as a member of a view; nothing where there is none.

    `named`: whether the VPC gives public addresses names.
    """
    if row is None:
        return {}
    name, owner = public_dns_name(row.address, settings) if named else "", settings.account_id if row.allocation_id else "amazon"
    view = {"IpOwnerId": owner, "PublicDnsName": name, "PublicIp": row.address}
    if row.allocation_id and with_ids:
        view |= {"AllocationId": row.allocation_id, "AssociationId": row.association_id}
    return {"Association": view}


def addresses_view(
    settings: Settings, row: Interface, publics: Mapping[str, PublicAddress], *, named: bool, with_ids: bool = True
) -> list[dict[str, Any]]:
    """All private addresses of an interface, the primary one first."""
    return [
        {
            "Primary": address == row.address,
            "PrivateDnsName": private_dns_name(address, settings),
            "PrivateIpAddress": address,
            **association_view(settings, publics.get(address), named=named, with_ids=with_ids),
        }
        for address in (row.address, *row.secondary)
    ]


def attachment_view(row: Interface) -> dict[str, Any]:
    """How an interface is attached."""
    return {
        "AttachTime": row.attached,
        "AttachmentId": row.attachment_id,
        "DeleteOnTermination": row.delete_on_termination,
        "DeviceIndex": row.device_index,
        "NetworkCardIndex": 0,
        "Status": row.attachment or "attached",
    }
