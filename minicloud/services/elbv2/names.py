"""Names, identifiers, ARNs and DNS names of load balancers, target groups, listeners and rules."""

import re
import secrets

from ...aws import arns
from ...config import Settings
from ...state.rows_lb import Listener, LoadBalancer, Rule, TargetGroup
from ...state.store import State
from .refusals import invalid, no_balancer, no_group, no_listener, no_rule

MOST_NAME = 32
HOSTED_ZONES = {"application": "Z35SXDOTRQ7X7K", "network": "Z26RNL4JYFTOTI", "classic": "Z35SXDOTRQ7X7K"}
_NAME = re.compile(r"[A-Za-z0-9-]+")


def digits() -> str:
    """Sixteen hexadecimal digits of a new resource."""
    return secrets.token_hex(8)


def check_balancer(name: str, *, classic: bool = False) -> None:
    """Refuse a name that no balancer may have. Raises ApiError."""
    if len(name) > MOST_NAME:
        raise invalid(f"The load balancer name '{name}' cannot be longer than '{MOST_NAME}' characters")
    _check(f"The load balancer name '{name}'", name)
    if name.startswith("internal-") and not classic:
        raise invalid(f"The load balancer name '{name}' cannot begin with 'internal-'")


def check_group(name: str) -> None:
    """Refuse a name that no target group may have. Raises ApiError."""
    if len(name) > MOST_NAME:
        raise invalid(f"Target group name '{name}' cannot be longer than '{MOST_NAME}' characters")
    _check(f"Target group name '{name}'", name)


def _check(what: str, name: str) -> None:
    if not name:
        raise invalid(f"{what} cannot be empty")
    if not _NAME.fullmatch(name):
        raise invalid(f"{what} can only contain characters that are alphanumeric characters or hyphens(-)")
    if name.startswith("-") or name.endswith("-"):
        raise invalid(f"{what} cannot begin or end with '-'")


def balancer_arn(settings: Settings, kind: str, name: str, own: str) -> str:
    """The ARN of a balancer with these digits."""
    return arns.load_balancer(settings.region, settings.account_id, kind, name, own)


def dns_name(settings: Settings, kind: str, name: str, scheme: str, own: str) -> str:
    """The DNS name of a new balancer, in lower case as DNS compares it."""
    tail = own if kind == "network" else str(10**9 + secrets.randbelow(9 * 10**9))
    start = "internal-" if scheme == "internal" else ""
    return f"{start}{name}-{tail}.{settings.balancer_domain}".lower()


def balancer(state: State, arn: str) -> LoadBalancer:
    """The balancer of an ARN. Raises ApiError (LoadBalancerNotFound)."""
    _shaped(arn, ":loadbalancer/", "load balancer")
    found = state.load_balancers.query("arn = ? and kind != 'classic'", (arn,))
    if not found:
        raise no_balancer()
    return found[0]


def group(state: State, arn: str) -> TargetGroup:
    """The target group of an ARN. Raises ApiError (TargetGroupNotFound)."""
    _shaped(arn, ":targetgroup/", "target group")
    found = state.target_groups.query("arn = ? and target_type != 'classic'", (arn,))
    if not found:
        raise no_group()
    return found[0]


def listener(state: State, arn: str) -> Listener:
    """The listener of an ARN. Raises ApiError (ListenerNotFound)."""
    _shaped(arn, ":listener/", "listener")
    found = state.listeners.find(arn=arn)
    if not found:
        raise no_listener()
    return found[0]


def rule(state: State, arn: str) -> Rule:
    """The rule of an ARN, not a default one. Raises ApiError (RuleNotFound)."""
    _shaped(arn, ":listener-rule/", "rule")
    found = state.rules.find(arn=arn)
    if not found:
        raise no_rule()
    return found[0]


def _shaped(arn: str, part: str, what: str) -> None:
    if not arn.startswith("arn:") or part not in arn:
        raise invalid(f"'{arn}' is not a valid {what} ARN")
