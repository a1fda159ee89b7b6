"""The rules of a group's tags, and keeping them."""

from collections.abc import Mapping, Sequence
from typing import Any

from ...api import Call
from ...aws import tags as rules
from ...errors import ApiError
from ...state.rows_autoscaling import ScalingTag
from .finding import changeable, invalid

MOST_TAGS = 50


def put(call: Call, tags: Sequence[Mapping[str, Any]]) -> None:
    """Make or overwrite tags; each names its group as ResourceId. Raises ApiError."""
    table = call.cloud.state.scaling_tags
    seen: set[tuple[str, str]] = set()
    for tag in tags:
        group, key = _checked(call, tag)
        if (group, key) in seen:
            raise invalid(f"Duplicate tag key '{key}' specified.")
        seen.add((group, key))
        table.remove(group, key)
        table.add(ScalingTag(group, key, tag.get("Value") or "", bool(tag.get("PropagateAtLaunch", False))))
        if len(table.find(group_name=group)) > MOST_TAGS:
            raise ApiError("LimitExceeded", f"A group has at most {MOST_TAGS} tags.")


def _checked(call: Call, tag: Mapping[str, Any]) -> tuple[str, str]:
    if not tag.get("ResourceId"):
        raise invalid("A tag has the name of its group as ResourceId.")
    if tag.get("ResourceType", "auto-scaling-group") != "auto-scaling-group":
        raise invalid("The ResourceType of a tag is auto-scaling-group.")
    try:
        rules.check([{"Key": tag["Key"], "Value": tag.get("Value")}])
    except ApiError as error:
        raise invalid(error.message) from error
    return changeable(call, tag["ResourceId"]).name, tag["Key"]
