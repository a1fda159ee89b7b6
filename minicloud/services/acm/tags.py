"""Tags of certificates, by the two ways that ACM has."""

from collections.abc import Sequence
from typing import TypedDict

from ...api import Answer, Call, operation
from ...errors import ApiError
from ...state.rows import Tag
from .names import named

MOST_TAGS = 50
_USUAL_REFUSALS = ("InvalidTagException", "TooManyTagsException")
_REFUSALS = {"TagResource": ("ValidationException", "ServiceQuotaExceededException")}
"""The codes for a tag that is none and for too many, of operations that do not declare the usual ones."""


class TagInput(TypedDict, total=False):
    """A tag."""

    Key: str
    Value: str


def give(call: Call, arn: str, given: Sequence[TagInput]) -> None:
    """Add tags to a certificate, in place of those with the same keys. Raises ApiError, in the operation's own codes."""
    wrong, many = _REFUSALS.get(call.operation.name, _USUAL_REFUSALS)
    state = call.cloud.state
    for tag in given:
        key = tag.get("Key", "")
        if not key or key.lower().startswith("aws:"):
            raise ApiError(wrong, f"The tag key '{key}' is not valid; keys do not begin with 'aws:'.")
        state.tags.remove(arn, key)
        state.tags.add(Tag(arn, key, tag.get("Value", ""), "certificate"))
    if len(state.tags.find(resource_id=arn)) > MOST_TAGS:
        raise ApiError(many, f"A certificate can have at most {MOST_TAGS} tags.")


def drop(call: Call, arn: str) -> None:
    """Remove all tags of a certificate that goes."""
    call.cloud.state.tags.remove_where("resource_id = ?", arn)


@operation()
def add_tags_to_certificate(call: Call, *, certificate_arn: str, tags: list[TagInput]) -> Answer:
    """AddTagsToCertificate."""
    give(call, named(call, certificate_arn).arn, tags)
    return {}


@operation()
def remove_tags_from_certificate(call: Call, *, certificate_arn: str, tags: list[TagInput]) -> Answer:
    """RemoveTagsFromCertificate: a tag with a value goes only if it has that value."""
    arn, state = named(call, certificate_arn).arn, call.cloud.state
    for tag in tags:
        there = state.tags.get(arn, tag.get("Key", ""))
        if there is not None and tag.get("Value", there.value) == there.value:
            state.tags.remove(arn, there.key)
    return {}


@operation()
def list_tags_for_certificate(call: Call, *, certificate_arn: str) -> Answer:
    """ListTagsForCertificate."""
    arn = named(call, certificate_arn).arn
    return {"Tags": call.cloud.state.tags_of([arn])[arn]}


@operation()
def tag_resource(call: Call, *, resource_arn: str, tags: list[TagInput]) -> Answer:
    """TagResource."""
    give(call, named(call, resource_arn).arn, tags)
    return {}


@operation()
def untag_resource(call: Call, *, resource_arn: str, tag_keys: list[str]) -> Answer:
    """UntagResource."""
    arn = named(call, resource_arn).arn
    for key in tag_keys:
        call.cloud.state.tags.remove(arn, key)
    return {}


@operation()
def list_tags_for_resource(call: Call, *, resource_arn: str) -> Answer:
    """ListTagsForResource."""
    arn = named(call, resource_arn).arn
    return {"Tags": call.cloud.state.tags_of([arn])[arn]}
