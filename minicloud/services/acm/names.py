"""Certificates by their ARNs, and who uses them."""

from ...api import Call
from ...errors import ApiError
from ...state.rows_lb import Certificate
from ...state.store import State


def prefix(call: Call) -> str:
    """What the ARN of each certificate of ACM's begins with."""
    return f"arn:aws:acm:{call.cloud.settings.region}:{call.cloud.settings.account_id}:certificate/"


def named(call: Call, arn: str) -> Certificate:
    """The certificate of an ARN. Raises ApiError (ResourceNotFoundException, ValidationException)."""
    if not arn.startswith("arn:aws:acm:") or ":certificate/" not in arn:
        raise ApiError("ValidationException", f"The ARN '{arn[:200]}' is not valid: it must be one of a certificate")
    found = call.cloud.state.certificates.get(arn)
    if found is None or not arn.startswith(prefix(call)):
        raise ApiError("ResourceNotFoundException", f"Could not find certificate {arn}.")
    return found


def users(state: State, arn: str) -> dict[str, str]:
    """The balancers whose listeners use a certificate: ARNs by identifiers."""
    using = {row.load_balancer_id for row in state.listeners.query() if arn in row.certificates}
    return {row.id: row.arn for row in state.load_balancers.among("id", sorted(using))}
