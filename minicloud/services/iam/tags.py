"""Tags of roles, instance profiles and server certificates: given, taken and listed."""

from ...api import Answer, Call, operation
from . import instance_profiles, roles, tag_rules
from .pages import page
from .server_certificates import existing as existing_certificate
from .tag_rules import TagInput


def _role(call: Call, name: str) -> str:
    return roles.arn(call, roles.existing(call, name))


def _profile(call: Call, name: str) -> str:
    return instance_profiles.arn(call, instance_profiles.existing(call, name))


def _certificate(call: Call, name: str) -> str:
    return existing_certificate(call, name).arn


def _listed(call: Call, arn: str, marker: str | None, max_items: int | None) -> Answer:
    found = sorted(call.cloud.state.tags_of([arn])[arn], key=lambda tag: tag["Key"])
    return page("Tags", found, lambda tag: tag["Key"], marker, max_items)


@operation()
def tag_role(call: Call, *, role_name: str, tags: list[TagInput]) -> Answer:
    """TagRole."""
    tag_rules.give(call, _role(call, role_name), "role", tags)
    return {}


@operation()
def untag_role(call: Call, *, role_name: str, tag_keys: list[str]) -> Answer:
    """UntagRole."""
    tag_rules.take(call, _role(call, role_name), tag_keys)
    return {}


@operation()
def list_role_tags(call: Call, *, role_name: str, marker: str | None = None, max_items: int | None = None) -> Answer:
    """ListRoleTags."""
    return _listed(call, _role(call, role_name), marker, max_items)


@operation()
def tag_instance_profile(call: Call, *, instance_profile_name: str, tags: list[TagInput]) -> Answer:
    """TagInstanceProfile."""
    tag_rules.give(call, _profile(call, instance_profile_name), "instance-profile", tags)
    return {}


@operation()
def untag_instance_profile(call: Call, *, instance_profile_name: str, tag_keys: list[str]) -> Answer:
    """UntagInstanceProfile."""
    tag_rules.take(call, _profile(call, instance_profile_name), tag_keys)
    return {}


@operation()
def list_instance_profile_tags(
    call: Call, *, instance_profile_name: str, marker: str | None = None, max_items: int | None = None
) -> Answer:
    """ListInstanceProfileTags."""
    return _listed(call, _profile(call, instance_profile_name), marker, max_items)


@operation()
def tag_server_certificate(call: Call, *, server_certificate_name: str, tags: list[TagInput]) -> Answer:
    """TagServerCertificate."""
    tag_rules.give(call, _certificate(call, server_certificate_name), "server-certificate", tags)
    return {}


@operation()
def untag_server_certificate(call: Call, *, server_certificate_name: str, tag_keys: list[str]) -> Answer:
    """UntagServerCertificate."""
    tag_rules.take(call, _certificate(call, server_certificate_name), tag_keys)
    return {}


@operation()
def list_server_certificate_tags(
    call: Call, *, server_certificate_name: str, marker: str | None = None, max_items: int | None = None
) -> Answer:
    """ListServerCertificateTags."""
    return _listed(call, _certificate(call, server_certificate_name), marker, max_items)
