"""PutMetricAlarm: an alarm on one metric, or on what an expression makes of several."""

import math
from typing import Any

from ...api import Answer, Call, operation
from ...metrics import statistics as names
from . import errors
from .alarm_request import TagInput, check_actions, new, save
from .alarm_view import METRIC
from .get_metric_data import MetricDataQueryInput, check_alarm_queries
from .put_metric_data import DimensionInput, check_dimensions, check_namespace

COMPARISONS = (
    "GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold",
)  # fmt: skip
BANDS = ("LessThanLowerOrGreaterThanUpperThreshold", "LessThanLowerThreshold", "GreaterThanUpperThreshold")
_OF_ONE_METRIC = ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Dimensions", "Period", "Unit")
_DAY, _WEEK, _HOUR = 86400, 604800, 3600
TREATMENTS = ("breaching", "notBreaching", "ignore", "missing")


@operation()
def put_metric_alarm(
    call: Call,
    *,
    alarm_name: str,
    alarm_description: str | None = None,
    actions_enabled: bool | None = None,
    ok_actions: list[str] | None = None,
    alarm_actions: list[str] | None = None,
    insufficient_data_actions: list[str] | None = None,
    metric_name: str | None = None,
    namespace: str | None = None,
    statistic: str | None = None,
    extended_statistic: str | None = None,
    dimensions: list[DimensionInput] | None = None,
    period: int | None = None,
    unit: str | None = None,
    evaluation_periods: int | None = None,
    datapoints_to_alarm: int | None = None,
    threshold: float | None = None,
    comparison_operator: str | None = None,
    treat_missing_data: str | None = None,
    evaluate_low_sample_count_percentile: str | None = None,
    metrics: list[MetricDataQueryInput] | None = None,
    tags: list[TagInput] | None = None,
) -> Answer:
    """PutMetricAlarm. What is put again with the same name is overwritten and keeps its state."""
    settings: dict[str, Any] = {
        "AlarmDescription": alarm_description, "OKActions": ok_actions or [], "AlarmActions": alarm_actions or [],
        "InsufficientDataActions": insufficient_data_actions or [], "MetricName": metric_name, "Namespace": namespace,
        "Statistic": statistic, "ExtendedStatistic": extended_statistic, "Dimensions": dimensions or None, "Period": period,
        "Unit": unit, "EvaluationPeriods": evaluation_periods, "DatapointsToAlarm": datapoints_to_alarm,
        "Threshold": threshold, "ComparisonOperator": comparison_operator, "TreatMissingData": treat_missing_data,
        "EvaluateLowSampleCountPercentile": evaluate_low_sample_count_percentile, "Metrics": metrics or None,
    }  # fmt: skip
    if metrics:
        _check_no_metric(settings)
        periods = check_alarm_queries([dict(one) for one in metrics])
        settings["Metrics"] = [{"ReturnData": True, **one} if len(metrics) == 1 else dict(one) for one in metrics]
    else:
        _check_metric(settings)
        periods = [period or 60]
    _check_threshold(settings)
    _check_evaluation(settings, max(periods))
    check_actions(call, settings, composite=False)
    save(call, new(call, METRIC, alarm_name, settings, actions_enabled), tags)
    return {}


def _check_no_metric(settings: dict[str, Any]) -> None:
    if both := [name for name in _OF_ONE_METRIC if settings[name] is not None]:
        raise errors.invalid(f"The parameter {both[0]} must not be given together with Metrics.")


def _check_metric(settings: dict[str, Any]) -> None:
    if settings["MetricName"] is None or settings["Namespace"] is None:
        raise errors.invalid("PutMetricAlarm request should have the parameters MetricName and Namespace, or Metrics.")
    check_namespace(settings["Namespace"])
    check_dimensions(settings["Dimensions"], "Request")
    _check_statistic(settings["Statistic"], settings["ExtendedStatistic"])
    period = settings["Period"]
    if period is None or (period not in (10, 20, 30) and (period < 60 or period % 60)):
        raise errors.invalid("Period must be 10, 20, 30 or a multiple of 60")


def _check_statistic(simple: str | None, extended: str | None) -> None:
    if simple is not None and extended is not None:
        raise errors.invalid(
            "PutMetricAlarm request can not be made with both Statistic and ExtendedStatistic parameters. "
            "Only one of them should be present"
        )
    if simple is None and extended is None:
        raise errors.invalid("PutMetricAlarm request should have a Statistic parameter")
    if simple is not None and simple not in names.SIMPLE:
        raise errors.invalid("PutMetricAlarm request should have a valid Statistic parameter")
    known = names.parse(extended) if extended is not None else None
    if extended is not None and (known is None or not known.percentile):
        raise errors.invalid(f"The value {extended} for parameter ExtendedStatistic is invalid.")


def _check_threshold(settings: dict[str, Any]) -> None:
    operator, threshold = settings["ComparisonOperator"], settings["Threshold"]
    if operator in BANDS:
        raise errors.unsupported(f"anomaly detection, which the comparison {operator} needs")
    if operator not in COMPARISONS:
        raise errors.invalid("PutMetricAlarm request should have a valid ComparisonOperator parameter")
    if threshold is None or not math.isfinite(threshold):
        raise errors.invalid("PutMetricAlarm request should have valid Threshold parameter")


def _check_evaluation(settings: dict[str, Any], period: int) -> None:
    count, enough = settings["EvaluationPeriods"], settings["DatapointsToAlarm"]
    if count is None:
        raise errors.invalid("PutMetricAlarm request should have an EvaluationPeriods parameter")
    if enough is not None and enough > count:
        raise errors.invalid("DatapointsToAlarm must be less than or equal to EvaluationPeriods")
    most, span, which = (_DAY, "a day", "<") if period < _HOUR else (_WEEK, "a week", ">=")
    if count * period > most:
        raise errors.invalid(
            f"Metrics cannot be checked across more than {span} (EvaluationPeriods * Period must be <= {most}) "
            f"for alarms using period {which} 3600"
        )
    if settings["TreatMissingData"] not in (None, *TREATMENTS):
        raise errors.invalid("Supported values for TreatMissingData are breaching, notBreaching, ignore, and missing.")
    low = settings["EvaluateLowSampleCountPercentile"]
    if low is not None and (low not in ("evaluate", "ignore") or settings["ExtendedStatistic"] is None):
        raise errors.invalid(
            "EvaluateLowSampleCountPercentile is evaluate or ignore, for alarms with a percentile as ExtendedStatistic."
        )
