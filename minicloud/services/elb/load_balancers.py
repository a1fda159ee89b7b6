"""Classic load balancers."""

from typing import Any

from ...api import Answer, Call, operation
from ...errors import ApiError
from ...state.rows_lb import LoadBalancer, TargetGroup
from ...state.store import State
from ..elbv2 import load_balancers as modern
from ..elbv2 import marks, placement, target_groups
from ..elbv2 import names as naming
from . import attributes, health, instances, names, policies, zones
from . import listeners as listening
from . import tags as tagging
from .listeners import ListenerInput
from .names import invalid
from .tags import TagInput

MOST_BALANCERS = 20
_SCHEMES = ("internet-facing", "internal")


@operation()
def create_load_balancer(
    call: Call,
    *,
    load_balancer_name: str,
    listeners: list[ListenerInput],
    availability_zones: list[str] | None = None,
    subnets: list[str] | None = None,
    security_groups: list[str] | None = None,
    scheme: str = "internet-facing",
    tags: list[TagInput] | None = None,
) -> Answer:
    """CreateLoadBalancer. One that is there with the same settings is the answer."""
    state = call.cloud.state
    naming.check_balancer(load_balancer_name, classic=True)
    if scheme not in _SCHEMES:
        raise ApiError("InvalidScheme", f"The scheme '{scheme[:80]}' must be internal, or not be specified")
    if not listeners:
        raise invalid("Listeners cannot be empty")
    if bool(availability_zones) == bool(subnets):
        both = "Only one of SubnetIds or AvailabilityZones may be specified"
        raise invalid(both if subnets else "Either AvailabilityZones or SubnetIds must be specified")
    chosen = subnets or zones.default_subnets(call, availability_zones or [])
    wanted = placement.places(state, names.KIND, scheme, chosen, [])
    vpc_id = wanted[0].subnet.vpc_id
    groups = placement.groups(state, vpc_id, security_groups or []) or placement.default_group(state, vpc_id)
    full = [listening.check(state, one) for one in listeners]
    if there := state.load_balancers.find(kind=names.KIND, name=load_balancer_name):
        return _same(state, there[0], full, (scheme, sorted(chosen), sorted(groups)))
    if len(state.load_balancers.find(kind=names.KIND)) >= MOST_BALANCERS:
        raise ApiError("TooManyLoadBalancers", f"The maximum number of load balancers has been reached: {MOST_BALANCERS}")
    row = modern.add(call, names.KIND, load_balancer_name, scheme=scheme, groups=groups, wanted=wanted)
    state.load_balancers.change(row.id, attributes=attributes.DEFAULTS)
    _add_group(call, row, full[0])
    listening.add(call, row, listeners)
    tagging.give(call, row, tags or [])
    call.touch(row.id)
    return {"DNSName": row.dns_name}


def _same(state: State, row: LoadBalancer, full: list[ListenerInput], others: tuple[str, list[str], list[str]]) -> Answer:
    """The balancer that there is, if it is what is asked for. Raises ApiError (DuplicateLoadBalancerName)."""
    there = [{"SSLCertificateId": "", **listening.view(one)} for one in state.listeners.find(load_balancer_id=row.id)]
    same = sorted(there, key=repr) == sorted(full, key=repr)
    if not same or (row.scheme, zones.subnets_of(state, row), sorted(row.group_ids)) != others:
        raise ApiError(
            "DuplicateLoadBalancerName", f"A load balancer with the same name '{row.name}' exists, but with different settings"
        )
    return {"DNSName": row.dns_name}


def _add_group(call: Call, row: LoadBalancer, first: ListenerInput) -> None:
    """The group of the balancer's instances, with the check that it starts with."""
    call.cloud.state.target_groups.add(
        TargetGroup(
            id=row.id,
            arn=row.arn,
            name=row.name,
            protocol=first["InstanceProtocol"],
            protocol_version="",
            port=first["InstancePort"],
            vpc_id=row.vpc_id,
            target_type="classic",
            ip_type="ipv4",
            check_enabled=True,
            attributes={"deregistration_delay.timeout_seconds": attributes.drain_delay(attributes.DEFAULTS)},
            created=call.now,
            **health.columns(health.default(first["InstancePort"])),
        )
    )


@operation()
def describe_load_balancers(
    call: Call, *, load_balancer_names: list[str] | None = None, marker: str | None = None, page_size: int | None = None
) -> Answer:
    """DescribeLoadBalancers."""
    rows = names.named(call.cloud.state, load_balancer_names or [])
    views = [_view(call, row) for row in rows]
    return marks.page("LoadBalancerDescriptions", views, lambda one: str(one["LoadBalancerName"]), page_size, marker)


def _view(call: Call, row: LoadBalancer) -> dict[str, Any]:
    """A balancer as AWS answers it."""
    state = call.cloud.state
    rows = state.listeners.find(load_balancer_id=row.id)
    groups = state.security_groups.among("id", row.group_ids)
    source = {"OwnerAlias": call.cloud.settings.account_id, "GroupName": groups[0].name} if groups else {}
    return {
        "LoadBalancerName": row.name,
        "DNSName": row.dns_name,
        "CanonicalHostedZoneName": row.dns_name,
        "CanonicalHostedZoneNameID": naming.HOSTED_ZONES[row.kind],
        "ListenerDescriptions": [{"Listener": listening.view(one), "PolicyNames": one.policies} for one in rows],
        "Policies": policies.summary(state, row),
        "BackendServerDescriptions": [
            {"InstancePort": int(port), "PolicyNames": listed} for port, listed in sorted(row.backend_policies.items())
        ],
        "AvailabilityZones": zones.zones_of(state, row),
        "Subnets": zones.subnets_of(state, row),
        "VPCId": row.vpc_id,
        "Instances": instances.view(state, row),
        "HealthCheck": health.view(names.group(state, row)),
        "SourceSecurityGroup": source,
        "SecurityGroups": row.group_ids,
        "CreatedTime": row.created,
        "Scheme": row.scheme,
    }


@operation()
def delete_load_balancer(call: Call, *, load_balancer_name: str) -> Answer:
    """DeleteLoadBalancer: one that is gone already is no error."""
    state = call.cloud.state
    for row in state.load_balancers.find(kind=names.KIND, name=load_balancer_name):
        target_groups.remove(state, row.id, row.arn)
        modern.remove(call, row)
    return {}


@operation()
def describe_account_limits(call: Call, *, marker: str | None = None, page_size: int | None = None) -> Answer:  # noqa: ARG001
    """DescribeAccountLimits."""
    limits = {
        "classic-load-balancers": MOST_BALANCERS,
        "classic-listeners": listening.MOST_LISTENERS,
        "classic-registered-instances": instances.MOST_INSTANCES,
    }
    views = [{"Name": name, "Max": str(most)} for name, most in limits.items()]
    return marks.page("Limits", views, lambda one: str(one["Name"]), page_size, marker)
