"""Changes of rules that there are: what a rule says, and what is said of it. A rule keeps its id."""

from typing import TypedDict

from ...api import Answer, Call, operation, require
from ...aws import ids
from ...aws import ip_permissions as words
from ...errors import ApiError
from ...state.rows import SecurityGroup
from ...state.rows_network import SecurityGroupRule
from .security_group_request import Flat, PermissionInput, Wanted, key_of, wanted
from .security_group_rules import check_limit
from .security_groups import named


class RuleInput(TypedDict, total=False):
    """What a rule is to become."""

    IpProtocol: str
    FromPort: int
    ToPort: int
    CidrIpv4: str
    CidrIpv6: str
    ReferencedGroupId: str
    Description: str


class RuleUpdate(TypedDict, total=False):
    """A rule, and what it is to become."""

    SecurityGroupRuleId: str
    SecurityGroupRule: RuleInput


class RuleDescription(TypedDict, total=False):
    """A rule, and what is to be said of it."""

    SecurityGroupRuleId: str
    Description: str


@operation()
def modify_security_group_rules(call: Call, *, group_id: str, security_group_rules: list[RuleUpdate]) -> Answer:
    """ModifySecurityGroupRules: each rule becomes what is said of it, and keeps its id."""
    state, group = call.cloud.state, named(call.cloud.state, group_id, None)
    rows = {row.id: row for row in state.security_group_rules.find(group_id=group.id)}
    for update in security_group_rules:
        rule_id = update.get("SecurityGroupRuleId", "")
        ids.check("security-group-rule", [rule_id])
        require("security-group-rule", [rule_id], rows)
        rule = _one(call, group, update.get("SecurityGroupRule", RuleInput()))
        row = rows[rule_id]
        others = [other for other in rows.values() if other.egress == row.egress and other.id != row.id]
        if rule.key in {key_of(other) for other in others}:
            raise ApiError("InvalidPermission.Duplicate", f'the specified rule "{rule.label}" already exists')
        check_limit([(other.cidr, other.cidr6) for other in others] + [(rule.cidr, rule.cidr6)])
        names = ("protocol", "from_port", "to_port", "cidr", "cidr6", "peer_group_id")
        changed = dict(zip(names, rule.key, strict=True))
        rows[rule_id] = SecurityGroupRule(**{**row.__dict__, **changed})
        said = {} if rule.description is None else {"description": rule.description}
        state.security_group_rules.change(rule_id, **changed, **said)
    call.touch(group.id)
    return {"Return": True}


def _one(call: Call, group: SecurityGroup, said: RuleInput) -> Wanted:
    peers = [name for name in ("CidrIpv4", "CidrIpv6", "ReferencedGroupId") if said.get(name)]
    if len(peers) != 1:
        raise ApiError(
            "InvalidParameterCombination",
            "Only one of cidrIp, cidrIpv6, prefixListId, or referencedGroupId can be specified",
        )
    permission = PermissionInput(IpProtocol=said.get("IpProtocol", ""))
    if "FromPort" in said:
        permission["FromPort"] = said["FromPort"]
    if "ToPort" in said:
        permission["ToPort"] = said["ToPort"]
    if peers == ["CidrIpv4"]:
        permission["IpRanges"] = [{"CidrIp": said["CidrIpv4"]}]
    elif peers == ["CidrIpv6"]:
        permission["Ipv6Ranges"] = [{"CidrIpv6": said["CidrIpv6"]}]
    else:
        permission["UserIdGroupPairs"] = [{"GroupId": said["ReferencedGroupId"]}]
    found = wanted(call, group, [permission], Flat())[0]
    described = said.get("Description")
    text = None if described is None else words.description(described, "rule")
    return Wanted(found.traffic, found.cidr, found.cidr6, found.peer_group_id, text)


def _describe(
    call: Call,
    group: SecurityGroup,
    permissions: list[PermissionInput] | None,
    descriptions: list[RuleDescription] | None,
    *,
    egress: bool,
) -> Answer:
    state, rules = call.cloud.state, wanted(call, group, permissions, Flat())
    there = state.security_group_rules.find(group_id=group.id, egress=egress)
    by_id, by_key = {row.id: row for row in there}, {key_of(row): row for row in there}
    texts: dict[str, str] = {}
    for one in descriptions or ():
        rule_id = one.get("SecurityGroupRuleId", "")
        ids.check("security-group-rule", [rule_id])
        require("security-group-rule", [rule_id], by_id)
        texts[rule_id] = words.description(one.get("Description", ""), "rule")
    for rule in rules:
        if rule.key not in by_key:
            raise ApiError("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
        texts[by_key[rule.key].id] = rule.description or ""
    if not texts:
        raise ApiError(
            "MissingParameter", "The request must contain the parameter ipPermissions or securityGroupRuleDescriptions"
        )
    for rule_id, text in texts.items():
        state.security_group_rules.change(rule_id, description=text)
    return {"Return": True}


@operation()
def update_security_group_rule_descriptions_ingress(
    call: Call,
    *,
    group_id: str | None = None,
    group_name: str | None = None,
    ip_permissions: list[PermissionInput] | None = None,
    security_group_rule_descriptions: list[RuleDescription] | None = None,
) -> Answer:
    """UpdateSecurityGroupRuleDescriptionsIngress."""
    group = named(call.cloud.state, group_id, group_name)
    return _describe(call, group, ip_permissions, security_group_rule_descriptions, egress=False)


@operation()
def update_security_group_rule_descriptions_egress(
    call: Call,
    *,
    group_id: str | None = None,
    group_name: str | None = None,
    ip_permissions: list[PermissionInput] | None = None,
    security_group_rule_descriptions: list[RuleDescription] | None = None,
) -> Answer:
    """UpdateSecurityGroupRuleDescriptionsEgress."""
    group = named(call.cloud.state, group_id, group_name)
    return _describe(call, group, ip_permissions, security_group_rule_descriptions, egress=True)
