"""The rules of security groups: allow, revoke, change, describe. Each takes effect on packets before its answer is given."""

from typing import TypedDict

from ...api import Answer, Call, operation, require
from ...aws import ids
from ...aws import ip_permissions as words
from ...errors import ApiError
from ...state.rows import SecurityGroup
from ...state.rows_network import SecurityGroupRule
from . import security_group_view as view
from .security_group_request import Flat, PermissionInput, Wanted, key_of, wanted
from .security_groups import named

MOST_RULES = 60
"""Rules of a group in one direction, for IPv4 and for IPv6 each; one that names a group counts for both."""
FILTERS = {"group-id": "GroupId", "security-group-rule-id": "SecurityGroupRuleId"}


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


def _check_limit(rows: list[tuple[str, str]]) -> None:
    """`rows` are cidr and cidr6 of the rules of one direction."""
    for own in (0, 1):
        if sum(not row[1 - own] for row in rows) > MOST_RULES:
            raise ApiError(
                "RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached."
            )


def _authorize(call: Call, group: SecurityGroup, rules: list[Wanted], *, egress: bool) -> Answer:
    if not rules:
        raise ApiError("MissingParameter", "The request must contain the parameter ipPermissions")
    state = call.cloud.state
    there = state.security_group_rules.find(group_id=group.id, egress=egress)
    taken = {key_of(row) for row in there}
    for rule in rules:
        if rule.key in taken:
            raise ApiError("InvalidPermission.Duplicate", f'the specified rule "{rule.label}" already exists')
        taken.add(rule.key)
    _check_limit([(row.cidr, row.cidr6) for row in there] + [(rule.cidr, rule.cidr6) for rule in rules])
    made = [state.security_group_rules.add(_row(call, group, rule, egress)) for rule in rules]
    call.touch(group.id)
    settings = call.cloud.settings
    return {
        "Return": True,
        "SecurityGroupRules": [view.rule(row, settings, call.tag("security-group-rule", row.id)) for row in made],
    }


def _row(call: Call, group: SecurityGroup, rule: Wanted, egress: bool) -> SecurityGroupRule:
    rule_id = ids.new_id("security-group-rule")
    return SecurityGroupRule(rule_id, group.id, egress, *rule.key, rule.description or "", call.now)


@operation(tags=("security-group-rule",))
def authorize_security_group_ingress(
    call: Call,
    *,
    group_id: str | None = None,
    group_name: str | None = None,
    ip_permissions: list[PermissionInput] | None = None,
    ip_protocol: str | None = None,
    from_port: int | None = None,
    to_port: int | None = None,
    cidr_ip: str | None = None,
    source_security_group_name: str | None = None,
    source_security_group_owner_id: str | None = None,
) -> Answer:
    """AuthorizeSecurityGroupIngress."""
    group = named(call.cloud.state, group_id, group_name)
    flat = Flat(ip_protocol, from_port, to_port, cidr_ip, source_security_group_name, source_security_group_owner_id)
    return _authorize(call, group, wanted(call, group, ip_permissions, flat), egress=False)


@operation(tags=("security-group-rule",))
def authorize_security_group_egress(
    call: Call,
    *,
    group_id: str,
    ip_permissions: list[PermissionInput] | None = None,
    ip_protocol: str | None = None,
    from_port: int | None = None,
    to_port: int | None = None,
    cidr_ip: str | None = None,
) -> Answer:
    """AuthorizeSecurityGroupEgress."""
    group = named(call.cloud.state, group_id, None)
    flat = Flat(ip_protocol, from_port, to_port, cidr_ip)
    return _authorize(call, group, wanted(call, group, ip_permissions, flat), egress=True)


def _revoke(call: Call, group: SecurityGroup, rules: list[Wanted], rule_ids: list[str] | None, *, egress: bool) -> Answer:
    state = call.cloud.state
    there = state.security_group_rules.find(group_id=group.id, egress=egress)
    ids.check("security-group-rule", rule_ids or ())
    by_id, by_key = {row.id: row for row in there}, {key_of(row): row for row in there}
    require("security-group-rule", rule_ids or (), by_id)
    if any(rule.key not in by_key for rule in rules):
        raise ApiError("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
    gone = [*(by_id[rule_id] for rule_id in rule_ids or ()), *(by_key[rule.key] for rule in rules)]
    if not gone:
        raise ApiError("MissingParameter", "The request must contain the parameter ipPermissions or securityGroupRuleIds")
    for row in gone:
        state.security_group_rules.remove(row.id)
    for tag in state.tags.among("resource_id", [row.id for row in gone]):
        state.tags.remove(tag.resource_id, tag.key)
    call.touch(group.id)
    return {"Return": True, "RevokedSecurityGroupRules": [view.revoked(row) for row in gone]}


@operation()
def revoke_security_group_ingress(
    call: Call,
    *,
    group_id: str | None = None,
    group_name: str | None = None,
    security_group_rule_ids: list[str] | None = None,
    ip_permissions: list[PermissionInput] | None = None,
    ip_protocol: str | None = None,
    from_port: int | None = None,
    to_port: int | None = None,
    cidr_ip: str | None = None,
    source_security_group_name: str | None = None,
    source_security_group_owner_id: str | None = None,
) -> Answer:
    """RevokeSecurityGroupIngress. Connections that the rule let in go on, as EC2's tracked ones do."""
    group = named(call.cloud.state, group_id, group_name)
    flat = Flat(ip_protocol, from_port, to_port, cidr_ip, source_security_group_name, source_security_group_owner_id)
    return _revoke(call, group, wanted(call, group, ip_permissions, flat), security_group_rule_ids, egress=False)


@operation()
def revoke_security_group_egress(
    call: Call,
    *,
    group_id: str,
    security_group_rule_ids: list[str] | None = None,
    ip_permissions: list[PermissionInput] | None = None,
    ip_protocol: str | None = None,
    from_port: int | None = None,
    to_port: int | None = None,
    cidr_ip: str | None = None,
) -> Answer:
    """RevokeSecurityGroupEgress."""
    group = named(call.cloud.state, group_id, None)
    flat = Flat(ip_protocol, from_port, to_port, cidr_ip)
    return _revoke(call, group, wanted(call, group, ip_permissions, flat), security_group_rule_ids, egress=True)


@operation(items="SecurityGroupRules", key="SecurityGroupRuleId", filters=FILTERS)
def describe_security_group_rules(call: Call, *, security_group_rule_ids: list[str] | None = None) -> Answer:
    """DescribeSecurityGroupRules."""
    state, wanted_ids = call.cloud.state, security_group_rule_ids or []
    ids.check("security-group-rule", wanted_ids)
    rows = {row.id: row for row in state.security_group_rules.query()}
    require("security-group-rule", wanted_ids, rows)
    shown = [rows[rule_id] for rule_id in wanted_ids or rows]
    tags = state.tags_of(row.id for row in shown)
    return {"SecurityGroupRules": [view.rule(row, call.cloud.settings, tags[row.id]) for row in shown]}


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
        _check_limit([(other.cidr, other.cidr6) for other in others] + [(rule.cidr, rule.cidr6)])
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
    call: Call, group: SecurityGroup, rules: list[Wanted], descriptions: list[RuleDescription] | None, *, egress: bool
) -> Answer:
    state = call.cloud.state
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
    rules = wanted(call, group, ip_permissions, Flat())
    return _describe(call, group, rules, security_group_rule_descriptions, egress=False)


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
    rules = wanted(call, group, ip_permissions, Flat())
    return _describe(call, group, rules, security_group_rule_descriptions, egress=True)
