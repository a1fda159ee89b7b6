"""Targets: registered, draining, and how they are. What is shown is computed as the reconciler computes what it does."""

from collections.abc import Sequence
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Any, TypedDict

from ...api import Answer, Call, operation
from ...aws import times
from ...errors import ApiError
from ...state.lb_registry import Registry, Standing
from ...state.rows_lb import Target, TargetGroup
from ...state.store import State
from . import limits, names
from .refusals import invalid

_PRIVATE = [IPv4Network(cidr) for cidr in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")]
_NOT_REGISTERED = Standing("unused", "Target.NotRegistered", "Target is not registered to the target group")


class TargetInput(TypedDict, total=False):
    """A target: an instance or an address, its port where it is not the group's, its zone."""

    Id: str
    Port: int
    AvailabilityZone: str


def _refused(text: str) -> ApiError:
    return ApiError("InvalidTarget", text)


@operation()
def register_targets(call: Call, *, target_group_arn: str, targets: list[TargetInput]) -> Answer:
    """RegisterTargets: all of them, or none. One that drains is registered again."""
    state = call.cloud.state
    group = names.group(state, target_group_arn)
    zones = _instances(state, group, targets) if group.target_type == "instance" else _addresses(call, group, targets)
    there = {(row.target_id, row.port): row for row in state.targets.find(group_id=group.id)}
    for wanted, zone in zip(targets, zones, strict=True):
        key = (wanted.get("Id", ""), wanted.get("Port", group.port))
        before = there.get(key)
        if before is None:
            there[key] = state.targets.add(Target(group.id, *key, zone, call.now, since=call.now))
        elif before.wish == "draining":
            state.targets.remove(group.id, *key)
            there[key] = state.targets.add(Target(group.id, *key, zone, call.now, since=call.now))
        elif before.zone != zone:
            state.targets.change(group.id, *key, zone=zone)
    if len(there) > limits.MOST_TARGETS:
        raise ApiError("TooManyTargets", f"A target group can have at most {limits.MOST_TARGETS} targets")
    _touch(call, group)
    return {}


def _touch(call: Call, group: TargetGroup) -> None:
    balancer = Registry(call.cloud.state).balancer_of(group)
    if balancer is not None:
        call.touch(balancer.id)


def _instances(state: State, group: TargetGroup, wanted: Sequence[TargetInput]) -> list[str]:
    """Refuse what cannot be a target instance; the zones to keep, none: an instance says where it is. Raises ApiError."""
    given = [one.get("Id", "") for one in wanted]
    if any("AvailabilityZone" in one for one in wanted):
        raise invalid("You cannot specify an Availability Zone for targets of the target type 'instance'")
    check_instances(state, group.vpc_id, given)
    return [""] * len(given)


def check_instances(state: State, vpc_id: str, given: Sequence[str]) -> None:
    """Refuse instances that are not there, not running, or in another VPC. Raises ApiError (InvalidTarget)."""
    there = {row.id: row for row in state.instances.among("id", given)}
    if unknown := [one for one in given if one not in there]:
        raise _refused(f"The following targets do not exist: {_list(unknown)}")
    if idle := [one for one in given if there[one].state != "running"]:
        raise _refused(f"The following targets are not in a running state and cannot be registered: {_list(idle)}")
    inside = {card.instance_id for card in state.interfaces.among("instance_id", given) if card.vpc_id == vpc_id}
    if outside := [one for one in given if one not in inside]:
        raise _refused(f"The following targets are not in the target group VPC '{vpc_id}': {_list(outside)}")


def _list(values: Sequence[str]) -> str:
    return ", ".join(f"'{value[:80]}'" for value in dict.fromkeys(values))


def _addresses(call: Call, group: TargetGroup, wanted: Sequence[TargetInput]) -> list[str]:
    """Refuse what cannot be a target address; the zones to keep. Raises ApiError."""
    state = call.cloud.state
    subnets = [(IPv4Network(row.cidr), row.zone) for row in state.subnets.find(vpc_id=group.vpc_id)]
    vpc = state.vpcs.get(group.vpc_id)
    zones = []
    for one in wanted:
        text, zone = one.get("Id", ""), one.get("AvailabilityZone", "")
        try:
            address = IPv4Address(text)
        except AddressValueError as error:
            raise invalid(f"The IP address '{text[:80]}' is not a valid IPv4 address") from error
        if zone not in ("", "all", *call.cloud.settings.zone_names):
            raise invalid(f"The Availability Zone '{zone[:80]}' is not valid")
        found = next((name for cidr, name in subnets if address in cidr), "")
        inside = vpc is not None and address in IPv4Network(vpc.cidr)
        if not inside:
            _outside(text, address, zone)
        elif zone and zone != found:
            raise invalid(f"The Availability Zone '{zone}' of '{text}' is not valid: it is in a subnet of '{found}'")
        zones.append(found or zone)
    return zones


def _outside(text: str, address: IPv4Address, zone: str) -> None:
    """What an address outside of the VPC must be. Raises ApiError."""
    if not any(address in network for network in _PRIVATE):
        raise invalid(f"The IP address '{text}' is not within a VPC subnet or a private range, so it cannot be a target")
    if not zone:
        raise invalid(f"You must specify an Availability Zone, or 'all', for the IP address '{text}' outside of the VPC")


@operation()
def deregister_targets(call: Call, *, target_group_arn: str, targets: list[TargetInput]) -> Answer:
    """DeregisterTargets. In use, they drain for the group's deregistration delay; without a port, all ports of a target."""
    state = call.cloud.state
    group, registry = names.group(state, target_group_arn), Registry(state)
    for wanted in targets:
        for row in state.targets.find(group_id=group.id, target_id=wanted.get("Id", "")):
            if row.port == wanted.get("Port", row.port):
                deregister(call, registry, group, row)
    _touch(call, group)
    return {}


def deregister(call: Call, registry: Registry, group: TargetGroup, row: Target) -> None:
    """Let a target drain, or end it at once where nothing is sent to it."""
    state, delay = call.cloud.state, int(group.attributes["deregistration_delay.timeout_seconds"])
    if row.wish == "draining":
        return
    if delay == 0 or registry.unused(group, row) is not None:
        state.targets.remove(row.group_id, row.target_id, row.port)
        return
    until = times.text(times.seconds(call.now) + delay)
    state.targets.change(row.group_id, row.target_id, row.port, wish="draining", drain_until=until)


def living(state: State, group_id: str, now: str) -> list[Target]:
    """The targets of a group, without those that have drained."""
    return [row for row in state.targets.find(group_id=group_id) if row.wish == "registered" or row.drain_until > now]


@operation()
def describe_target_health(
    call: Call,
    *,
    target_group_arn: str,
    targets: list[TargetInput] | None = None,
) -> Answer:
    """DescribeTargetHealth: of all targets, or of those named; one that is not registered is unused."""
    state = call.cloud.state
    group, registry = names.group(state, target_group_arn), Registry(state)
    rows = living(state, group.id, call.now)
    if not targets:
        return {"TargetHealthDescriptions": [_view(group, row, registry.standing(group, row)) for row in rows]}
    by_key = {(row.target_id, row.port): row for row in rows}
    views = []
    for wanted in targets:
        key = (wanted.get("Id", ""), wanted.get("Port", group.port))
        row = by_key.get(key)
        if row is None:
            _known(state, group, key[0])
            views.append(_view(group, Target(group.id, *key, "", ""), _NOT_REGISTERED))
        else:
            views.append(_view(group, row, registry.standing(group, row)))
    return {"TargetHealthDescriptions": views}


def _known(state: State, group: TargetGroup, target_id: str) -> None:
    if group.target_type == "instance" and state.instances.get(target_id) is None:
        raise _refused(f"The following targets do not exist: {_list([target_id])}")


def _view(group: TargetGroup, row: Target, standing: Standing) -> dict[str, Any]:
    health = {"State": standing.health}
    if standing.reason:
        health |= {"Reason": standing.reason, "Description": standing.description}
    target: dict[str, Any] = {"Id": row.target_id, "Port": row.port}
    if row.zone:
        target["AvailabilityZone"] = row.zone
    port = str(row.port) if group.check_port == "traffic-port" else group.check_port
    return {"Target": target, "HealthCheckPort": port, "TargetHealth": health}
