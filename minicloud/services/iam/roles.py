"""Roles: a name, who may assume it, and policies. The trust policy is AWS's JSON; its principals alone are evaluated."""

import re
import urllib.parse
from typing import Any

from ...api import Answer, Call, operation
from ...aws import access_keys, arns, trust
from ...errors import ApiError
from ...state.rows_access import Role
from . import tag_rules
from .pages import page
from .tag_rules import TagInput

_PATH = re.compile(r"/([!-.0-~]+/)*")


def existing(call: Call, name: str) -> Role:
    """The role of a name. Raises ApiError (NoSuchEntity)."""
    row = call.cloud.state.roles.get(name)
    if row is None:
        raise ApiError("NoSuchEntity", f"The role with name {name} cannot be found.", 404)
    return row


def check_path(path: str) -> None:
    """Refuse a path that IAM does not have. Raises ApiError (ValidationError)."""
    if not _PATH.fullmatch(path):
        raise ApiError("ValidationError", "The specified value for path is invalid. It must begin and end with /")


def arn(call: Call, role: Role) -> str:
    """The ARN of a role."""
    return arns.role(call.cloud.settings.account_id, role.path, role.name)


def view(call: Call, role: Role) -> dict[str, Any]:
    """A role as IAM answers it; its trust policy is percent-encoded, as AWS sends it."""
    return {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": arn(call, role),
        "CreateDate": role.created,
        "AssumeRolePolicyDocument": urllib.parse.quote(role.trust),
        **({"Description": role.description} if role.description else {}),
        "MaxSessionDuration": role.max_session,
    }


@operation()
def create_role(
    call: Call,
    *,
    role_name: str,
    assume_role_policy_document: str,
    path: str = "/",
    description: str = "",
    max_session_duration: int = 3600,
    tags: list[TagInput] | None = None,
) -> Answer:
    """CreateRole."""
    check_path(path)
    trust.principals(assume_role_policy_document)
    state = call.cloud.state
    if state.roles.get(role_name):
        raise ApiError("EntityAlreadyExists", f"Role with name {role_name} already exists.", 409)
    row = Role(
        role_name, access_keys.new_id("AROA"), path, description, assume_role_policy_document, max_session_duration, call.now
    )
    state.roles.add(row)
    tag_rules.give(call, arn(call, row), "role", tags)
    return {"Role": whole(call, row)}


def whole(call: Call, role: Role) -> dict[str, Any]:
    """A role with its tags, which lists do not have."""
    return {**view(call, role), **tag_rules.shown(call, arn(call, role))}


@operation()
def get_role(call: Call, *, role_name: str) -> Answer:
    """GetRole."""
    return {"Role": whole(call, existing(call, role_name))}


@operation()
def list_roles(call: Call, *, path_prefix: str = "/", marker: str | None = None, max_items: int | None = None) -> Answer:
    """ListRoles."""
    rows = [row for row in call.cloud.state.roles.query(order="name") if row.path.startswith(path_prefix)]
    return page("Roles", [view(call, row) for row in rows], lambda one: one["RoleName"], marker, max_items)


@operation()
def update_assume_role_policy(call: Call, *, role_name: str, policy_document: str) -> Answer:
    """UpdateAssumeRolePolicy."""
    trust.principals(policy_document)
    call.cloud.state.roles.change(existing(call, role_name).name, trust=policy_document)
    return {}


@operation()
def delete_role(call: Call, *, role_name: str) -> Answer:
    """DeleteRole: of a role that has no policies and is in no instance profile."""
    role, state = existing(call, role_name), call.cloud.state
    if role.policies:
        raise ApiError("DeleteConflict", "Cannot delete entity, must detach all policies first.", 409)
    if state.instance_profiles.find(role=role.name):
        raise ApiError("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.", 409)
    tag_rules.drop(call, arn(call, role))
    state.roles.remove(role.name)
    return {}
