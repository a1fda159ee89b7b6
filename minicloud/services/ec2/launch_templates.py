"""Launch templates: parameters of RunInstances under a name, in versions that never change.

What a template may hold is what `run_instances` takes, read off its signature: another parameter is refused by name when the
template is made. Numbers of versions are not given out twice.
"""

import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from ...api import Answer, Call, operation, require
from ...aws import ids, model, validate
from ...aws.tags import tag_set
from ...callers import acting
from ...errors import ApiError
from ...state.rows_access import LaunchTemplate, LaunchTemplateVersion
from .launch import decode_user_data, run_instances
from .launch_template_rows import DEFAULT, named, number, unknown_name, version_of, versions_of
from .tags import TagInput

MOST_VERSIONS = 10_000


class TagSpecificationInput(TypedDict, total=False):
    """Tags for one kind of resource."""

    ResourceType: str
    Tags: list[TagInput]


def _data_type() -> Any:
    hints = typing.get_type_hints(run_instances)
    names = {name: model.xform_name(name) for name in model.service("ec2").shape("RequestLaunchTemplateData").members}
    members = {name: hints[own] for name, own in names.items() if own in hints}
    members["TagSpecifications"] = list[TagSpecificationInput]
    return TypedDict("LaunchTemplateData", members, total=False)  # type: ignore[operator]


if TYPE_CHECKING:
    LaunchTemplateData = dict[str, Any]
else:
    LaunchTemplateData = _data_type()

FILTERS = {"create-time": "CreateTime", "launch-template-name": "LaunchTemplateName"}
VERSION_FILTERS = {
    "create-time": "CreateTime",
    "ebs-optimized": "LaunchTemplateData.EbsOptimized",
    "http-endpoint": "LaunchTemplateData.MetadataOptions.HttpEndpoint",
    "http-protocol-ipv4": "LaunchTemplateData.MetadataOptions.HttpEndpoint",
    "http-tokens": "LaunchTemplateData.MetadataOptions.HttpTokens",
    "iam-instance-profile": "LaunchTemplateData.IamInstanceProfile.Arn",
    "image-id": "LaunchTemplateData.ImageId",
    "instance-type": "LaunchTemplateData.InstanceType",
    "is-default-version": "DefaultVersion",
    "network-card-index": "LaunchTemplateData.NetworkInterfaces[].NetworkCardIndex",
}


def _creator(call: Call, makers: list[str]) -> str:
    return acting(call.cloud, makers).arn


def _template_view(call: Call, row: LaunchTemplate, tags: list[dict[str, str]]) -> dict[str, Any]:
    versions = versions_of(call.cloud.state, row)
    return {
        "LaunchTemplateId": row.id,
        "LaunchTemplateName": row.name,
        "CreateTime": row.created,
        "CreatedBy": _creator(call, versions[0].makers),
        "DefaultVersionNumber": row.default_version,
        "LatestVersionNumber": versions[-1].version,
        **tag_set(tags),
    }


def _version_view(call: Call, template: LaunchTemplate, row: LaunchTemplateVersion) -> dict[str, Any]:
    return {
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "VersionNumber": row.version,
        **({"VersionDescription": row.description} if row.description else {}),
        "CreateTime": row.created,
        "CreatedBy": _creator(call, row.makers),
        "DefaultVersion": row.version == template.default_version,
        "LaunchTemplateData": row.data,
    }


def _check(data: Mapping[str, Any]) -> None:
    """Refuse what no launch could read, as AWS does when a template is made. Raises ApiError."""
    if data.get("UserData"):
        decode_user_data(data["UserData"])


@operation(tags=("launch-template",))
def create_launch_template(
    call: Call, *, launch_template_name: str, launch_template_data: LaunchTemplateData, version_description: str = ""
) -> Answer:
    """CreateLaunchTemplate, with its first version."""
    state = call.cloud.state
    # Of this operation the model has a plain text, but of those that name a template the bounds and pattern of AWS's reference.
    validate.check(model.service("ec2").shape("LaunchTemplateName"), launch_template_name, "LaunchTemplateName")
    _check(launch_template_data)
    if state.launch_templates.find(name=launch_template_name):
        raise ApiError("InvalidLaunchTemplateName.AlreadyExistsException", "Launch template name already in use.")
    row = LaunchTemplate(ids.new_id("launch-template"), launch_template_name, 1, 1, call.now, call.makers)
    state.launch_templates.add(row)
    first = LaunchTemplateVersion(row.id, 1, version_description, launch_template_data, call.now, call.makers)
    state.launch_template_versions.add(first)
    return {"LaunchTemplate": _template_view(call, row, call.tag("launch-template", row.id))}


@operation()
def create_launch_template_version(
    call: Call,
    *,
    launch_template_data: LaunchTemplateData,
    launch_template_id: str | None = None,
    launch_template_name: str | None = None,
    source_version: str | None = None,
    version_description: str = "",
) -> Answer:
    """CreateLaunchTemplateVersion; with a source version, what is not given is that one's."""
    state = call.cloud.state
    _check(launch_template_data)
    template = named(state, launch_template_id, launch_template_name)
    if template.latest_version >= MOST_VERSIONS:
        raise ApiError("MaxTemplateVersionLimitExceeded", f"A launch template has at most {MOST_VERSIONS} versions")
    base = version_of(state, template, source_version).data if source_version else {}
    version = template.latest_version + 1
    data = {**base, **launch_template_data}
    row = LaunchTemplateVersion(template.id, version, version_description, data, call.now, call.makers)
    state.launch_template_versions.add(row)
    state.launch_templates.change(template.id, latest_version=version)
    return {"LaunchTemplateVersion": _version_view(call, template, row)}


@operation(items="LaunchTemplates", key="LaunchTemplateId", filters=FILTERS)
def describe_launch_templates(
    call: Call, *, launch_template_ids: list[str] | None = None, launch_template_names: list[str] | None = None
) -> Answer:
    """DescribeLaunchTemplates."""
    ids.check("launch-template", launch_template_ids or ())
    state = call.cloud.state
    rows = {row.id: row for row in state.launch_templates.query()}
    require("launch-template", launch_template_ids or (), rows)
    names = {row.name for row in rows.values()}
    if any(name not in names for name in launch_template_names or ()):
        raise unknown_name()
    wanted = [
        row
        for row in rows.values()
        if (not launch_template_ids or row.id in launch_template_ids)
        and (not launch_template_names or row.name in launch_template_names)
    ]
    tags = state.tags_of(row.id for row in wanted)
    return {"LaunchTemplates": [_template_view(call, row, tags[row.id]) for row in wanted]}


@operation(items="LaunchTemplateVersions", key="LaunchTemplateId VersionNumber", filters=VERSION_FILTERS)
def describe_launch_template_versions(
    call: Call,
    *,
    launch_template_id: str | None = None,
    launch_template_name: str | None = None,
    versions: list[str] | None = None,
    min_version: str | None = None,
    max_version: str | None = None,
) -> Answer:
    """DescribeLaunchTemplateVersions: of one template, newest first; or the latest or default ones of all."""
    state = call.cloud.state
    if launch_template_id is None and launch_template_name is None:
        if not versions or not all(version.startswith("$") for version in versions):
            raise ApiError("MissingParameter", "The request must contain the parameter LaunchTemplateId or LaunchTemplateName")
        templates = state.launch_templates.query()
    else:
        templates = [named(state, launch_template_id, launch_template_name)]
    found = []
    for template in templates:
        rows = [version_of(state, template, version) for version in versions or ()] or versions_of(state, template)[::-1]
        low = number(state, template, min_version) if min_version else 0
        high = number(state, template, max_version) if max_version else MOST_VERSIONS
        chosen = {row.version: row for row in rows if low <= row.version <= high}
        found += [_version_view(call, template, row) for row in chosen.values()]
    return {"LaunchTemplateVersions": found}


@operation()
def modify_launch_template(
    call: Call,
    *,
    launch_template_id: str | None = None,
    launch_template_name: str | None = None,
    default_version: str | None = None,
) -> Answer:
    """ModifyLaunchTemplate: which version is the default. What launches the default one, does so for who chose it, too."""
    state = call.cloud.state
    template = named(state, launch_template_id, launch_template_name)
    chosen = version_of(state, template, default_version or DEFAULT)
    if default_version is not None:
        state.launch_templates.change(template.id, default_version=chosen.version, makers=call.makers)
    template.default_version = chosen.version
    return {"LaunchTemplate": _template_view(call, template, state.tags_of([template.id])[template.id])}


@operation()
def delete_launch_template(
    call: Call, *, launch_template_id: str | None = None, launch_template_name: str | None = None
) -> Answer:
    """DeleteLaunchTemplate with all its versions. Instances of it do not notice."""
    state = call.cloud.state
    template = named(state, launch_template_id, launch_template_name)
    view = _template_view(call, template, state.tags_of([template.id])[template.id])
    for row in versions_of(state, template):
        state.launch_template_versions.remove(template.id, row.version)
    for tag in state.tags.find(resource_id=template.id):
        state.tags.remove(template.id, tag.key)
    state.launch_templates.remove(template.id)
    return {"LaunchTemplate": view}


@operation()
def delete_launch_template_versions(
    call: Call, *, versions: list[str], launch_template_id: str | None = None, launch_template_name: str | None = None
) -> Answer:
    """DeleteLaunchTemplateVersions: each by itself; the default one stays."""
    state = call.cloud.state
    template = named(state, launch_template_id, launch_template_name)
    common = {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name}
    done, failed = [], []
    for version in versions:
        wanted = number(state, template, version)
        if wanted == template.default_version:
            text = "You cannot delete the default version of a launch template"
            failed.append({**common, "VersionNumber": wanted, "ResponseError": {"Code": "unexpectedError", "Message": text}})
        elif state.launch_template_versions.remove(template.id, wanted):
            done.append({**common, "VersionNumber": wanted})
        else:
            error = {"Code": "launchTemplateVersionDoesNotExist", "Message": f"There is no version {wanted}"}
            failed.append({**common, "VersionNumber": wanted, "ResponseError": error})
    return {"SuccessfullyDeletedLaunchTemplateVersions": done, "UnsuccessfullyDeletedLaunchTemplateVersions": failed}
