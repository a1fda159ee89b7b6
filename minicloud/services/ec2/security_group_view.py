"""Rules of security groups as AWS answers them: grouped into IpPermissions, or one by one."""

from collections.abc import Iterable
from typing import Any

from ...config import Settings
from ...state.rows_network import SecurityGroupRule


def ports(row: SecurityGroupRule) -> dict[str, int]:
    """FromPort and ToPort, where the protocol has such."""
    return {"FromPort": row.from_port, "ToPort": row.to_port} if row.protocol in ("tcp", "udp", "icmp", "icmpv6") else {}


def permissions(rows: Iterable[SecurityGroupRule], owner: str) -> list[dict[str, Any]]:
    """Rules as IpPermissions: one for each protocol and range of ports."""
    found: dict[tuple[str, int, int], dict[str, Any]] = {}
    for row in rows:
        empty: dict[str, Any] = {"IpProtocol": row.protocol, **ports(row)}
        empty |= {"UserIdGroupPairs": [], "IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": []}
        permission = found.setdefault((row.protocol, row.from_port, row.to_port), empty)
        said = {"Description": row.description} if row.description else {}
        if row.peer_group_id:
            permission["UserIdGroupPairs"].append({**said, "UserId": owner, "GroupId": row.peer_group_id})
        elif row.cidr6:
            permission["Ipv6Ranges"].append({**said, "CidrIpv6": row.cidr6})
        else:
            permission["IpRanges"].append({**said, "CidrIp": row.cidr})
    return list(found.values())


def rule(row: SecurityGroupRule, settings: Settings, tags: list[dict[str, str]]) -> dict[str, Any]:
    """One rule, as DescribeSecurityGroupRules has it."""
    view: dict[str, Any] = {
        "SecurityGroupRuleId": row.id,
        "GroupId": row.group_id,
        "GroupOwnerId": settings.account_id,
        "IsEgress": row.egress,
        "IpProtocol": row.protocol,
        "FromPort": row.from_port,
        "ToPort": row.to_port,
        "Tags": tags,
        "SecurityGroupRuleArn": f"arn:aws:ec2:{settings.region}:{settings.account_id}:security-group-rule/{row.id}",
    }
    if row.description:
        view["Description"] = row.description
    if row.peer_group_id:
        return {**view, "ReferencedGroupInfo": {"GroupId": row.peer_group_id, "UserId": settings.account_id}}
    return {**view, **({"CidrIpv6": row.cidr6} if row.cidr6 else {"CidrIpv4": row.cidr})}


def revoked(row: SecurityGroupRule) -> dict[str, Any]:
    """One rule that is gone, as Revoke* answers it."""
    view: dict[str, Any] = {
        "SecurityGroupRuleId": row.id,
        "GroupId": row.group_id,
        "IsEgress": row.egress,
        "IpProtocol": row.protocol,
        "FromPort": row.from_port,
        "ToPort": row.to_port,
    }
    named = {"CidrIpv4": row.cidr, "CidrIpv6": row.cidr6, "ReferencedGroupId": row.peer_group_id, "Description": row.description}
    return view | {name: value for name, value in named.items() if value}
