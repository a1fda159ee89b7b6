"""What IAM says of the whole account at once: the credential report, and all roles and policies with their details."""

from typing import Any

from ...api import Answer, Call, operation
from ...aws import arns
from ...aws.managed_policies import PREFIX
from ...state.rows_access import Role
from . import instance_profiles, roles
from . import managed_policies as policies
from .pages import page

_NOT, _NONE = "not_supported", "N/A"
_HEAD = (
    "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,mfa_active,"
    "access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,"
    "access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,"
    "access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,cert_1_last_rotated,cert_2_active,"
    "cert_2_last_rotated"
)


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _root(call: Call) -> list[str]:
    """The line of the account itself. AWS's report has room for two keys: the newest are shown."""
    keys = call.cloud.state.access_keys.query(order="created")
    since = keys[0].created if keys else _NONE
    shown: list[str] = []
    for row in [*keys[-1:-3:-1], None, None][:2]:
        shown += [_flag(row is not None and row.status == "Active"), row.created if row else _NONE, _NONE, _NONE, _NONE]
    account = arns.root(call.cloud.settings.account_id)
    return ["<root_account>", account, since, _NOT, "no_information", _NOT, _NOT, "false", *shown, "false", _NONE, "false", _NONE]


@operation()
def generate_credential_report(call: Call) -> Answer:
    """GenerateCredentialReport: it is there at once."""
    del call
    return {"State": "COMPLETE"}


@operation()
def get_credential_report(call: Call) -> Answer:
    """GetCredentialReport: the account's own line, as of now. When a key was last used is not known."""
    return {"Content": f"{_HEAD}\n{','.join(_root(call))}".encode(), "ReportFormat": "text/csv", "GeneratedTime": call.now}


def _role(call: Call, row: Role) -> dict[str, Any]:
    state, shown = call.cloud.state, roles.whole(call, row)
    attached = [{"PolicyName": name.rpartition("/")[2], "PolicyArn": PREFIX + name} for name in row.policies]
    return {
        **{name: shown[name] for name in ("Path", "RoleName", "RoleId", "Arn", "CreateDate", "AssumeRolePolicyDocument")},
        "InstanceProfileList": [instance_profiles.view(call, one) for one in state.instance_profiles.find(role=row.name)],
        "RolePolicyList": [],
        "AttachedManagedPolicies": attached,
        "Tags": shown.get("Tags", []),
    }


@operation()
def get_account_authorization_details(
    call: Call,
    *,
    filter: list[str] | None = None,
    max_items: int | None = None,
    marker: str | None = None,
) -> Answer:
    """GetAccountAuthorizationDetails: all roles, and the policies that one of them has."""
    rows = call.cloud.state.roles.query()
    attached = {name for row in rows for name in row.policies}
    found = [("Role", row.name, _role(call, row)) for row in rows]
    found += [
        ("AWSManagedPolicy", name, {**policies.view(call, name), "PolicyVersionList": [policies.version(name)]})
        for name in attached
    ]
    wanted = [one for one in found if not filter or one[0] in filter]
    answer = page("", wanted, lambda one: f"{one[0]} {one[1]}", marker, max_items)
    shown = answer.pop("")
    return {
        "UserDetailList": [],
        "GroupDetailList": [],
        "RoleDetailList": [one for kind, _, one in shown if kind == "Role"],
        "Policies": [one for kind, _, one in shown if kind != "Role"],
        **answer,
    }
