"""The rules of security groups: allow, revoke, describe. What changes is in force on packets before the answer is given."""

from ...api import Answer, Call, operation, require
from ...aws import ids
from ...errors import ApiError
from ...state.rows import SecurityGroup
from ...state.rows_network import SecurityGroupRule
from . import security_group_view as view
from .security_group_request import Flat, PermissionInput, Wanted, key_of, wanted
from .security_groups import named

MOST_RULES = 60
"""Rules of a group in one direction, for IPv4 and for IPv6 each; one that names a group counts for both."""
FILTERS = {"group-id": "GroupId", "security-group-rule-id": "SecurityGroupRuleId"}


def check_limit(rows: list[tuple[str, str]]) -> None:
    """Refuse too many rules; `rows` are cidr and cidr6 of those of one direction. Raises ApiError."""
    for own in (0, 1):
        if sum(not row[1 - own] for row in rows) > MOST_RULES:
            raise ApiError(
                "RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached."
            )


def _authorize(
    call: Call, group: SecurityGroup, permissions: list[PermissionInput] | None, flat: Flat, *, egress: bool
) -> Answer:
    rules = wanted(call, group, permissions, flat)
    if not rules:
        raise ApiError("MissingParameter", "The request must contain the parameter ipPermissions")
    state = call.cloud.state
    there = state.security_group_rules.find(group_id=group.id, egress=egress)
    taken = {key_of(row) for row in there}
    for rule in rules:
        if rule.key in taken:
            raise ApiError("InvalidPermission.Duplicate", f'the specified rule "{rule.label}" already exists')
        taken.add(rule.key)
    check_limit([(row.cidr, row.cidr6) for row in there] + [(rule.cidr, rule.cidr6) for rule in rules])
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
    return _authorize(call, group, ip_permissions, flat, egress=False)


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
    return _authorize(call, group, ip_permissions, flat, egress=True)


def _revoke(
    call: Call,
    group: SecurityGroup,
    permissions: list[PermissionInput] | None,
    flat: Flat,
    rule_ids: list[str] | None,
    *,
    egress: bool,
) -> Answer:
    state, rules = call.cloud.state, wanted(call, group, permissions, flat)
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
    return _revoke(call, group, ip_permissions, flat, security_group_rule_ids, egress=False)


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
    return _revoke(call, group, ip_permissions, flat, security_group_rule_ids, egress=True)


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
