"""The health check of a classic balancer, in AWS's one text such as HTTP:80/ping, and how its instances are."""

import re
from typing import Any, TypedDict

from ...api import Answer, Call, operation
from ...errors import ApiError
from ...state.lb_registry import Registry
from ...state.rows_lb import Target, TargetGroup
from . import instances as registered
from . import names
from .instances import InstanceInput
from .names import invalid

_TARGET = re.compile(r"(TCP|SSL|HTTP|HTTPS):([0-9]{1,5})(/[A-Za-z0-9_.~!$&'()*+,;=:@%/?-]*)?", re.IGNORECASE)
_ON, _OFF = "InService", "OutOfService"
_PROGRESS = "Instance registration is still in progress."
_FAILED = "Instance has failed at least the UnhealthyThreshold number of health checks consecutively."
_STRANGER = "Instance is not currently registered with the LoadBalancer."
_ZONE = "Instance is in the EC2 Availability Zone for which LoadBalancer is not configured to route traffic to."


class HealthCheckInput(TypedDict, total=False):
    """A health check; times in seconds."""

    Target: str
    Interval: int
    Timeout: int
    UnhealthyThreshold: int
    HealthyThreshold: int


def columns(check: HealthCheckInput) -> dict[str, Any]:
    """The columns of a group with this check. Raises ApiError."""
    target = check["Target"]
    found = _TARGET.fullmatch(target)
    if found is None or not 1 <= int(found[2]) <= 65535:
        raise invalid(
            f"HealthCheck HTTP Target must specify a port followed by a path, as HTTP:80/ping, or be TCP:80: '{target[:80]}'"
        )
    protocol, web = found[1].upper(), found[1].upper().startswith("HTTP")
    if web != bool(found[3]):
        needs = "needs a path that begins with '/'" if web else "has no path"
        raise invalid(f"A health check with the protocol {protocol} {needs}: '{target[:80]}'")
    if check["Timeout"] >= check["Interval"]:
        raise invalid("HealthCheck timeout must be less than interval")
    return {
        "check_protocol": protocol,
        "check_port": str(int(found[2])),
        "check_path": found[3] or "",
        "check_interval": check["Interval"],
        "check_timeout": check["Timeout"],
        "healthy_count": check["HealthyThreshold"],
        "unhealthy_count": check["UnhealthyThreshold"],
        "check_codes": "200" if web else "",
    }


def default(instance_port: int) -> HealthCheckInput:
    """The check of a new balancer: whether the first listener's instance port takes connections."""
    return {"Target": f"TCP:{instance_port}", "Interval": 30, "Timeout": 5, "UnhealthyThreshold": 2, "HealthyThreshold": 10}


def view(group: TargetGroup) -> HealthCheckInput:
    """The check as AWS answers it."""
    return {
        "Target": f"{group.check_protocol}:{group.check_port}{group.check_path}",
        "Interval": group.check_interval,
        "Timeout": group.check_timeout,
        "UnhealthyThreshold": group.unhealthy_count,
        "HealthyThreshold": group.healthy_count,
    }


@operation()
def configure_health_check(call: Call, *, load_balancer_name: str, health_check: HealthCheckInput) -> Answer:
    """ConfigureHealthCheck."""
    state = call.cloud.state
    row = names.balancer(state, load_balancer_name)
    state.target_groups.change(row.id, **columns(health_check))
    call.touch(row.id)
    return {"HealthCheck": view(names.group(state, row))}


@operation()
def describe_instance_health(call: Call, *, load_balancer_name: str, instances: list[InstanceInput] | None = None) -> Answer:
    """DescribeInstanceHealth: of all registered instances, or of those named; one that is not registered is out of service."""
    state = call.cloud.state
    row = names.balancer(state, load_balancer_name)
    group, registry = names.group(state, row), Registry(state)
    there = {target.target_id: target for target in registered.living(state, row.id, call.now)}
    wanted = [one.get("InstanceId", "") for one in instances or ()] or list(there)
    for instance_id in wanted:
        if instance_id not in there and state.instances.get(instance_id) is None:
            raise ApiError("InvalidInstance", f"Could not find EC2 instance {instance_id[:80]}.")
    return {"InstanceStates": [_state(registry, group, one, there.get(one)) for one in wanted]}


def _state(registry: Registry, group: TargetGroup, instance_id: str, target: Target | None) -> dict[str, str]:
    state, code, text = _words(registry, group, target)
    return {"InstanceId": instance_id, "State": state, "ReasonCode": code, "Description": text}


def _words(registry: Registry, group: TargetGroup, target: Target | None) -> tuple[str, str, str]:
    """State, reason code and description."""
    if target is None:
        return _OFF, "Instance", _STRANGER
    standing = registry.standing(group, target)
    if standing.health == "draining":
        return _ON, "N/A", "Instance deregistration currently in progress."
    if standing.reason == "Target.InvalidState":
        instance = registry.instance_of(target)
        return _OFF, "Instance", f"Instance is in {instance.state if instance else 'terminated'} state."
    if standing.health == "unused":
        return _OFF, "ELB", _ZONE
    return {
        "healthy": (_ON, "N/A", "N/A"),
        "unhealthy": (_OFF, "Instance", _FAILED),
    }.get(standing.health, (_OFF, "ELB", _PROGRESS))
