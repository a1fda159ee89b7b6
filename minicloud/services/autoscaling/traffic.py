"""Traffic sources of a group: target groups (elbv2) and classic load balancers (elb), under their three sets of operations.

A source is Adding until the group's instances are registered with it, then Added, and InService when one of them is healthy
there; Removing while its instances are taken out.
"""

from collections.abc import Sequence
from typing import Any

from ... import api
from ...api import Answer, Call, operation
from ...callers import check
from ...errors import ApiError
from ...state.rows_autoscaling import ScalingGroup
from .finding import changeable, invalid, named, touch
from .group_request import TrafficSourceInput

TARGETS, CLASSIC = "elbv2", "elb"
REGISTER = {TARGETS: "RegisterTargets", CLASSIC: "RegisterInstancesWithLoadBalancer"}


def wanted(
    call: Call,
    sources: Sequence[TrafficSourceInput] | None,
    target_groups: Sequence[str] | None,
    balancers: Sequence[str] | None,
) -> list[dict[str, str]]:
    """The sources that a new group has, as they are kept.

    Raises ApiError for those that are not there, or where the caller may register nothing: the group does that for him.
    """
    pairs = [(one["Identifier"], one.get("Type") or _kind(one["Identifier"])) for one in sources or []]
    pairs += [(arn, TARGETS) for arn in target_groups or []] + [(name, CLASSIC) for name in balancers or []]
    for identifier, kind in pairs:
        _check(call, identifier, kind)
    makers = " ".join(call.makers)
    return [
        {"Identifier": identifier, "Type": kind, "State": "Adding", "Makers": makers} for identifier, kind in dict.fromkeys(pairs)
    ]


def _kind(identifier: str) -> str:
    return TARGETS if ":targetgroup/" in identifier else CLASSIC


def _check(call: Call, identifier: str, kind: str) -> None:
    if kind == TARGETS:
        service, name, params = "elbv2", "DescribeTargetGroups", {"TargetGroupArns": [identifier]}
    elif kind == CLASSIC:
        service, name, params = "elb", "DescribeLoadBalancers", {"LoadBalancerNames": [identifier]}
    else:
        raise ApiError("UnsupportedOperation", f"minicloud has traffic sources of the types elb and elbv2, not {kind}")
    check(call.caller, "autoscaling", f"elasticloadbalancing:{REGISTER[kind]}", identifier)
    try:
        api.call(call.cloud, service, name, params)
    except ApiError as error:
        raise invalid(f"Provided Load Balancers/Target Groups may not be valid. {error.message}") from error


def _attach(call: Call, group: ScalingGroup, new: Sequence[dict[str, str]]) -> None:
    known = {(one["Identifier"], one["Type"]) for one in new}
    kept = [one for one in group.sources if (one["Identifier"], one["Type"]) not in known]
    there = [one for one in group.sources if one not in kept and one["State"] != "Removing"]
    same = {(one["Identifier"], one["Type"]) for one in there}
    added = [one for one in new if (one["Identifier"], one["Type"]) not in same]
    call.cloud.state.scaling_groups.change(group.name, sources=[*kept, *there, *added])
    touch(call, group)


def _detach(call: Call, group: ScalingGroup, pairs: Sequence[tuple[str, str]]) -> None:
    there = {(one["Identifier"], one["Type"]) for one in group.sources}
    if missing := [identifier for identifier, kind in pairs if (identifier, kind) not in there]:
        raise invalid(f"Trying to remove Target Groups or Load Balancers that are not part of the group: {missing[0]}")
    changed = [{**one, "State": "Removing"} if (one["Identifier"], one["Type"]) in pairs else one for one in group.sources]
    call.cloud.state.scaling_groups.change(group.name, sources=changed)
    touch(call, group)


@operation()
def attach_load_balancer_target_groups(call: Call, *, auto_scaling_group_name: str, target_group_arns: list[str]) -> Answer:
    """AttachLoadBalancerTargetGroups."""
    group = changeable(call, auto_scaling_group_name)
    _attach(call, group, wanted(call, None, target_group_arns, None))
    return {}


@operation()
def attach_load_balancers(call: Call, *, auto_scaling_group_name: str, load_balancer_names: list[str]) -> Answer:
    """AttachLoadBalancers."""
    group = changeable(call, auto_scaling_group_name)
    _attach(call, group, wanted(call, None, None, load_balancer_names))
    return {}


@operation()
def attach_traffic_sources(call: Call, *, auto_scaling_group_name: str, traffic_sources: list[TrafficSourceInput]) -> Answer:
    """AttachTrafficSources."""
    group = changeable(call, auto_scaling_group_name)
    _attach(call, group, wanted(call, traffic_sources, None, None))
    return {}


@operation()
def detach_load_balancer_target_groups(call: Call, *, auto_scaling_group_name: str, target_group_arns: list[str]) -> Answer:
    """DetachLoadBalancerTargetGroups: the group's instances are deregistered, and run on."""
    _detach(call, changeable(call, auto_scaling_group_name), [(arn, TARGETS) for arn in target_group_arns])
    return {}


@operation()
def detach_load_balancers(call: Call, *, auto_scaling_group_name: str, load_balancer_names: list[str]) -> Answer:
    """DetachLoadBalancers: the group's instances are deregistered, and run on."""
    _detach(call, changeable(call, auto_scaling_group_name), [(name, CLASSIC) for name in load_balancer_names])
    return {}


@operation()
def detach_traffic_sources(call: Call, *, auto_scaling_group_name: str, traffic_sources: list[TrafficSourceInput]) -> Answer:
    """DetachTrafficSources: the group's instances are deregistered, and run on."""
    pairs = [(one["Identifier"], one.get("Type") or _kind(one["Identifier"])) for one in traffic_sources]
    _detach(call, changeable(call, auto_scaling_group_name), pairs)
    return {}


def _of(call: Call, name: str, kind: str | None) -> list[dict[str, Any]]:
    return [one for one in named(call, name).sources if kind in (None, one["Type"])]


@operation(items="LoadBalancerTargetGroups", key="LoadBalancerTargetGroupARN")
def describe_load_balancer_target_groups(call: Call, *, auto_scaling_group_name: str) -> Answer:
    """DescribeLoadBalancerTargetGroups."""
    found = _of(call, auto_scaling_group_name, TARGETS)
    shown = [{"LoadBalancerTargetGroupARN": one["Identifier"], "State": one["State"]} for one in found]
    return {"LoadBalancerTargetGroups": shown}


@operation(items="LoadBalancers", key="LoadBalancerName")
def describe_load_balancers(call: Call, *, auto_scaling_group_name: str) -> Answer:
    """DescribeLoadBalancers."""
    found = _of(call, auto_scaling_group_name, CLASSIC)
    return {"LoadBalancers": [{"LoadBalancerName": one["Identifier"], "State": one["State"]} for one in found]}


@operation(items="TrafficSources", key="Identifier")
def describe_traffic_sources(call: Call, *, auto_scaling_group_name: str, traffic_source_type: str | None = None) -> Answer:
    """DescribeTrafficSources."""
    found = _of(call, auto_scaling_group_name, traffic_source_type)
    shown = [
        {"TrafficSource": one["Identifier"], "Identifier": one["Identifier"], "Type": one["Type"], "State": one["State"]}
        for one in found
    ]
    return {"TrafficSources": shown}
