"""AWS's rules for tags, and TagSpecifications taken apart."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import ApiError

MOST_TAGS = 50
MOST_KEY, MOST_VALUE = 128, 256


def is_reserved(key: str) -> bool:
    """Whether a tag of this key is set and deleted by services only: by Auto Scaling, by lifecycle policies."""
    return key.lower().startswith("aws:")


def reserved(key: str) -> ApiError:
    """What a user hears who would set or delete such a tag."""
    return ApiError(
        "InvalidParameterValue",
        f"Value ( {key} ) for parameter key is invalid. Tag keys starting with 'aws:' are reserved for internal use",
    )


def check(tags: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Tags as a dict. Raises ApiError for a key or value that AWS refuses, for doubled keys and for more than 50."""
    found: dict[str, str] = {}
    for tag in tags:
        key, value = tag.get("Key"), tag.get("Value") or ""
        if not key:
            raise ApiError("MissingParameter", "The request must contain the parameter Tag.Key")
        if is_reserved(key):
            raise reserved(key)
        if len(key) > MOST_KEY:
            raise ApiError("InvalidParameterValue", f"Tag key exceeds the maximum length of {MOST_KEY} characters")
        if len(value) > MOST_VALUE:
            raise ApiError("InvalidParameterValue", f"Tag value exceeds the maximum length of {MOST_VALUE} characters")
        if key in found:
            raise ApiError("InvalidParameterValue", f"Duplicate tag key '{key}' specified.")
        found[key] = value
    if len(found) > MOST_TAGS:
        raise ApiError("TagLimitExceeded", f"The maximum number of tags for a resource has been reached. It is {MOST_TAGS}.")
    return found


def by_type(specifications: Iterable[Mapping[str, Any]], allowed: Iterable[str]) -> dict[str, dict[str, str]]:
    """TagSpecifications as {resource type: {key: value}}. Raises ApiError for a type that the operation does not make."""
    found: dict[str, dict[str, str]] = {}
    for specification in specifications:
        kind = specification.get("ResourceType")
        if not kind:
            raise ApiError("MissingParameter", "The request must contain the parameter TagSpecification.ResourceType")
        if kind not in allowed:
            raise ApiError(
                "InvalidParameterValue",
                f"'{kind}' is not a valid taggable resource type for this operation; allowed: {', '.join(allowed)}",
            )
        if kind in found:
            raise ApiError("InvalidParameterValue", f"Duplicate resource type '{kind}' in TagSpecifications")
        if not specification.get("Tags"):
            raise ApiError("InvalidParameterValue", f"Tag specification for '{kind}' must have at least one tag")
        found[kind] = check(specification["Tags"])
    return found


def tag_set(tags: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The tags of a resource as a part of its description, for the kinds of which AWS tells no empty set.

    These are addresses, images, instances, launch templates, placement groups, security groups, snapshots, subnets, volumes and
    VPCs. Of capacity reservations, gateways, interfaces, key pairs, network ACLs, route tables, rules and sets of DHCP options it
    tells an empty one.
    """
    return {"Tags": tags} if tags else {}
