"""Where a balancer stands: a network interface in each of its subnets, with an address of the subnet and, where it faces the
internet, a public one.

The interfaces are rows like those of instances, so addresses come out of the same subnets, groups that are in use cannot be
deleted, and nobody but the balancer may change or delete them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from ...api import Call
from ...aws import ids
from ...errors import ApiError
from ...state.rows import Interface, Subnet
from ...state.rows_lb import LoadBalancer
from ...state.rows_network import PublicAddress
from ...state.store import State
from ..ec2 import interfaces, public_addresses
from .refusals import configuration, invalid

MOST_GROUPS = 5


class SubnetMappingInput(TypedDict, total=False):
    """A subnet with addresses that are asked for."""

    SubnetId: str
    AllocationId: str
    PrivateIPv4Address: str


@dataclass(frozen=True)
class Place:
    """A subnet, and the addresses in it that are asked for."""

    subnet: Subnet
    allocation_id: str = ""
    address: str = ""


def places(state: State, kind: str, scheme: str, subnets: Sequence[str], mappings: Sequence[SubnetMappingInput]) -> list[Place]:
    """The places that a request asks for. Raises ApiError."""
    if subnets and mappings:
        raise invalid("Either subnets or subnet mappings must be specified, but not both")
    wanted: list[SubnetMappingInput] = list(mappings) or [{"SubnetId": subnet} for subnet in subnets]
    found = [_place(state, kind, scheme, one) for one in wanted]
    if not found:
        raise invalid("A load balancer must have at least one subnet")
    zones = [place.subnet.zone for place in found]
    if len({place.subnet.vpc_id for place in found}) > 1:
        raise configuration("All of a load balancer's subnets must belong to one VPC")
    if len(set(zones)) < len(zones):
        raise configuration("A load balancer cannot be attached to multiple subnets in the same Availability Zone")
    if kind == "application" and len(zones) < 2:
        raise invalid("At least two subnets in two different Availability Zones must be specified")
    if scheme == "internet-facing":
        check_gateway(state, found[0].subnet.vpc_id)
    allocations = [place.allocation_id for place in found if place.allocation_id]
    if allocations and len(set(allocations)) < len(found):
        raise invalid("Each subnet of the load balancer must have an Elastic IP address of its own, or none of them")
    return found


def _place(state: State, kind: str, scheme: str, wanted: SubnetMappingInput) -> Place:
    subnet_id = wanted.get("SubnetId", "")
    subnet = state.subnets.get(subnet_id)
    if subnet is None:
        raise ApiError("SubnetNotFound", f"The subnet ID '{subnet_id}' does not exist")
    allocation_id, address = wanted.get("AllocationId", ""), wanted.get("PrivateIPv4Address", "")
    if kind != "network" and (allocation_id or address):
        raise configuration("Addresses can be chosen for network load balancers only")
    if allocation_id and scheme != "internet-facing":
        raise configuration("Elastic IP addresses are for internet-facing load balancers")
    if address and scheme != "internal":
        raise configuration("Private addresses can be chosen for internal load balancers only")
    return Place(subnet, allocation_id, address)


def check_gateway(state: State, vpc_id: str) -> None:
    """Refuse a balancer that faces an internet to which its VPC has no way. Raises ApiError (InvalidSubnet)."""
    vpc = state.vpcs.get(vpc_id)
    if vpc is not None and not vpc.internet_gateway_id:
        raise ApiError("InvalidSubnet", f"VPC {vpc_id} has no internet gateway")


def groups(state: State, vpc_id: str, wanted: Sequence[str]) -> list[str]:
    """Security groups of a VPC. Raises ApiError (InvalidSecurityGroup)."""
    there = {group.id for group in state.security_groups.find(vpc_id=vpc_id)}
    if not set(wanted) <= there:
        raise ApiError("InvalidSecurityGroup", "One or more security groups are invalid")
    if len(set(wanted)) > MOST_GROUPS:
        raise configuration(f"A load balancer can have at most {MOST_GROUPS} security groups")
    return list(dict.fromkeys(wanted))


def default_group(state: State, vpc_id: str) -> list[str]:
    """The group of a balancer that names none."""
    return [group.id for group in state.security_groups.find(vpc_id=vpc_id, name="default")]


def description(row: LoadBalancer) -> str:
    """What its interfaces say."""
    if row.kind == "classic":
        return f"ELB {row.name}"
    return f"ELB {row.arn.partition(':loadbalancer/')[2]}"


def enter(call: Call, row: LoadBalancer, wanted: Sequence[Place]) -> None:
    """Stand in new places. Raises ApiError where a subnet or the pool has no address left."""
    for place in wanted:
        if place.address:
            _check_address(call.cloud.state, place)
        try:
            card = interfaces.create(call, place.subnet, row.group_ids, place.address or None, description(row))
        except ApiError as error:
            raise ApiError("InvalidSubnet", f"Not enough IP space available in {place.subnet.id}") from error
        call.cloud.state.interfaces.change(card.id, load_balancer_id=row.id, attached=call.now, delete_on_termination=False)
        if row.scheme == "internet-facing":
            _publish(call, card, place.allocation_id)


def _check_address(state: State, place: Place) -> None:
    try:
        interfaces.check_address(state, place.subnet, place.address)
    except ApiError as error:
        raise configuration(f"{place.address} cannot be had in {place.subnet.id}: {error.message}") from error


def _publish(call: Call, card: Interface, allocation_id: str) -> None:
    """Give an interface its public address: the Elastic IP, or one from the pool."""
    state = call.cloud.state
    if not allocation_id:
        try:
            address = public_addresses.free(state, call.cloud.settings)
        except ApiError as error:
            pool = call.cloud.settings.public_cidr
            raise configuration(f"No public address is left in {pool} for an internet-facing load balancer") from error
        state.public_addresses.add(PublicAddress(address, "", card.id, card.address, "", call.now))
        return
    found = state.public_addresses.find(allocation_id=allocation_id)
    if not found:
        raise ApiError("AllocationIdNotFound", f"The allocation ID '{allocation_id}' does not exist")
    if found[0].association_id:
        raise ApiError("ResourceInUse", f"The allocation IDs are already in use: '{allocation_id}'")
    association = ids.new_id("elastic-ip-association")
    state.public_addresses.change(
        found[0].address, interface_id=card.id, private_address=card.address, association_id=association
    )


def leave(state: State, cards: Sequence[Interface]) -> None:
    """Give places up: addresses from the pool go back to it, Elastic IPs to their user."""
    for card in cards:
        for public in state.public_addresses.find(interface_id=card.id):
            if public.allocation_id:
                state.public_addresses.change(public.address, interface_id="", private_address="", association_id="")
            else:
                state.public_addresses.remove(public.address)
        for tag in state.tags.find(resource_id=card.id):
            state.tags.remove(tag.resource_id, tag.key)
        state.interfaces.remove(card.id)


def cards_of(state: State, row: LoadBalancer) -> list[Interface]:
    """The interfaces of a balancer."""
    return state.interfaces.find(load_balancer_id=row.id)


def zones_view(state: State, row: LoadBalancer, cards: Sequence[Interface]) -> list[dict[str, Any]]:
    """Where a balancer stands, as AWS answers it."""
    subnets: Mapping[str, Subnet] = {subnet.id: subnet for subnet in state.subnets.among("id", [one.subnet_id for one in cards])}
    views = []
    for card in sorted(cards, key=lambda one: subnets[one.subnet_id].zone):
        addresses = [_address_view(state, row, card)] if row.kind == "network" else []
        views.append(
            {
                "ZoneName": subnets[card.subnet_id].zone,
                "SubnetId": card.subnet_id,
                "LoadBalancerAddresses": [one for one in addresses if one],
            }
        )
    return views


def _address_view(state: State, row: LoadBalancer, card: Interface) -> dict[str, str]:
    """The addresses that stay a network balancer's: an Elastic IP, or the private one of an internal balancer."""
    for public in state.public_addresses.find(interface_id=card.id):
        if public.allocation_id:
            return {"IpAddress": public.address, "AllocationId": public.allocation_id}
    return {"PrivateIPv4Address": card.address} if row.scheme == "internal" else {}
