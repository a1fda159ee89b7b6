"""What a scaling policy may be, and the alarms of target tracking."""

import itertools
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from ... import api
from ...api import Call
from ...aws.scaling_math import ADJUSTMENT_TYPES, LOW_PART
from ...errors import ApiError
from ...state.rows_autoscaling import ScalingGroup
from .finding import invalid

SIMPLE, STEP, TRACKING, PREDICTIVE = "SimpleScaling", "StepScaling", "TargetTrackingScaling", "PredictiveScaling"
PREDEFINED = {
    "ASGAverageCPUUtilization": ("AWS/EC2", "CPUUtilization", "Average"),
    "ASGAverageNetworkIn": ("AWS/EC2", "NetworkIn", "Average"),
    "ASGAverageNetworkOut": ("AWS/EC2", "NetworkOut", "Average"),
    "ALBRequestCountPerTarget": ("AWS/ApplicationELB", "RequestCountPerTarget", "Sum"),
}
PERIOD, HIGH_PERIODS, LOW_PERIODS = 60, 3, 15
"""As AWS makes them: 3 minutes above the target, 15 minutes below nine tenths of it."""


class StepInput(TypedDict, total=False):
    """What to do for a metric between two bounds, counted from the alarm's threshold."""

    MetricIntervalLowerBound: float
    MetricIntervalUpperBound: float
    ScalingAdjustment: int


class DimensionInput(TypedDict, total=False):
    """A dimension of a metric."""

    Name: str
    Value: str


class MetricInput(TypedDict, total=False):
    """A metric by its names."""

    Namespace: str
    MetricName: str
    Dimensions: list[DimensionInput]


class StatInput(TypedDict, total=False):
    """A metric's statistic."""

    Metric: MetricInput
    Stat: str
    Unit: str
    Period: int


class QueryInput(TypedDict, total=False):
    """A metric, or an expression of others."""

    Id: str
    Expression: str
    MetricStat: StatInput
    Label: str
    Period: int
    ReturnData: bool


class PredefinedInput(TypedDict, total=False):
    """A metric that AWS has a name for."""

    PredefinedMetricType: str
    ResourceLabel: str


class CustomizedInput(TypedDict, total=False):
    """A metric of the user's choice."""

    MetricName: str
    Namespace: str
    Dimensions: list[DimensionInput]
    Statistic: str
    Unit: str
    Period: int
    Metrics: list[QueryInput]


class TrackingInput(TypedDict, total=False):
    """A metric and the value that it is to keep."""

    PredefinedMetricSpecification: PredefinedInput
    CustomizedMetricSpecification: CustomizedInput
    TargetValue: float
    DisableScaleIn: bool


_OF_KIND = {
    SIMPLE: {"AdjustmentType", "ScalingAdjustment", "Cooldown", "MinAdjustmentMagnitude", "MinAdjustmentStep"},
    STEP: {
        "AdjustmentType", "StepAdjustments", "MetricAggregationType", "EstimatedInstanceWarmup", "MinAdjustmentMagnitude",
        "MinAdjustmentStep",
    },
    TRACKING: {"TargetTrackingConfiguration", "EstimatedInstanceWarmup"},
}  # fmt: skip


def check(kind: str, settings: Mapping[str, Any]) -> None:
    """Refuse settings that make no policy of this kind. Raises ApiError."""
    if kind == PREDICTIVE:
        raise ApiError("UnsupportedOperation", "minicloud does not have policies of the type PredictiveScaling")
    if kind not in _OF_KIND:
        raise invalid(f"PolicyType must be one of {', '.join(_OF_KIND)}")
    if strange := sorted(set(settings) - _OF_KIND[kind] - {"Enabled"}):
        raise invalid(f"{strange[0]} is not a parameter of policies of the type {kind}")
    if kind == TRACKING:
        _check_tracking(settings.get("TargetTrackingConfiguration") or {})
        return
    _check_adjustment(settings)
    if kind == SIMPLE and "ScalingAdjustment" not in settings:
        raise invalid("You must specify ScalingAdjustment for simple scaling policies")
    if kind == STEP:
        _check_steps(settings.get("StepAdjustments") or [])
    changes = settings.get("StepAdjustments") or [settings]
    if settings["AdjustmentType"] == "ExactCapacity" and any(change["ScalingAdjustment"] < 0 for change in changes):
        raise invalid("An exact capacity must be 0 or more")


def _check_adjustment(settings: Mapping[str, Any]) -> None:
    adjustment = settings.get("AdjustmentType")
    if adjustment not in ADJUSTMENT_TYPES:
        raise invalid(f"AdjustmentType must be one of {', '.join(ADJUSTMENT_TYPES)}")
    if adjustment != "PercentChangeInCapacity" and ("MinAdjustmentMagnitude" in settings or "MinAdjustmentStep" in settings):
        raise invalid("MinAdjustmentMagnitude is for the adjustment type PercentChangeInCapacity only")


def _check_steps(steps: Sequence[Mapping[str, Any]]) -> None:
    if not steps:
        raise invalid("You must specify at least one step adjustment for step scaling policies")
    low, high = "MetricIntervalLowerBound", "MetricIntervalUpperBound"
    ordered = sorted(steps, key=lambda step: step.get(low, float("-inf")))
    for step in ordered:
        if low not in step and high not in step and len(steps) > 1:
            raise invalid("At least one step adjustment bound must be given where there is more than one step")
        if step.get(low, float("-inf")) >= step.get(high, float("inf")):
            raise invalid("The lower bound of a step must be below its upper bound")
    for before, after in itertools.pairwise(ordered):
        if before.get(high) != after.get(low):
            raise invalid("StepAdjustments must not overlap, and must leave no gap between their intervals")


def _check_tracking(given: Mapping[str, Any]) -> None:
    if given.get("TargetValue") is None or not given["TargetValue"] > 0:
        raise invalid("TargetValue must be greater than 0")
    predefined, customized = given.get("PredefinedMetricSpecification"), given.get("CustomizedMetricSpecification")
    if bool(predefined) == bool(customized):
        raise invalid("Either a PredefinedMetricSpecification or a CustomizedMetricSpecification must be given, and not both")
    if predefined:
        name = predefined["PredefinedMetricType"]
        if name not in PREDEFINED:
            raise ApiError("UnsupportedOperation", f"minicloud does not have the predefined metric {name}")
        label = predefined.get("ResourceLabel")
        if (name == "ALBRequestCountPerTarget") != bool(label):
            raise invalid("ResourceLabel is given with the metric ALBRequestCountPerTarget, and with no other")
        if label and not _label(label):
            raise invalid("ResourceLabel must be app/<balancer>/<id>/targetgroup/<group>/<id>")
    elif (
        customized
        and not customized.get("Metrics")
        and not all(customized.get(name) for name in ("MetricName", "Namespace", "Statistic"))
    ):
        raise invalid("A CustomizedMetricSpecification has MetricName, Namespace and Statistic, or Metrics")


def _label(text: str) -> tuple[str, str] | None:
    """LoadBalancer and TargetGroup dimensions of a resource label."""
    balancer, found, group = text.partition("/targetgroup/")
    if not found or not balancer.startswith("app/") or balancer.count("/") != 2 or group.count("/") != 1:
        return None
    return balancer, f"targetgroup/{group}"


def _measure(group: ScalingGroup, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of PutMetricAlarm that say what is measured."""
    predefined, customized = given.get("PredefinedMetricSpecification"), given.get("CustomizedMetricSpecification") or {}
    if predefined:
        namespace, metric, statistic = PREDEFINED[predefined["PredefinedMetricType"]]
        dimensions = [{"Name": "AutoScalingGroupName", "Value": group.name}]
        if found := _label(predefined.get("ResourceLabel") or ""):
            dimensions = [{"Name": "LoadBalancer", "Value": found[0]}, {"Name": "TargetGroup", "Value": found[1]}]
        return {
            "Namespace": namespace, "MetricName": metric, "Statistic": statistic, "Dimensions": dimensions, "Period": PERIOD,
        }  # fmt: skip
    if customized.get("Metrics"):
        return {"Metrics": [_query(one) for one in customized["Metrics"]]}
    plain = {
        name: customized[name] for name in ("Namespace", "MetricName", "Statistic", "Dimensions", "Unit") if name in customized
    }
    return {**plain, "Period": customized.get("Period", PERIOD)}


def _query(one: Mapping[str, Any]) -> dict[str, Any]:
    stat = one.get("MetricStat")
    if not stat:
        return {"Period": PERIOD, **one}
    return {**one, "MetricStat": {"Period": PERIOD, **stat}}


def put_alarms(
    call: Call, group: ScalingGroup, arn: str, given: Mapping[str, Any], before: Sequence[Mapping[str, str]]
) -> list[Any]:
    """Make, or make anew, the two alarms of target tracking; their names and ARNs."""
    settings = call.cloud.settings
    names = [alarm["AlarmName"] for alarm in before] or [
        f"TargetTracking-{group.name}-Alarm{which}-{uuid.uuid4()}" for which in ("High", "Low")
    ]
    target, measure = given["TargetValue"], _measure(group, given)
    parts = (
        (names[0], "GreaterThanThreshold", target, HIGH_PERIODS),
        (names[1], "LessThanThreshold", target * LOW_PART, LOW_PERIODS),
    )
    for name, comparison, threshold, periods in parts:
        alarm = {
            "AlarmName": name, "ComparisonOperator": comparison, "Threshold": threshold, "EvaluationPeriods": periods,
            "AlarmActions": [arn], "AlarmDescription": f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {arn}.",
            **measure,
        }  # fmt: skip
        api.call(call.cloud, "cloudwatch", "PutMetricAlarm", alarm, caller=call.caller)
    return [
        {"AlarmName": name, "AlarmARN": f"arn:aws:cloudwatch:{settings.region}:{settings.account_id}:alarm:{name}"}
        for name in names
    ]


def delete_alarms(call: Call, alarms: Sequence[Mapping[str, str]]) -> None:
    """Take away the alarms that target tracking made."""
    if alarms:
        api.call(call.cloud, "cloudwatch", "DeleteAlarms", {"AlarmNames": [alarm["AlarmName"] for alarm in alarms]})
