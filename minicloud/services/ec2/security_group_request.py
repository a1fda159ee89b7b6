"""Rules as requests say them, IpPermissions or the old flat parameters, turned into what rows are made of."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypedDict

from ...api import Call
from ...aws import ids, ip_permissions
from ...aws.ip_permissions import Traffic
from ...errors import ApiError
from ...state.rows import SecurityGroup
from ...state.rows_network import SecurityGroupRule
from .security_groups import named


class PairInput(TypedDict, total=False):
    """A group as a peer, by id, or by name in the same VPC."""

    GroupId: str
    GroupName: str
    UserId: str
    VpcId: str
    Description: str


class RangeInput(TypedDict, total=False):
    """Addresses as a peer."""

    CidrIp: str
    Description: str


class Range6Input(TypedDict, total=False):
    """IPv6 addresses as a peer."""

    CidrIpv6: str
    Description: str


class PrefixListInput(TypedDict, total=False):
    """A list of ranges as a peer; there are none here."""

    PrefixListId: str
    Description: str


class PermissionInput(TypedDict, total=False):
    """A protocol, its ports, and all peers for which it is let through."""

    IpProtocol: str
    FromPort: int
    ToPort: int
    UserIdGroupPairs: list[PairInput]
    IpRanges: list[RangeInput]
    Ipv6Ranges: list[Range6Input]
    PrefixListIds: list[PrefixListInput]
    """Always empty; it is here because an answer has it, and answers are given back as requests."""


@dataclass(frozen=True)
class Flat:
    """The old parameters: one protocol, one peer."""

    protocol: str | None = None
    low: int | None = None
    high: int | None = None
    cidr: str | None = None
    source_name: str | None = None
    source_owner: str | None = None

    def permissions(self) -> list[PermissionInput]:
        """The same as IpPermissions."""
        if self == Flat():
            return []
        if self.cidr is None and self.source_name is None:
            raise ApiError("MissingParameter", "The request must contain the parameter CidrIp or SourceSecurityGroupName")
        # A source group alone means all that its members send.
        permission = PermissionInput(IpProtocol=self.protocol or (ip_permissions.ALL if self.source_name else ""))
        if self.low is not None:
            permission["FromPort"] = self.low
        if self.high is not None:
            permission["ToPort"] = self.high
        if self.cidr is not None:
            permission["IpRanges"] = [RangeInput(CidrIp=self.cidr)]
        if self.source_name is not None:
            pair = PairInput(GroupName=self.source_name)
            if self.source_owner is not None:
                pair["UserId"] = self.source_owner
            permission["UserIdGroupPairs"] = [pair]
        return [permission]


@dataclass(frozen=True)
class Wanted:
    """One rule of a request. Of `cidr`, `cidr6` and `peer_group_id` exactly one is not empty."""

    traffic: Traffic
    cidr: str = ""
    cidr6: str = ""
    peer_group_id: str = ""
    description: str | None = None

    @property
    def key(self) -> tuple[str, int, int, str, str, str]:
        """What makes two rules of a group and direction the same."""
        return (self.traffic.protocol, self.traffic.low, self.traffic.high, self.cidr, self.cidr6, self.peer_group_id)

    @property
    def label(self) -> str:
        """The rule in AWS's words."""
        return ip_permissions.label(self.peer_group_id or self.cidr or self.cidr6, self.traffic)


def key_of(row: SecurityGroupRule) -> tuple[str, int, int, str, str, str]:
    """The same of a row."""
    return (row.protocol, row.from_port, row.to_port, row.cidr, row.cidr6, row.peer_group_id)


def wanted(call: Call, group: SecurityGroup, permissions: list[PermissionInput] | None, flat: Flat) -> list[Wanted]:
    """The rules of a request, in their order. Raises ApiError."""
    given = list(permissions or ())
    if given and flat != Flat():
        raise ApiError(
            "InvalidParameterCombination", "The parameters ipPermissions and cidrIp, ipProtocol, ... may not be used together"
        )
    found = [rule for permission in given or flat.permissions() for rule in _rules(call, group, permission)]
    for rule in found:
        if found.count(rule) > 1:
            raise ApiError("InvalidParameterValue", f"The same permission must not appear multiple times: {rule.label}")
    return found


def _rules(call: Call, group: SecurityGroup, permission: PermissionInput) -> Iterator[Wanted]:
    if not permission.get("IpProtocol"):
        raise ApiError("MissingParameter", "The request must contain the parameter ipProtocol")
    if permission.get("PrefixListIds"):
        raise ApiError("UnsupportedOperation", "minicloud does not support the parameter IpPermissions.PrefixListIds")
    traffic = ip_permissions.traffic(permission["IpProtocol"], permission.get("FromPort"), permission.get("ToPort"))
    peers = [permission.get(name) for name in ("IpRanges", "Ipv6Ranges", "UserIdGroupPairs")]
    if not any(peers):
        raise ApiError("MissingParameter", "The request must contain the parameter ipRanges, ipv6Ranges or groups")
    for one in permission.get("IpRanges", ()):
        yield Wanted(traffic, cidr=ip_permissions.cidr(one.get("CidrIp", "")), description=_said(one.get("Description")))
    for six in permission.get("Ipv6Ranges", ()):
        yield Wanted(traffic, cidr6=ip_permissions.cidr6(six.get("CidrIpv6", "")), description=_said(six.get("Description")))
    for pair in permission.get("UserIdGroupPairs", ()):
        yield Wanted(traffic, peer_group_id=_peer(call, group, pair), description=_said(pair.get("Description")))


def _said(description: str | None) -> str | None:
    return None if description is None else ip_permissions.description(description, "rule")


def _peer(call: Call, group: SecurityGroup, pair: PairInput) -> str:
    """The id of the group that a pair means: one of the same VPC."""
    if pair.get("UserId") not in (None, "", call.cloud.settings.account_id):
        raise ApiError("InvalidGroup.NotFound", f"The security group '{pair.get('GroupId', '')}' does not exist")
    if "GroupId" in pair or not pair.get("GroupName"):
        found = named(call.cloud.state, pair.get("GroupId"), None)
    else:
        by_name = call.cloud.state.security_groups.find(vpc_id=group.vpc_id, name=pair["GroupName"])
        if not by_name:
            raise ids.not_found("security-group", [pair["GroupName"]])
        found = by_name[0]
    if found.vpc_id != group.vpc_id:
        raise ApiError("InvalidGroup.NotFound", "You have specified two resources that belong to different networks.")
    return found.id
