"""Target groups: what a balancer's listeners forward to. (Attributes are in group_attributes.py, targets in targets.py.)"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from ...api import Answer, Call, operation
from ...aws import arns
from ...errors import ApiError
from ...state.lb_registry import Registry
from ...state.rows_lb import TargetGroup
from ...state.store import State
from . import group_attributes, health_checks, limits, marks
from . import names as naming
from . import tags as tagging
from .health_checks import HTTP, MatcherInput, Wanted
from .refusals import invalid, no_group, unsupported
from .tags import TagInput

_PROTOCOLS = ("HTTP", "HTTPS", "TCP", "TLS")
_VERSIONS = ("HTTP1", "HTTP2", "GRPC")


@operation()
def create_target_group(
    call: Call,
    *,
    name: str,
    protocol: str | None = None,
    protocol_version: str | None = None,
    port: int | None = None,
    vpc_id: str | None = None,
    health_check_protocol: str | None = None,
    health_check_port: str | None = None,
    health_check_enabled: bool | None = None,
    health_check_path: str | None = None,
    health_check_interval_seconds: int | None = None,
    health_check_timeout_seconds: int | None = None,
    healthy_threshold_count: int | None = None,
    unhealthy_threshold_count: int | None = None,
    matcher: MatcherInput | None = None,
    target_type: str = "instance",
    tags: list[TagInput] | None = None,
    ip_address_type: str = "ipv4",
) -> Answer:
    """CreateTargetGroup. One that is there with the same settings is the answer."""
    state, settings = call.cloud.state, call.cloud.settings
    naming.check_group(name)
    _check_kinds(protocol, target_type, ip_address_type)
    if protocol is None or port is None or vpc_id is None:
        missing = "Protocol" if protocol is None else "Port" if port is None else "VPC ID"
        raise invalid(f"{missing} must be specified")
    if state.vpcs.get(vpc_id) is None:
        raise invalid(f"The VPC ID '{vpc_id}' is not found")
    version = _version(protocol, protocol_version)
    wanted = Wanted(
        health_check_enabled, health_check_protocol, health_check_port, health_check_path, health_check_interval_seconds,
        health_check_timeout_seconds, healthy_threshold_count, unhealthy_threshold_count, matcher,
    )  # fmt: skip
    digits = naming.digits()
    row = TargetGroup(
        id=f"tg-{digits}",
        arn=arns.target_group(settings.region, settings.account_id, name, digits),
        name=name,
        protocol=protocol,
        protocol_version=version,
        port=port,
        vpc_id=vpc_id,
        target_type=target_type,
        ip_type=ip_address_type,
        attributes=group_attributes.defaults(protocol, target_type),
        created=call.now,
        **health_checks.columns(wanted, protocol),
    )
    there = state.target_groups.query("name = ? and target_type != 'classic'", (name,))
    if there:
        return {"TargetGroups": [view(there[0], _users(state))]} if _same(there[0], row) else _taken(name)
    if len(state.target_groups.query("target_type != 'classic'")) >= limits.MOST_TARGET_GROUPS:
        raise ApiError(
            "TooManyTargetGroups", f"The maximum number of target groups has been reached: {limits.MOST_TARGET_GROUPS}"
        )
    state.target_groups.add(row)
    tagging.give(call, row.arn, tags)
    return {"TargetGroups": [view(row, {})]}


def _check_kinds(protocol: str | None, target_type: str, ip_type: str) -> None:
    if target_type not in ("instance", "ip"):
        raise unsupported(f"minicloud does not support the target type {target_type}")
    if protocol is not None and protocol not in _PROTOCOLS:
        raise unsupported(f"minicloud does not support the protocol {protocol}")
    if ip_type != "ipv4":
        raise unsupported(f"minicloud does not support the IP address type {ip_type}")


def _version(protocol: str, wanted: str | None) -> str:
    if protocol not in HTTP:
        if wanted:
            raise invalid(f"A protocol version cannot be specified for the protocol '{protocol}'")
        return ""
    if wanted and wanted not in _VERSIONS:
        raise invalid(f"Protocol version '{wanted[:80]}' must be one of '{', '.join(_VERSIONS)}'")
    if wanted == "GRPC":
        raise unsupported("minicloud does not support the protocol version GRPC")
    return wanted or "HTTP1"


def _same(there: TargetGroup, row: TargetGroup) -> bool:
    """Whether two have the same settings, whatever their identity and attributes."""
    return dataclasses.replace(row, id=there.id, arn=there.arn, attributes=there.attributes, created=there.created) == there


def _taken(name: str) -> Answer:
    raise ApiError("DuplicateTargetGroupName", f"A target group with the same name '{name}' exists, but with different settings")


def _users(state: State) -> dict[str, str]:
    """The ARN of the balancer that forwards to each group, by identifiers of groups."""
    registry = Registry(state)
    found = {group.id: registry.balancer_of(group) for group in registry.groups.values()}
    return {group: balancer.arn for group, balancer in found.items() if balancer is not None}


def view(row: TargetGroup, users: Mapping[str, str]) -> dict[str, Any]:
    """A target group as AWS answers it."""
    view: dict[str, Any] = {
        "TargetGroupArn": row.arn,
        "TargetGroupName": row.name,
        "Protocol": row.protocol,
        "Port": row.port,
        "VpcId": row.vpc_id,
        "HealthCheckProtocol": row.check_protocol,
        "HealthCheckPort": row.check_port,
        "HealthCheckEnabled": row.check_enabled,
        "HealthCheckIntervalSeconds": row.check_interval,
        "HealthCheckTimeoutSeconds": row.check_timeout,
        "HealthyThresholdCount": row.healthy_count,
        "UnhealthyThresholdCount": row.unhealthy_count,
        "LoadBalancerArns": [users[row.id]] if row.id in users else [],
        "TargetType": row.target_type,
        "IpAddressType": row.ip_type,
    }
    if row.check_path:
        view["HealthCheckPath"] = row.check_path
    if row.check_codes:
        view["Matcher"] = {"HttpCode": row.check_codes}
    if row.protocol_version:
        view["ProtocolVersion"] = row.protocol_version
    return view


@operation()
def describe_target_groups(
    call: Call,
    *,
    load_balancer_arn: str | None = None,
    target_group_arns: list[str] | None = None,
    names: list[str] | None = None,
    page_size: int | None = None,
    marker: str | None = None,
) -> Answer:
    """DescribeTargetGroups: all, or those by ARN, by name, or of one balancer."""
    state = call.cloud.state
    if sum(bool(one) for one in (load_balancer_arn, target_group_arns, names)) > 1:
        raise invalid("Only one of a load balancer ARN, target group ARNs and names can be specified")
    users, rows = _users(state), state.target_groups.query("target_type != 'classic'")
    if load_balancer_arn:
        arn = naming.balancer(state, load_balancer_arn).arn
        rows = [row for row in rows if users.get(row.id) == arn]
    for column, wanted in (("arn", target_group_arns), ("name", names)):
        if wanted:
            by_value = {getattr(row, column): row for row in rows}
            if not set(wanted) <= by_value.keys():
                raise no_group()
            rows = [by_value[one] for one in dict.fromkeys(wanted)]
    views = [view(row, users) for row in rows]
    return marks.page("TargetGroups", views, lambda one: str(one["TargetGroupArn"]), page_size, marker)


@operation()
def modify_target_group(
    call: Call,
    *,
    target_group_arn: str,
    health_check_protocol: str | None = None,
    health_check_port: str | None = None,
    health_check_path: str | None = None,
    health_check_enabled: bool | None = None,
    health_check_interval_seconds: int | None = None,
    health_check_timeout_seconds: int | None = None,
    healthy_threshold_count: int | None = None,
    unhealthy_threshold_count: int | None = None,
    matcher: MatcherInput | None = None,
) -> Answer:
    """ModifyTargetGroup: its health check."""
    state = call.cloud.state
    row = naming.group(state, target_group_arn)
    wanted = Wanted(
        health_check_enabled, health_check_protocol, health_check_port, health_check_path, health_check_interval_seconds,
        health_check_timeout_seconds, healthy_threshold_count, unhealthy_threshold_count, matcher,
    )  # fmt: skip
    fields = health_checks.columns(wanted, row.protocol, _check_of(row))
    state.target_groups.change(row.id, **fields)
    users = _users(state)
    if row.id in users:
        call.touch(naming.balancer(state, users[row.id]).id)
    return {"TargetGroups": [view(dataclasses.replace(row, **fields), users)]}


def _check_of(row: TargetGroup) -> dict[str, Any]:
    """The columns of a group's health check."""
    columns = ("check_enabled", "check_protocol", "check_port", "check_path", "check_interval", "check_timeout", "healthy_count",
               "unhealthy_count", "check_codes")  # fmt: skip
    return {name: getattr(row, name) for name in columns}


@operation()
def delete_target_group(call: Call, *, target_group_arn: str) -> Answer:
    """DeleteTargetGroup, with its targets; one that is gone already is no error."""
    state = call.cloud.state
    try:
        row = naming.group(state, target_group_arn)
    except ApiError as error:
        if error.code == "TargetGroupNotFound":
            return {}
        raise
    if Registry(state).balancer_of(row) is not None:
        raise ApiError("ResourceInUse", f"Target group '{row.arn}' is currently in use by a listener or a rule")
    remove(state, row.id, row.arn)
    return {}


def remove(state: State, group_id: str, arn: str) -> None:
    """Delete a group with its targets."""
    state.targets.remove_where("group_id = ?", group_id)
    tagging.drop(state, arn)
    state.target_groups.remove(group_id)
