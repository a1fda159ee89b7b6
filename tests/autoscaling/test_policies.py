"""Scaling policies: what they make of a capacity, and what their alarms do."""

from typing import Any

import pytest

from minicloud import api
from minicloud.aws import scaling_math as maths
from minicloud.callers import Caller

from .scene import Scaling

STEPS = [
    {"MetricIntervalUpperBound": -10.0, "ScalingAdjustment": -1},
    {"MetricIntervalLowerBound": -10.0, "MetricIntervalUpperBound": 0.0, "ScalingAdjustment": 0},
    {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 10.0, "ScalingAdjustment": 1},
    {"MetricIntervalLowerBound": 10.0, "ScalingAdjustment": 3},
]


@pytest.mark.parametrize(
    ("kind", "capacity", "adjustment", "least", "after"),
    [
        ("ChangeInCapacity", 3, 2, 0, 5), ("ExactCapacity", 3, 7, 0, 7), ("PercentChangeInCapacity", 10, 25, 0, 12),
        ("PercentChangeInCapacity", 10, -25, 0, 8), ("PercentChangeInCapacity", 3, 10, 0, 4),
        ("PercentChangeInCapacity", 3, -10, 0, 2), ("PercentChangeInCapacity", 4, 25, 2, 6),
        ("PercentChangeInCapacity", 0, 50, 0, 0),
    ],
)  # fmt: skip
def test_adjustments(kind: str, capacity: int, adjustment: int, least: int, after: int) -> None:
    assert maths.adjusted(kind, capacity, adjustment, least) == after


@pytest.mark.parametrize(("excess", "change"), [(-20, -1), (-10, -1), (-9.9, 0), (0, 1), (9.99, 1), (10, 3), (1e9, 3)])
def test_steps(excess: float, change: int) -> None:
    found = maths.step_for(STEPS, excess)
    assert found is not None
    assert found["ScalingAdjustment"] == change


def test_a_step_counts_from_what_has_warmed_up_and_nothing_shrinks_meanwhile() -> None:
    settings = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": STEPS}
    assert maths.stepped(settings, 4, 4, 5.0, warming=False) == 5
    assert maths.stepped(settings, 5, 4, 5.0, warming=True) is None
    assert maths.stepped(settings, 5, 4, 15.0, warming=True) == 7
    assert maths.stepped(settings, 5, 4, -15.0, warming=True) is None
    assert maths.stepped(settings, 5, 5, -15.0, warming=False) == 4


def test_tracking_keeps_the_target() -> None:
    assert maths.tracked(50.0, 80.0, 4, 4, warming=False, outward=True) == 7
    assert maths.tracked(50.0, 80.0, 7, 4, warming=True, outward=True) is None
    assert maths.tracked(50.0, 20.0, 7, 7, warming=False, outward=False) == 4
    assert maths.tracked(50.0, 44.0, 10, 10, warming=False, outward=False) is None
    assert maths.tracked(50.0, 20.0, 7, 4, warming=True, outward=False) is None
    assert maths.tracked(50.0, 60.0, 0, 0, warming=False, outward=True) == 1


def put(scaling: Scaling, name: str, **params: Any) -> str:
    return str(scaling("PutScalingPolicy", AutoScalingGroupName="group", PolicyName=name, **params)["PolicyARN"])


def test_a_simple_policy_honours_its_cooldown(scaling: Scaling) -> None:
    scaling.create(DesiredCapacity=1)
    arn = put(scaling, "more", AdjustmentType="ChangeInCapacity", ScalingAdjustment=1, Cooldown=100)
    scaling.alarmed(arn, 90.0, 50.0)
    assert len(scaling.in_service()) == 2
    cause = scaling.activities()[0]["Cause"]
    assert "a monitor alarm hot in state ALARM triggered policy more changing the desired capacity from 1 to 2" in cause
    caller = Caller("arn:aws:cloudwatch:us-east-1:000000000000:alarm:hot", "cloudwatch.amazonaws.com")
    with pytest.raises(api.ApiError, match="ScalingActivityInProgress"):
        scaling("ExecutePolicy", caller, PolicyName=arn)
    assert scaling.refused("ExecutePolicy", PolicyName=arn, HonorCooldown=True).code == "ScalingActivityInProgress"
    scaling("ExecutePolicy", AutoScalingGroupName="group", PolicyName="more")
    assert "a user request executed policy more" in scaling.activities()[0]["Cause"]
    scaling.look(101)
    scaling.alarmed(arn, 90.0, 50.0)
    assert len(scaling.in_service()) == 4


def test_a_step_policy_answers_one_load_once(scaling: Scaling) -> None:
    scaling.create(DesiredCapacity=2)
    scaling.look(300)
    arn = put(
        scaling, "steps", PolicyType="StepScaling", AdjustmentType="ChangeInCapacity", StepAdjustments=STEPS,
        EstimatedInstanceWarmup=120,
    )  # fmt: skip
    for _ in range(3):
        scaling.alarmed(arn, 55.0, 50.0)
    assert len(scaling.in_service()) == 3
    scaling.alarmed(arn, 65.0, 50.0)
    assert len(scaling.in_service()) == 5
    scaling.alarmed(arn, 30.0, 50.0)
    assert len(scaling.in_service()) == 5
    scaling.look(121)
    scaling.alarmed(arn, 30.0, 50.0)
    assert len(scaling.in_service()) == 4
    error = scaling.refused("ExecutePolicy", AutoScalingGroupName="group", PolicyName="steps")
    assert "MetricValue and BreachThreshold are required" in error.message


def tracking(target: float = 50.0, **more: Any) -> dict[str, Any]:
    metric = {"PredefinedMetricType": "ASGAverageCPUUtilization"}
    configuration = {"TargetValue": target, "PredefinedMetricSpecification": metric, **more}
    return {"PolicyType": "TargetTrackingScaling", "TargetTrackingConfiguration": configuration}


def alarms(scaling: Scaling) -> dict[str, dict[str, Any]]:
    found = api.call(scaling.cloud, "cloudwatch", "DescribeAlarms", {})["MetricAlarms"]
    return {one["AlarmName"]: one for one in found}


def test_target_tracking_makes_two_alarms_and_takes_them_away(scaling: Scaling) -> None:
    scaling.create(DesiredCapacity=2)
    arn = put(scaling, "cpu", **tracking())
    low, high = sorted(alarms(scaling).values(), key=lambda one: one["Threshold"])
    assert low["AlarmName"].startswith("TargetTracking-group-AlarmLow-")
    assert high["AlarmName"].startswith("TargetTracking-group-AlarmHigh-")
    assert (low["Threshold"], low["EvaluationPeriods"], low["ComparisonOperator"]) == (45.0, 15, "LessThanThreshold")
    assert (high["Threshold"], high["EvaluationPeriods"], high["Period"]) == (50.0, 3, 60)
    assert high["Dimensions"] == [{"Name": "AutoScalingGroupName", "Value": "group"}]
    assert high["AlarmActions"] == low["AlarmActions"] == [arn]
    put(scaling, "cpu", **tracking(60.0))
    assert sorted(one["Threshold"] for one in alarms(scaling).values()) == [54.0, 60.0]
    (policy,) = scaling("DescribePolicies", AutoScalingGroupName="group")["ScalingPolicies"]
    assert {one["AlarmName"] for one in policy["Alarms"]} == set(alarms(scaling))
    scaling("DeletePolicy", AutoScalingGroupName="group", PolicyName="cpu")
    assert alarms(scaling) == {}
    put(scaling, "cpu", **tracking())
    scaling("DeleteAutoScalingGroup", AutoScalingGroupName="group", ForceDelete=True)
    scaling.look()
    assert alarms(scaling) == {}


def test_target_tracking_follows_the_load(scaling: Scaling) -> None:
    scaling.create(DesiredCapacity=2, MinSize=1, DefaultInstanceWarmup=60)
    scaling.look(61)
    arn = put(scaling, "cpu", **tracking())
    assert "only its alarms execute" in scaling.refused("ExecutePolicy", PolicyName=arn, MetricValue=80.0).message
    scaling.alarmed(arn, 90.0, 50.0)
    assert len(scaling.in_service()) == 4
    scaling.alarmed(arn, 90.0, 50.0)
    assert len(scaling.in_service()) == 4
    scaling.look(61)
    scaling.alarmed(arn, 20.0, 45.0)
    assert len(scaling.in_service()) == 2
    put(scaling, "cpu", **tracking(DisableScaleIn=True))
    scaling.alarmed(arn, 1.0, 45.0)
    assert len(scaling.in_service()) == 2
    scaling("SuspendProcesses", AutoScalingGroupName="group", ScalingProcesses=["AlarmNotification"])
    scaling.alarmed(arn, 99.0, 50.0)
    assert len(scaling.in_service()) == 2


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "predictive": ({"PolicyType": "PredictiveScaling"}, "PredictiveScaling"),
    "no adjustment type": ({"ScalingAdjustment": 1}, "AdjustmentType must be one of"),
    "no adjustment": ({"AdjustmentType": "ChangeInCapacity"}, "ScalingAdjustment"),
    "steps with a gap": (
        {
            "PolicyType": "StepScaling", "AdjustmentType": "ChangeInCapacity",
            "StepAdjustments": [{"MetricIntervalUpperBound": 1.0, "ScalingAdjustment": 1},
                                {"MetricIntervalLowerBound": 2.0, "ScalingAdjustment": 1}],
        }, "gap",
    ),
    "two metrics": (
        tracking(CustomizedMetricSpecification={"MetricName": "m", "Namespace": "n", "Statistic": "Average"}), "not both",
    ),
    "target of nothing": (tracking(0.0), "greater than 0"),
    "cooldown of a step policy": (
        {"PolicyType": "StepScaling", "AdjustmentType": "ChangeInCapacity", "StepAdjustments": STEPS, "Cooldown": 1}, "Cooldown",
    ),
    "high resolution": (
        tracking(PredefinedMetricSpecification={"PredefinedMetricType": "ASGAverageCPUUtilizationHighResolution"}),
        "HighResolution",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_policy_is_refused(scaling: Scaling, case: str) -> None:
    scaling.create(DesiredCapacity=0)
    params, said = REFUSED[case]
    error = scaling.refused("PutScalingPolicy", AutoScalingGroupName="group", PolicyName="bad", **params)
    assert said in error.message
    assert scaling("DescribePolicies", AutoScalingGroupName="group")["ScalingPolicies"] == []
    assert alarms(scaling) == {}


def test_group_metrics_are_put_each_minute(scaling: Scaling) -> None:
    scaling.create(DesiredCapacity=2)
    scaling("EnableMetricsCollection", AutoScalingGroupName="group", Granularity="1Minute", Metrics=["GroupInServiceInstances"])
    scaling.look(60)
    wanted = {"Namespace": "AWS/AutoScaling", "MetricName": "GroupInServiceInstances"}
    (metric,) = api.call(scaling.cloud, "cloudwatch", "ListMetrics", wanted)["Metrics"]
    assert metric["Dimensions"] == [{"Name": "AutoScalingGroupName", "Value": "group"}]
    assert [one["Metric"] for one in scaling.group()["EnabledMetrics"]] == ["GroupInServiceInstances"]
    scaling("DisableMetricsCollection", AutoScalingGroupName="group")
    assert scaling.group()["EnabledMetrics"] == []
