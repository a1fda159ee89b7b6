"""Access keys of the account. The secret is in the answer of CreateAccessKey and nowhere else: it is derived, not kept."""

from typing import Any

from ...api import Answer, Call, operation
from ...aws import access_keys
from ...errors import ApiError
from ...state import master_key
from ...state.rows_access import AccessKey
from .pages import page

USER = "root"
"""The only user: the account itself."""
MOST_KEYS = 100


def _view(row: AccessKey) -> dict[str, Any]:
    return {"UserName": USER, "AccessKeyId": row.id, "Status": row.status, "CreateDate": row.created}


def _refuse_others(user_name: str | None) -> None:
    if user_name not in (None, USER):
        raise ApiError("NoSuchEntity", f"The user with name {user_name} cannot be found.", 404)


def _existing(call: Call, access_key_id: str) -> AccessKey:
    row = call.cloud.state.access_keys.get(access_key_id)
    if row is None:
        raise ApiError("NoSuchEntity", f"The Access Key with id {access_key_id} cannot be found.", 404)
    return row


@operation()
def create_access_key(call: Call, *, user_name: str | None = None) -> Answer:
    """CreateAccessKey: shown once."""
    _refuse_others(user_name)
    keys = call.cloud.state.access_keys
    if len(keys.query()) >= MOST_KEYS:
        raise ApiError("LimitExceeded", f"Cannot exceed quota for AccessKeysPerUser: {MOST_KEYS}", 409)
    row = keys.add(AccessKey(access_keys.new_id(access_keys.LONG_TERM), "Active", call.now))
    secret = access_keys.secret_of(master_key.load(call.cloud.settings.home), row.id)
    return {"AccessKey": {**_view(row), "SecretAccessKey": secret}}


@operation()
def list_access_keys(
    call: Call, *, user_name: str | None = None, marker: str | None = None, max_items: int | None = None
) -> Answer:
    """ListAccessKeys, without secrets."""
    _refuse_others(user_name)
    views = [_view(row) for row in call.cloud.state.access_keys.query()]
    return page("AccessKeyMetadata", views, lambda view: view["AccessKeyId"], marker, max_items)


@operation()
def update_access_key(call: Call, *, access_key_id: str, status: str, user_name: str | None = None) -> Answer:
    """UpdateAccessKey: Active or Inactive; an inactive key and its sessions are refused."""
    _refuse_others(user_name)
    if status not in ("Active", "Inactive"):
        raise ApiError("ValidationError", f"Value '{status}' for Status is invalid. Allowed: Active, Inactive.")
    call.cloud.state.access_keys.change(_existing(call, access_key_id).id, status=status)
    return {}


@operation()
def delete_access_key(call: Call, *, access_key_id: str, user_name: str | None = None) -> Answer:
    """DeleteAccessKey: it ends at once, with all sessions that were begun with it."""
    _refuse_others(user_name)
    call.cloud.state.access_keys.remove(_existing(call, access_key_id).id)
    return {}
