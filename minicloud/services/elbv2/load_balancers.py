"""Load balancers. Creating one that is there with the same settings answers with that one, as AWS does."""

from collections.abc import Sequence
from typing import Any

from ...api import Answer, Call, operation
from ...errors import ApiError
from ...state.rows import Interface
from ...state.rows_lb import LoadBalancer
from ...state.store import State
from . import balancer_attributes, limits, listeners, marks, placement
from . import names as naming
from . import tags as tagging
from .placement import Place, SubnetMappingInput
from .refusals import invalid, no_balancer, unsupported
from .tags import TagInput

INTERNET, INTERNAL = "internet-facing", "internal"


@operation()
def create_load_balancer(
    call: Call,
    *,
    name: str,
    subnets: list[str] | None = None,
    subnet_mappings: list[SubnetMappingInput] | None = None,
    security_groups: list[str] | None = None,
    scheme: str = INTERNET,
    tags: list[TagInput] | None = None,
    type: str = "application",
    ip_address_type: str = "ipv4",
) -> Answer:
    """CreateLoadBalancer. A network balancer that names no security group has none, and lets everything in."""
    state = call.cloud.state
    naming.check_balancer(name)
    _check_kinds(type, ip_address_type)
    wanted = placement.places(state, type, scheme, subnets or [], subnet_mappings or [])
    vpc_id = wanted[0].subnet.vpc_id
    groups = placement.groups(state, vpc_id, security_groups or [])
    if not groups and type == "application":
        groups = placement.default_group(state, vpc_id)
    there = state.load_balancers.query("name = ? and kind != 'classic'", (name,))
    if there:
        return _same(call, there[0], (type, scheme, groups), wanted)
    if len(state.load_balancers.find(kind=type)) >= limits.MOST_BALANCERS:
        raise ApiError("TooManyLoadBalancers", f"The maximum number of load balancers has been reached: {limits.MOST_BALANCERS}")
    row = add(call, type, name, scheme=scheme, groups=groups, wanted=wanted)
    tagging.give(call, row.arn, tags)
    call.touch(row.id)
    return {"LoadBalancers": [_view(call.cloud.state, row, placement.cards_of(state, row))]}


def _check_kinds(kind: str, ip_type: str) -> None:
    if kind not in ("application", "network"):
        raise unsupported(f"minicloud does not have load balancers of the type {kind}")
    if ip_type != "ipv4":
        raise unsupported(f"minicloud does not support the IP address type {ip_type}")


def add(call: Call, kind: str, name: str, *, scheme: str, groups: list[str], wanted: Sequence[Place]) -> LoadBalancer:
    """A new balancer with its interfaces. Raises ApiError."""
    settings, own = call.cloud.settings, naming.digits()
    row = call.cloud.state.load_balancers.add(
        LoadBalancer(
            id=f"elb-{own}",
            arn=naming.balancer_arn(settings, kind, name, own),
            kind=kind,
            name=name,
            scheme=scheme,
            vpc_id=wanted[0].subnet.vpc_id,
            group_ids=groups,
            ip_type="ipv4",
            dns_name=naming.dns_name(settings, kind, name, scheme, own),
            attributes=balancer_attributes.defaults(kind),
            created=call.now,
        )
    )
    placement.enter(call, row, wanted)
    return row


def _same(call: Call, row: LoadBalancer, settings: tuple[str, str, list[str]], wanted: Sequence[Place]) -> Answer:
    """The balancer that there is, if it is what is asked for. Raises ApiError (DuplicateLoadBalancerName)."""
    kind, scheme, groups = settings
    cards = placement.cards_of(call.cloud.state, row)
    subnets = {card.subnet_id for card in cards} == {place.subnet.id for place in wanted}
    if (row.kind, row.scheme, sorted(row.group_ids)) != (kind, scheme, sorted(groups)) or not subnets:
        raise ApiError(
            "DuplicateLoadBalancerName", f"A load balancer with the same name '{row.name}' exists, but with different settings"
        )
    return {"LoadBalancers": [_view(call.cloud.state, row, cards)]}


@operation()
def describe_load_balancers(
    call: Call,
    *,
    load_balancer_arns: list[str] | None = None,
    names: list[str] | None = None,
    page_size: int | None = None,
    marker: str | None = None,
) -> Answer:
    """DescribeLoadBalancers."""
    state = call.cloud.state
    if load_balancer_arns and names:
        raise invalid("Load balancer names and load balancer ARNs cannot be specified at the same time")
    rows = state.load_balancers.query("kind != 'classic'")
    for column, wanted in (("arn", load_balancer_arns), ("name", names)):
        if wanted:
            by_value = {getattr(row, column): row for row in rows}
            if not set(wanted) <= by_value.keys():
                raise no_balancer()
            rows = [by_value[one] for one in dict.fromkeys(wanted)]
    cards: dict[str, list[Interface]] = {row.id: [] for row in rows}
    for card in state.interfaces.among("load_balancer_id", cards):
        cards[card.load_balancer_id].append(card)
    views = [_view(state, row, cards[row.id]) for row in rows]
    return marks.page("LoadBalancers", views, lambda one: str(one["LoadBalancerArn"]), page_size, marker)


def _view(state: State, row: LoadBalancer, cards: Sequence[Interface]) -> dict[str, Any]:
    """A balancer as AWS answers it."""
    view: dict[str, Any] = {
        "LoadBalancerArn": row.arn,
        "DNSName": row.dns_name,
        "CanonicalHostedZoneId": naming.HOSTED_ZONES[row.kind],
        "CreatedTime": row.created,
        "LoadBalancerName": row.name,
        "Scheme": row.scheme,
        "VpcId": row.vpc_id,
        "State": {"Code": row.state, **({"Reason": row.reason} if row.reason else {})},
        "Type": row.kind,
        "AvailabilityZones": placement.zones_view(state, row, cards),
        "IpAddressType": row.ip_type,
    }
    if row.group_ids:
        view["SecurityGroups"] = row.group_ids
    if row.kind == "network" and row.group_ids:
        view["EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic"] = "on"
    return view


@operation()
def delete_load_balancer(call: Call, *, load_balancer_arn: str) -> Answer:
    """DeleteLoadBalancer, with its listeners and rules; target groups stay. One that is gone already is no error."""
    found = call.cloud.state.load_balancers.query("arn = ? and kind != 'classic'", (load_balancer_arn,))
    if not found:
        return {}
    row = found[0]
    if row.attributes.get("deletion_protection.enabled") == "true":
        raise ApiError(
            "OperationNotPermitted", f"Load balancer '{row.arn}' cannot be deleted because deletion protection is enabled"
        )
    remove(call, row)
    return {}


def remove(call: Call, row: LoadBalancer) -> None:
    """Delete a balancer's rows; the reconciler ends what the host has of it."""
    state = call.cloud.state
    for listener in state.listeners.find(load_balancer_id=row.id):
        listeners.remove(state, listener)
    for policy in state.lb_policies.find(load_balancer_id=row.id):
        state.lb_policies.remove(row.id, policy.name)
    placement.leave(state, placement.cards_of(state, row))
    tagging.drop(state, row.arn)
    state.load_balancers.remove(row.id)
    call.touch(row.id)
