"""AWS's resource identifiers: a prefix and 17 hexadecimal digits. Each kind with its own codes for malformed and unknown ones."""

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import ApiError


@dataclass(frozen=True)
class Kind:
    """How AWS speaks of one kind of resource. In the texts `{id}` is one identifier, `{ids}` are several with commas."""

    prefix: str
    malformed: str
    malformed_text: str
    not_found: str
    not_found_text: str
    several_text: str = ""


def _kind(prefix: str, code: str, noun: str, malformed: str = "", **texts: str) -> Kind:
    return Kind(
        prefix,
        malformed or f"{code}.Malformed",
        texts.get("malformed_text", f'Invalid id: "{{id}}" (expecting "{prefix}-...")'),
        f"{code}.NotFound",
        texts.get("not_found_text", f"The {noun} '{{id}}' does not exist"),
        texts.get("several_text", f"The {noun}s '{{ids}}' do not exist"),
    )


def _association(prefix: str) -> Kind:
    """AWS has no code for malformed ones: nothing has such an identifier."""
    text = "The association ID '{id}' does not exist"
    return _kind(prefix, "InvalidAssociationID", "association ID", "InvalidAssociationID.NotFound", malformed_text=text)


KINDS = {
    "instance": _kind("i", "InvalidInstanceID", "instance ID", malformed_text='Invalid id: "{id}"'),
    "image": _kind(
        "ami",
        "InvalidAMIID",
        "image id",
        not_found_text="The image id '[{id}]' does not exist",
        several_text="The image ids '[{ids}]' do not exist",
    ),
    "key-pair": _kind("key", "InvalidKeyPair", "key pair", "InvalidParameterValue"),
    "volume": _kind(
        "vol",
        "InvalidVolume",
        "volume",
        "InvalidParameterValue",
        malformed_text="Value ({id}) for parameter volume is invalid. Expected: 'vol-...'.",
        not_found_text="The volume '{id}' does not exist.",
        several_text="The volumes '{ids}' do not exist.",
    ),
    "snapshot": _kind(
        "snap",
        "InvalidSnapshot",
        "snapshot",
        "InvalidSnapshotID.Malformed",
        not_found_text="The snapshot '{id}' does not exist.",
        several_text="The snapshots '{ids}' do not exist.",
    ),
    "layer": _kind("layer", "InvalidLayer", "layer"),
    "policy": _kind("policy", "InvalidPolicy", "policy"),
    "subnet": _kind("subnet", "InvalidSubnetID", "subnet ID"),
    "vpc": _kind("vpc", "InvalidVpcID", "vpc ID"),
    "security-group": _kind("sg", "InvalidGroup", "security group", "InvalidGroupId.Malformed"),
    "security-group-rule": _kind(
        "sgr",
        "InvalidSecurityGroupRuleId",
        "security group rule ID",
        several_text="The security group rule IDs '{ids}' do not exist",
    ),
    "elastic-ip": _kind("eipalloc", "InvalidAllocationID", "allocation ID"),
    "elastic-ip-association": _association("eipassoc"),
    "network-interface": _kind("eni", "InvalidNetworkInterfaceID", "networkInterface ID", "InvalidNetworkInterfaceId.Malformed"),
    "reservation": _kind("r", "InvalidReservationID", "reservation"),
    "network-interface-attachment": _kind(
        "eni-attach", "InvalidAttachmentID", "attachment", "InvalidNetworkInterfaceAttachmentId.Malformed"
    ),
    "internet-gateway": _kind("igw", "InvalidInternetGatewayID", "internetGateway ID", "InvalidInternetGatewayId.Malformed"),
    "route-table": _kind("rtb", "InvalidRouteTableID", "routeTable ID", "InvalidRouteTableId.Malformed"),
    "route-table-association": _association("rtbassoc"),
    "network-acl": _kind("acl", "InvalidNetworkAclID", "networkAcl ID", "InvalidNetworkAclId.Malformed"),
    "launch-template": _kind(
        "lt",
        "InvalidLaunchTemplateId",
        "launch template",
        not_found_text="The specified launch template, with template ID {id}, does not exist.",
        several_text="The specified launch templates, with template IDs {ids}, do not exist.",
    ),
    "prefix-list": _kind("pl", "InvalidPrefixListId", "prefix list ID"),
    "placement-group": _kind("pg", "InvalidPlacementGroupId", "placement group"),
    "capacity-reservation": _kind("cr", "InvalidCapacityReservationId", "capacity reservation"),
    "iam-instance-profile-association": _association("iip-assoc"),
    "dhcp-options": _kind("dopt", "InvalidDhcpOptionsID", "dhcpOption ID", "InvalidDhcpOptionsId.Malformed"),
}

_SUFFIX = re.compile(r"[0-9a-f]{8}([0-9a-f]{9})?")


def new_id(kind: str) -> str:
    """A fresh identifier, such as i-0123456789abcdef0."""
    return f"{KINDS[kind].prefix}-{secrets.token_hex(9)[1:]}"


def kind_of(identifier: str) -> str | None:
    """The kind whose prefix an identifier has, or None."""
    prefix, _, suffix = identifier.rpartition("-")
    if not _SUFFIX.fullmatch(suffix):
        return None
    return next((name for name, kind in KINDS.items() if kind.prefix == prefix), None)


def check(kind: str, identifiers: Iterable[str]) -> None:
    """Refuse identifiers that cannot be of this kind, before anything is looked up. Raises ApiError (…Malformed)."""
    spec = KINDS[kind]
    for identifier in identifiers:
        prefix, _, suffix = identifier.rpartition("-")
        if prefix != spec.prefix or not _SUFFIX.fullmatch(suffix):
            raise ApiError(spec.malformed, spec.malformed_text.format(id=identifier))


def not_found(kind: str, identifiers: Iterable[str]) -> ApiError:
    """The error for identifiers that nothing has."""
    spec = KINDS[kind]
    names = list(identifiers)
    if len(names) == 1:
        return ApiError(spec.not_found, spec.not_found_text.format(id=names[0]))
    return ApiError(spec.not_found, spec.several_text.format(ids=", ".join(names)))
