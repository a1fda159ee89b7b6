"""Users but the account itself, groups, MFA devices, identity providers: none, and none can be made."""

from typing import Any

from ...api import Answer, Call
from ...errors import ApiError
from .. import empty
from .access_keys import USER
from .roles import existing as existing_role

NAMES = """
    GetGroup GetGroupPolicy GetMFADevice GetOpenIDConnectProvider GetRolePolicy GetSAMLProvider GetUserPolicy ListAccountAliases
    ListAttachedGroupPolicies ListAttachedUserPolicies ListGroupPolicies ListGroups ListGroupsForUser
    ListMFADeviceTags ListMFADevices ListOpenIDConnectProviderTags ListOpenIDConnectProviders ListSAMLProviderTags
    ListSAMLProviders ListSSHPublicKeys ListServiceSpecificCredentials ListSigningCertificates ListUserPolicies ListUserTags
    ListUsers ListVirtualMFADevices
"""
_UNKNOWN = {
    "GroupName": "The group with name {} cannot be found.",
    "OpenIDConnectProviderArn": "OpenIDConnect Provider not found for arn {}",
    "PolicyName": "The policy with name {} cannot be found.",
    "SAMLProviderArn": "Manifest not found for arn {}",
    "SerialNumber": "MFA Device with serial number {} cannot be found.",
    "UserName": "The user with name {} cannot be found.",
}


def nothing(call: Call, **given: Any) -> Answer:
    """An empty list; whoever and whatever is named is refused, but for the account and its roles."""
    for parameter, (name, *_rest) in empty.identified(call, given):
        if parameter == "RoleName":
            existing_role(call, name)
        elif parameter in _UNKNOWN and (parameter, name) != ("UserName", USER):
            raise ApiError("NoSuchEntity", _UNKNOWN[parameter].format(name), 404)
    return empty.answer(call, given)


empty.declare("iam", NAMES.split(), nothing)
