"""Tags of groups. With PropagateAtLaunch the instances that are launched from then on get them."""

from ...api import Answer, Call, operation
from . import tag_rules
from .finding import named
from .group_request import TagInput
from .group_view import tag_view

_FILTERS = {
    "auto-scaling-group": "ResourceId", "key": "Key", "value": "Value", "propagate-at-launch": "PropagateAtLaunch",
}  # fmt: skip


@operation()
def create_or_update_tags(call: Call, *, tags: list[TagInput]) -> Answer:
    """CreateOrUpdateTags."""
    tag_rules.put(call, tags)
    return {}


@operation()
def delete_tags(call: Call, *, tags: list[TagInput]) -> Answer:
    """DeleteTags. One with a value goes only if it agrees."""
    table = call.cloud.state.scaling_tags
    for tag in tags:
        group = named(call, tag.get("ResourceId") or "")
        row = table.get(group.name, tag["Key"])
        if row is not None and tag.get("Value", row.value) == row.value:
            table.remove(group.name, tag["Key"])
    return {}


@operation(items="Tags", key="ResourceId Key", filters=_FILTERS)
def describe_tags(call: Call, *, include_managed_resources: bool = True) -> Answer:
    """DescribeTags."""
    del include_managed_resources
    return {"Tags": [tag_view(row) for row in call.cloud.state.scaling_tags.query(order="group_name, key")]}
