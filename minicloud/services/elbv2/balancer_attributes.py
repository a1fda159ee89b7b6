"""Attributes of load balancers. Access logs go to a directory of this host: the bucket is its name, the prefix a path in it."""

from typing import Any

from ...api import Answer, Call, operation
from ...errors import ApiError
from . import names
from .attributes import TRUTH, Attribute, AttributeInput, Attributes, matching, number, one_of, view
from .refusals import configuration

_BOTH, _ALB, _NLB = ("application", "network"), ("application",), ("network",)
_OFF = ("false",)
BUCKET = matching(r"|[a-z0-9][a-z0-9-]*(\.[a-z0-9-]+)*", "a bucket name: small letters, digits, hyphens and single dots")
PREFIX = matching(r"|(?!.*(^|/)\.\.?(/|$))[A-Za-z0-9!_.*'()-][A-Za-z0-9!_.*'()/-]{0,254}", "a path without '.' and '..' in it")
_ROUTING = one_of("availability_zone_affinity", "partial_availability_zone_affinity", "any_availability_zone")

KNOWN = Attributes(
    "Load balancer",
    {
        "deletion_protection.enabled": Attribute("false", TRUTH, _BOTH),
        "load_balancing.cross_zone.enabled": Attribute("false", TRUTH, _BOTH),
        "access_logs.s3.enabled": Attribute("false", TRUTH, _BOTH),
        "access_logs.s3.bucket": Attribute("", BUCKET, _BOTH),
        "access_logs.s3.prefix": Attribute("", PREFIX, _BOTH),
        "ipv6.deny_all_igw_traffic": Attribute("false", TRUTH, _BOTH, _OFF),
        "zonal_shift.config.enabled": Attribute("false", TRUTH, _BOTH, _OFF),
        "idle_timeout.timeout_seconds": Attribute("60", number(1, 4000), _ALB),
        "client_keep_alive.seconds": Attribute("3600", number(60, 604800), _ALB),
        "connection_logs.s3.enabled": Attribute("false", TRUTH, _ALB, _OFF),
        "connection_logs.s3.bucket": Attribute("", BUCKET, _ALB),
        "connection_logs.s3.prefix": Attribute("", PREFIX, _ALB),
        "health_check_logs.s3.enabled": Attribute("false", TRUTH, _ALB, _OFF),
        "health_check_logs.s3.bucket": Attribute("", BUCKET, _ALB),
        "health_check_logs.s3.prefix": Attribute("", PREFIX, _ALB),
        "routing.http.desync_mitigation_mode": Attribute(
            "defensive", one_of("monitor", "defensive", "strictest"), _ALB, ("defensive", "strictest")
        ),
        "routing.http.drop_invalid_header_fields.enabled": Attribute("false", TRUTH, _ALB),
        "routing.http.preserve_host_header.enabled": Attribute("false", TRUTH, _ALB),
        "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": Attribute("false", TRUTH, _ALB),
        "routing.http.x_amzn_tls_kx.enabled": Attribute("false", TRUTH, _ALB, _OFF),
        "routing.http.xff_client_port.enabled": Attribute("false", TRUTH, _ALB),
        "routing.http.xff_header_processing.mode": Attribute("append", one_of("append", "preserve", "remove"), _ALB),
        "routing.http2.enabled": Attribute("true", TRUTH, _ALB),
        "waf.fail_open.enabled": Attribute("false", TRUTH, _ALB, _OFF),
        "dns_record.client_routing_policy": Attribute("any_availability_zone", _ROUTING, _NLB, ("any_availability_zone",)),
        "secondary_ips.auto_assigned.per_subnet": Attribute("0", number(0, 7), _NLB, ("0",)),
    },
)


def defaults(kind: str) -> dict[str, str]:
    """The attributes of a new balancer. An application load balancer always spreads over zones."""
    changes = {"load_balancing.cross_zone.enabled": "true"} if kind == "application" else {}
    return KNOWN.defaults(kind, changes)


@operation()
def describe_load_balancer_attributes(call: Call, *, load_balancer_arn: str) -> Answer:
    """DescribeLoadBalancerAttributes."""
    return {"Attributes": view(names.balancer(call.cloud.state, load_balancer_arn).attributes)}


@operation()
def modify_load_balancer_attributes(call: Call, *, load_balancer_arn: str, attributes: list[AttributeInput]) -> Answer:
    """ModifyLoadBalancerAttributes: all of what is given, or nothing."""
    state = call.cloud.state
    row = names.balancer(state, load_balancer_arn)
    found = {**row.attributes, **KNOWN.checked(row.kind, attributes)}
    check_whole(row.kind, found)
    state.load_balancers.change(row.id, attributes=found)
    call.touch(row.id)
    return {"Attributes": view(found)}


def check_whole(kind: str, found: dict[str, Any]) -> None:
    """Refuse what does not go together. Raises ApiError."""
    if kind == "application" and found["load_balancing.cross_zone.enabled"] == "false":
        raise configuration("Cross-zone load balancing can't be turned off for an application load balancer")
    if found["access_logs.s3.enabled"] == "true" and not found["access_logs.s3.bucket"]:
        raise ApiError("ValidationError", "The value of 'access_logs.s3.bucket' cannot be empty when access logs are enabled")
