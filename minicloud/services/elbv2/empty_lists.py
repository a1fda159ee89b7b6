"""Trust stores of application load balancers: none, since clients are not asked for certificates."""

from typing import Any

from ...api import Answer, Call
from ...errors import ApiError
from .. import empty

NAMES = "DescribeTrustStores DescribeTrustStoreAssociations DescribeTrustStoreRevocations"


def nothing(call: Call, **given: Any) -> Answer:
    """An empty list; a trust store that is named is not found."""
    for _, (name, *_rest) in empty.identified(call, given):
        raise ApiError("TrustStoreNotFound", f"Trust store '{name}' not found")
    return empty.answer(call, given)


empty.declare("elbv2", NAMES.split(), nothing)
