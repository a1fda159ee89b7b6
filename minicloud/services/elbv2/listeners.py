"""Listeners. What is asked for is checked as a whole, with what stays as it is, before anything is written."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from ...api import Answer, Call, operation
from ...aws import arns
from ...errors import ApiError
from ...state.lb_registry import Registry
from ...state.rows_lb import Listener, LoadBalancer
from ...state.store import State
from . import actions, limits, listener_attributes, marks
from . import certificates as certs
from . import names as naming
from . import tags as tagging
from .actions import ActionInput
from .certificates import CertificateInput
from .refusals import invalid, no_listener, unsupported
from .tags import TagInput

PROTOCOLS = {"application": ("HTTP", "HTTPS"), "network": ("TCP", "TLS")}
UNSUPPORTED = ("UDP", "TCP_UDP", "QUIC", "TCP_QUIC")
"""What AWS has for network balancers and HAProxy, which carries the traffic here, has not."""
ALPN = ("HTTP1Only", "HTTP2Only", "HTTP2Optional", "HTTP2Preferred", "None")


def _protocol(balancer: LoadBalancer, protocol: str) -> str:
    allowed = PROTOCOLS[balancer.kind]
    if balancer.kind == "network" and protocol in UNSUPPORTED:
        raise unsupported(f"minicloud does not support {protocol} listeners")
    if protocol not in allowed:
        raise invalid(f"Listener protocol '{protocol}' must be one of '{', '.join(allowed)}'")
    return protocol


def _alpn(protocol: str, given: Sequence[str] | None) -> str:
    if not given:
        return ""
    if protocol != "TLS":
        raise invalid(f"An ALPN policy cannot be specified for {protocol} listeners")
    if len(given) > 1:
        raise invalid("Only one ALPN policy can be specified")
    if given[0] not in ALPN:
        raise ApiError("ALPNPolicyNotFound", f"ALPN policy '{given[0][:80]}' must be one of: {', '.join(ALPN)}")
    return given[0]


def _check_port(state: State, balancer: LoadBalancer, port: int, own: str = "") -> None:
    """Refuse a port that another listener has. Raises ApiError (DuplicateListener)."""
    if any(other.id != own for other in state.listeners.find(load_balancer_id=balancer.id, port=port)):
        raise ApiError("DuplicateListener", f"A listener already exists on this port for this load balancer '{balancer.arn}'")


@operation()
def create_listener(
    call: Call,
    *,
    load_balancer_arn: str,
    protocol: str | None = None,
    port: int | None = None,
    ssl_policy: str | None = None,
    certificates: list[CertificateInput] | None = None,
    default_actions: list[ActionInput],
    alpn_policy: list[str] | None = None,
    tags: list[TagInput] | None = None,
) -> Answer:
    """CreateListener."""
    state = call.cloud.state
    balancer = naming.balancer(state, load_balancer_arn)
    if protocol is None or port is None:
        raise invalid(f"A listener {'protocol' if protocol is None else 'port'} must be specified")
    _protocol(balancer, protocol)
    _check_port(state, balancer, port)
    if len(state.listeners.find(load_balancer_id=balancer.id)) >= limits.MOST_LISTENERS:
        raise ApiError("TooManyListeners", f"A load balancer can have at most {limits.MOST_LISTENERS} listeners")
    digits = naming.digits()
    arn = arns.listener(balancer.arn, digits)
    row = Listener(
        id=f"listener-{digits}",
        arn=arn,
        load_balancer_id=balancer.id,
        protocol=protocol,
        port=port,
        ssl_policy=certs.policy(protocol, ssl_policy),
        certificates=certs.default(state, protocol, certificates),
        actions=actions.checked(Registry(state), balancer, protocol, default_actions),
        default_rule=arns.rule(arn, naming.digits()),
        alpn=_alpn(protocol, alpn_policy),
        created=call.now,
        attributes=listener_attributes.defaults(protocol),
    )
    state.listeners.add(row)
    tagging.give(call, row.arn, tags)
    call.touch(balancer.id)
    return {"Listeners": [view(row, balancer)]}


def view(row: Listener, balancer: LoadBalancer) -> dict[str, Any]:
    """A listener as AWS answers it."""
    view: dict[str, Any] = {
        "ListenerArn": row.arn,
        "LoadBalancerArn": balancer.arn,
        "Port": row.port,
        "Protocol": row.protocol,
        "DefaultActions": actions.view(row.actions),
    }
    if row.certificates:
        view["Certificates"] = [{"CertificateArn": row.certificates[0]}]
        view["SslPolicy"] = row.ssl_policy
        view["MutualAuthentication"] = {"Mode": "off"}
    if row.alpn:
        view["AlpnPolicy"] = [row.alpn]
    return view


@operation()
def describe_listeners(
    call: Call,
    *,
    load_balancer_arn: str | None = None,
    listener_arns: list[str] | None = None,
    page_size: int | None = None,
    marker: str | None = None,
) -> Answer:
    """DescribeListeners: of a balancer, or those named."""
    state = call.cloud.state
    balancers = {row.id: row for row in state.load_balancers.query("kind != 'classic'")}
    if bool(load_balancer_arn) == bool(listener_arns):
        raise invalid("You must specify either listener ARNs or a load balancer ARN")
    if load_balancer_arn:
        rows = state.listeners.find(load_balancer_id=naming.balancer(state, load_balancer_arn).id)
    else:
        rows = state.listeners.among("arn", set(listener_arns or ()))
        if len(rows) < len(set(listener_arns or ())):
            raise no_listener()
    views = [view(row, balancers[row.load_balancer_id]) for row in rows]
    return marks.page("Listeners", views, lambda one: str(one["ListenerArn"]), page_size, marker)


@operation()
def modify_listener(
    call: Call,
    *,
    listener_arn: str,
    port: int | None = None,
    protocol: str | None = None,
    ssl_policy: str | None = None,
    certificates: list[CertificateInput] | None = None,
    default_actions: list[ActionInput] | None = None,
    alpn_policy: list[str] | None = None,
) -> Answer:
    """ModifyListener. Certificates for SNI stay where TLS stays; with it they go."""
    state = call.cloud.state
    row = naming.listener(state, listener_arn)
    balancer = state.load_balancers.get(row.load_balancer_id)
    if balancer is None:
        raise no_listener()
    wanted = _protocol(balancer, protocol or row.protocol)
    port = port or row.port
    _check_port(state, balancer, port, row.id)
    policy = ssl_policy or (row.ssl_policy if wanted in certs.SECURE else None)
    given = [dict(one) for one in actions.view(row.actions)]
    chosen = default_actions if default_actions is not None else [_as_input(one) for one in given]
    fields: dict[str, Any] = {
        "protocol": wanted,
        "port": port,
        "ssl_policy": certs.policy(wanted, policy or None),
        "certificates": _certificates(state, row, wanted, certificates),
        "actions": actions.checked(Registry(state), balancer, wanted, chosen),
        "alpn": _alpn(wanted, alpn_policy if alpn_policy is not None else [row.alpn] if row.alpn and wanted == "TLS" else None),
        "attributes": {**listener_attributes.defaults(wanted), **listener_attributes.fitting(row.attributes, wanted)},
    }
    state.listeners.change(row.id, **fields)
    call.touch(balancer.id)
    return {"Listeners": [view(dataclasses.replace(row, **fields), balancer)]}


def _as_input(action: dict[str, Any]) -> ActionInput:
    """An action that stays, to be checked against what becomes of its listener."""
    kept: Any = {name: value for name, value in action.items() if name != "TargetGroupArn"}
    found: ActionInput = kept
    return found


def _certificates(state: State, row: Listener, protocol: str, given: Sequence[CertificateInput] | None) -> list[str]:
    if given is None and protocol in certs.SECURE and row.certificates:
        return row.certificates
    first = certs.default(state, protocol, given)
    return list(dict.fromkeys([*first, *row.certificates[1:]])) if first else []


@operation()
def delete_listener(call: Call, *, listener_arn: str) -> Answer:
    """DeleteListener, with its rules."""
    state = call.cloud.state
    row = naming.listener(state, listener_arn)
    remove(state, row)
    call.touch(row.load_balancer_id)
    return {}


def remove(state: State, row: Listener) -> None:
    """Delete a listener with its rules and all their tags."""
    for rule in state.rules.find(listener_id=row.id):
        tagging.drop(state, rule.arn)
        state.rules.remove(rule.id)
    for arn in (row.arn, row.default_rule):
        tagging.drop(state, arn)
    state.listeners.remove(row.id)
