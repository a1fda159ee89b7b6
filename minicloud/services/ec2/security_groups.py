"""Security groups themselves; their rules are in security_group_rules.py.

A new group lets everything out and nothing in; the default group of a VPC lets its own members in as well.
"""

from collections import defaultdict
from typing import Any

from ... import api
from ...api import Answer, Call, operation, require
from ...api import named as row_named
from ...aws import ids, ip_permissions
from ...aws.tags import tag_set
from ...errors import ApiError
from ...state.rows import SecurityGroup, Vpc
from ...state.rows_network import SecurityGroupRule
from ...state.store import State
from .security_group_view import permissions

MOST_GROUPS_OF_VPC = 2500
FILTERS = {
    "description": "Description",
    "egress.ip-permission.cidr": "IpPermissionsEgress[].IpRanges[].CidrIp",
    "egress.ip-permission.from-port": "IpPermissionsEgress[].FromPort",
    "egress.ip-permission.group-id": "IpPermissionsEgress[].UserIdGroupPairs[].GroupId",
    "egress.ip-permission.group-name": "IpPermissionsEgress[].UserIdGroupPairs[].GroupName",
    "egress.ip-permission.ipv6-cidr": "IpPermissionsEgress[].Ipv6Ranges[].CidrIpv6",
    "egress.ip-permission.protocol": "IpPermissionsEgress[].IpProtocol",
    "egress.ip-permission.to-port": "IpPermissionsEgress[].ToPort",
    "egress.ip-permission.user-id": "IpPermissionsEgress[].UserIdGroupPairs[].UserId",
    "group-id": "GroupId",
    "group-name": "GroupName",
    "ip-permission.cidr": "IpPermissions[].IpRanges[].CidrIp",
    "ip-permission.from-port": "IpPermissions[].FromPort",
    "ip-permission.group-id": "IpPermissions[].UserIdGroupPairs[].GroupId",
    "ip-permission.group-name": "IpPermissions[].UserIdGroupPairs[].GroupName",
    "ip-permission.ipv6-cidr": "IpPermissions[].Ipv6Ranges[].CidrIpv6",
    "ip-permission.protocol": "IpPermissions[].IpProtocol",
    "ip-permission.to-port": "IpPermissions[].ToPort",
    "ip-permission.user-id": "IpPermissions[].UserIdGroupPairs[].UserId",
    "owner-id": "OwnerId",
    "vpc-id": "VpcId",
}


def add(state: State, vpc_id: str, name: str, description: str, now: str) -> SecurityGroup:
    """A new group with the rules that every group starts with."""
    group = state.security_groups.add(SecurityGroup(ids.new_id("security-group"), vpc_id, name, description, now))
    add_rule(state, group.id, now, egress=True, cidr="0.0.0.0/0")
    if name == "default":
        add_rule(state, group.id, now, egress=False, peer_group_id=group.id)
    return group


def add_rule(state: State, group_id: str, now: str, *, egress: bool, cidr: str = "", peer_group_id: str = "") -> None:
    """A rule for everything to or from one peer."""
    rule_id = ids.new_id("security-group-rule")
    row = SecurityGroupRule(rule_id, group_id, egress, ip_permissions.ALL, -1, -1, cidr, "", peer_group_id, "", now)
    state.security_group_rules.add(row)


def default_vpc(state: State) -> Vpc:
    """The default VPC. Raises ApiError (VPCIdNotSpecified) where it was deleted."""
    found = state.vpcs.find(is_default=True)
    if not found:
        raise ApiError("VPCIdNotSpecified", "No default VPC for this user")
    return found[0]


def named(state: State, group_id: str | None, group_name: str | None) -> SecurityGroup:
    """The group that a request means: by id, or by name in the default VPC. Raises ApiError."""
    if group_id:
        return row_named(state.security_groups, "security-group", group_id)
    if not group_name:
        raise ApiError("MissingParameter", "The request must contain the parameter groupName or groupId")
    by_name = state.security_groups.find(vpc_id=default_vpc(state).id, name=group_name)
    if not by_name:
        raise ids.not_found("security-group", [group_name])
    return by_name[0]


@operation(tags=("security-group",))
def create_security_group(call: Call, *, group_name: str, description: str, vpc_id: str | None = None) -> Answer:
    """CreateSecurityGroup: in the default VPC unless another is named."""
    state, settings = call.cloud.state, call.cloud.settings
    if not 0 < len(group_name) < 256 or not group_name.isascii():
        raise ApiError("InvalidParameterValue", f"Value ({group_name}) for parameter GroupName is invalid.")
    if group_name.lower().startswith("sg-"):
        raise ApiError(
            "InvalidParameterValue",
            f"Value ({group_name}) for parameter GroupName is invalid. Group names may not be in the format sg-*.",
        )
    if group_name == "default":
        raise ApiError("InvalidParameterValue", "Cannot use reserved security group name: default")
    ip_permissions.description(description, "security group")
    vpc = row_named(state.vpcs, "vpc", vpc_id) if vpc_id else default_vpc(state)
    there = {group.name for group in state.security_groups.find(vpc_id=vpc.id)}
    if group_name in there:
        raise ApiError("InvalidGroup.Duplicate", f"The security group '{group_name}' already exists for VPC '{vpc.id}'")
    if len(there) >= MOST_GROUPS_OF_VPC:
        raise ApiError("SecurityGroupLimitExceeded", "The maximum number of security groups has been reached.")
    group = add(state, vpc.id, group_name, description, call.now)
    arn = f"arn:aws:ec2:{settings.region}:{settings.account_id}:security-group/{group.id}"
    return {"GroupId": group.id, **tag_set(call.tag("security-group", group.id)), "SecurityGroupArn": arn}


@operation()
def delete_security_group(call: Call, *, group_id: str | None = None, group_name: str | None = None) -> Answer:
    """DeleteSecurityGroup: one that no interface has, and that no other group's rule names."""
    state = call.cloud.state
    group = named(state, group_id, group_name)
    if group.name == "default":
        raise ApiError("CannotDelete", f'the specified group: "{group.id}" name: "default" cannot be deleted by a user')
    referring = state.security_group_rules.query("peer_group_id = ? and group_id != ?", (group.id, group.id))
    if referring or any(group.id in interface.group_ids for interface in state.interfaces.query()):
        raise ApiError("DependencyViolation", f"resource {group.id} has a dependent object")
    remove(state, group.id)
    return {"Return": True, "GroupId": group.id}


def remove(state: State, group_id: str) -> None:
    """Delete a group with its rules and their tags."""
    rules = [rule.id for rule in state.security_group_rules.find(group_id=group_id)]
    for rule_id in rules:
        state.security_group_rules.remove(rule_id)
    for tag in state.tags.among("resource_id", [group_id, *rules]):
        state.tags.remove(tag.resource_id, tag.key)
    state.security_groups.remove(group_id)


@operation(items="SecurityGroups", key="GroupId", filters=FILTERS)
def describe_security_groups(call: Call, *, group_ids: list[str] | None = None, group_names: list[str] | None = None) -> Answer:
    """DescribeSecurityGroups; names are looked up in the default VPC."""
    state = call.cloud.state
    ids.check("security-group", group_ids or ())
    rows = {group.id: group for group in state.security_groups.query()}
    require("security-group", group_ids or (), rows)
    wanted = [*(group_ids or ()), *(named(state, None, name).id for name in group_names or ())]
    return {"SecurityGroups": _views(call, [rows[group_id] for group_id in dict.fromkeys(wanted)] or list(rows.values()))}


def _views(call: Call, groups: list[SecurityGroup]) -> list[dict[str, Any]]:
    state, settings = call.cloud.state, call.cloud.settings
    tags = state.tags_of(group.id for group in groups)
    rules: dict[tuple[str, bool], list[SecurityGroupRule]] = defaultdict(list)
    for rule in state.security_group_rules.among("group_id", [group.id for group in groups]):
        rules[rule.group_id, rule.egress].append(rule)
    return [
        {
            "GroupId": group.id,
            "IpPermissionsEgress": permissions(rules[group.id, True], settings.account_id),
            **tag_set(tags[group.id]),
            "VpcId": group.vpc_id,
            "SecurityGroupArn": f"arn:aws:ec2:{settings.region}:{settings.account_id}:security-group/{group.id}",
            "OwnerId": settings.account_id,
            "GroupName": group.name,
            "Description": group.description,
            "IpPermissions": permissions(rules[group.id, False], settings.account_id),
        }
        for group in groups
    ]


VPC_FILTERS = {
    "group-id": "GroupId",
    "description": "Description",
    "group-name": "GroupName",
    "owner-id": "OwnerId",
    "primary-vpc-id": "PrimaryVpcId",
}


@operation(items="SecurityGroupForVpcs", key="GroupId", filters=VPC_FILTERS)
def get_security_groups_for_vpc(call: Call, *, vpc_id: str) -> Answer:
    """GetSecurityGroupsForVpc: the groups that interfaces of a VPC can have; none is shared between VPCs."""
    vpc = api.named(call.cloud.state.vpcs, "vpc", vpc_id)
    views = _views(call, call.cloud.state.security_groups.find(vpc_id=vpc.id))
    shown = {"Description", "GroupName", "OwnerId", "GroupId", "Tags"}
    found = [{name: value for name, value in view.items() if name in shown} for view in views]
    return {"SecurityGroupForVpcs": [{**view, "PrimaryVpcId": vpc_id} for view in found]}
