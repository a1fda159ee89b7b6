"""DescribeAlarms, DescribeAlarmsForMetric, DescribeAlarmHistory."""

from collections.abc import Iterable

from ...api import Answer, Call, operation
from ...aws import times
from ...metrics import alarm_rules, alarm_states, reading
from ...state.rows_cloudwatch import Alarm, AlarmHistory
from . import errors
from .alarm_view import COMPOSITE, METRIC, named, view
from .put_metric_data import DimensionInput
from .shown_pages import page

DEFAULT_PAGE, MOST_PAGE = 50, 100
STATES = alarm_rules.STATES


def _size(call: Call, usual: int) -> int:
    most = call.most if call.most is not None else usual
    if not 1 <= most <= MOST_PAGE:
        raise errors.invalid(f"Value ({most}) for parameter MaxRecords is invalid. Allowed: 1 to {MOST_PAGE}.")
    return most


def check_state(value: str) -> None:
    """Refuse what is no state. Raises ApiError, in AWS's words."""
    if value not in STATES:
        raise errors.invalid(
            f"1 validation error detected: Value '{value}' at 'stateValue' failed to satisfy constraint: "
            "Member must satisfy enum value set: [INSUFFICIENT_DATA, ALARM, OK]"
        )


@operation(own_pages=True)
def describe_alarms(
    call: Call,
    *,
    alarm_names: list[str] | None = None,
    alarm_name_prefix: str | None = None,
    alarm_types: list[str] | None = None,
    children_of_alarm_name: str | None = None,
    parents_of_alarm_name: str | None = None,
    state_value: str | None = None,
    action_prefix: str | None = None,
) -> Answer:
    """DescribeAlarms: metric alarms, and composite ones where AlarmTypes asks for them."""
    if alarm_names and alarm_name_prefix:
        raise errors.invalid("The parameters AlarmNames and AlarmNamePrefix are mutually exclusive.")
    if state_value is not None:
        check_state(state_value)
    size = _size(call, MOST_PAGE if alarm_names else DEFAULT_PAGE)
    rows = call.cloud.state.alarms.among("name", alarm_names) if alarm_names else call.cloud.state.alarms.query()
    rows = [row for row in rows if row.name.startswith(alarm_name_prefix or "") and state_value in (None, row.state)]
    if action_prefix:
        rows = [row for row in rows if any(arn.startswith(action_prefix) for arn in _actions(row))]
    if children_of_alarm_name or parents_of_alarm_name:
        return _relatives(call, children_of_alarm_name, parents_of_alarm_name, rows)
    wanted = [kind for kind in (METRIC, COMPOSITE) if kind in (alarm_types or [METRIC])]
    shown, token = page([row for row in rows if row.kind in wanted], lambda row: row.name, call.next_token, size)
    lists = {f"{kind}s": [view(call, row) for row in shown if row.kind == kind] for kind in (METRIC, COMPOSITE)}
    return {**lists, **({"NextToken": token} if token else {})}


def _actions(row: Alarm) -> Iterable[str]:
    return (arn for name in alarm_states.ACTIONS.values() for arn in row.settings.get(name, ()))


def _relatives(call: Call, children_of: str | None, parents_of: str | None, rows: list[Alarm]) -> Answer:
    """The alarms that a composite one speaks of, or those that speak of one; by name only, as AWS shows them."""
    if children_of and parents_of:
        raise errors.invalid("The parameters ChildrenOfAlarmName and ParentsOfAlarmName are mutually exclusive.")
    row = named(call, str(children_of or parents_of))
    if children_of:
        wanted = set(children(row))
        found = [one for one in rows if one.name in wanted]
    else:
        found = [one for one in rows if row.name in children(one)]
    shown = {
        f"{kind}s": [
            {"AlarmName": one.name, "AlarmArn": alarm_states.arn(call.cloud, one.name)} for one in found if one.kind == kind
        ]
        for kind in (METRIC, COMPOSITE)
    }
    return shown if children_of else {"CompositeAlarms": shown["CompositeAlarms"]}


def children(row: Alarm) -> tuple[str, ...]:
    """The alarms that a composite alarm's rule and its suppressor name; none of a metric alarm."""
    if row.kind != COMPOSITE:
        return ()
    suppressor = row.settings.get("ActionsSuppressor")
    names = alarm_rules.parse(row.settings["AlarmRule"]).children
    return (*names, *([alarm_rules.name_of(suppressor)] if suppressor else []))


@operation()
def describe_alarms_for_metric(
    call: Call,
    *,
    metric_name: str,
    namespace: str,
    statistic: str | None = None,
    extended_statistic: str | None = None,
    dimensions: list[DimensionInput] | None = None,
    period: int | None = None,
    unit: str | None = None,
) -> Answer:
    """DescribeAlarmsForMetric: the alarms on exactly this metric; those on expressions are not among them."""
    given = {"MetricName": metric_name, "Namespace": namespace, "Statistic": statistic, "ExtendedStatistic": extended_statistic,
             "Period": period, "Unit": unit}  # fmt: skip
    wanted = {name: value for name, value in given.items() if value is not None}
    pairs = reading.pairs(dimensions)
    rows = [
        row
        for row in call.cloud.state.alarms.find(kind=METRIC)
        if all(row.settings.get(name) == value for name, value in wanted.items())
        and reading.pairs(row.settings.get("Dimensions")) == pairs
    ]
    return {"MetricAlarms": [view(call, row) for row in sorted(rows, key=lambda row: row.name)]}


@operation(own_pages=True)
def describe_alarm_history(
    call: Call,
    *,
    alarm_name: str | None = None,
    alarm_types: list[str] | None = None,
    history_item_type: str | None = None,
    start_date: str | None = None,
    end_date: str | None = None,
    scan_by: str | None = None,
) -> Answer:
    """DescribeAlarmHistory: the last 30 days, the newest first; of alarms that are deleted, too."""
    size = _size(call, MOST_PAGE)
    since, until = times.text(times.seconds(start_date)) if start_date else "", None
    if end_date:
        until = times.text(times.seconds(end_date))
        if since >= until:
            raise errors.invalid("The parameter StartDate must be less than the parameter EndDate.")
    kinds = alarm_types or [METRIC]
    rows = call.cloud.state.alarm_history.query(
        "at >= ? and at <= ? and (? = '' or alarm = ?)", (since, until or "9", alarm_name or "", alarm_name or "")
    )
    rows = [row for row in rows if row.kind in kinds and history_item_type in (None, row.item)]
    shown, token = page(rows, _key, call.next_token, size, descending=scan_by != "TimestampAscending")
    return {"AlarmHistoryItems": [_item(row) for row in shown], **({"NextToken": token} if token else {})}


def _key(row: AlarmHistory) -> str:
    return f"{row.at} {row.id:012}"


def _item(row: AlarmHistory) -> Answer:
    return {
        "AlarmName": row.alarm,
        "AlarmType": row.kind,
        "Timestamp": row.at,
        "HistoryItemType": row.item,
        "HistorySummary": row.summary,
        "HistoryData": row.data,
    }
