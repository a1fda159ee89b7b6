"""Lifecycle policies. What they do, `minicloud serve` does, when their schedules are due."""

from typing import Any

from ...api import Answer, Call, operation
from ...aws import ids, tags
from ...errors import ApiError
from ...state.rows import Tag
from ...state.rows_storage import Policy
from . import rules
from .rules import DetailsInput

_KIND = "policy"


def _arn(call: Call, policy_id: str) -> str:
    settings = call.cloud.settings
    return f"arn:aws:dlm:{settings.region}:{settings.account_id}:policy/{policy_id}"


def _named(call: Call, policy_id: str) -> Policy:
    row = call.cloud.state.policies.get(policy_id)
    if row is None:
        raise ApiError("ResourceNotFoundException", f"The requested resource was not found: {policy_id}", 404)
    return row


def _of_arn(call: Call, arn: str) -> Policy:
    row = _named(call, arn.rpartition("/")[2])
    if arn != _arn(call, row.id):
        raise ApiError("ResourceNotFoundException", f"The requested resource was not found: {arn}", 404)
    return row


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
) -> Answer:
    """CreateLifecyclePolicy. The role is kept and shown; minicloud has nothing that a policy might not do."""
    if policy_details is None:
        raise rules.refused("A policy has PolicyDetails.")
    row = Policy(
        id=ids.new_id(_KIND), description=description, state=state, message="", role=execution_role_arn,
        details=rules.check(dict(policy_details)), created=call.now, modified=call.now,
    )  # fmt: skip
    call.cloud.state.policies.add(row)
    _set_tags(call, row.id, tags or {})
    return {"PolicyId": row.id}


@operation()
def get_lifecycle_policy(call: Call, *, policy_id: str) -> Answer:
    """GetLifecyclePolicy."""
    row = _named(call, policy_id)
    shown = {
        "PolicyId": row.id,
        "Description": row.description,
        "State": row.state,
        "StatusMessage": row.message or row.state,
        "ExecutionRoleArn": row.role,
        "DateCreated": row.created,
        "DateModified": row.modified,
        "PolicyDetails": row.details,
        "Tags": _tags(call, row.id),
        "PolicyArn": _arn(call, row.id),
        "DefaultPolicy": False,
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
) -> Answer:
    """GetLifecyclePolicies. Tags are written `key=value`."""
    rows = [_named(call, policy_id) for policy_id in policy_ids] if policy_ids else call.cloud.state.policies.query()
    if state is not None:
        rows = [row for row in rows if row.state == state]
    if resource_types:
        rows = [row for row in rows if set(row.details["ResourceTypes"]) & set(resource_types)]
    if target_tags:
        rows = [row for row in rows if _written(row.details["TargetTags"]) & set(target_tags)]
    if tags_to_add:
        added = {row.id: [tag for one in row.details["Schedules"] for tag in one.get("TagsToAdd", [])] for row in rows}
        rows = [row for row in rows if _written(added[row.id]) & set(tags_to_add)]
    return {"Policies": [_summary(call, row) for row in rows]}


def _written(found: list[dict[str, str]]) -> set[str]:
    return {f"{tag['Key']}={tag['Value']}" for tag in found}


def _summary(call: Call, row: Policy) -> dict[str, Any]:
    return {
        "PolicyId": row.id,
        "Description": row.description,
        "State": row.state,
        "Tags": _tags(call, row.id),
        "PolicyType": row.details["PolicyType"],
        "DefaultPolicy": False,
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
) -> Answer:
    """UpdateLifecyclePolicy. What is due before it is enabled again is not made up for."""
    row = _named(call, policy_id)
    given = {"role": execution_role_arn, "state": state, "description": description}
    fields: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if policy_details is not None:
        fields["details"] = rules.check({**row.details, **policy_details})
    call.cloud.state.policies.change(row.id, **fields, message="", modified=call.now)
    return {}


@operation()
def delete_lifecycle_policy(call: Call, *, policy_id: str) -> Answer:
    """DeleteLifecyclePolicy. What it made stays."""
    state, row = call.cloud.state, _named(call, policy_id)
    state.policies.remove(row.id)
    for run in state.policy_runs.find(policy_id=row.id):
        state.policy_runs.remove(run.policy_id, run.schedule, run.due)
    for key in _tags(call, row.id):
        state.tags.remove(row.id, key)
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
