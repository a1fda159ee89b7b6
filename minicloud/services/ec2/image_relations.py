"""Where an AMI comes from, and what refers to one."""

from typing import Any, TypedDict

from ...api import Answer, Call, operation
from ...aws import ids
from ...aws.names import zone_id
from ...aws.tags import tag_set
from ...errors import ApiError
from ...state.rows import Image
from . import instance_rows
from .image_protection import named
from .launch_template_rows import versions_of
from .snapshots import GROUP_ALL

_INSTANCE, _TEMPLATE = "ec2:Instance", "ec2:LaunchTemplate"
INSTANCE_FILTERS = {
    "availability-zone": "AvailabilityZone",
    "image-allowed": "ImageMetadata.ImageAllowed",
    "instance-id": "InstanceId",
    "instance-state-name": "State.Name",
    "instance-type": "InstanceType",
    "launch-time": "LaunchTime",
    "owner-alias": "ImageMetadata.ImageOwnerAlias",
    "owner-id": "OwnerId",
    "zone-id": "ZoneId",
}


class OptionInput(TypedDict, total=False):
    """Which of a kind of resource: instances of some states, the newest so many versions of a template."""

    OptionName: str
    OptionValues: list[str]


class ResourceTypeInput(TypedDict, total=False):
    """A kind of resource to look at."""

    ResourceType: str
    ResourceTypeOptions: list[OptionInput]


@operation()
def get_image_ancestry(call: Call, *, image_id: str) -> Answer:
    """GetImageAncestry: the image and those that it was made of, to the first one."""
    images, entries = call.cloud.state.images, list[dict[str, Any]]()
    row: Image | None = named(call, image_id)
    while row is not None and len(entries) < 1000:
        source = {"SourceImageId": row.source_image, "SourceImageRegion": call.cloud.settings.region} if row.source_image else {}
        entries.append(
            {"CreationDate": row.created, "ImageId": row.id, "ImageOwnerAlias": call.cloud.settings.account_id, **source}
        )
        row = images.get(row.source_image) if row.source_image else None
    return {"ImageAncestryEntries": entries}


@operation(items="ImageReferences", key="ImageId ResourceType Arn")
def describe_image_references(
    call: Call,
    *,
    image_ids: list[str],
    include_all_resource_types: bool = False,
    resource_types: list[ResourceTypeInput] | None = None,
) -> Answer:
    """DescribeImageReferences: the instances and launch templates that use an image."""
    if include_all_resource_types == bool(resource_types):
        raise ApiError("InvalidParameterCombination", "Either ResourceTypes or IncludeAllResourceTypes must be given, not both")
    ids.check("image", image_ids)
    wanted = {each.get("ResourceType", ""): _options(each) for each in resource_types or []}
    found = list[dict[str, str]]()
    if include_all_resource_types or _INSTANCE in wanted:
        found += _instances(call, set(image_ids), wanted.get(_INSTANCE, {}).get("state-name"))
    if include_all_resource_types or _TEMPLATE in wanted:
        depth = (wanted.get(_TEMPLATE, {}).get("version-depth") or [""])[0]
        found += _templates(call, set(image_ids), int(depth) if depth.isdecimal() else 10_000)
    return {"ImageReferences": found}


def _options(given: ResourceTypeInput) -> dict[str, list[str]]:
    return {option.get("OptionName", ""): option.get("OptionValues", []) for option in given.get("ResourceTypeOptions", [])}


def _instances(call: Call, image_ids: set[str], states: list[str] | None) -> list[dict[str, str]]:
    settings = call.cloud.settings
    arn = f"arn:aws:ec2:{settings.region}:{settings.account_id}:instance/"
    rows = [row for row in call.cloud.state.instances.among("image_id", image_ids) if not states or row.state in states]
    return [{"ImageId": row.image_id, "ResourceType": _INSTANCE, "Arn": f"{arn}{row.id}"} for row in rows]


def _templates(call: Call, image_ids: set[str], depth: int) -> list[dict[str, str]]:
    settings, state = call.cloud.settings, call.cloud.state
    arn = f"arn:aws:ec2:{settings.region}:{settings.account_id}:launch-template/"
    found = list[dict[str, str]]()
    for template in state.launch_templates.query():
        used = {str(row.data.get("ImageId")) for row in versions_of(state, template)[-depth:]} & image_ids
        found += [{"ImageId": each, "ResourceType": _TEMPLATE, "Arn": f"{arn}{template.id}"} for each in sorted(used)]
    return found


@operation(items="InstanceImageMetadata", key="InstanceId", filters=INSTANCE_FILTERS)
def describe_instance_image_metadata(call: Call, *, instance_ids: list[str] | None = None) -> Answer:
    """DescribeInstanceImageMetadata: instances with what is known of their images, deregistered ones too."""
    settings, state = call.cloud.settings, call.cloud.state
    rows = instance_rows.wanted(state, instance_ids)
    images = {image.id: image for image in state.images.among("id", {row.image_id for row in rows})}
    tags = state.tags_of(row.id for row in rows)
    return {
        "InstanceImageMetadata": [
            {
                "InstanceId": row.id, "InstanceType": row.instance_type, "LaunchTime": row.launched,
                "AvailabilityZone": row.zone, "ZoneId": zone_id(settings.region, row.zone),
                "State": instance_rows.state_view(row.state), "OwnerId": settings.account_id, **tag_set(tags[row.id]),
                "ImageMetadata": _metadata(call, images[row.image_id]),
            }
            for row in rows
        ]
    }  # fmt: skip


def _metadata(call: Call, image: Image) -> dict[str, Any]:
    return {
        "ImageId": image.id,
        "Name": image.name,
        "OwnerId": call.cloud.settings.account_id,
        "State": image.state,
        "CreationDate": image.created,
        **({"DeprecationTime": image.deprecated_at} if image.deprecated_at else {}),
        "ImageAllowed": True,
        "IsPublic": GROUP_ALL in image.users,
    }
