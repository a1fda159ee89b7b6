"""AWS's managed policies as things to look at: those that roles can have, each with its one version."""

import hashlib
import json
import urllib.parse
from typing import Any

from ...api import Answer, Call, operation
from ...aws.managed_policies import NAMES, PREFIX, document
from ...errors import ApiError
from .pages import page

_VERSION = "v1"


def _known(arn: str) -> str:
    name = arn.removeprefix(PREFIX)
    if not arn.startswith(PREFIX) or name not in NAMES:
        raise ApiError("NoSuchEntity", f"Policy {arn} was not found.", 404)
    return name


def view(call: Call, name: str) -> dict[str, Any]:
    """A policy as IAM answers it."""
    path, _, last = name.rpartition("/")
    return {
        "PolicyName": last,
        # AWS's ids are its own; this one is the same on every host.
        "PolicyId": "ANPA" + hashlib.sha256(name.encode()).hexdigest()[:17].upper(),
        "Arn": PREFIX + name,
        "Path": f"/{path}/" if path else "/",
        "DefaultVersionId": _VERSION,
        "AttachmentCount": sum(name in role.policies for role in call.cloud.state.roles.query()),
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
    }


def version(name: str) -> dict[str, Any]:
    """The one version of a policy."""
    return {"Document": urllib.parse.quote(json.dumps(document(name))), "VersionId": _VERSION, "IsDefaultVersion": True}


@operation()
def list_policies(
    call: Call,
    *,
    scope: str = "All",
    only_attached: bool = False,
    path_prefix: str = "/",
    policy_usage_filter: str = "PermissionsPolicy",
    marker: str | None = None,
    max_items: int | None = None,
) -> Answer:
    """ListPolicies: AWS's own; the account has none. None is a permissions boundary."""
    views = [view(call, name) for name in NAMES] if scope != "Local" and policy_usage_filter == "PermissionsPolicy" else []
    views = [one for one in views if one["Path"].startswith(path_prefix) and (one["AttachmentCount"] or not only_attached)]
    return page("Policies", views, lambda one: one["Arn"], marker, max_items)


@operation()
def get_policy(call: Call, *, policy_arn: str) -> Answer:
    """GetPolicy."""
    return {"Policy": {**view(call, _known(policy_arn)), "Tags": []}}


@operation()
def get_policy_version(call: Call, *, policy_arn: str, version_id: str) -> Answer:
    """GetPolicyVersion: what the policy allows here, percent-encoded as AWS sends it."""
    del call
    name = _known(policy_arn)
    if version_id != _VERSION:
        raise ApiError("NoSuchEntity", f"Policy {policy_arn} version {version_id} does not exist or is not attachable.", 404)
    return {"PolicyVersion": version(name)}


@operation()
def list_policy_versions(call: Call, *, policy_arn: str, marker: str | None = None, max_items: int | None = None) -> Answer:
    """ListPolicyVersions."""
    del call
    _known(policy_arn)
    return page("Versions", [{"VersionId": _VERSION, "IsDefaultVersion": True}], lambda one: one["VersionId"], marker, max_items)


@operation()
def list_policy_tags(call: Call, *, policy_arn: str, marker: str | None = None, max_items: int | None = None) -> Answer:
    """ListPolicyTags: AWS's policies have none."""
    del call
    _known(policy_arn)
    return page("Tags", [], str, marker, max_items)


@operation()
def list_entities_for_policy(
    call: Call,
    *,
    policy_arn: str,
    entity_filter: str | None = None,
    path_prefix: str = "/",
    policy_usage_filter: str = "PermissionsPolicy",
    marker: str | None = None,
    max_items: int | None = None,
) -> Answer:
    """ListEntitiesForPolicy: roles; there are no users and groups."""
    name = _known(policy_arn)
    wanted = entity_filter in (None, "Role", "AWSManagedPolicy") and policy_usage_filter == "PermissionsPolicy"
    found = [
        {"RoleName": role.name, "RoleId": role.id}
        for role in (call.cloud.state.roles.query() if wanted else ())
        if name in role.policies and role.path.startswith(path_prefix)
    ]
    return {"PolicyGroups": [], "PolicyUsers": [], **page("PolicyRoles", found, lambda one: one["RoleName"], marker, max_items)}
