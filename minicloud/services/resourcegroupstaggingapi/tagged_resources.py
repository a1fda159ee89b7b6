"""GetResources, GetTagKeys and GetTagValues. A resource that has no tags any more is not shown: nobody remembers those it had."""

import re
from collections.abc import Sequence
from typing import Any, TypedDict

from ...api import Answer, Call, operation
from ...aws import model, pages, refusals
from ...errors import ApiError
from . import resources
from .resources import Tags

DEFAULT_RESOURCES, MOST_RESOURCES = 50, 100
LEAST_TAGS, MOST_TAGS = 100, 500
_TYPE = re.compile(r"[a-z0-9-]+(:[A-Za-z0-9/_.-]+)?")


class TagFilter(TypedDict, total=False):
    """A key that a resource must have, and the values of which it must have one."""

    Key: str
    Values: list[str]


def _invalid(text: str) -> ApiError:
    return ApiError("InvalidParameterException", text)


def _check_alone(resource_arn_list: list[str] | None, **others: object) -> None:
    """ARNs go with no other choice, as AWS has it. Raises ApiError."""
    if resource_arn_list and (other := next((name for name, given in others.items() if given), None)):
        raise _invalid(f"You can't specify both ResourceARNList and {other} in the same request")


def _check_sizes(resources_per_page: int | None, tags_per_page: int | None) -> None:
    if resources_per_page is not None and not 1 <= resources_per_page <= MOST_RESOURCES:
        raise _invalid(f"ResourcesPerPage must be between 1 and {MOST_RESOURCES}")
    if tags_per_page is not None and not LEAST_TAGS <= tags_per_page <= MOST_TAGS:
        raise _invalid(f"TagsPerPage must be between {LEAST_TAGS} and {MOST_TAGS}")


def _is_of(arn: str, wanted: str) -> bool:
    """Whether an ARN is of a type: a service, or a service and the beginning of what follows the account."""
    service, _, kind = wanted.partition(":")
    parts = arn.split(":", 5)
    return parts[2] == service and (not kind or re.match(rf"{re.escape(kind)}(?:[:/]|$)", parts[5]) is not None)


def _matches(tags: Tags, wanted: Sequence[TagFilter]) -> bool:
    return all(one.get("Key") in tags and (not one.get("Values") or tags[one["Key"]] in one["Values"]) for one in wanted)


def _decoded(token: str | None) -> str:
    return pages.decode(token, refusals.of(model.service("resourcegroupstaggingapi"))) if token else ""


def _page(found: list[tuple[str, Tags]], most: int, most_tags: int | None) -> list[tuple[str, Tags]]:
    """The first resources of a list that a page has room for: at least one."""
    shown: list[tuple[str, Tags]] = []
    count = 0
    for arn, tags in found[:most]:
        count += max(1, len(tags))
        if most_tags is not None and count > most_tags and shown:
            break
        shown.append((arn, tags))
    return shown


def _view(arn: str, tags: Tags, *, compliance: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "ResourceARN": arn,
        "Tags": [{"Key": key, "Value": value} for key, value in sorted(tags.items())],
    }
    # There are no tag policies, so everything complies.
    return {**shown, "ComplianceDetails": {"NoncompliantKeys": [], "ComplianceStatus": True}} if compliance else shown


@operation()
def get_resources(
    call: Call,
    *,
    pagination_token: str | None = None,
    tag_filters: list[TagFilter] | None = None,
    resources_per_page: int | None = None,
    tags_per_page: int | None = None,
    resource_type_filters: list[str] | None = None,
    include_compliance_details: bool = False,
    exclude_compliant_resources: bool = False,
    resource_arn_list: list[str] | None = None,
) -> Answer:
    """GetResources, by ARN."""
    _check_alone(
        resource_arn_list, TagFilters=tag_filters, ResourceTypeFilters=resource_type_filters,
        ResourcesPerPage=resources_per_page, TagsPerPage=tags_per_page, PaginationToken=pagination_token,
    )  # fmt: skip
    _check_sizes(resources_per_page, tags_per_page)
    if exclude_compliant_resources and not include_compliance_details:
        raise _invalid("ExcludeCompliantResources goes with IncludeComplianceDetails only")
    if strange := next((wanted for wanted in resource_type_filters or () if not _TYPE.fullmatch(wanted)), None):
        raise _invalid(f"Unsupported resource type: {strange}")
    after = _decoded(pagination_token)
    found = [
        (arn, tags)
        for arn, tags in ({} if exclude_compliant_resources else resources.tagged(call)).items()
        if arn > after
        and (not resource_arn_list or arn in resource_arn_list)
        and (not resource_type_filters or any(_is_of(arn, wanted) for wanted in resource_type_filters))
        and _matches(tags, tag_filters or ())
    ]
    most = len(found) if resource_arn_list else resources_per_page or DEFAULT_RESOURCES
    shown = _page(found, most, tags_per_page)
    return {
        "PaginationToken": pages.encode(shown[-1][0]) if len(shown) < len(found) else "",
        "ResourceTagMappingList": [_view(arn, tags, compliance=include_compliance_details) for arn, tags in shown],
    }


def _texts(member: str, found: set[str], token: str | None) -> Answer:
    """A page of texts, in their order."""
    _decoded(token)
    shown, following = pages.page(sorted(found), str, pages.MOST_RESULTS, token)
    return {"PaginationToken": following or "", member: shown}


@operation()
def get_tag_keys(call: Call, *, pagination_token: str | None = None) -> Answer:
    """GetTagKeys: each once."""
    return _texts("TagKeys", {key for tags in resources.tagged(call).values() for key in tags}, pagination_token)


@operation()
def get_tag_values(call: Call, *, key: str, pagination_token: str | None = None) -> Answer:
    """GetTagValues: each value of a key once."""
    found = {tags[key] for tags in resources.tagged(call).values() if key in tags}
    return _texts("TagValues", found, pagination_token)
