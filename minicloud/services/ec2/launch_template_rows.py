"""Finding launch templates and their versions, and completing a RunInstances request with one."""

from collections.abc import Mapping
from typing import Any, TypedDict

from ...api import Call
from ...aws import ids, tags
from ...errors import ApiError
from ...state.rows_access import LaunchTemplate, LaunchTemplateVersion
from ...state.store import State

LATEST, DEFAULT = "$Latest", "$Default"


class LaunchTemplateSpecification(TypedDict, total=False):
    """A launch template by id or name, and a version: a number, $Latest or $Default."""

    LaunchTemplateId: str
    LaunchTemplateName: str
    Version: str


def named(state: State, template_id: str | None, name: str | None) -> LaunchTemplate:
    """The template of an id or a name. Raises ApiError unless exactly one is given, and where there is none."""
    if (template_id is None) == (name is None):
        raise ApiError("MissingParameter", "The request must contain either LaunchTemplateId or LaunchTemplateName, not both")
    if template_id is not None:
        ids.check("launch-template", [template_id])
        row = state.launch_templates.get(template_id)
        if row is None:
            raise ids.not_found("launch-template", [template_id])
        return row
    found = state.launch_templates.find(name=name)
    if not found:
        raise unknown_name()
    return found[0]


def unknown_name() -> ApiError:
    """The error for a name that no template has."""
    return ApiError(
        "InvalidLaunchTemplateName.NotFoundException",
        "At least one of the launch templates specified in the request does not exist.",
    )


def versions_of(state: State, template: LaunchTemplate) -> list[LaunchTemplateVersion]:
    """All versions, oldest first."""
    return state.launch_template_versions.query("template_id = ?", [template.id], "version")


def number(state: State, template: LaunchTemplate, version: str) -> int:
    """The number that a version's name means. Raises ApiError (InvalidLaunchTemplateId.VersionNotFound) for what is none."""
    if version == DEFAULT:
        return template.default_version
    if version == LATEST:
        return versions_of(state, template)[-1].version
    if not (version.isascii() and version.isdecimal() and len(version) < 10):
        raise _unknown_version(template, version)
    return int(version)


def _unknown_version(template: LaunchTemplate, version: str) -> ApiError:
    return ApiError(
        "InvalidLaunchTemplateId.VersionNotFound",
        f"Could not find the specified version {version} for the launch template with ID {template.id}.",
    )


def version_of(state: State, template: LaunchTemplate, version: str) -> LaunchTemplateVersion:
    """One version by number or name. Raises ApiError (InvalidLaunchTemplateId.VersionNotFound)."""
    row = state.launch_template_versions.get(template.id, number(state, template, version))
    if row is None:
        raise _unknown_version(template, version)
    return row


def complete(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """A request with the parameters of the template that it names, under those of its own.

    Tags are the template's for each kind of resource that the request has none for, and the two by which AWS marks what
    came of a template.
    """
    wanted: Mapping[str, str] | None = given.get("LaunchTemplate")
    if wanted is None:
        return given
    state = call.cloud.state
    template = named(state, wanted.get("LaunchTemplateId"), wanted.get("LaunchTemplateName"))
    version = version_of(state, template, wanted.get("Version") or DEFAULT)
    data = dict(version.data)
    for kind, values in tags.by_type(data.pop("TagSpecifications", ()), call.operation.tags).items():
        call.wanted_tags.setdefault(kind, values)
    marks = {"aws:ec2launchtemplate:id": template.id, "aws:ec2launchtemplate:version": str(version.version)}
    call.wanted_tags["instance"] = {**call.wanted_tags.get("instance", {}), **marks}
    return {**data, **{name: value for name, value in given.items() if name != "LaunchTemplate"}}
