"""Policies of classic balancers: stickiness by cookie, which TLS a listener speaks, the Proxy Protocol towards instances.

Of SSLNegotiationPolicyType there are AWS's predefined policies; one put together of single ciphers is refused by name.
"""

import re
from collections.abc import Iterable
from typing import Any, TypedDict

from ...api import Answer, Call, operation
from ...aws import ssl_policies
from ...errors import ApiError
from ...state.rows_lb import LbPolicy, Listener, LoadBalancer
from ...state.store import State
from ..elbv2.attributes import within
from . import names
from .listeners import NEGOTIATION, SECURE, WEB, default_policy
from .names import configuration, invalid

APP, LB, PROXY = "AppCookieStickinessPolicyType", "LBCookieStickinessPolicyType", "ProxyProtocolPolicyType"
MOST_POLICIES = 100
REFERENCES = tuple(f"ELBSecurityPolicy-{name}" for name in ("2016-08", "TLS-1-2-2017-01", "TLS-1-1-2017-01", "2015-05"))
_COOKIE = re.compile(r"[A-Za-z0-9!#$%&*+.^_`|~-]{1,256}")
_NAME = re.compile(r"[A-Za-z0-9-]{1,128}")
_TYPES: dict[str, tuple[str, list[tuple[str, str, str]]]] = {
    APP: ("Stickiness policy with session lifetimes controlled by the lifetime of the application-generated cookie.",
          [("CookieName", "String", "ONE")]),
    LB: ("Stickiness policy with session lifetimes controlled by the browser (user-agent) or a specified expiration period.",
         [("CookieExpirationPeriod", "Long", "ZERO_OR_ONE")]),
    PROXY: ("Policy that controls whether to include the IP address and port of the originating request for TCP messages.",
            [("ProxyProtocol", "Boolean", "ONE")]),
    NEGOTIATION: ("Listener policy that defines the ciphers and protocols that will be accepted by the load balancer.",
                  [("Reference-Security-Policy", "String", "ONE")]),
}  # fmt: skip
_REFUSED_TYPES = ("PublicKeyPolicyType", "BackendServerAuthenticationPolicyType")


class AttributeInput(TypedDict, total=False):
    """An attribute of a policy."""

    AttributeName: str
    AttributeValue: str


def _add(call: Call, row: LoadBalancer, name: str, kind: str, attributes: dict[str, str]) -> None:
    state = call.cloud.state
    if not _NAME.fullmatch(name):
        raise invalid(f"The policy name '{name[:80]}' must have 1 to 128 letters, digits and hyphens")
    if state.lb_policies.get(row.id, name) is not None:
        raise ApiError("DuplicatePolicyName", f"Policy '{name}' already exists for load balancer '{row.name}'")
    if len(state.lb_policies.find(load_balancer_id=row.id)) >= MOST_POLICIES:
        raise ApiError("TooManyPolicies", f"A load balancer can have at most {MOST_POLICIES} policies")
    _check(kind, attributes)
    state.lb_policies.add(LbPolicy(row.id, name, kind, attributes, call.now))


def _check(kind: str, found: dict[str, str]) -> None:
    """Refuse attributes that a policy of this kind cannot have. Raises ApiError."""
    known = {name for name, _, _ in _TYPES[kind][1]}
    if strange := sorted(set(found) - known):
        if kind == NEGOTIATION:
            raise names.unsupported(f"minicloud does not support the attribute {strange[0][:80]}: a policy is one of AWS's own")
        raise configuration(f"The policy type {kind} has no attribute '{strange[0][:80]}'")
    if missing := [name for name, _, count in _TYPES[kind][1] if count == "ONE" and name not in found]:
        raise configuration(f"A policy of the type {kind} must have the attribute '{missing[0]}'")
    if kind == APP and not _COOKIE.fullmatch(found["CookieName"]):
        raise configuration(f"'{found['CookieName'][:80]}' cannot be the name of a cookie")
    if kind == LB and "CookieExpirationPeriod" in found and not within(found["CookieExpirationPeriod"], 1, 2**31 - 1):
        raise configuration(
            f"Cookie expiration period '{found['CookieExpirationPeriod'][:80]}' must be a number of seconds from 1"
        )
    if kind == NEGOTIATION and found["Reference-Security-Policy"] not in REFERENCES:
        raise configuration(f"Reference-Security-Policy must be one of: {', '.join(REFERENCES)}")
    if kind == PROXY and found["ProxyProtocol"] not in ("true", "false"):
        raise configuration("ProxyProtocol must be true or false")


@operation()
def create_app_cookie_stickiness_policy(call: Call, *, load_balancer_name: str, policy_name: str, cookie_name: str) -> Answer:
    """CreateAppCookieStickinessPolicy: a session lasts as long as the application's own cookie."""
    _add(call, names.balancer(call.cloud.state, load_balancer_name), policy_name, APP, {"CookieName": cookie_name})
    return {}


@operation()
def create_lb_cookie_stickiness_policy(
    call: Call, *, load_balancer_name: str, policy_name: str, cookie_expiration_period: int | None = None
) -> Answer:
    """CreateLBCookieStickinessPolicy: a session lasts for some seconds, or as long as the browser runs."""
    period = {} if cookie_expiration_period is None else {"CookieExpirationPeriod": str(cookie_expiration_period)}
    _add(call, names.balancer(call.cloud.state, load_balancer_name), policy_name, LB, period)
    return {}


@operation()
def create_load_balancer_policy(
    call: Call,
    *,
    load_balancer_name: str,
    policy_name: str,
    policy_type_name: str,
    policy_attributes: list[AttributeInput] | None = None,
) -> Answer:
    """CreateLoadBalancerPolicy: it has an effect where a listener or an instance port is given it."""
    row = names.balancer(call.cloud.state, load_balancer_name)
    if policy_type_name in _REFUSED_TYPES:
        raise names.unsupported(f"minicloud does not support the policy type {policy_type_name}")
    if policy_type_name not in _TYPES:
        raise ApiError("PolicyTypeNotFound", f"Policy type '{policy_type_name[:80]}' not found")
    given = {one.get("AttributeName", ""): one.get("AttributeValue", "") for one in policy_attributes or ()}
    _add(call, row, policy_name, policy_type_name, given)
    return {}


@operation()
def delete_load_balancer_policy(call: Call, *, load_balancer_name: str, policy_name: str) -> Answer:
    """DeleteLoadBalancerPolicy: one that no listener and no instance port has."""
    state = call.cloud.state
    row = names.balancer(state, load_balancer_name)
    used = {name for listener in state.listeners.find(load_balancer_id=row.id) for name in listener.policies}
    used |= {name for listed in row.backend_policies.values() for name in listed}
    if policy_name in used:
        raise configuration(f"The policy '{policy_name}' is in use and cannot be deleted")
    state.lb_policies.remove(row.id, policy_name)
    return {}


def _policies(state: State, row: LoadBalancer, wanted: Iterable[str]) -> list[LbPolicy]:
    """Policies of a balancer by their names. Raises ApiError (PolicyNotFound)."""
    there = {policy.name: policy for policy in state.lb_policies.find(load_balancer_id=row.id)}
    names_wanted = list(dict.fromkeys(wanted))
    if missing := [name for name in names_wanted if name not in there]:
        raise ApiError("PolicyNotFound", f"There is no policy with name {missing[0][:80]} for load balancer {row.name}")
    return [there[name] for name in names_wanted]


@operation()
def set_load_balancer_policies_of_listener(
    call: Call, *, load_balancer_name: str, load_balancer_port: int, policy_names: list[str]
) -> Answer:
    """SetLoadBalancerPoliciesOfListener: these take the place of those that it has; TLS always has one."""
    state = call.cloud.state
    row = names.balancer(state, load_balancer_name)
    listener = names.listener(state, row, load_balancer_port)
    chosen = _policies(state, row, policy_names)
    _check_listener(listener, chosen)
    references = [policy.attributes["Reference-Security-Policy"] for policy in chosen if policy.kind == NEGOTIATION]
    kept = [policy.name for policy in chosen]
    if listener.protocol in SECURE and not references:
        default_policy(call, row)
        references, kept = [ssl_policies.DEFAULT], [*kept, ssl_policies.DEFAULT]
    state.listeners.change(listener.id, policies=kept, ssl_policy=references[0] if references else "")
    call.touch(row.id)
    return {}


def _check_listener(listener: Listener, chosen: list[LbPolicy]) -> None:
    kinds = [policy.kind for policy in chosen]
    sticky = [kind for kind in kinds if kind in (APP, LB)]
    if sticky and listener.protocol not in WEB:
        raise configuration(f"Stickiness policies cannot be used with the protocol {listener.protocol}")
    if len(sticky) > 1 or kinds.count(NEGOTIATION) > 1:
        raise configuration("A listener can have one stickiness policy and one SSL negotiation policy")
    if NEGOTIATION in kinds and listener.protocol not in SECURE:
        raise configuration(f"SSL negotiation policies cannot be used with the protocol {listener.protocol}")
    if PROXY in kinds:
        raise configuration(f"Policies of the type {PROXY} are for instance ports, not for listeners")


@operation()
def set_load_balancer_policies_for_backend_server(
    call: Call, *, load_balancer_name: str, instance_port: int, policy_names: list[str]
) -> Answer:
    """SetLoadBalancerPoliciesForBackendServer: the Proxy Protocol for an instance port; without names, none any more."""
    state = call.cloud.state
    row = names.balancer(state, load_balancer_name)
    chosen = _policies(state, row, policy_names)
    if wrong := [policy for policy in chosen if policy.kind != PROXY]:
        raise configuration(f"Policies of the type {wrong[0].kind} are for listeners, not for instance ports")
    if not any(one.instance_port == instance_port for one in state.listeners.find(load_balancer_id=row.id)):
        raise configuration(f"No listener of '{row.name}' has the instance port {instance_port}")
    others = {port: listed for port, listed in row.backend_policies.items() if port != str(instance_port)}
    kept = {str(instance_port): [policy.name for policy in chosen]} if chosen else {}
    state.load_balancers.change(row.id, backend_policies={**others, **kept})
    call.touch(row.id)
    return {}


@operation()
def describe_load_balancer_policies(
    call: Call, *, load_balancer_name: str | None = None, policy_names: list[str] | None = None
) -> Answer:
    """DescribeLoadBalancerPolicies: of a balancer; without one, AWS's predefined policies."""
    state = call.cloud.state
    if load_balancer_name is None:
        found = [LbPolicy("", name, NEGOTIATION, {"Reference-Security-Policy": name}, "") for name in REFERENCES]
        if missing := set(policy_names or ()) - set(REFERENCES):
            raise ApiError("PolicyNotFound", f"There is no policy with name {sorted(missing)[0][:80]}")
        return {"PolicyDescriptions": [_view(one) for one in found if not policy_names or one.name in policy_names]}
    row = names.balancer(state, load_balancer_name)
    wanted = policy_names or [policy.name for policy in state.lb_policies.find(load_balancer_id=row.id)]
    return {"PolicyDescriptions": [_view(one) for one in _policies(state, row, wanted)]}


def _view(policy: LbPolicy) -> dict[str, Any]:
    attributes = [{"AttributeName": name, "AttributeValue": value} for name, value in policy.attributes.items()]
    return {"PolicyName": policy.name, "PolicyTypeName": policy.kind, "PolicyAttributeDescriptions": attributes}


@operation()
def describe_load_balancer_policy_types(call: Call, *, policy_type_names: list[str] | None = None) -> Answer:  # noqa: ARG001
    """DescribeLoadBalancerPolicyTypes: those that there are here."""
    if missing := sorted(set(policy_type_names or ()) - set(_TYPES)):
        raise ApiError("PolicyTypeNotFound", f"Policy type '{missing[0][:80]}' not found")
    return {"PolicyTypeDescriptions": [_type(name) for name in policy_type_names or _TYPES]}


def _type(name: str) -> dict[str, Any]:
    text, attributes = _TYPES[name]
    described = [{"AttributeName": one, "AttributeType": kind, "Cardinality": count} for one, kind, count in attributes]
    return {"PolicyTypeName": name, "Description": text, "PolicyAttributeTypeDescriptions": described}


def summary(state: State, row: LoadBalancer) -> dict[str, Any]:
    """The policies of a balancer, as DescribeLoadBalancers shows them."""
    found = state.lb_policies.find(load_balancer_id=row.id)
    return {
        "AppCookieStickinessPolicies": [
            {"PolicyName": one.name, "CookieName": one.attributes["CookieName"]} for one in found if one.kind == APP
        ],
        "LBCookieStickinessPolicies": [_lb_view(one) for one in found if one.kind == LB],
        "OtherPolicies": [one.name for one in found if one.kind not in (APP, LB)],
    }


def _lb_view(policy: LbPolicy) -> dict[str, Any]:
    period = policy.attributes.get("CookieExpirationPeriod")
    return {"PolicyName": policy.name, **({"CookieExpirationPeriod": int(period)} if period else {})}
