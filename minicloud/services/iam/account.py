"""The account itself, as IAM knows it: its one user is the root user."""

from ...api import Answer, Call, operation
from ...aws import arns
from ...errors import ApiError
from .access_keys import USER


@operation()
def get_account_summary(call: Call) -> Answer:
    """GetAccountSummary: how many there are of what the account can have."""
    state = call.cloud.state
    counted = {
        "AccountAccessKeysPresent": int(bool(state.access_keys.query())),
        "AccountMFAEnabled": 0,
        "AccountPasswordPresent": 0,
        "AccountSigningCertificatesPresent": 0,
        "Groups": 0,
        "InstanceProfiles": len(state.instance_profiles.query()),
        "MFADevices": 0,
        "MFADevicesInUse": 0,
        "Policies": 0,
        "Providers": 0,
        "Roles": len(state.roles.query()),
        "ServerCertificates": len(state.certificates.query("name != ''")),
        "Users": 0,
    }
    return {"SummaryMap": counted}


@operation()
def get_account_password_policy(call: Call) -> Answer:
    """GetAccountPasswordPolicy: none, which AWS says by a refusal; nobody has a password."""
    account = call.cloud.settings.account_id
    raise ApiError("NoSuchEntity", f"The Password Policy with domain name {account} cannot be found.", 404)


@operation()
def get_user(call: Call, *, user_name: str | None = None) -> Answer:
    """GetUser: the account itself, where it asks about itself or by that name."""
    if user_name not in (None, USER):
        raise ApiError("NoSuchEntity", f"The user with name {user_name} cannot be found.", 404)
    if user_name is None and call.caller is not None and call.caller.principals:
        raise ApiError("ValidationError", "Must specify userName when calling with non-User credentials")
    account = call.cloud.settings.account_id
    keys = call.cloud.state.access_keys.query(order="created")
    since = {"CreateDate": keys[0].created} if keys else {}
    return {"User": {"Path": "/", "UserName": USER, "UserId": account, "Arn": arns.root(account), **since}}
