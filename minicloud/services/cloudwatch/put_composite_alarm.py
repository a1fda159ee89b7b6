"""PutCompositeAlarm: an alarm whose state follows from those of others."""

from typing import Any

from ...api import Answer, Call, operation
from ...metrics import alarm_rules
from . import errors
from .alarm_request import TagInput, check_actions, new, save
from .alarm_view import COMPOSITE


@operation()
def put_composite_alarm(
    call: Call,
    *,
    alarm_name: str,
    alarm_rule: str,
    alarm_description: str | None = None,
    actions_enabled: bool | None = None,
    ok_actions: list[str] | None = None,
    alarm_actions: list[str] | None = None,
    insufficient_data_actions: list[str] | None = None,
    actions_suppressor: str | None = None,
    actions_suppressor_wait_period: int | None = None,
    actions_suppressor_extension_period: int | None = None,
    tags: list[TagInput] | None = None,
) -> Answer:
    """PutCompositeAlarm. What is put again with the same name is overwritten and keeps its state."""
    settings: dict[str, Any] = {
        "AlarmDescription": alarm_description, "AlarmRule": alarm_rule, "OKActions": ok_actions or [],
        "AlarmActions": alarm_actions or [], "InsufficientDataActions": insufficient_data_actions or [],
        "ActionsSuppressor": actions_suppressor, "ActionsSuppressorWaitPeriod": actions_suppressor_wait_period,
        "ActionsSuppressorExtensionPeriod": actions_suppressor_extension_period,
    }  # fmt: skip
    _check_rule(call, alarm_rule)
    _check_suppressor(call, actions_suppressor, actions_suppressor_wait_period, actions_suppressor_extension_period)
    check_actions(call, settings, composite=True)
    save(call, new(call, COMPOSITE, alarm_name, settings, actions_enabled), tags)
    return {}


def _check_rule(call: Call, text: str) -> None:
    try:
        rule = alarm_rules.parse(text)
    except alarm_rules.RuleError as error:
        raise errors.invalid(f"AlarmRule {error}.") from error
    there = {row.name for row in call.cloud.state.alarms.among("name", rule.children)}
    if lost := [name for name in rule.children if name not in there]:
        raise errors.invalid(f"Could not save the composite alarm as alarms [{', '.join(lost)}] in the alarm rule do not exist")


def _check_suppressor(call: Call, suppressor: str | None, wait: int | None, extension: int | None) -> None:
    if suppressor is None:
        if wait is not None or extension is not None:
            raise errors.invalid("Suppressor periods go with an ActionsSuppressor only.")
        return
    if wait is None or extension is None or wait < 0 or extension < 0:
        raise errors.invalid(
            "An ActionsSuppressor needs ActionsSuppressorWaitPeriod and ActionsSuppressorExtensionPeriod, in seconds."
        )
    if call.cloud.state.alarms.get(alarm_rules.name_of(suppressor)) is None:
        raise errors.invalid(f"Could not save the composite alarm as the suppressor alarm {suppressor} does not exist")
