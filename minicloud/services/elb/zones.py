"""Where a classic balancer stands: named by subnets, or by zones, which mean their default subnets."""

from collections.abc import Sequence

from ...api import Answer, Call, operation
from ...state.rows import Interface
from ...state.rows_lb import LoadBalancer
from ...state.store import State
from ..elbv2 import load_balancer_changes, placement
from ..elbv2.placement import Place
from . import names
from .names import configuration, invalid


def default_subnets(call: Call, zones: Sequence[str], vpc_id: str = "") -> list[str]:
    """The default subnets of some zones. Raises ApiError."""
    state, found = call.cloud.state, []
    for zone in dict.fromkeys(zones):
        if zone not in call.cloud.settings.zone_names:
            raise invalid(f"Requested Availability Zone '{zone[:80]}' is not valid for this account")
        subnets = [row for row in state.subnets.find(zone=zone, is_default=True) if vpc_id in ("", row.vpc_id)]
        if not subnets:
            raise invalid(f"There is no default subnet in the Availability Zone '{zone}'")
        found.append(subnets[0].id)
    return found


def subnets_of(state: State, row: LoadBalancer) -> list[str]:
    """The subnets where a balancer stands."""
    return sorted(card.subnet_id for card in placement.cards_of(state, row))


def zones_of(state: State, row: LoadBalancer) -> list[str]:
    """The zones where a balancer stands."""
    return sorted(subnet.zone for subnet in state.subnets.among("id", subnets_of(state, row)))


def _enter(call: Call, row: LoadBalancer, subnets: Sequence[str]) -> None:
    state = call.cloud.state
    there = subnets_of(state, row)
    whole = placement.places(state, row.kind, row.scheme, list(dict.fromkeys([*there, *subnets])), [])
    new: list[Place] = [place for place in whole if place.subnet.id not in there]
    if any(place.subnet.vpc_id != row.vpc_id for place in new):
        raise configuration(f"The subnets must belong to the load balancer's VPC '{row.vpc_id}'")
    placement.enter(call, row, new)
    call.touch(row.id)


def _leave(call: Call, row: LoadBalancer, subnets: Sequence[str]) -> None:
    cards: list[Interface] = placement.cards_of(call.cloud.state, row)
    going = [card for card in cards if card.subnet_id in subnets]
    if len(going) == len(cards):
        raise configuration(f"A load balancer must stay in one subnet at least; '{row.name}' cannot leave all of its subnets")
    placement.leave(call.cloud.state, going)
    call.touch(row.id)


@operation()
def attach_load_balancer_to_subnets(call: Call, *, load_balancer_name: str, subnets: list[str]) -> Answer:
    """AttachLoadBalancerToSubnets."""
    row = names.balancer(call.cloud.state, load_balancer_name)
    _enter(call, row, subnets)
    return {"Subnets": subnets_of(call.cloud.state, row)}


@operation()
def detach_load_balancer_from_subnets(call: Call, *, load_balancer_name: str, subnets: list[str]) -> Answer:
    """DetachLoadBalancerFromSubnets."""
    row = names.balancer(call.cloud.state, load_balancer_name)
    if strange := sorted(set(subnets) - set(subnets_of(call.cloud.state, row))):
        raise configuration(f"{strange[0]} is not a subnet of the load balancer '{row.name}'")
    _leave(call, row, subnets)
    return {"Subnets": subnets_of(call.cloud.state, row)}


@operation()
def enable_availability_zones_for_load_balancer(call: Call, *, load_balancer_name: str, availability_zones: list[str]) -> Answer:
    """EnableAvailabilityZonesForLoadBalancer: their default subnets."""
    state = call.cloud.state
    row = names.balancer(state, load_balancer_name)
    there = zones_of(state, row)
    _enter(call, row, default_subnets(call, [zone for zone in availability_zones if zone not in there], row.vpc_id))
    return {"AvailabilityZones": zones_of(state, row)}


@operation()
def disable_availability_zones_for_load_balancer(call: Call, *, load_balancer_name: str, availability_zones: list[str]) -> Answer:
    """DisableAvailabilityZonesForLoadBalancer: the instances there are out of service from then on."""
    state = call.cloud.state
    row = names.balancer(state, load_balancer_name)
    leaving = [subnet.id for subnet in state.subnets.among("id", subnets_of(state, row)) if subnet.zone in availability_zones]
    _leave(call, row, leaving)
    return {"AvailabilityZones": zones_of(state, row)}


@operation()
def apply_security_groups_to_load_balancer(call: Call, *, load_balancer_name: str, security_groups: list[str]) -> Answer:
    """ApplySecurityGroupsToLoadBalancer: in force on packets when this answers."""
    state = call.cloud.state
    row = names.balancer(state, load_balancer_name)
    if not security_groups:
        raise invalid("A load balancer must have at least one security group")
    groups = placement.groups(state, row.vpc_id, security_groups)
    load_balancer_changes.put_groups(call, row, groups)
    return {"SecurityGroups": groups}
