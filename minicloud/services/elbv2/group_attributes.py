"""Attributes of target groups."""

from ...api import Answer, Call, operation
from ...state.lb_registry import Registry
from . import names
from .attributes import TRUTH, Attribute, AttributeInput, Attributes, matching, number, one_of, view
from .refusals import invalid

_ALB, _NLB = ("HTTP", "HTTPS"), ("TCP", "TLS")
_BOTH = _ALB + _NLB
_COOKIE = matching(r"|(?!AWSALB)[A-Za-z0-9!#$%&*+.^_`|~-]{1,256}", "a cookie's name that does not begin with AWSALB")
_WEEK = 604800


def _slow_start(text: str) -> str | None:
    return None if text == "0" else number(30, 900)(text)


KNOWN = Attributes(
    "Target group",
    {
        "deregistration_delay.timeout_seconds": Attribute("300", number(0, 3600), _BOTH),
        "stickiness.enabled": Attribute("false", TRUTH, _BOTH),
        "stickiness.type": Attribute("lb_cookie", one_of("lb_cookie", "app_cookie", "source_ip"), _BOTH),
        "load_balancing.cross_zone.enabled": Attribute(
            "use_load_balancer_configuration", one_of("true", "false", "use_load_balancer_configuration"), _BOTH
        ),
        "target_group_health.dns_failover.minimum_healthy_targets.count": Attribute(
            "1", number(1, 1000, "off"), _BOTH, ("1", "off")
        ),
        "target_group_health.dns_failover.minimum_healthy_targets.percentage": Attribute(
            "off", number(1, 100, "off"), _BOTH, ("off",)
        ),
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": Attribute("1", number(1, 1000), _BOTH),
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": Attribute(
            "off", number(1, 100, "off"), _BOTH, ("off",)
        ),
        "load_balancing.algorithm.type": Attribute(
            "round_robin", one_of("round_robin", "least_outstanding_requests", "weighted_random"), _ALB
        ),
        "load_balancing.algorithm.anomaly_mitigation": Attribute("off", one_of("on", "off"), _ALB, ("off",)),
        "slow_start.duration_seconds": Attribute("0", _slow_start, _ALB),
        "stickiness.app_cookie.cookie_name": Attribute("", _COOKIE, _ALB),
        "stickiness.app_cookie.duration_seconds": Attribute("86400", number(1, _WEEK), _ALB),
        "stickiness.lb_cookie.duration_seconds": Attribute("86400", number(1, _WEEK), _ALB),
        "deregistration_delay.connection_termination.enabled": Attribute("false", TRUTH, _NLB, ("false",)),
        "preserve_client_ip.enabled": Attribute("true", TRUTH, _NLB),
        "proxy_protocol_v2.enabled": Attribute("false", TRUTH, _NLB),
        "target_health_state.unhealthy.connection_termination.enabled": Attribute("true", TRUTH, _NLB, ("true",)),
        "target_health_state.unhealthy.draining_interval_seconds": Attribute("0", number(0, 360000), _NLB, ("0",)),
    },
)


def defaults(protocol: str, target_type: str) -> dict[str, str]:
    """The attributes of a new target group."""
    changes = {}
    if protocol in _NLB:
        changes["stickiness.type"] = "source_ip"
    if protocol in _NLB and target_type == "ip":
        changes["preserve_client_ip.enabled"] = "false"
    return KNOWN.defaults(protocol, changes)


@operation()
def describe_target_group_attributes(call: Call, *, target_group_arn: str) -> Answer:
    """DescribeTargetGroupAttributes."""
    return {"Attributes": view(names.group(call.cloud.state, target_group_arn).attributes)}


@operation()
def modify_target_group_attributes(call: Call, *, target_group_arn: str, attributes: list[AttributeInput]) -> Answer:
    """ModifyTargetGroupAttributes: all of what is given, or nothing."""
    state = call.cloud.state
    row = names.group(state, target_group_arn)
    found = {**row.attributes, **KNOWN.checked(row.protocol, attributes)}
    _check_whole(row.protocol, found)
    state.target_groups.change(row.id, attributes=found)
    if (balancer := Registry(state).balancer_of(row)) is not None:
        call.touch(balancer.id)
    return {"Attributes": view(found)}


def _check_whole(protocol: str, found: dict[str, str]) -> None:
    """Refuse what does not go together. Raises ApiError."""
    kind = found["stickiness.type"]
    if (kind == "source_ip") != (protocol in _NLB):
        allowed = "source_ip" if protocol in _NLB else "lb_cookie, app_cookie"
        raise invalid(f"Stickiness type '{kind}' is not supported for target groups with the {protocol} protocol; use: {allowed}")
    if kind == "app_cookie" and found["stickiness.enabled"] == "true" and not found["stickiness.app_cookie.cookie_name"]:
        raise invalid("'stickiness.app_cookie.cookie_name' must be set for the stickiness type 'app_cookie'")
    if protocol == "TLS" and found["stickiness.enabled"] == "true":
        raise invalid("Stickiness is not supported for target groups with the TLS protocol")
    if protocol in _ALB and found["slow_start.duration_seconds"] != "0":
        algorithm = found["load_balancing.algorithm.type"]
        if algorithm != "round_robin":
            raise invalid(f"Slow start is not supported with the load balancing algorithm '{algorithm}'")
