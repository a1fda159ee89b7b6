"""What a role may do: some of AWS's own managed policies.

Policies that are written in JSON are not evaluated, so they are refused when they are attached: a role that seems to be
allowed less than it is would be worse than none. A role without policies may do nothing but ask who it is.
"""

from ...api import Answer, Call, operation
from ...aws.managed_policies import NAMES, PREFIX
from ...errors import ApiError
from . import roles
from .pages import page


def _known(arn: str) -> str:
    name = arn.removeprefix(PREFIX)
    if not arn.startswith(PREFIX) or name not in NAMES:
        raise ApiError(
            "NoSuchEntity",
            f"Policy {arn} does not exist or is not attachable. minicloud has: {', '.join(PREFIX + known for known in NAMES)}",
            404,
        )
    return name


@operation()
def attach_role_policy(call: Call, *, role_name: str, policy_arn: str) -> Answer:
    """AttachRolePolicy."""
    role, name = roles.existing(call, role_name), _known(policy_arn)
    call.cloud.state.roles.change(role.name, policies=list(dict.fromkeys([*role.policies, name])))
    return {}


@operation()
def detach_role_policy(call: Call, *, role_name: str, policy_arn: str) -> Answer:
    """DetachRolePolicy: it holds at once, for sessions that there are too."""
    role, name = roles.existing(call, role_name), policy_arn.removeprefix(PREFIX)
    if name not in role.policies:
        raise ApiError("NoSuchEntity", f"Policy {policy_arn} was not found.", 404)
    call.cloud.state.roles.change(role.name, policies=[kept for kept in role.policies if kept != name])
    return {}


@operation()
def list_attached_role_policies(call: Call, *, role_name: str, marker: str | None = None, max_items: int | None = None) -> Answer:
    """ListAttachedRolePolicies."""
    found = roles.existing(call, role_name).policies
    views = [{"PolicyName": name.rpartition("/")[2], "PolicyArn": PREFIX + name} for name in found]
    return page("AttachedPolicies", views, lambda view: view["PolicyName"], marker, max_items)


@operation()
def list_role_policies(call: Call, *, role_name: str, marker: str | None = None, max_items: int | None = None) -> Answer:
    """ListRolePolicies: inline policies, of which there are none."""
    roles.existing(call, role_name)
    return page("PolicyNames", [], str, marker, max_items)
