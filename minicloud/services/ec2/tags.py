"""Tags of any resource."""

from typing import TypedDict

from ...api import Answer, Call, operation
from ...aws import tags as rules
from ...errors import ApiError
from ...state.rows import Tag
from .resources import existing

FILTERS = {
    "key": "Key",
    "resource-id": "ResourceId",
    "resource-type": "ResourceType",
    "value": "Value",
}


class TagInput(TypedDict, total=False):
    """A tag to make, or to delete where its value agrees."""

    Key: str
    Value: str


@operation()
def create_tags(call: Call, *, resources: list[str], tags: list[TagInput]) -> Answer:
    """CreateTags: overwrites tags of the same key."""
    state, wanted = call.cloud.state, rules.check(tags)
    for resource_id, kind in existing(state, resources).items():
        present = {tag.key for tag in state.tags.find(resource_id=resource_id) if not rules.is_reserved(tag.key)}
        if len(present | set(wanted)) > rules.MOST_TAGS:
            raise ApiError("TagLimitExceeded", f"The maximum number of tags for a resource is {rules.MOST_TAGS}.")
        for key, value in wanted.items():
            state.tags.remove(resource_id, key)
            state.tags.add(Tag(resource_id, key, value, kind))
    return {}


@operation()
def delete_tags(call: Call, *, resources: list[str], tags: list[TagInput] | None = None) -> Answer:
    """DeleteTags: the named keys, those with a value only if it agrees; all of the user's tags if none is named."""
    state = call.cloud.state
    if taken := next((wanted["Key"] for wanted in tags or () if rules.is_reserved(wanted.get("Key", ""))), None):
        raise rules.reserved(taken)
    for resource_id in existing(state, resources):
        for tag in state.tags.find(resource_id=resource_id):
            named = tags is None or any(
                wanted.get("Key") == tag.key and wanted.get("Value", tag.value) == tag.value for wanted in tags
            )
            if named and not rules.is_reserved(tag.key):
                state.tags.remove(resource_id, tag.key)
    return {}


@operation(items="Tags", filters=FILTERS, key="ResourceId Key")
def describe_tags(call: Call) -> Answer:
    """DescribeTags: of EC2's own resources; those of other services are known by ARNs, and have tags of their own."""
    return {
        "Tags": [
            {"Key": tag.key, "ResourceId": tag.resource_id, "ResourceType": tag.resource_type, "Value": tag.value}
            for tag in call.cloud.state.tags.query("resource_id not like 'arn:%'")
        ]
    }
