"""Placement groups. One host keeps everything close together, so `cluster` is true of it and the other strategies are not."""

from ...api import Answer, Call, operation
from ...aws import ids
from ...aws.tags import tag_set
from ...errors import ApiError
from ...state.rows_access import PlacementGroup

MOST_NAME = 255
"""Characters of a group's name, which are of ASCII."""

FILTERS = {"group-arn": "GroupArn", "group-name": "GroupName", "state": "State", "strategy": "Strategy"}


def _view(call: Call, row: PlacementGroup, tags: list[dict[str, str]]) -> Answer:
    settings = call.cloud.settings
    return {
        "GroupName": row.name,
        "State": "available",
        "Strategy": row.strategy,
        "GroupId": row.id,
        **tag_set(tags),
        "GroupArn": f"arn:aws:ec2:{settings.region}:{settings.account_id}:placement-group/{row.name}",
    }


@operation(tags=("placement-group",))
def create_placement_group(call: Call, *, group_name: str | None = None, strategy: str = "cluster") -> Answer:
    """CreatePlacementGroup."""
    if not group_name:
        raise ApiError("MissingParameter", "The request must contain the parameter GroupName")
    if len(group_name) > MOST_NAME or not (group_name.isascii() and group_name.isprintable()):
        must = f"It must have at most {MOST_NAME} ASCII characters."
        raise ApiError("InvalidParameterValue", f"Value ({group_name[:80]!a}) for parameter groupName is invalid. {must}")
    if strategy != "cluster":
        raise ApiError("UnsupportedOperation", f"minicloud has one host, which cannot keep instances apart: no {strategy}")
    groups = call.cloud.state.placement_groups
    if groups.find(name=group_name):
        raise ApiError("InvalidPlacementGroup.Duplicate", f"The placement group '{group_name}' already exists.")
    row = groups.add(PlacementGroup(ids.new_id("placement-group"), group_name, strategy, call.now))
    return {"PlacementGroup": _view(call, row, call.tag("placement-group", row.id))}


@operation(items="PlacementGroups", filters=FILTERS)
def describe_placement_groups(call: Call, *, group_names: list[str] | None = None, group_ids: list[str] | None = None) -> Answer:
    """DescribePlacementGroups."""
    rows = call.cloud.state.placement_groups.query()
    for wanted, column in ((group_names, "name"), (group_ids, "id")):
        there = {getattr(row, column) for row in rows}
        if missing := [name for name in wanted or () if name not in there]:
            raise ApiError("InvalidPlacementGroup.Unknown", f"The Placement Group '{missing[0]}' is unknown.")
        rows = [row for row in rows if not wanted or getattr(row, column) in wanted]
    tags = call.cloud.state.tags_of(row.id for row in rows)
    return {"PlacementGroups": [_view(call, row, tags[row.id]) for row in rows]}


@operation()
def delete_placement_group(call: Call, *, group_name: str) -> Answer:
    """DeletePlacementGroup."""
    found = call.cloud.state.placement_groups.find(name=group_name)
    if not found:
        raise ApiError("InvalidPlacementGroup.Unknown", f"The Placement Group '{group_name}' is unknown.")
    state = call.cloud.state
    if state.instances.query("placement_group = ? and state != 'terminated'", [group_name]):
        raise ApiError("InvalidPlacementGroup.InUse", f"The placement group '{group_name}' is in use and may not be deleted.")
    for tag in state.tags.find(resource_id=found[0].id):
        state.tags.remove(found[0].id, tag.key)
    state.placement_groups.remove(found[0].id)
    return {}
