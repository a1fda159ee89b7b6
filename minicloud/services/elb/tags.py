"""Tags of classic balancers, by their names."""

from collections.abc import Sequence
from typing import TypedDict

from ...api import Answer, Call, operation
from ...state.rows_lb import LoadBalancer
from ..elbv2 import tags as modern
from ..elbv2.tags import TagInput
from . import names

__all__ = ["TagInput"]


class KeyInput(TypedDict, total=False):
    """A tag's key."""

    Key: str


def give(call: Call, row: LoadBalancer, given: Sequence[TagInput]) -> None:
    """Add tags to a balancer. Raises ApiError."""
    modern.give(call, row.arn, given, "load-balancer")


@operation()
def add_tags(call: Call, *, load_balancer_names: list[str], tags: list[TagInput]) -> Answer:
    """AddTags."""
    for name in load_balancer_names:
        give(call, names.balancer(call.cloud.state, name), tags)
    return {}


@operation()
def remove_tags(call: Call, *, load_balancer_names: list[str], tags: list[KeyInput]) -> Answer:
    """RemoveTags: keys that are not there are no error."""
    state = call.cloud.state
    for name in load_balancer_names:
        row = names.balancer(state, name)
        for tag in tags:
            state.tags.remove(row.arn, tag.get("Key", ""))
    return {}


@operation()
def describe_tags(call: Call, *, load_balancer_names: list[str]) -> Answer:
    """DescribeTags."""
    state = call.cloud.state
    rows = [names.balancer(state, name) for name in load_balancer_names]
    found = state.tags_of(row.arn for row in rows)
    return {"TagDescriptions": [{"LoadBalancerName": row.name, "Tags": found[row.arn]} for row in rows]}
