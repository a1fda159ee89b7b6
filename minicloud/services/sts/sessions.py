"""Credentials that end: made here, and recognized here. Nothing of a session is kept; its sealed token says all.

A session ends at its time, or sooner when the access key that began it, or its role, is gone. It is of one role for good: a
role that is made again under the same name has another unique id, and gives nothing to the sessions of the one before.
"""

import re

from ...api import Answer, Call, operation
from ...aws import access_keys, arns, times, trust
from ...aws.access_keys import Session
from ...callers import Caller, of_session, root
from ...cloud import Cloud
from ...errors import ApiError
from ...state import master_key
from ...state.rows_access import Role
from ..iam import roles

_ROLE_ARN = re.compile(r"arn:aws:iam::([0-9]{12}):role/(?:[!-.0-~]+/)*([A-Za-z0-9+=,.@_-]{1,64})")
EC2 = "ec2.amazonaws.com"
_NAME = re.compile(r"[A-Za-z0-9+=,.@_-]{2,64}")
GUEST_SECONDS = 6 * 3600
LONGEST = 12 * 3600
"""Seconds that a session of AssumeRole lasts at most."""
LONGEST_OF_ALL = 36 * 3600
"""Seconds that any session lasts at most. One that ends later than that was made before the clock was set back."""


def _role(cloud: Cloud, session: Session) -> Role | None:
    """The very role that a session was begun with, while it is there."""
    role = cloud.state.roles.get(session.role)
    if role is None or session.role_id:
        return role if role and role.id == session.role_id else None
    # A token without an id is of an older minicloud: it is good if the role is older than any such token can be.
    begun = session.expires - (GUEST_SECONDS if session.source else LONGEST)
    return role if times.seconds(role.created) < begun else None


def recognize(cloud: Cloud, access_key: str, token: str, now: float) -> tuple[str, Caller] | None:
    """The secret of an access key and who has it; None for a key, or a token, that is not valid.

    Raises ApiError (ExpiredToken) for a session that was valid.
    """
    master, state = master_key.load(cloud.settings.home), cloud.state
    secret = access_keys.secret_of(master, access_key)
    if not token:
        row = state.access_keys.get(access_key)
        return (secret, root(cloud, access_key)) if row and row.status == "Active" else None
    session = access_keys.unseal(master, token)
    if session is None or session.access_key != access_key:
        return None
    if not 0 < session.expires - now <= LONGEST_OF_ALL + times.SLACK:
        raise ApiError("ExpiredToken", "The security token included in the request is expired", 403)
    parent = state.access_keys.get(session.parent) if session.parent else None
    if session.parent and (parent is None or parent.status != "Active"):
        return None
    if not session.role:
        return secret, root(cloud, access_key)
    role = _role(cloud, session)
    return (secret, of_session(cloud, role, session.name, session.access_key)) if role else None


def _credentials(cloud: Cloud, session: Session) -> dict[str, str]:
    master = master_key.load(cloud.settings.home)
    return {
        "AccessKeyId": session.access_key,
        "SecretAccessKey": access_keys.secret_of(master, session.access_key),
        "SessionToken": access_keys.seal(master, session),
        "Expiration": times.text(session.expires),
    }


def _expiry(call: Call, seconds: int) -> int:
    return int(times.seconds(call.now)) + seconds


def of_guest(cloud: Cloud, instance_id: str, now: float) -> tuple[str, dict[str, str]] | None:
    """The role of an instance's profile, with credentials for it; None without one, and where the role does not let EC2 in."""
    role = role_of_guest(cloud, instance_id)
    if role is None or not trust.lets_in(role.trust, EC2):
        return None
    made = access_keys.new_id(access_keys.SESSION)
    session = Session(made, int(now) + GUEST_SECONDS, "", role.name, instance_id, instance_id, role.id)
    return role.name, _credentials(cloud, session)


def role_of_guest(cloud: Cloud, instance_id: str) -> Role | None:
    """The role in the profile of an instance."""
    association = next(iter(cloud.state.profile_associations.find(instance_id=instance_id)), None)
    profile = cloud.state.instance_profiles.get(association.profile) if association else None
    return cloud.state.roles.get(profile.role) if profile and profile.role else None


@operation()
def get_caller_identity(call: Call) -> Answer:
    """GetCallerIdentity."""
    caller = call.caller or root(call.cloud)
    return {"UserId": caller.user_id, "Account": call.cloud.settings.account_id, "Arn": caller.arn}


@operation()
def get_session_token(call: Call, *, duration_seconds: int = 43200) -> Answer:
    """GetSessionToken: the account's own credentials, for a time. Not to be had with a session's credentials."""
    parent = _parent(call)
    made = access_keys.new_id(access_keys.SESSION)
    return {"Credentials": _credentials(call.cloud, Session(made, _expiry(call, duration_seconds), parent))}


@operation()
def assume_role(call: Call, *, role_arn: str, role_session_name: str, duration_seconds: int = 3600) -> Answer:
    """AssumeRole, where the role's trust policy lets the account in."""
    account, found = call.cloud.settings.account_id, _ROLE_ARN.fullmatch(role_arn)
    role = call.cloud.state.roles.get(found[2]) if found and found[1] == account else None
    trusted = {arns.root(account), account, "*"}
    if (
        role is None
        or roles.arn(call, role) != role_arn
        or not trusted & {name for kind, name in trust.principals(role.trust) if kind == "AWS"}
    ):
        caller = call.caller or root(call.cloud)
        text = f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: {role_arn}"
        raise ApiError("AccessDenied", text, 403)
    if not _NAME.fullmatch(role_session_name):
        raise ApiError("ValidationError", "roleSessionName must have 2 to 64 characters of [\\w+=,.@-]")
    if duration_seconds > role.max_session:
        raise ApiError(
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        )
    made = access_keys.new_id(access_keys.SESSION)
    session = Session(made, _expiry(call, duration_seconds), _parent(call), role.name, role_session_name, role_id=role.id)
    caller = of_session(call.cloud, role, session.name, made)
    return {
        "Credentials": _credentials(call.cloud, session),
        "AssumedRoleUser": {"AssumedRoleId": caller.user_id, "Arn": caller.arn},
    }


def _parent(call: Call) -> str:
    """The long-term key that the request was signed with; empty for the host's root."""
    key = call.caller.access_key if call.caller else ""
    if key.startswith(access_keys.SESSION):
        raise ApiError("AccessDenied", f"Cannot call {call.operation.name} with session credentials", 403)
    return key
