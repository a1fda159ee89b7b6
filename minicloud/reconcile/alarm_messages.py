"""What an alarm tells a topic: the subject and the document that CloudWatch sends, with its members' names."""

from typing import Any

from ..aws import times
from ..cloud import Cloud
from ..metrics import alarm_states
from ..state.rows_cloudwatch import Alarm, AlarmAction

_MOST_SUBJECT = 100


def subject(cloud: Cloud, alarm: Alarm, row: AlarmAction) -> str:
    """At most 100 characters on one line, as SNS has it."""
    text = f'{row.details["state"]}: "{alarm.name}" in {cloud.settings.region}'
    return text if len(text) <= _MOST_SUBJECT else text[: _MOST_SUBJECT - 3] + "..."


def message(cloud: Cloud, alarm: Alarm, row: AlarmAction) -> dict[str, Any]:
    """The document."""
    settings, at = alarm.settings, times.text(times.seconds(row.created)).replace("Z", "+0000")
    told = {
        "AlarmName": alarm.name,
        "AlarmDescription": settings.get("AlarmDescription"),
        "AWSAccountId": cloud.settings.account_id,
        "AlarmConfigurationUpdatedTimestamp": alarm.configured.replace("Z", "+0000"),
        "NewStateValue": row.details["state"],
        "NewStateReason": row.details["reason"],
        "StateChangeTime": at,
        "Region": cloud.settings.region,
        "AlarmArn": alarm_states.arn(cloud, alarm.name),
        "OldStateValue": row.details["old"],
        **{name: settings.get(name, []) for name in alarm_states.ACTIONS.values()},
    }
    if "AlarmRule" in settings:
        return {**told, "AlarmRule": settings["AlarmRule"]}
    return {**told, "Trigger": _trigger(settings)}


def _trigger(settings: dict[str, Any]) -> dict[str, Any]:
    names = ("MetricName", "Namespace", "Unit", "Period", "EvaluationPeriods", "DatapointsToAlarm", "ComparisonOperator",
             "Threshold", "Metrics")  # fmt: skip
    told = {name: settings[name] for name in names if name in settings}
    if "MetricName" in settings:
        simple = "Statistic" in settings
        told["StatisticType"] = "Statistic" if simple else "ExtendedStatistic"
        told["Statistic"] = settings.get("Statistic") or settings.get("ExtendedStatistic")
        told["Dimensions"] = [{"name": one["Name"], "value": one["Value"]} for one in settings.get("Dimensions", ())]
    told["TreatMissingData"] = settings.get("TreatMissingData", "missing")
    return told
