"""Who may make volumes of a snapshot. minicloud has one account, so this is kept for tools that set and read it."""

from typing import Any, TypedDict

from ...api import Answer, Call, operation
from ...errors import ApiError
from .snapshots import GROUP_ALL, named

_PERMISSION = "createVolumePermission"


class PermissionInput(TypedDict, total=False):
    """An account, or the group `all`."""

    UserId: str
    Group: str


class ModificationsInput(TypedDict, total=False):
    """Permissions to give and to take."""

    Add: list[PermissionInput]
    Remove: list[PermissionInput]


def user_of(permission: PermissionInput) -> str:
    """An account's number, or `all`. Raises ApiError."""
    user, group = permission.get("UserId"), permission.get("Group")
    if group not in (None, GROUP_ALL) or (user is None) == (group is None):
        raise ApiError("InvalidParameterValue", "A permission names either a UserId or the group 'all'")
    chosen = group or user or ""
    if chosen != GROUP_ALL and not (chosen.isdigit() and len(chosen) == 12):
        raise ApiError("InvalidAMIAttributeItemValue", f'Invalid attribute item value "{chosen}" for userId item type.')
    return chosen


def permission_view(user: str) -> dict[str, Any]:
    """A permission as AWS shows it."""
    return {"Group": GROUP_ALL} if user == GROUP_ALL else {"UserId": user}


def changed(users: list[str], add: list[PermissionInput], remove: list[PermissionInput]) -> list[str]:
    """The users after a change. Raises ApiError."""
    gone = {user_of(permission) for permission in remove}
    return sorted((set(users) | {user_of(permission) for permission in add}) - gone)


def by_operation(
    kind: str | None, users: list[str] | None, groups: list[str] | None, wanted: ModificationsInput
) -> tuple[list[PermissionInput], list[PermissionInput]]:
    """Permissions to give and to take: `wanted`, and those of the older way of saying it. Raises ApiError.

    The older one is an operation type, and users and groups beside it. They may be there without a type where they only
    repeat what is `wanted`: clients send both.
    """
    given = [PermissionInput(UserId=user) for user in users or ()] + [PermissionInput(Group=group) for group in groups or ()]
    add, remove = wanted.get("Add", []), wanted.get("Remove", [])
    if kind in ("add", "remove"):
        return (add + given, remove) if kind == "add" else (add, remove + given)
    if any(permission not in add + remove for permission in given):
        raise ApiError("MissingParameter", "The request must contain the parameter OperationType")
    return add, remove


@operation()
def describe_snapshot_attribute(call: Call, *, snapshot_id: str, attribute: str) -> Answer:
    """DescribeSnapshotAttribute: createVolumePermission or productCodes."""
    row = named(call.cloud.state, [snapshot_id])[0]
    if attribute == _PERMISSION:
        return {"SnapshotId": row.id, "CreateVolumePermissions": [permission_view(user) for user in row.users]}
    return {"SnapshotId": row.id, "ProductCodes": []}


@operation()
def modify_snapshot_attribute(
    call: Call,
    *,
    snapshot_id: str,
    attribute: str | None = None,
    operation_type: str | None = None,
    user_ids: list[str] | None = None,
    group_names: list[str] | None = None,
    create_volume_permission: ModificationsInput | None = None,
) -> Answer:
    """ModifySnapshotAttribute: createVolumePermission."""
    row = named(call.cloud.state, [snapshot_id])[0]
    if attribute not in (None, _PERMISSION):
        raise ApiError("InvalidParameterValue", f"The attribute {attribute} of a snapshot cannot be changed")
    add, remove = by_operation(operation_type, user_ids, group_names, create_volume_permission or ModificationsInput())
    users = changed(row.users, add, remove)
    call.cloud.state.snapshots.change(row.id, users=users)
    return {}


@operation()
def reset_snapshot_attribute(call: Call, *, snapshot_id: str, attribute: str) -> Answer:
    """ResetSnapshotAttribute: nobody but the account itself."""
    row = named(call.cloud.state, [snapshot_id])[0]
    if attribute != _PERMISSION:
        raise ApiError("InvalidParameterValue", f"The attribute {attribute} of a snapshot cannot be reset")
    call.cloud.state.snapshots.change(row.id, users=[])
    return {}
