"""Execution roles: as whom a lifecycle policy makes and deletes. Kept as a principal (callers.py) of the role's unique id."""

import re

from ...api import Call
from ...aws import arns, trust
from ...callers import check_pass
from ...state.rows_storage import Policy
from . import rules

SERVICE = "dlm.amazonaws.com"
_ARN = re.compile(r"arn:aws(-[a-z]{1,3}){0,2}:iam::\d+:role/.+")


def makers(call: Call, policy_id: str, arn: str) -> list[str]:
    """Who is behind what a policy does: its role, in a session of the policy's; the account, if that names no role of its own.

    Raises ApiError for a role that the caller may not pass, or that does not let DLM in.
    """
    if not _ARN.fullmatch(arn):
        raise rules.refused(f"{arn!r} is not the ARN of a role.")
    check_pass(call.caller, "dlm", arn, SERVICE)
    row = call.cloud.state.roles.get(arn.rpartition("/")[2])
    if row is None or arns.role(call.cloud.settings.account_id, row.path, row.name) != arn:
        if call.makers:
            raise rules.refused(f"There is no role {arn}.")
        return []
    if not trust.lets_in(row.trust, SERVICE):
        raise rules.refused(f"The role {arn} does not let {SERVICE} assume it.")
    return [f"{row.id}:{policy_id}"]


def has_role(policy: Policy) -> bool:
    """Whether a policy acts as its role."""
    return any(maker.endswith(f":{policy.id}") for maker in policy.makers)
