"""Certificates of HTTPS and TLS listeners: the default one, and those that clients choose by name (SNI)."""

from collections.abc import Sequence
from typing import TypedDict

from ...api import Answer, Call, operation
from ...aws import ssl_policies
from ...errors import ApiError
from ...state.store import State
from . import limits, marks, names
from .refusals import invalid


class CertificateInput(TypedDict, total=False):
    """A certificate. `IsDefault` is for answers only."""

    CertificateArn: str


SECURE = ("HTTPS", "TLS")


def check(state: State, arn: str) -> str:
    """Refuse a certificate that is not there. Raises ApiError (CertificateNotFound)."""
    if state.certificates.get(arn) is None:
        raise ApiError("CertificateNotFound", f"Certificate ARN '{arn}' is not found")
    return arn


def default(state: State, protocol: str, given: Sequence[CertificateInput] | None) -> list[str]:
    """The one certificate that a new listener is given; none for a protocol without TLS. Raises ApiError."""
    if protocol not in SECURE:
        if given:
            raise invalid(f"A certificate cannot be specified for {protocol} listeners")
        return []
    if not given:
        raise invalid(f"A certificate must be specified for {protocol} listeners")
    if len(given) > 1:
        raise invalid(f"Up to one default certificate can be specified, but '{len(given)}' were specified")
    return [check(state, given[0].get("CertificateArn", ""))]


def policy(protocol: str, wanted: str | None) -> str:
    """The security policy of a listener; empty for a protocol without TLS. Raises ApiError."""
    if protocol not in SECURE:
        if wanted:
            raise invalid(f"An SSL policy cannot be specified for {protocol} listeners")
        return ""
    if wanted is not None and wanted not in ssl_policies.POLICIES:
        raise ApiError("SSLPolicyNotFound", f"SSL policy '{wanted[:80]}' not found")
    return wanted or ssl_policies.DEFAULT


def _secure(state: State, arn: str) -> list[str]:
    row = names.listener(state, arn)
    if row.protocol not in SECURE:
        raise invalid(f"Certificates are for HTTPS and TLS listeners; this one is {row.protocol}")
    return row.certificates


@operation()
def add_listener_certificates(call: Call, *, listener_arn: str, certificates: list[CertificateInput]) -> Answer:
    """AddListenerCertificates: those that are there already stay."""
    state = call.cloud.state
    before = _secure(state, listener_arn)
    added = [check(state, one.get("CertificateArn", "")) for one in certificates]
    whole = list(dict.fromkeys([*before, *added]))
    if len(whole) - 1 > limits.MOST_CERTIFICATES:
        raise ApiError("TooManyCertificates", f"A load balancer can have at most {limits.MOST_CERTIFICATES} certificates")
    _put(call, listener_arn, whole)
    return {"Certificates": [{"CertificateArn": arn, "IsDefault": False} for arn in added if arn != whole[0]]}


def _put(call: Call, listener_arn: str, whole: list[str]) -> None:
    row = names.listener(call.cloud.state, listener_arn)
    call.cloud.state.listeners.change(row.id, certificates=whole)
    call.touch(row.load_balancer_id)


@operation()
def remove_listener_certificates(call: Call, *, listener_arn: str, certificates: list[CertificateInput]) -> Answer:
    """RemoveListenerCertificates: the default one cannot be removed, only replaced (ModifyListener)."""
    before = _secure(call.cloud.state, listener_arn)
    gone = {one.get("CertificateArn", "") for one in certificates}
    if before[0] in gone:
        raise ApiError("OperationNotPermitted", "The default certificate of a listener cannot be removed")
    _put(call, listener_arn, [arn for arn in before if arn not in gone])
    return {}


@operation()
def describe_listener_certificates(
    call: Call, *, listener_arn: str, marker: str | None = None, page_size: int | None = None
) -> Answer:
    """DescribeListenerCertificates: the default one is among them."""
    row = names.listener(call.cloud.state, listener_arn)
    views = [{"CertificateArn": arn, "IsDefault": number == 0} for number, arn in enumerate(row.certificates)]
    return marks.page("Certificates", views, lambda one: f"{not one['IsDefault']:d}{one['CertificateArn']}", page_size, marker)


@operation()
def describe_ssl_policies(
    call: Call,  # noqa: ARG001
    *,
    names: list[str] | None = None,
    marker: str | None = None,
    page_size: int | None = None,
    load_balancer_type: str | None = None,
) -> Answer:
    """DescribeSSLPolicies: both kinds of balancers have all of them."""
    if unknown := [name for name in names or () if name not in ssl_policies.POLICIES]:
        raise ApiError("SSLPolicyNotFound", f"SSL policy '{unknown[0][:80]}' not found")
    found = [one for one in ssl_policies.POLICIES.values() if not names or one.name in names]
    views = [
        {
            "SslProtocols": list(one.protocols),
            "Ciphers": [{"Name": cipher, "Priority": place} for place, cipher in enumerate(one.ciphers, 1)],
            "Name": one.name,
            "SupportedLoadBalancerTypes": ["application", "network"],
        }
        for one in found
        if load_balancer_type != "gateway"
    ]
    return marks.page("SslPolicies", views, lambda one: str(one["Name"]), page_size, marker)
