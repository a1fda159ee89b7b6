"""Instance profiles: how an instance gets a role. A profile holds one role at most."""

from typing import Any

from ...api import Answer, Call, operation
from ...aws import access_keys, arns
from ...callers import check_pass
from ...errors import ApiError
from ...state.rows_access import InstanceProfile
from . import roles, tag_rules
from .pages import page
from .tag_rules import TagInput


def existing(call: Call, name: str) -> InstanceProfile:
    """The instance profile of a name. Raises ApiError (NoSuchEntity)."""
    row = call.cloud.state.instance_profiles.get(name)
    if row is None:
        raise ApiError("NoSuchEntity", f"Instance Profile {name} cannot be found.", 404)
    return row


def arn(call: Call, profile: InstanceProfile) -> str:
    """The ARN of an instance profile."""
    return arns.instance_profile(call.cloud.settings.account_id, profile.path, profile.name)


def view(call: Call, profile: InstanceProfile) -> dict[str, Any]:
    """A profile as IAM answers it, with its role."""
    role = call.cloud.state.roles.get(profile.role) if profile.role else None
    return {
        "Path": profile.path,
        "InstanceProfileName": profile.name,
        "InstanceProfileId": profile.id,
        "Arn": arn(call, profile),
        "CreateDate": profile.created,
        "Roles": [roles.view(call, role)] if role else [],
    }


@operation()
def create_instance_profile(
    call: Call, *, instance_profile_name: str, path: str = "/", tags: list[TagInput] | None = None
) -> Answer:
    """CreateInstanceProfile."""
    roles.check_path(path)
    profiles = call.cloud.state.instance_profiles
    if profiles.get(instance_profile_name):
        raise ApiError("EntityAlreadyExists", f"Instance Profile {instance_profile_name} already exists.", 409)
    row = profiles.add(InstanceProfile(instance_profile_name, access_keys.new_id("AIPA"), path, call.now))
    tag_rules.give(call, arn(call, row), "instance-profile", tags)
    return {"InstanceProfile": _whole(call, row)}


def _whole(call: Call, profile: InstanceProfile) -> dict[str, Any]:
    """A profile with its tags, which lists do not have."""
    return {**view(call, profile), **tag_rules.shown(call, arn(call, profile))}


@operation()
def get_instance_profile(call: Call, *, instance_profile_name: str) -> Answer:
    """GetInstanceProfile."""
    return {"InstanceProfile": _whole(call, existing(call, instance_profile_name))}


@operation()
def list_instance_profiles(
    call: Call, *, path_prefix: str = "/", marker: str | None = None, max_items: int | None = None
) -> Answer:
    """ListInstanceProfiles."""
    rows = [row for row in call.cloud.state.instance_profiles.query(order="name") if row.path.startswith(path_prefix)]
    return page("InstanceProfiles", [view(call, row) for row in rows], _name, marker, max_items)


@operation()
def list_instance_profiles_for_role(
    call: Call, *, role_name: str, marker: str | None = None, max_items: int | None = None
) -> Answer:
    """ListInstanceProfilesForRole."""
    role = roles.existing(call, role_name)
    rows = call.cloud.state.instance_profiles.find(role=role.name)
    return page("InstanceProfiles", [view(call, row) for row in rows], _name, marker, max_items)


def _name(view: dict[str, Any]) -> str:
    return str(view["InstanceProfileName"])


@operation()
def add_role_to_instance_profile(call: Call, *, instance_profile_name: str, role_name: str) -> Answer:
    """AddRoleToInstanceProfile, of a role that the caller may pass."""
    profile, role = existing(call, instance_profile_name), roles.existing(call, role_name)
    check_pass(call.caller, "iam", roles.arn(call, role), "ec2.amazonaws.com")
    if profile.role:
        raise ApiError("LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1", 409)
    call.cloud.state.instance_profiles.change(profile.name, role=role.name)
    return {}


@operation()
def remove_role_from_instance_profile(call: Call, *, instance_profile_name: str, role_name: str) -> Answer:
    """RemoveRoleFromInstanceProfile."""
    profile = existing(call, instance_profile_name)
    if profile.role != role_name:
        raise ApiError("NoSuchEntity", f"Role {role_name} is not in Instance Profile {profile.name}.", 404)
    call.cloud.state.instance_profiles.change(profile.name, role="")
    return {}


@operation()
def delete_instance_profile(call: Call, *, instance_profile_name: str) -> Answer:
    """DeleteInstanceProfile: of one that holds no role and is on no instance."""
    profile, state = existing(call, instance_profile_name), call.cloud.state
    if profile.role:
        raise ApiError("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.", 409)
    for association in state.profile_associations.find(profile=profile.name):
        instance = state.instances.get(association.instance_id)
        if instance is not None and instance.state != "terminated":
            raise ApiError("DeleteConflict", f"Cannot delete entity, {association.instance_id} has it.", 409)
        state.profile_associations.remove(association.id)
    tag_rules.drop(call, arn(call, profile))
    state.instance_profiles.remove(profile.name)
    return {}
