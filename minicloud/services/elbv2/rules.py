"""Rules of an application balancer's listeners, tried in the order of their priorities; the default rule comes last.

The default rule is the listener's own default actions: it is shown as a rule, and changed with its listener.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, TypedDict

from ...api import Answer, Call, operation
from ...aws import arns
from ...errors import ApiError
from ...state.lb_registry import Registry
from ...state.rows_lb import Listener, LoadBalancer, Rule
from ...state.store import State
from . import actions as acting
from . import conditions as matching
from . import limits, marks
from . import names as naming
from . import tags as tagging
from .actions import ActionInput
from .conditions import ConditionInput
from .refusals import invalid, no_listener, no_rule
from .tags import TagInput

MOST_PRIORITY = 50000


class PriorityInput(TypedDict, total=False):
    """A rule and the priority that it is to have."""

    RuleArn: str
    Priority: int


def _balancer(state: State, listener: Listener) -> LoadBalancer:
    """The application balancer of a listener. Raises ApiError."""
    found = state.load_balancers.get(listener.load_balancer_id)
    if found is None:
        raise no_listener()
    if found.kind != "application":
        raise ApiError("UnsupportedProtocol", f"Rules are not supported for {listener.protocol} listeners")
    return found


def _of(state: State, row: Rule) -> Listener:
    found = state.listeners.get(row.listener_id)
    if found is None:
        raise no_rule()
    return found


@operation()
def create_rule(
    call: Call,
    *,
    listener_arn: str,
    conditions: list[ConditionInput],
    priority: int,
    actions: list[ActionInput],
    tags: list[TagInput] | None = None,
) -> Answer:
    """CreateRule."""
    state = call.cloud.state
    listener = naming.listener(state, listener_arn)
    balancer = _balancer(state, listener)
    there = state.rules.find(listener_id=listener.id)
    if any(other.priority == priority for other in there):
        raise ApiError("PriorityInUse", f"Priority '{priority}' is currently in use")
    of_balancer = {other.id for other in state.listeners.find(load_balancer_id=balancer.id)}
    if len(state.rules.among("listener_id", of_balancer)) >= limits.MOST_RULES:
        raise ApiError("TooManyRules", f"A load balancer can have at most {limits.MOST_RULES} rules")
    digits = naming.digits()
    row = Rule(
        id=f"rule-{digits}",
        arn=arns.rule(listener.arn, digits),
        listener_id=listener.id,
        priority=priority,
        conditions=matching.checked(conditions),
        actions=acting.checked(Registry(state), balancer, listener.protocol, actions),
        created=call.now,
    )
    state.rules.add(row)
    tagging.give(call, row.arn, tags)
    call.touch(balancer.id)
    return {"Rules": [view(row)]}


def view(row: Rule) -> dict[str, Any]:
    """A rule as AWS answers it."""
    return {
        "RuleArn": row.arn,
        "Priority": str(row.priority),
        "Conditions": matching.view(row.conditions),
        "Actions": acting.view(row.actions),
        "IsDefault": False,
    }


def _default_view(row: Listener) -> dict[str, Any]:
    return {
        "RuleArn": row.default_rule,
        "Priority": "default",
        "Conditions": [],
        "Actions": acting.view(row.actions),
        "IsDefault": True,
    }


@operation()
def describe_rules(
    call: Call,
    *,
    listener_arn: str | None = None,
    rule_arns: list[str] | None = None,
    marker: str | None = None,
    page_size: int | None = None,
) -> Answer:
    """DescribeRules: of a listener, in their order, or those named."""
    state = call.cloud.state
    if bool(listener_arn) == bool(rule_arns):
        raise invalid("You must specify either listener rule ARNs or a listener ARN")
    if listener_arn:
        listener = naming.listener(state, listener_arn)
        views = [*(view(row) for row in state.rules.find(listener_id=listener.id)), _default_view(listener)]
    else:
        wanted = set(rule_arns or ())
        views = [view(row) for row in state.rules.among("arn", wanted)]
        views += [_default_view(row) for row in state.listeners.among("default_rule", wanted)]
        if len(views) < len(wanted):
            raise no_rule()
    views.sort(key=_order)
    return marks.page("Rules", views, _order, page_size, marker)


def _order(shown: dict[str, Any]) -> str:
    # Numbers in ten digits, so that texts stand in their order; `default` comes after all digits.
    return f"{shown['Priority']:0>10} {shown['RuleArn']}" if shown["Priority"] != "default" else f"default {shown['RuleArn']}"


@operation()
def modify_rule(
    call: Call,
    *,
    rule_arn: str,
    conditions: list[ConditionInput] | None = None,
    actions: list[ActionInput] | None = None,
) -> Answer:
    """ModifyRule: what is given takes the place of what was there."""
    state = call.cloud.state
    _not_default(state, rule_arn, "modified")
    row = naming.rule(state, rule_arn)
    listener = _of(state, row)
    balancer = _balancer(state, listener)
    fields: dict[str, Any] = {}
    if conditions is not None:
        fields["conditions"] = matching.checked(conditions)
    if actions is not None:
        fields["actions"] = acting.checked(Registry(state), balancer, listener.protocol, actions)
    if not fields:
        raise invalid("Either conditions or actions must be specified")
    state.rules.change(row.id, **fields)
    call.touch(balancer.id)
    return {"Rules": [view(dataclasses.replace(row, **fields))]}


def _not_default(state: State, arn: str, what: str) -> None:
    if state.listeners.find(default_rule=arn):
        raise ApiError("OperationNotPermitted", f"Default rule '{arn}' cannot be {what}")


@operation()
def delete_rule(call: Call, *, rule_arn: str) -> Answer:
    """DeleteRule: not the default one."""
    state = call.cloud.state
    _not_default(state, rule_arn, "deleted")
    row = naming.rule(state, rule_arn)
    tagging.drop(state, row.arn)
    state.rules.remove(row.id)
    call.touch(_of(state, row).load_balancer_id)
    return {}


@operation()
def set_rule_priorities(call: Call, *, rule_priorities: list[PriorityInput]) -> Answer:
    """SetRulePriorities: all at once, so that rules can change places."""
    state = call.cloud.state
    rows, wanted = _reordered(state, rule_priorities)
    for row in rows:
        state.rules.change(row.id, priority=wanted[row.arn])
        call.touch(_of(state, row).load_balancer_id)
    return {"Rules": [view(dataclasses.replace(row, priority=wanted[row.arn])) for row in rows]}


def _reordered(state: State, given: Sequence[PriorityInput]) -> tuple[list[Rule], dict[str, int]]:
    """The rules of a request and the priorities that they get. Raises ApiError."""
    if not all("RuleArn" in one and "Priority" in one for one in given):
        raise invalid("Each rule priority must have a rule ARN and a priority")
    wanted = {one["RuleArn"]: one["Priority"] for one in given}
    if len(wanted) < len(given) or not wanted:
        raise invalid("Each rule can be specified only once, and one at least")
    for arn in wanted:
        _not_default(state, arn, "given a priority")
    rows = [naming.rule(state, arn) for arn in wanted]
    listeners = {row.listener_id for row in rows}
    if len(listeners) > 1:
        raise invalid("All rules must belong to one listener")
    others = {row.priority for row in state.rules.find(listener_id=listeners.pop()) if row.arn not in wanted}
    values = list(wanted.values())
    if taken := next((one for one in values if one in others or values.count(one) > 1), None):
        raise ApiError("PriorityInUse", f"Priority '{taken}' is currently in use")
    return rows, wanted
