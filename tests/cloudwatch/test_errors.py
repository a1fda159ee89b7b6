"""What CloudWatch answers to bad input: each of its rows of aws-errors.tsv, and what is refused besides."""

import math
from typing import Any

import pytest

from minicloud.callers import Caller, Principal, authorize
from minicloud.errors import ApiError

from .world import World

ALARM: dict[str, Any] = {
    "AlarmName": "a", "Namespace": "Test", "MetricName": "load", "Statistic": "Average", "Period": 60, "EvaluationPeriods": 1,
    "Threshold": 10.0, "ComparisonOperator": "GreaterThanThreshold",
}  # fmt: skip
PERIOD = "Period must be 10, 20, 30 or a multiple of 60"
DAY = (
    "Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400) for alarms using "
    "period < 3600"
)
WEEK = (
    "Metrics cannot be checked across more than a week (EvaluationPeriods * Period must be <= 604800) for alarms using "
    "period >= 3600"
)
BOTH = (
    "PutMetricAlarm request can not be made with both Statistic and ExtendedStatistic parameters. "
    "Only one of them should be present"
)
ALARM_ROWS: list[tuple[dict[str, Any], str]] = [
    ({"Period": 45}, PERIOD),
    ({"Period": 90}, PERIOD),
    ({"Period": None}, PERIOD),
    ({"EvaluationPeriods": 1441}, DAY),
    ({"Period": 3600, "EvaluationPeriods": 169}, WEEK),
    ({"ComparisonOperator": None}, "PutMetricAlarm request should have a valid ComparisonOperator parameter"),
    ({"ComparisonOperator": "Above"}, "PutMetricAlarm request should have a valid ComparisonOperator parameter"),
    ({"Threshold": None}, "PutMetricAlarm request should have valid Threshold parameter"),
    ({"Threshold": math.nan}, "PutMetricAlarm request should have valid Threshold parameter"),
    ({"Statistic": None}, "PutMetricAlarm request should have a Statistic parameter"),
    ({"ExtendedStatistic": "p99"}, BOTH),
    ({"DatapointsToAlarm": 2}, "DatapointsToAlarm must be less than or equal to EvaluationPeriods"),
    ({"TreatMissingData": "bad"}, "Supported values for TreatMissingData are breaching, notBreaching, ignore, and missing."),
    ({"AlarmActions": ["nonsense"]}, "Invalid arn syntax: nonsense"),
    ({"OKActions": ["arn:aws:s3:::bucket"]}, "Invalid arn syntax: arn:aws:s3:::bucket"),
]


@pytest.mark.parametrize(("changes", "message"), ALARM_ROWS, ids=[str(row[0]) for row in ALARM_ROWS])
def test_put_metric_alarm(world: World, changes: dict[str, Any], message: str) -> None:
    refused = world.refused("PutMetricAlarm", **{**ALARM, **changes})
    assert (refused.code, refused.status, refused.message) == ("ValidationError", 400, message)
    assert world.cloud.state.alarms.query() == []


def test_set_alarm_state_of_nobody(world: World) -> None:
    refused = world.refused("SetAlarmState", AlarmName="none", StateValue="OK", StateReason="x")
    assert (refused.code, refused.status, refused.message) == ("ResourceNotFound", 404, "")


def test_set_alarm_state_to_nonsense(world: World) -> None:
    world.alarm()
    refused = world.refused("SetAlarmState", AlarmName="high", StateValue="FINE", StateReason="x")
    assert (refused.code, refused.status) == ("ValidationError", 400)
    assert refused.message == (
        "1 validation error detected: Value 'FINE' at 'stateValue' failed to satisfy constraint: Member must satisfy enum value "
        "set: [INSUFFICIENT_DATA, ALARM, OK]"
    )
    wrong = world.refused("SetAlarmState", AlarmName="high", StateValue="OK", StateReason="x", StateReasonData="{")
    assert wrong.code == "InvalidFormat"


def put(world: World, *data: dict[str, Any], namespace: str = "Test") -> ApiError:
    return world.refused("PutMetricData", Namespace=namespace, MetricData=list(data))


def test_value_and_values(world: World) -> None:
    refused = put(world, {"MetricName": "x", "Value": 1.0, "Values": [1.0]})
    assert (refused.code, refused.status) == ("InvalidParameterCombination", 400)
    assert refused.message == (
        "The parameters MetricData.member.1.Value and MetricData.member.1.Values are mutually exclusive and you have specified "
        "both."
    )


def test_values_and_counts_of_different_lengths(world: World) -> None:
    refused = put(world, {"MetricName": "y", "Value": 1.0}, {"MetricName": "x", "Values": [1.0, 2.0], "Counts": [1.0]})
    assert (refused.code, refused.status) == ("InvalidParameterValue", 400)
    assert refused.message == "The parameters MetricData.member.2.Values and MetricData.member.2.Counts must be of the same size."


SET = {"SampleCount": 2.0, "Sum": 3.0, "Minimum": 1.0, "Maximum": 2.0}
DATA: list[tuple[dict[str, Any], str]] = [
    ({}, "MissingParameter"),
    ({"Value": math.inf}, "InvalidParameterValue"),
    ({"Value": math.nan}, "InvalidParameterValue"),
    ({"Value": 1e300}, "InvalidParameterValue"),
    ({"Values": []}, "InvalidParameterValue"),
    ({"Values": [1.0] * 151}, "InvalidParameterValue"),
    ({"Values": [1.0], "Counts": [0.0]}, "InvalidParameterValue"),
    ({"Value": 1.0, "Counts": [1.0]}, "InvalidParameterCombination"),
    ({"StatisticValues": {**SET, "SampleCount": 0.0}}, "InvalidParameterValue"),
    ({"StatisticValues": {**SET, "Maximum": 0.5}}, "InvalidParameterCombination"),
    ({"StatisticValues": {**SET, "Sum": 99.0}}, "InvalidParameterCombination"),
    ({"Value": 1.0, "StorageResolution": 5}, "InvalidParameterValue"),
    ({"Value": 1.0, "Timestamp": "2027-02-01T00:00:00Z"}, "InvalidParameterValue"),
    ({"Value": 1.0, "Timestamp": "2027-03-01T15:00:00Z"}, "InvalidParameterValue"),
    ({"Value": 1.0, "Dimensions": [{"Name": "a", "Value": "1"}] * 2}, "InvalidParameterValue"),
    ({"Value": 1.0, "Dimensions": [{"Name": ":a", "Value": "1"}]}, "InvalidParameterValue"),
    ({"Value": 1.0, "Dimensions": [{"Name": "ä", "Value": "1"}]}, "InvalidParameterValue"),
    ({"Value": 1.0, "MetricName": "two\nlines"}, "InvalidParameterValue"),
    ({"Value": 1.0, "Unit": "Parsec"}, "ValidationError"),
    ({"Value": 1.0, "Dimensions": [{"Name": f"d{number}", "Value": "1"} for number in range(31)]}, "ValidationError"),
]


@pytest.mark.parametrize(("datum", "code"), DATA, ids=[str(row[0])[:60] for row in DATA])
def test_put_metric_data(world: World, datum: dict[str, Any], code: str) -> None:
    assert put(world, {"MetricName": "x", **datum}).code == code
    assert world.cloud.metrics.series() == []


def test_put_metric_data_of_namespaces(world: World) -> None:
    assert put(world, {"MetricName": "x", "Value": 1.0}, namespace=":x").code == "InvalidParameterValue"
    assert put(world, *[{"MetricName": "x", "Value": 1.0}] * 1001).code == "InvalidParameterValue"
    assert put(world).code == "MissingParameter"


ASKED = {"Namespace": "Test", "MetricName": "load", "Period": 60, "Statistics": ["Sum"]}


def asked(world: World, start: float, end: float, **changes: Any) -> ApiError:
    params = {**ASKED, "StartTime": world.at(start), "EndTime": world.at(end), **changes}
    return world.refused("GetMetricStatistics", **{name: value for name, value in params.items() if value is not None})


def test_more_than_1440_datapoints(world: World) -> None:
    refused = asked(world, -86460, 0)
    assert (refused.code, refused.status) == ("InvalidParameterCombination", 400)
    assert refused.message == (
        "You have requested up to 1441 datapoints, which exceeds the limit of 1440. You may reduce the datapoints requested by "
        "increasing Period, or decreasing the time range."
    )


def test_a_time_range_that_ends_before_it_begins(world: World) -> None:
    for end in (-60, -120):
        refused = asked(world, -60, end)
        assert (refused.code, refused.status) == ("InvalidParameterValue", 400)
        assert refused.message == "The parameter StartTime must be less than the parameter EndTime."


@pytest.mark.parametrize(
    ("start", "changes", "code"),
    [
        (-60, {"Period": 7}, "InvalidParameterValue"),
        (-60, {"Period": 90}, "InvalidParameterValue"),
        (-4 * 3600, {"Period": 10}, "InvalidParameterValue"),
        (-16 * 86400, {"Period": 60}, "InvalidParameterValue"),
        (-64 * 86400, {"Period": 300}, "InvalidParameterValue"),
        (-60, {"Statistics": ["Median"]}, "InvalidParameterValue"),
        (-60, {"Statistics": None}, "MissingParameter"),
        (-60, {"ExtendedStatistics": ["p101"]}, "InvalidParameterValue"),
        (-60, {"ExtendedStatistics": ["Sum"]}, "InvalidParameterValue"),
    ],
)
def test_get_metric_statistics(world: World, start: float, changes: dict[str, Any], code: str) -> None:
    assert asked(world, start, 0, **changes).code == code


ACTION = "arn:aws:automate:us-east-1:ec2:{}"
ME = [{"Name": "InstanceId", "Value": "i-0123456789abcdef0"}]
QUERY = {"Id": "m", "MetricStat": {"Metric": {"Namespace": "T", "MetricName": "x"}, "Period": 60, "Stat": "Sum"}}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"AlarmActions": [ACTION.format("stop")]}, "ValidationError"),
        ({"AlarmActions": [ACTION.format("recover")], "Dimensions": ME}, "ValidationError"),
        ({"AlarmActions": [ACTION.format("explode")], "Dimensions": ME}, "ValidationError"),
        ({"AlarmActions": ["arn:aws:sns:us-east-1:000000000000:nobody"]}, "ValidationError"),
        ({"AlarmActions": ["arn:aws:lambda:us-east-1:000000000000:function:f"]}, "UnsupportedOperation"),
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "UnsupportedOperation"),
        ({"ThresholdMetricId": "x"}, "UnsupportedOperation"),
        ({"Metrics": [QUERY]}, "ValidationError"),
        ({"EvaluationPeriods": None}, "ValidationError"),
        ({"EvaluateLowSampleCountPercentile": "ignore"}, "ValidationError"),
        ({"Statistic": None, "ExtendedStatistic": "q5"}, "ValidationError"),
        ({"MetricName": None}, "ValidationError"),
        ({"AlarmName": "x" * 256}, "ValidationError"),
        ({"AlarmName": "two\nlines"}, "ValidationError"),
    ],
)
def test_other_alarms_that_cannot_be(world: World, changes: dict[str, Any], code: str) -> None:
    given = {name: value for name, value in {**ALARM, **changes}.items() if value is not None}
    assert world.refused("PutMetricAlarm", **given).code == code


@pytest.mark.parametrize(
    "queries",
    [
        [QUERY, {**QUERY, "Id": "n"}],
        [{**QUERY, "ReturnData": False}],
        [{"Id": "e", "Expression": "SEARCH('{A} b','Sum',60)"}],
        [{"Id": "e", "Expression": "x+1", "Period": 60}],
        [{"Id": "e", "Expression": "1+"}],
        [{**QUERY, "MetricStat": {**QUERY["MetricStat"], "Period": 45}}],
    ],
)
def test_expressions_that_are_for_no_alarm(world: World, queries: list[dict[str, Any]]) -> None:
    given = {"AlarmName": "a", "EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold"}
    assert world.refused("PutMetricAlarm", **given, Metrics=queries).code == "ValidationError"


def test_composite_alarms_that_cannot_be(world: World) -> None:
    world.alarm("a")
    lost = world.refused("PutCompositeAlarm", AlarmName="c", AlarmRule="ALARM(nobody)")
    assert lost.message == "Could not save the composite alarm as alarms [nobody] in the alarm rule do not exist"
    assert world.refused("PutCompositeAlarm", AlarmName="c", AlarmRule="ALARM(a) AND").code == "ValidationError"
    assert (
        world.refused("PutCompositeAlarm", AlarmName="c", AlarmRule="ALARM(a)", ActionsSuppressor="a").code == "ValidationError"
    )
    stop = "arn:aws:automate:us-east-1:ec2:stop"
    given = {"AlarmName": "c", "AlarmRule": "ALARM(a)"}
    assert world.refused("PutCompositeAlarm", **given, AlarmActions=[stop]).code == "ValidationError"
    assert world.refused("PutCompositeAlarm", AlarmName="a", AlarmRule="TRUE").code == "ValidationError"


def test_alarms_of_nobody(world: World) -> None:
    world.alarm("a")
    assert world.refused("DeleteAlarms", AlarmNames=["a", "nobody"]).code == "ResourceNotFound"
    assert world.state("a") == "INSUFFICIENT_DATA"
    assert world.refused("DescribeAlarms", AlarmNames=["a"], AlarmNamePrefix="a").code == "ValidationError"
    assert world.refused("DescribeAlarms", MaxRecords=101).code == "ValidationError"
    assert world.refused("DescribeAlarms", StateValue="FINE").code == "ValidationError"
    assert world.refused("DescribeAlarms", NextToken="nonsense").code == "InvalidNextToken"
    arn = "arn:aws:cloudwatch:us-east-1:000000000000:alarm:nobody"
    assert world.refused("ListTagsForResource", ResourceARN=arn).status == 404


@pytest.mark.parametrize(
    "operation", ["PutAnomalyDetector", "DescribeAlarmContributors", "PutMetricStream", "PutManagedInsightRules"]
)
def test_what_is_not_there_is_refused_by_name(world: World, operation: str) -> None:
    refused = world.refused(operation)
    assert (refused.code, refused.message) == ("UnsupportedOperation", f"minicloud does not have {operation}")


def test_roles_for_monitoring() -> None:
    agent = Caller("arn", "id", principals=(Principal("id", "arn", ("CloudWatchAgentServerPolicy",)),))
    authorize(agent, "cloudwatch", "PutMetricData")
    reader = Caller("arn", "id", principals=(Principal("id", "arn", ("CloudWatchReadOnlyAccess",)),))
    authorize(reader, "cloudwatch", "GetMetricData")
    refused = ((agent, "cloudwatch", "DeleteAlarms"), (reader, "cloudwatch", "PutMetricData"), (reader, "ec2", "DescribeVpcs"))
    for caller, service, name in refused:
        with pytest.raises(ApiError):
            authorize(caller, service, name)
