"""Anomaly detectors, insight rules, mute rules and metric streams: none, and none can be made."""

from typing import Any

from ...api import Answer, Call
from .. import empty

NAMES = "DescribeAnomalyDetectors DescribeInsightRules ListAlarmMuteRules ListManagedInsightRules ListMetricStreams"


def nothing(call: Call, **given: Any) -> Answer:
    """An empty list: everything that can be said of it only narrows it."""
    return empty.answer(call, given)


empty.declare("cloudwatch", NAMES.split(), nothing)
