"""What of a load balancer can be changed: its subnets, its security groups. (Attributes are in balancer_attributes.py.)"""

from ...api import Answer, Call, operation
from ...state.rows_lb import LoadBalancer
from . import names, placement
from .placement import SubnetMappingInput
from .refusals import configuration, invalid, unsupported


@operation()
def set_subnets(
    call: Call,
    *,
    load_balancer_arn: str,
    subnets: list[str] | None = None,
    subnet_mappings: list[SubnetMappingInput] | None = None,
    ip_address_type: str = "ipv4",
) -> Answer:
    """SetSubnets: where the balancer stands already it keeps its interface and its addresses."""
    state = call.cloud.state
    row = names.balancer(state, load_balancer_arn)
    if ip_address_type != "ipv4":
        raise unsupported(f"minicloud does not support the IP address type {ip_address_type}")
    wanted = placement.places(state, row.kind, row.scheme, subnets or [], subnet_mappings or [])
    if wanted[0].subnet.vpc_id != row.vpc_id:
        raise configuration(f"The subnets must belong to the load balancer's VPC '{row.vpc_id}'")
    cards = {card.subnet_id: card for card in placement.cards_of(state, row)}
    staying = {place.subnet.id for place in wanted} & cards.keys()
    for place in wanted:
        if place.subnet.id in staying:
            _keeps(call, cards[place.subnet.id].id, cards[place.subnet.id].address, place)
    placement.leave(state, [card for card in cards.values() if card.subnet_id not in staying])
    placement.enter(call, row, [place for place in wanted if place.subnet.id not in staying])
    call.touch(row.id)
    zones = placement.zones_view(state, row, placement.cards_of(state, row))
    return {"AvailabilityZones": zones, "IpAddressType": row.ip_type}


def _keeps(call: Call, card_id: str, address: str, place: placement.Place) -> None:
    """An address of a subnet where the balancer stands already cannot change. Raises ApiError."""
    there = {public.allocation_id for public in call.cloud.state.public_addresses.find(interface_id=card_id)}
    if (place.allocation_id and place.allocation_id not in there) or (place.address and place.address != address):
        raise configuration(f"The addresses of the load balancer in {place.subnet.id} cannot be changed")


@operation()
def set_security_groups(
    call: Call,
    *,
    load_balancer_arn: str,
    security_groups: list[str],
    enforce_security_group_inbound_rules_on_private_link_traffic: str = "on",
) -> Answer:
    """SetSecurityGroups: in force on packets when this answers. A network balancer made without groups stays without."""
    state = call.cloud.state
    row = names.balancer(state, load_balancer_arn)
    if enforce_security_group_inbound_rules_on_private_link_traffic != "on":
        raise unsupported("minicloud has no PrivateLink, so rules are enforced on all traffic")
    if row.kind == "network" and not row.group_ids:
        raise configuration("Security groups cannot be set on a network load balancer that was created without them")
    if not security_groups:
        raise invalid("A load balancer must have at least one security group")
    groups = placement.groups(state, row.vpc_id, security_groups)
    put_groups(call, row, groups)
    shown = {"EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic": "on"} if row.kind == "network" else {}
    return {"SecurityGroupIds": groups, **shown}


def put_groups(call: Call, row: LoadBalancer, groups: list[str]) -> None:
    """Give a balancer and its interfaces these groups."""
    state = call.cloud.state
    state.load_balancers.change(row.id, group_ids=groups)
    for card in placement.cards_of(state, row):
        state.interfaces.change(card.id, group_ids=groups)
        call.touch(card.id)
    call.touch(row.id)


@operation()
def set_ip_address_type(call: Call, *, load_balancer_arn: str, ip_address_type: str) -> Answer:
    """SetIpAddressType: ipv4, the only one that there is."""
    names.balancer(call.cloud.state, load_balancer_arn)
    if ip_address_type != "ipv4":
        raise unsupported(f"minicloud does not support the IP address type {ip_address_type}")
    return {"IpAddressType": ip_address_type}


@operation()
def describe_capacity_reservation(call: Call, *, load_balancer_arn: str) -> Answer:
    """DescribeCapacityReservation: nothing is reserved, a balancer has what the host has. (Nothing can be, either.)"""
    names.balancer(call.cloud.state, load_balancer_arn)
    return {"DecreaseRequestsRemaining": 0, "CapacityReservationState": []}
