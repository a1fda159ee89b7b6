"""Identifiers are long ones, of 17 digits, and were never others here; old clients ask before they store them."""

from typing import Any

from ...api import Answer, Call, operation
from ...aws import ids
from ...errors import ApiError

_KINDS = sorted({*ids.KINDS, "reservation", "vpc", "subnet", "security-group", "internet-gateway"} - {"key-pair"})


def _statuses(resource: str | None) -> list[dict[str, Any]]:
    if resource is not None and resource not in _KINDS:
        raise ApiError(
            "InvalidParameterValue", f"Value ({resource}) for parameter resource is invalid. Allowed: {', '.join(_KINDS)}."
        )
    return [{"Resource": kind, "UseLongIds": True} for kind in ([resource] if resource else _KINDS)]


@operation()
def describe_id_format(call: Call, *, resource: str | None = None) -> Answer:
    """DescribeIdFormat."""
    del call
    return {"Statuses": _statuses(resource)}


@operation()
def describe_aggregate_id_format(call: Call) -> Answer:
    """DescribeAggregateIdFormat."""
    del call
    return {"UseLongIdsAggregated": True, "Statuses": _statuses(None)}


@operation()
def describe_identity_id_format(call: Call, *, principal_arn: str, resource: str | None = None) -> Answer:
    """DescribeIdentityIdFormat: the same for every principal."""
    del call, principal_arn
    return {"Statuses": _statuses(resource)}
