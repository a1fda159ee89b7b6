"""Attributes of classic balancers, which are kept under the keys of elbv2."""

from typing import Any, TypedDict

from ...api import Answer, Call, operation
from ...state.rows_lb import LoadBalancer
from ..elbv2.balancer_attributes import BUCKET, PREFIX
from . import names
from .names import invalid

_DESYNC = "elb.http.desyncmitigationmode"
DEFAULTS = {
    "load_balancing.cross_zone.enabled": "false",
    "access_logs.s3.enabled": "false",
    "access_logs.s3.bucket": "",
    "access_logs.s3.prefix": "",
    "access_logs.emit_interval": "60",
    "connection_draining.enabled": "false",
    "connection_draining.timeout": "300",
    "idle_timeout.timeout_seconds": "60",
    "routing.http.desync_mitigation_mode": "defensive",
}


class CrossZoneInput(TypedDict, total=False):
    """Whether each zone's nodes send to all zones."""

    Enabled: bool


class AccessLogInput(TypedDict, total=False):
    """Where the access log goes."""

    Enabled: bool
    S3BucketName: str
    EmitInterval: int
    S3BucketPrefix: str


class DrainingInput(TypedDict, total=False):
    """Whether an instance finishes what it is busy with, and for how many seconds at most."""

    Enabled: bool
    Timeout: int


class SettingsInput(TypedDict, total=False):
    """After how many seconds an idle connection is closed."""

    IdleTimeout: int


class AdditionalInput(TypedDict, total=False):
    """An attribute by its key."""

    Key: str
    Value: str


class AttributesInput(TypedDict, total=False):
    """The attributes."""

    CrossZoneLoadBalancing: CrossZoneInput
    AccessLog: AccessLogInput
    ConnectionDraining: DrainingInput
    ConnectionSettings: SettingsInput
    AdditionalAttributes: list[AdditionalInput]


def drain_delay(attributes: dict[str, str]) -> str:
    """The deregistration delay of the balancer's group, in seconds as text."""
    return attributes["connection_draining.timeout"] if attributes["connection_draining.enabled"] == "true" else "0"


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _changes(given: AttributesInput) -> dict[str, str]:
    """What a request sets, by the keys that are kept. Raises ApiError."""
    found: dict[str, str] = {}
    if (cross := given.get("CrossZoneLoadBalancing")) is not None:
        found["load_balancing.cross_zone.enabled"] = _truth(cross["Enabled"])
    if (log := given.get("AccessLog")) is not None:
        found |= _log(log)
    if (draining := given.get("ConnectionDraining")) is not None:
        found["connection_draining.enabled"] = _truth(draining["Enabled"])
        seconds = draining.get("Timeout", 300)
        if not 1 <= seconds <= 3600:
            raise invalid(f"ConnectionDraining timeout '{seconds}' must be between 1 and 3600 seconds")
        found["connection_draining.timeout"] = str(seconds)
    if (settings := given.get("ConnectionSettings")) is not None:
        found["idle_timeout.timeout_seconds"] = str(settings["IdleTimeout"])
    for one in given.get("AdditionalAttributes", ()):
        found["routing.http.desync_mitigation_mode"] = _desync(one)
    return found


def _log(log: AccessLogInput) -> dict[str, str]:
    found = {"access_logs.s3.enabled": _truth(log["Enabled"])}
    bucket, prefix, interval = log.get("S3BucketName", ""), log.get("S3BucketPrefix", ""), log.get("EmitInterval", 60)
    if log["Enabled"] and not bucket:
        raise invalid("S3BucketName must be specified when access logs are enabled")
    for what, check, value in (("S3BucketName", BUCKET, bucket), ("S3BucketPrefix", PREFIX, prefix)):
        if (wrong := check(value)) is not None:
            raise invalid(f"{what} '{value[:80]}' is not valid; it must be {wrong}")
    if interval not in (5, 60):
        raise invalid(f"EmitInterval '{interval}' must be 5 or 60 minutes")
    return {
        **found,
        "access_logs.s3.bucket": bucket,
        "access_logs.s3.prefix": prefix,
        "access_logs.emit_interval": str(interval),
    }


def _desync(given: AdditionalInput) -> str:
    key, value = given.get("Key", ""), given.get("Value", "")
    if key != _DESYNC:
        raise names.not_attribute(key)
    if value == "monitor":
        raise names.unsupported(f"minicloud does not support the value '{value}' of the attribute {key}")
    if value not in ("defensive", "strictest"):
        raise invalid(f"The attribute {key} must be one of: monitor, defensive, strictest")
    return value


def view(row: LoadBalancer) -> dict[str, Any]:
    """The attributes as AWS answers them."""
    found = row.attributes
    log: dict[str, Any] = {"Enabled": found["access_logs.s3.enabled"] == "true"}
    if log["Enabled"]:
        log |= {"S3BucketName": found["access_logs.s3.bucket"], "EmitInterval": int(found["access_logs.emit_interval"])}
        log["S3BucketPrefix"] = found["access_logs.s3.prefix"]
    return {
        "CrossZoneLoadBalancing": {"Enabled": found["load_balancing.cross_zone.enabled"] == "true"},
        "AccessLog": log,
        "ConnectionDraining": {
            "Enabled": found["connection_draining.enabled"] == "true",
            "Timeout": int(found["connection_draining.timeout"]),
        },
        "ConnectionSettings": {"IdleTimeout": int(found["idle_timeout.timeout_seconds"])},
        "AdditionalAttributes": [{"Key": _DESYNC, "Value": found["routing.http.desync_mitigation_mode"]}],
    }


@operation()
def describe_load_balancer_attributes(call: Call, *, load_balancer_name: str) -> Answer:
    """DescribeLoadBalancerAttributes."""
    return {"LoadBalancerAttributes": view(names.balancer(call.cloud.state, load_balancer_name))}


@operation()
def modify_load_balancer_attributes(call: Call, *, load_balancer_name: str, load_balancer_attributes: AttributesInput) -> Answer:
    """ModifyLoadBalancerAttributes: all of what is given, or nothing."""
    state = call.cloud.state
    row = names.balancer(state, load_balancer_name)
    found = {**row.attributes, **_changes(load_balancer_attributes)}
    state.load_balancers.change(row.id, attributes=found)
    group = names.group(state, row)
    delay = {"deregistration_delay.timeout_seconds": drain_delay(found)}
    state.target_groups.change(row.id, attributes={**group.attributes, **delay})
    call.touch(row.id)
    return {"LoadBalancerName": row.name, "LoadBalancerAttributes": view(names.balancer(state, row.name))}
