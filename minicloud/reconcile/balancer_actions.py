"""Actions, rules and stickiness as AWS's API has them, as the host's balancers take them. Pure functions of rows."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..host.load_balancer_spec import Action, Condition, FixedResponse, Forward, Redirect, Rule, Stickiness
from ..state import rows_lb
from ..state.lb_registry import Registry

_VALUES = {
    "host-header": "HostHeaderConfig",
    "path-pattern": "PathPatternConfig",
    "http-header": "HttpHeaderConfig",
    "http-request-method": "HttpRequestMethodConfig",
    "source-ip": "SourceIpConfig",
}


def action(registry: Registry, actions: Sequence[Mapping[str, Any]]) -> Action:
    """The one action that rows have."""
    found = actions[-1]
    if found["Type"] == "fixed-response":
        config = found["FixedResponseConfig"]
        return FixedResponse(int(config["StatusCode"]), config.get("ContentType", ""), config.get("MessageBody", ""))
    if found["Type"] == "redirect":
        config = found["RedirectConfig"]
        status = int(config["StatusCode"].removeprefix("HTTP_"))
        return Redirect(config["Protocol"], config["Host"], config["Port"], config["Path"], config["Query"], status)
    config = found["ForwardConfig"]
    groups = [(registry.group(arn), weight) for arn, weight in rows_lb.forwards([dict(found)])]
    sticky = config.get("TargetGroupStickinessConfig", {})
    seconds = int(sticky.get("DurationSeconds", 3600)) if sticky.get("Enabled") else 0
    return Forward(tuple((group.id, weight) for group, weight in groups if group is not None), seconds)


def rule(registry: Registry, row: rows_lb.Rule) -> Rule:
    """A rule."""
    return Rule(row.priority, tuple(map(_condition, row.conditions)), action(registry, row.actions))


def _condition(given: Mapping[str, Any]) -> Condition:
    field = given["Field"]
    if field == "query-string":
        pairs = given["QueryStringConfig"]["Values"]
        return Condition(field, pairs=tuple((one.get("Key", ""), one["Value"]) for one in pairs))
    config = given[_VALUES[field]]
    return Condition(field, tuple(config["Values"]), config.get("HttpHeaderName", ""))


def stickiness(attributes: Mapping[str, str]) -> Stickiness | None:
    """How a group keeps clients to targets."""
    if attributes.get("stickiness.enabled") != "true":
        return None
    kind = attributes["stickiness.type"]
    if kind == "source_ip":
        return Stickiness("source")
    if kind == "app_cookie":
        seconds = int(attributes["stickiness.app_cookie.duration_seconds"])
        return Stickiness("application", seconds, attributes["stickiness.app_cookie.cookie_name"], ("AWSALBAPP-0",))
    return Stickiness("cookie", int(attributes["stickiness.lb_cookie.duration_seconds"]), cookies=("AWSALB", "AWSALBCORS"))
