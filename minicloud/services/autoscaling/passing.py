"""Roles that are handed to instances by way of a launch configuration, and to Auto Scaling itself, by who may pass them."""

from ...api import Call
from ...aws import arns
from ...callers import check_pass
from ..ec2.instance_profiles import PASSED_TO
from .finding import invalid

AUTO_SCALING = "autoscaling.amazonaws.com"


def profile(call: Call, named: str) -> None:
    """Refuse an instance profile, by name or ARN, that is not there or whose role the caller may not pass. Raises ApiError."""
    if not named:
        return
    state, account = call.cloud.state, call.cloud.settings.account_id
    row = state.instance_profiles.get(named.rpartition("/")[2])
    if row is None or named not in (row.name, arns.instance_profile(account, row.path, row.name)):
        raise invalid(f"Invalid IamInstanceProfile: {named}")
    if role := state.roles.get(row.role) if row.role else None:
        check_pass(call.caller, "autoscaling", arns.role(account, role.path, role.name), PASSED_TO)


def role(call: Call, arn: str | None) -> None:
    """Refuse a role for Auto Scaling that the caller may not pass. Raises ApiError."""
    if arn:
        check_pass(call.caller, "autoscaling", arn, AUTO_SCALING)
