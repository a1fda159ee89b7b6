"""Tags of balancers, target groups, listeners and rules, by their ARNs."""

from collections.abc import Sequence
from typing import TypedDict

from ...api import Answer, Call, operation
from ...errors import ApiError
from ...state.rows import Tag
from ...state.store import State
from . import names
from .limits import MOST_TAGS
from .refusals import invalid, no_rule


class TagInput(TypedDict, total=False):
    """A tag."""

    Key: str
    Value: str


_KINDS = {
    ":loadbalancer/": ("load-balancer", names.balancer),
    ":targetgroup/": ("target-group", names.group),
    ":listener/": ("listener", names.listener),
}


def _kind(state: State, arn: str) -> str:
    """The kind of a resource that is there. Raises ApiError (…NotFound)."""
    if ":listener-rule/" in arn:
        if not state.rules.find(arn=arn) and not state.listeners.find(default_rule=arn):
            raise no_rule()
        return "listener-rule"
    for part, (kind, find) in _KINDS.items():
        if part in arn:
            find(state, arn)
            return kind
    raise invalid(f"'{arn}' is not a valid ARN of a load balancing resource")


def checked(given: Sequence[TagInput]) -> dict[str, str]:
    """Tags as a dict. Raises ApiError."""
    found: dict[str, str] = {}
    for tag in given:
        key = tag.get("Key", "")
        if key in found:
            raise ApiError("DuplicateTagKeys", f"A tag key was specified more than once: '{key}'")
        if not key or key.lower().startswith("aws:"):
            raise invalid(f"'{key}' cannot be a tag key: it must have 1 to 128 characters and not begin with 'aws:'")
        found[key] = tag.get("Value", "")
    return found


def give(call: Call, arn: str, given: Sequence[TagInput] | None, kind: str = "") -> None:
    """Add tags to a resource, in place of those with the same keys. Raises ApiError (TooManyTags)."""
    state = call.cloud.state
    wanted = checked(given or [])
    kind = kind or _kind(state, arn)
    there = {tag.key for tag in state.tags.find(resource_id=arn)}
    if len(there | wanted.keys()) > MOST_TAGS:
        raise ApiError("TooManyTags", f"A resource can have at most {MOST_TAGS} tags")
    for key, value in wanted.items():
        state.tags.remove(arn, key)
        state.tags.add(Tag(arn, key, value, kind))


def drop(state: State, arn: str) -> None:
    """Remove all tags of a resource that goes."""
    state.tags.remove_where("resource_id = ?", arn)


@operation()
def add_tags(call: Call, *, resource_arns: list[str], tags: list[TagInput]) -> Answer:
    """AddTags."""
    for arn in resource_arns:
        give(call, arn, tags)
    return {}


@operation()
def remove_tags(call: Call, *, resource_arns: list[str], tag_keys: list[str]) -> Answer:
    """RemoveTags: keys that are not there are no error."""
    for arn in resource_arns:
        _kind(call.cloud.state, arn)
        for key in tag_keys:
            call.cloud.state.tags.remove(arn, key)
    return {}


@operation()
def describe_tags(call: Call, *, resource_arns: list[str]) -> Answer:
    """DescribeTags."""
    state = call.cloud.state
    for arn in resource_arns:
        _kind(state, arn)
    found = state.tags_of(resource_arns)
    return {"TagDescriptions": [{"ResourceArn": arn, "Tags": found[arn]} for arn in resource_arns]}
