"""Lifecycle policies. What they do, `minicloud serve` does, when their schedules are due."""

import re
from typing import Any

from ...api import Answer, Call, operation
from ...aws import ids, tags
from ...errors import ApiError
from ...state.rows import Tag
from ...state.rows_storage import DELETED, Policy
from . import default_rules, execution, rules
from .rules import DetailsInput, ExclusionsInput

_KIND = "policy"
_FIXED = ("PolicyType", "ResourceTypes")
_MOST_MESSAGE = 500


def arn_of(call: Call, policy_id: str) -> str:
    """A policy's ARN."""
    settings = call.cloud.settings
    return f"arn:aws:dlm:{settings.region}:{settings.account_id}:policy/{policy_id}"


def _named(call: Call, policy_id: str) -> Policy:
    row = call.cloud.state.policies.get(policy_id)
    if row is None or row.state == DELETED:
        raise ApiError("ResourceNotFoundException", f"The requested resource was not found: {policy_id}", 404)
    return row


def _of_arn(call: Call, arn: str) -> Policy:
    row = _named(call, arn.rpartition("/")[2])
    if arn != arn_of(call, row.id):
        raise ApiError("ResourceNotFoundException", f"The requested resource was not found: {arn}", 404)
    return row


def _all(call: Call) -> list[Policy]:
    return call.cloud.state.policies.query("state != ?", [DELETED])


def _tags(call: Call, policy_id: str) -> dict[str, str]:
    return {tag.key: tag.value for tag in call.cloud.state.tags.find(resource_id=policy_id)}


def _set_tags(call: Call, policy_id: str, wanted: dict[str, str]) -> None:
    checked = tags.check([{"Key": key, "Value": value} for key, value in wanted.items()])
    state = call.cloud.state
    if len(_tags(call, policy_id) | checked) > tags.MOST_TAGS:
        raise rules.refused(f"A policy has at most {tags.MOST_TAGS} tags.")
    for key, value in checked.items():
        state.tags.remove(policy_id, key)
        state.tags.add(Tag(policy_id, key, value, _KIND))


@operation()
def create_lifecycle_policy(
    call: Call,
    *,
    execution_role_arn: str,
    description: str,
    state: str,
    policy_details: DetailsInput | None = None,
    tags: dict[str, str] | None = None,
    default_policy: str | None = None,
    create_interval: int | None = None,
    retain_interval: int | None = None,
    copy_tags: bool | None = None,
    extend_deletion: bool | None = None,
    exclusions: ExclusionsInput | None = None,
) -> Answer:
    """CreateLifecyclePolicy. It acts as its role; as the account itself, if that made it and there is no such role."""
    beside, policy_id = _beside(create_interval, retain_interval, copy_tags, extend_deletion, exclusions), ids.new_id(_KIND)
    row = Policy(
        id=policy_id, description=_description(description), state=state, message="", role=execution_role_arn,
        details=_new_details(call, default_policy, beside, policy_details), created=call.now, modified=call.now,
        makers=execution.makers(call, policy_id, execution_role_arn),
    )  # fmt: skip
    call.cloud.state.policies.add(row)
    _set_tags(call, row.id, tags or {})
    return {"PolicyId": row.id}


def _beside(
    create: int | None, retain: int | None, copy_tags: bool | None, extend: bool | None, exclusions: ExclusionsInput | None
) -> dict[str, Any]:
    """What a request says of a default policy beside PolicyDetails, by the names that it has there."""
    given = {
        "CreateInterval": create, "RetainInterval": retain, "CopyTags": copy_tags, "ExtendDeletion": extend,
        "Exclusions": exclusions,
    }  # fmt: skip
    return {name: value for name, value in given.items() if value is not None}


def _new_details(call: Call, default: str | None, beside: dict[str, Any], details: DetailsInput | None) -> dict[str, Any]:
    within = dict(details or {})
    if default is None and not default_rules.is_default(within):
        default_rules.only_default(beside)
        if not within:
            raise rules.refused("A policy has PolicyDetails.")
        return rules.check(within)
    chosen = default_rules.wanted(default, beside, within)
    if error := default_rules.taken([row.details for row in _all(call)], chosen):
        raise error
    return chosen


def _description(text: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z _-]+", text):
        raise rules.refused("A description has letters, digits, blanks, '_' and '-'.")
    return text


@operation()
def get_lifecycle_policy(call: Call, *, policy_id: str) -> Answer:
    """GetLifecyclePolicy."""
    row = _named(call, policy_id)
    shown = {
        "PolicyId": row.id,
        "Description": row.description,
        "State": row.state,
        "StatusMessage": (row.message or row.state)[:_MOST_MESSAGE],
        "ExecutionRoleArn": row.role,
        "DateCreated": row.created,
        "DateModified": row.modified,
        "PolicyDetails": row.details,
        "Tags": _tags(call, row.id),
        "PolicyArn": arn_of(call, row.id),
        "DefaultPolicy": default_rules.is_default(row.details),
    }
    return {"Policy": shown}


@operation()
def get_lifecycle_policies(
    call: Call,
    *,
    policy_ids: list[str] | None = None,
    state: str | None = None,
    resource_types: list[str] | None = None,
    target_tags: list[str] | None = None,
    tags_to_add: list[str] | None = None,
    default_policy_type: str | None = None,
) -> Answer:
    """GetLifecyclePolicies. Tags are written `key=value`."""
    rows = [_named(call, policy_id) for policy_id in policy_ids] if policy_ids else _all(call)
    if state is not None:
        rows = [row for row in rows if row.state == state]
    if resource_types:
        rows = [row for row in rows if set(default_rules.resource_types(row.details)) & set(resource_types)]
    if default_policy_type is not None:
        rows = [row for row in rows if default_rules.is_default(row.details)]
        rows = [row for row in rows if default_policy_type in ("ALL", row.details["ResourceType"])]
    if target_tags:
        rows = [row for row in rows if _written(row.details.get("TargetTags", [])) & set(target_tags)]
    if tags_to_add:
        rows = [row for row in rows if _written(_added(row)) & set(tags_to_add)]
    return {"Policies": [_summary(call, row) for row in rows]}


def _added(row: Policy) -> list[dict[str, str]]:
    return [tag for one in row.details.get("Schedules", []) for tag in one.get("TagsToAdd", [])]


def _written(found: list[dict[str, str]]) -> set[str]:
    return {f"{tag['Key']}={tag['Value']}" for tag in found}


def _summary(call: Call, row: Policy) -> dict[str, Any]:
    return {
        "PolicyId": row.id,
        "Description": row.description,
        "State": row.state,
        "Tags": _tags(call, row.id),
        "PolicyType": row.details["PolicyType"],
        "DefaultPolicy": default_rules.is_default(row.details),
    }


@operation()
def update_lifecycle_policy(
    call: Call,
    *,
    policy_id: str,
    execution_role_arn: str | None = None,
    state: str | None = None,
    description: str | None = None,
    policy_details: DetailsInput | None = None,
    create_interval: int | None = None,
    retain_interval: int | None = None,
    copy_tags: bool | None = None,
    extend_deletion: bool | None = None,
    exclusions: ExclusionsInput | None = None,
) -> Answer:
    """UpdateLifecyclePolicy. What is due before it is enabled again is not made up for.

    A policy that acts as its role goes on to do so; one without acts for who changed it last.
    """
    row = _named(call, policy_id)
    fields: dict[str, Any] = {} if state is None else {"state": state}
    if execution_role_arn is not None:
        fields |= {"role": execution_role_arn, "makers": execution.makers(call, row.id, execution_role_arn)}
    elif not execution.has_role(row):
        fields["makers"] = call.makers
    if description is not None:
        fields["description"] = _description(description)
    beside = _beside(create_interval, retain_interval, copy_tags, extend_deletion, exclusions)
    if policy_details is not None or beside:
        fields["details"] = _changed_details(row, beside, dict(policy_details or {}))
    call.cloud.state.policies.change(row.id, **fields, message="", modified=call.now)
    return {}


def _changed_details(row: Policy, beside: dict[str, Any], within: dict[str, Any]) -> dict[str, Any]:
    if default_rules.is_default(row.details):
        return default_rules.changed(row.details, beside, within)
    default_rules.only_default(beside)
    if any(within.get(name, row.details.get(name)) != row.details.get(name) for name in _FIXED):
        raise rules.refused("The policy type and the resource type of a policy cannot be changed.")
    return rules.check({**row.details, **within})


@operation()
def delete_lifecycle_policy(call: Call, *, policy_id: str) -> Answer:
    """DeleteLifecyclePolicy. What it made stays; only a default policy with ExtendDeletion goes on to delete by its rule."""
    state, row = call.cloud.state, _named(call, policy_id)
    for key in _tags(call, row.id):
        state.tags.remove(row.id, key)
    if row.details.get("ExtendDeletion"):
        state.policies.change(row.id, state=DELETED, modified=call.now)
        return {}
    state.policies.remove(row.id)
    state.policy_runs.remove_where("policy_id = ?", row.id)
    return {}


@operation()
def tag_resource(call: Call, *, resource_arn: str, tags: dict[str, str]) -> Answer:
    """TagResource."""
    _set_tags(call, _of_arn(call, resource_arn).id, tags)
    return {}


@operation()
def untag_resource(call: Call, *, resource_arn: str, tag_keys: list[str]) -> Answer:
    """UntagResource."""
    row = _of_arn(call, resource_arn)
    for key in tag_keys:
        call.cloud.state.tags.remove(row.id, key)
    return {}


@operation()
def list_tags_for_resource(call: Call, *, resource_arn: str) -> Answer:
    """ListTagsForResource."""
    return {"Tags": _tags(call, _of_arn(call, resource_arn).id)}
