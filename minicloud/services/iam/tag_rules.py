"""What tags of roles, instance profiles and server certificates may be. They are kept by ARN, as other services' are.

Keys that differ in case only are one key, which is written as it was given last. AWS's page: "Tags for AWS Identity and Access
Management resources".
"""

from collections.abc import Sequence
from typing import Any, TypedDict

from ...api import Call
from ...aws import tags as rules
from ...errors import ApiError
from ...state.rows import Tag


class TagInput(TypedDict, total=False):
    """A tag."""

    Key: str
    Value: str


def _checked(given: Sequence[TagInput]) -> dict[str, str]:
    found = {tag["Key"]: tag["Value"] for tag in given}
    if len({key.lower() for key in found}) < len(given):
        raise ApiError("InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if any(rules.is_reserved(key) for key in found):
        raise ApiError("InvalidInput", "Tag keys that begin with aws: are reserved, and cannot be given.")
    return found


def give(call: Call, arn: str, kind: str, given: Sequence[TagInput] | None) -> None:
    """Add tags, in place of those with the same keys. Raises ApiError (InvalidInput, LimitExceeded)."""
    wanted, state = _checked(given or ()), call.cloud.state
    take(call, arn, wanted)
    if len(state.tags.find(resource_id=arn)) + len(wanted) > rules.MOST_TAGS:
        raise ApiError("LimitExceeded", f"The number of tags has reached the maximum limit of {rules.MOST_TAGS}.", 409)
    for key, value in wanted.items():
        state.tags.add(Tag(arn, key, value, kind))


def take(call: Call, arn: str, keys: Sequence[str] | dict[str, str]) -> None:
    """Remove the tags of these keys, where there are such."""
    state, gone = call.cloud.state, {key.lower() for key in keys}
    for tag in state.tags.find(resource_id=arn):
        if tag.key.lower() in gone:
            state.tags.remove(arn, tag.key)


def drop(call: Call, arn: str) -> None:
    """Remove all tags of what goes."""
    call.cloud.state.tags.remove_where("resource_id = ?", arn)


def shown(call: Call, arn: str) -> dict[str, Any]:
    """The tags as a part of a description; nothing where there are none."""
    return rules.tag_set(call.cloud.state.tags_of([arn])[arn])
