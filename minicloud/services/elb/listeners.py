"""Listeners of classic balancers: a port, and the port and protocol of the instances behind it."""

from collections.abc import Sequence
from typing import TypedDict

from ...api import Answer, Call, operation
from ...aws import arns, ssl_policies
from ...errors import ApiError
from ...state.rows_lb import LbPolicy, Listener, LoadBalancer
from ...state.store import State
from ..elbv2 import listeners as modern
from ..elbv2 import names as naming
from . import names
from .names import configuration, invalid

WEB, PLAIN = ("HTTP", "HTTPS"), ("TCP", "SSL")
SECURE = ("HTTPS", "SSL")
MOST_LISTENERS = 100
NEGOTIATION = "SSLNegotiationPolicyType"
ADDS = "CreateLoadBalancerListeners"
"""The operation that declares DuplicateListener; CreateLoadBalancer does not."""


class ListenerInput(TypedDict, total=False):
    """A listener."""

    Protocol: str
    LoadBalancerPort: int
    InstanceProtocol: str
    InstancePort: int
    SSLCertificateId: str


def check(state: State, given: ListenerInput) -> ListenerInput:
    """A listener with all its members. Raises ApiError."""
    protocol = given.get("Protocol", "").upper()
    inside = given.get("InstanceProtocol", protocol).upper()
    for value in (protocol, inside):
        if value not in (*WEB, *PLAIN):
            raise ApiError("UnsupportedProtocol", f"The protocol '{value[:80]}' must be one of HTTP, HTTPS, TCP, SSL")
    if (protocol in WEB) != (inside in WEB):
        raise configuration(f"The protocol {protocol} cannot be used with the instance protocol {inside}")
    port = given.get("LoadBalancerPort", 0)
    if not 1 <= port <= 65535:
        raise invalid(f"Listener port '{port}' must be between 1 and 65535")
    certificate = given.get("SSLCertificateId", "")
    if protocol in SECURE and not certificate:
        raise invalid(f"SSLCertificateId must be specified for {protocol} listeners")
    if protocol not in SECURE and certificate:
        raise invalid(f"SSLCertificateId cannot be specified for {protocol} listeners")
    if certificate and state.certificates.get(certificate) is None:
        raise ApiError("CertificateNotFound", f"Server Certificate not found for the key: {certificate[:200]}")
    return {
        "Protocol": protocol, "LoadBalancerPort": port, "InstanceProtocol": inside, "InstancePort": given["InstancePort"],
        "SSLCertificateId": certificate,
    }  # fmt: skip


def view(row: Listener) -> ListenerInput:
    """A listener as AWS answers it, without its policies."""
    found: ListenerInput = {
        "Protocol": row.protocol,
        "LoadBalancerPort": row.port,
        "InstanceProtocol": row.instance_protocol,
        "InstancePort": row.instance_port,
    }
    if row.certificates:
        found["SSLCertificateId"] = row.certificates[0]
    return found


def add(call: Call, row: LoadBalancer, wanted: Sequence[ListenerInput]) -> None:
    """Add listeners; one that is there the same is left alone. Raises ApiError."""
    state = call.cloud.state
    for given in wanted:
        full = check(state, given)
        there = state.listeners.find(load_balancer_id=row.id, port=full["LoadBalancerPort"])
        if not there:
            _add(call, row, full)
        elif {"SSLCertificateId": "", **view(there[0])} != full:
            text = (
                f"A listener already exists for {row.name} with LoadBalancerPort {full['LoadBalancerPort']}, but with a "
                "different InstancePort, Protocol, or SSLCertificateId"
            )
            raise ApiError("DuplicateListener", text) if call.operation.name == ADDS else configuration(text)
    rows = state.listeners.find(load_balancer_id=row.id)
    if len(rows) > MOST_LISTENERS:
        raise invalid(f"A load balancer can have at most {MOST_LISTENERS} listeners")
    _check_together(rows)


def _check_together(rows: Sequence[Listener]) -> None:
    """Listeners that lead to one instance port either all encrypt or none of them does. Raises ApiError."""
    secure = {row.instance_port for row in rows if row.instance_protocol in SECURE}
    plain = {row.instance_port for row in rows if row.instance_protocol not in SECURE}
    if both := secure & plain:
        raise configuration(f"Listeners with the instance port {both.pop()} must all have a secure instance protocol, or none")


def _add(call: Call, row: LoadBalancer, full: ListenerInput) -> None:
    digits, secure = naming.digits(), full["Protocol"] in SECURE
    if secure:
        default_policy(call, row)
    call.cloud.state.listeners.add(
        Listener(
            id=f"listener-{digits}",
            arn=arns.listener(row.arn, digits),
            load_balancer_id=row.id,
            protocol=full["Protocol"],
            port=full["LoadBalancerPort"],
            ssl_policy=ssl_policies.DEFAULT if secure else "",
            certificates=[full["SSLCertificateId"]] if secure else [],
            actions=[],
            default_rule="",
            alpn="",
            created=call.now,
            instance_protocol=full["InstanceProtocol"],
            instance_port=full["InstancePort"],
            policies=[ssl_policies.DEFAULT] if secure else [],
        )
    )


def default_policy(call: Call, row: LoadBalancer) -> None:
    """The policy of TLS that a secure listener starts with."""
    state, name = call.cloud.state, ssl_policies.DEFAULT
    if state.lb_policies.get(row.id, name) is None:
        state.lb_policies.add(LbPolicy(row.id, name, NEGOTIATION, {"Reference-Security-Policy": name}, call.now))


@operation()
def create_load_balancer_listeners(call: Call, *, load_balancer_name: str, listeners: list[ListenerInput]) -> Answer:
    """CreateLoadBalancerListeners: all of them, or none."""
    row = names.balancer(call.cloud.state, load_balancer_name)
    add(call, row, listeners)
    call.touch(row.id)
    return {}


@operation()
def delete_load_balancer_listeners(call: Call, *, load_balancer_name: str, load_balancer_ports: list[int]) -> Answer:
    """DeleteLoadBalancerListeners: a port without a listener is no error."""
    state = call.cloud.state
    row = names.balancer(state, load_balancer_name)
    for listener in state.listeners.find(load_balancer_id=row.id):
        if listener.port in load_balancer_ports:
            modern.remove(state, listener)
    call.touch(row.id)
    return {}


@operation()
def set_load_balancer_listener_ssl_certificate(
    call: Call, *, load_balancer_name: str, load_balancer_port: int, ssl_certificate_id: str
) -> Answer:
    """SetLoadBalancerListenerSSLCertificate: clients that connect from then on see it."""
    state = call.cloud.state
    row = names.balancer(state, load_balancer_name)
    found = names.listener(state, row, load_balancer_port)
    if found.protocol not in SECURE:
        raise configuration(
            f"The listener at port {load_balancer_port} has the protocol {found.protocol}, which has no certificate"
        )
    if state.certificates.get(ssl_certificate_id) is None:
        raise ApiError("CertificateNotFound", f"Server Certificate not found for the key: {ssl_certificate_id[:200]}")
    state.listeners.change(found.id, certificates=[ssl_certificate_id])
    call.touch(row.id)
    return {}
