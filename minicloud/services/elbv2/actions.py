"""Actions of listeners and rules, checked and brought into one form: a forward always has its ForwardConfig, a redirect all
six of its parts. Their texts become part of a configuration, so each is held against a narrow pattern here.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from ...errors import ApiError
from ...state.lb_registry import Registry
from ...state.rows_lb import LoadBalancer, TargetGroup, forwards
from . import limits
from .attributes import within
from .refusals import configuration, invalid, no_group, unsupported

MOST_STICKY = 604800
_COMPATIBLE = {"HTTP": ("HTTP", "HTTPS"), "HTTPS": ("HTTP", "HTTPS"), "TCP": ("TCP",), "TLS": ("TCP", "TLS")}
_CONTENT_TYPES = ("text/plain", "text/css", "text/html", "application/javascript", "application/json")
_PARTS = re.compile(r"#\{(protocol|host|port|path|query)\}")
_HOST = re.compile(r"[A-Za-z0-9.*_-]*")
_URI = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")
_REDIRECT = {"Protocol": "#{protocol}", "Port": "#{port}", "Host": "#{host}", "Path": "/#{path}", "Query": "#{query}"}


class GroupInput(TypedDict, total=False):
    """A target group and its weight."""

    TargetGroupArn: str
    Weight: int


class StickinessInput(TypedDict, total=False):
    """Whether a client stays with the group that it was given."""

    Enabled: bool
    DurationSeconds: int


class ForwardInput(TypedDict, total=False):
    """Where to forward to."""

    TargetGroups: list[GroupInput]
    TargetGroupStickinessConfig: StickinessInput


class RedirectInput(TypedDict, total=False):
    """Where to redirect to."""

    Protocol: str
    Port: str
    Host: str
    Path: str
    Query: str
    StatusCode: str


class FixedInput(TypedDict, total=False):
    """What to answer."""

    MessageBody: str
    StatusCode: str
    ContentType: str


class ActionInput(TypedDict, total=False):
    """An action."""

    Type: str
    TargetGroupArn: str
    Order: int
    ForwardConfig: ForwardInput
    RedirectConfig: RedirectInput
    FixedResponseConfig: FixedInput


def checked(registry: Registry, balancer: LoadBalancer, protocol: str, given: Sequence[ActionInput]) -> list[dict[str, Any]]:
    """The actions in the form in which they are kept. Raises ApiError."""
    if len(given) != 1:
        raise invalid("Exactly one action of the type forward, redirect or fixed-response must be specified")
    action, kind = given[0], given[0].get("Type", "")
    makers = {"forward": _forward, "redirect": _redirect, "fixed-response": _fixed}
    if kind not in makers:
        raise unsupported(f"minicloud does not support actions of the type {kind}")
    if balancer.kind == "network" and kind != "forward":
        raise ApiError("InvalidLoadBalancerAction", f"The action type '{kind}' is not valid with network load balancers")
    found: dict[str, Any] = {"Type": kind, **makers[kind](action)}
    if "Order" in action:
        found["Order"] = action["Order"]
    if kind == "redirect":
        _check_redirect(found["RedirectConfig"], protocol)
    _check_groups(registry, balancer, protocol, [arn for arn, _ in forwards([found])])
    return [found]


def _forward(action: ActionInput) -> dict[str, Any]:
    config, single = action.get("ForwardConfig", {}), action.get("TargetGroupArn")
    groups: list[dict[str, Any]] = [{"Weight": 1, **one} for one in config.get("TargetGroups", [])]
    if single and groups and [one.get("TargetGroupArn") for one in groups] != [single]:
        raise invalid("A target group ARN and a forward configuration with other target groups cannot both be specified")
    groups = groups or ([{"TargetGroupArn": single, "Weight": 1}] if single else [])
    if not groups or not all("TargetGroupArn" in one for one in groups):
        raise invalid("A forward action must have a target group, and each of its target groups an ARN")
    arns = [one["TargetGroupArn"] for one in groups]
    if len(set(arns)) < len(arns):
        raise invalid("A target group can be specified only once in an action")
    for one in groups:
        if not 0 <= one["Weight"] <= 999:
            raise invalid(f"Target group weight '{one['Weight']}' must be between 0 and 999")
    return {"ForwardConfig": {"TargetGroups": groups, "TargetGroupStickinessConfig": _sticky(config)}}


def _sticky(config: ForwardInput) -> dict[str, Any]:
    given = config.get("TargetGroupStickinessConfig", {})
    if not given.get("Enabled"):
        return {"Enabled": False}
    seconds = given.get("DurationSeconds", 3600)
    if not 1 <= seconds <= MOST_STICKY:
        raise invalid(f"Target group stickiness duration '{seconds}' must be between 1 and {MOST_STICKY} seconds")
    return {"Enabled": True, "DurationSeconds": seconds}


def _redirect(action: ActionInput) -> dict[str, Any]:
    config = action.get("RedirectConfig")
    if config is None or "StatusCode" not in config:
        raise invalid("A redirect action must have a RedirectConfig with a StatusCode")
    return {"RedirectConfig": {**_REDIRECT, **config}}


def _check_redirect(config: Mapping[str, str], protocol: str) -> None:
    if config["Protocol"] not in ("HTTP", "HTTPS", "#{protocol}"):
        raise invalid(f"Redirect protocol '{config['Protocol'][:80]}' must be HTTP, HTTPS, or #{{protocol}}")
    if protocol == "HTTPS" and config["Protocol"] == "HTTP":
        raise invalid("HTTPS cannot be redirected to HTTP")
    port = config["Port"]
    if port != "#{port}" and not within(port, 1, 65535):
        raise invalid(f"Redirect port '{port[:80]}' must be between 1 and 65535, or #{{port}}")
    for name, pattern in (("Host", _HOST), ("Path", _URI), ("Query", _URI)):
        if not pattern.fullmatch(_PARTS.sub("", config[name])):
            raise invalid(f"Redirect {name.lower()} '{config[name][:80]}' has characters that cannot be in it")
    if not config["Path"].startswith("/"):
        raise invalid(f"Redirect path '{config['Path'][:80]}' must begin with '/'")
    if config["Query"].startswith("?"):
        raise invalid("Redirect query must not begin with '?'")
    same = [name for name in ("Port", "Host", "Path") if config[name] == _REDIRECT[name]]
    if len(same) == 3 and config["Protocol"] in ("#{protocol}", protocol):
        raise invalid("A redirect must change at least one of protocol, port, host and path, or it would never end")


def _fixed(action: ActionInput) -> dict[str, Any]:
    config = action.get("FixedResponseConfig")
    if config is None or "StatusCode" not in config:
        raise invalid("A fixed-response action must have a FixedResponseConfig with a StatusCode")
    if not re.fullmatch(r"[245]\d\d", config["StatusCode"]):
        raise invalid(f"Fixed response status code '{config['StatusCode'][:80]}' must be 2XX, 4XX or 5XX")
    if config.get("ContentType", "text/plain") not in _CONTENT_TYPES:
        raise invalid(f"Fixed response content type '{config['ContentType'][:80]}' must be one of: {', '.join(_CONTENT_TYPES)}")
    return {"FixedResponseConfig": dict(config)}


def _check_groups(registry: Registry, balancer: LoadBalancer, protocol: str, arns: Sequence[str]) -> None:
    """Refuse groups that this balancer cannot forward to. Raises ApiError."""
    most = limits.MOST_GROUPS_OF_ACTION[balancer.kind]
    if len(arns) > most:
        text = f"An action of a {balancer.kind} load balancer can have at most {most} target groups"
        raise ApiError("InvalidLoadBalancerAction", text)
    for arn in arns:
        group = registry.group(arn)
        if group is None or group.target_type == "classic":
            raise no_group()
        _check_group(registry, balancer, protocol, group)


def _check_group(registry: Registry, balancer: LoadBalancer, protocol: str, group: TargetGroup) -> None:
    if group.protocol not in _COMPATIBLE[protocol]:
        raise ApiError(
            "IncompatibleProtocols",
            f"Listener protocol '{protocol}' is not supported with a target group with the protocol '{group.protocol}'",
        )
    if group.vpc_id != balancer.vpc_id:
        raise configuration(f"Target group '{group.arn}' and the load balancer must be in the same VPC")
    there = registry.balancer_of(group)
    if there is not None and there.id != balancer.id:
        raise ApiError(
            "TargetGroupAssociationLimit",
            f"The following target groups cannot be associated with more than one load balancer: {group.arn}",
        )
    if there is None and registry.count_groups(balancer) >= limits.MOST_GROUPS_OF_BALANCER:
        raise ApiError(
            "TooManyUniqueTargetGroupsPerLoadBalancer",
            f"A load balancer can have at most {limits.MOST_GROUPS_OF_BALANCER} target groups",
        )


def view(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Actions as AWS answers them: the target group of a forward to one group stands there twice."""
    views = []
    for action in found:
        groups = action.get("ForwardConfig", {}).get("TargetGroups", [])
        single = {"TargetGroupArn": groups[0]["TargetGroupArn"]} if len(groups) == 1 else {}
        views.append({**action, **single})
    return views
