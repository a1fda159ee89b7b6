"""Trust policies of roles: AWS's JSON, of which principals alone are evaluated."""

import json

from ..errors import ApiError


def principals(policy: str) -> list[tuple[str, str]]:
    """Who a trust policy lets in: pairs such as (Service, ec2.amazonaws.com). Raises ApiError (MalformedPolicyDocument)."""
    try:
        statements = json.loads(policy)["Statement"]
        statements = statements if isinstance(statements, list) else [statements]
        found = []
        for statement in statements:
            if "Condition" in statement or statement["Effect"] != "Allow":
                raise ApiError("MalformedPolicyDocument", "minicloud evaluates principals: Effect is Allow, without Condition")
            given = statement["Principal"]
            for kind, names in ({"AWS": "*"} if given == "*" else given).items():
                found += [(str(kind), str(name)) for name in (names if isinstance(names, list) else [names])]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ApiError("MalformedPolicyDocument", "This policy contains invalid Json") from error
    return found


def lets_in(policy: str, service: str) -> bool:
    """Whether a service, such as ec2.amazonaws.com, may have the role."""
    return ("Service", service) in principals(policy)
