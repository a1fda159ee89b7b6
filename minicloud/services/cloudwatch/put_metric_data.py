"""PutMetricData: values, values with counts, statistic sets; of one second or one minute resolution.

Datapoints are taken from two weeks ago to two hours ahead. Namespaces that begin with AWS/ are minicloud's own: its collector and
its services write there, a caller over the wire does not.
"""

import math
import time
from collections.abc import Iterator
from typing import Any, TypedDict

from ...api import Answer, Call, operation
from ...aws import distribution, times
from ...aws.distribution import Distribution
from ...errors import ApiError
from ...metrics import reading
from ...state.metrics import Entry, Metric
from . import errors

MOST_DATA, MOST_VALUES = 1000, 150
OLDEST, NEWEST = 14 * 86400, 2 * 3600
_LARGEST = 2.0**360


class DimensionInput(TypedDict, total=False):
    """A name and a value."""

    Name: str
    Value: str


class SetInput(TypedDict, total=False):
    """A statistic set."""

    SampleCount: float
    Sum: float
    Minimum: float
    Maximum: float


class DatumInput(TypedDict, total=False):
    """One datapoint."""

    MetricName: str
    Dimensions: list[DimensionInput]
    Timestamp: str
    Value: float
    StatisticValues: SetInput
    Values: list[float]
    Counts: list[float]
    Unit: str
    StorageResolution: int


def check_namespace(namespace: str) -> None:
    """Refuse what is no namespace. Raises ApiError."""
    if namespace.startswith(":") or not namespace.isprintable() or not namespace.strip():
        raise errors.value("The value for parameter Namespace is invalid: it must not begin with a colon, nor be empty.")


@operation()
def put_metric_data(call: Call, *, namespace: str, metric_data: list[DatumInput] | None = None) -> Answer:
    """PutMetricData. All of it is taken, or nothing."""
    check_namespace(namespace)
    if namespace.startswith("AWS/") and call.caller is not None:
        raise errors.value("The value AWS/ for parameter Namespace is invalid.")
    if not metric_data:
        raise errors.missing("The parameter MetricData is required.")
    if len(metric_data) > MOST_DATA:
        raise errors.value(f"The collection MetricData must not have a size greater than {MOST_DATA}.")
    now = time.time()
    call.cloud.metrics.put(list(_entries(namespace, metric_data, now)))
    return {}


def _entries(namespace: str, data: list[DatumInput], now: float) -> Iterator[Entry]:
    for number, datum in enumerate(data, 1):
        path = f"MetricData.member.{number}"
        metric = Metric(namespace, _name(datum, path), check_dimensions(datum.get("Dimensions"), path), datum.get("Unit", "None"))
        resolution = datum.get("StorageResolution", 60)
        if resolution not in (1, 60):
            raise errors.value(f"The value {resolution} for parameter {path}.StorageResolution is invalid: it must be 1 or 60.")
        yield metric, resolution, int(_moment(datum, path, now)), _what(dict(datum), path)


def _name(datum: DatumInput, path: str) -> str:
    name = datum["MetricName"]
    if not name.isprintable():
        raise errors.value(f"The value for parameter {path}.MetricName is invalid: it has characters that cannot be printed.")
    return name


def check_dimensions(given: Any, path: str) -> tuple[tuple[str, str], ...]:
    """Dimensions in order. Raises ApiError."""
    found: set[str] = set()
    for number, one in enumerate(given or (), 1):
        here, name = f"{path}.Dimensions.member.{number}", one["Name"]
        if name in found:
            raise errors.value(f"The parameter {here}.Name names {name} twice.")
        if name.startswith(":") or not name.isascii() or not name.isprintable() or not name.strip():
            raise errors.value(f"The value for parameter {here}.Name is invalid.")
        if not one["Value"].isascii() or not one["Value"].isprintable() or not one["Value"].strip():
            raise errors.value(f"The value for parameter {here}.Value is invalid.")
        found.add(name)
    return reading.pairs(given)


def _moment(datum: DatumInput, path: str, now: float) -> float:
    moment = times.seconds(datum["Timestamp"]) if "Timestamp" in datum else now
    if moment < now - OLDEST:
        raise errors.value(f"The parameter {path}.Timestamp must specify a time no more than two weeks in the past.")
    if moment > now + NEWEST:
        raise errors.value(f"The parameter {path}.Timestamp must specify a time no more than two hours in the future.")
    return moment


def _what(datum: dict[str, Any], path: str) -> Distribution:
    ways = [name for name in ("Value", "Values", "StatisticValues") if name in datum]
    if not ways:
        raise errors.missing(f"The parameter {path}.Value is required.")
    if len(ways) > 1:
        first, second = ways[:2]
        raise errors.combination(
            f"The parameters {path}.{first} and {path}.{second} are mutually exclusive and you have specified both."
        )
    if "Counts" in datum and ways != ["Values"]:
        raise errors.combination(f"The parameter {path}.Counts goes with {path}.Values only.")
    if ways == ["Value"]:
        return distribution.of_value(_number(datum["Value"], f"{path}.Value"))
    return _values(datum, path) if ways == ["Values"] else _set(datum["StatisticValues"], f"{path}.StatisticValues")


def _values(datum: dict[str, Any], path: str) -> Distribution:
    values = datum["Values"]
    counts = datum.get("Counts", [1.0] * len(values))
    if len(counts) != len(values):
        raise errors.value(f"The parameters {path}.Values and {path}.Counts must be of the same size.")
    if not values or len(values) > MOST_VALUES:
        raise errors.value(f"The collection {path}.Values must have a size from 1 to {MOST_VALUES}.")
    found: dict[float, float] = {}
    for number, (value, count) in enumerate(zip(values, counts, strict=True), 1):
        checked = _number(value, f"{path}.Values.member.{number}")
        if _number(count, f"{path}.Counts.member.{number}") <= 0:
            raise errors.value(
                f"The value {count} for parameter {path}.Counts.member.{number} is invalid: it must be more than 0."
            )
        found[checked] = found.get(checked, 0.0) + float(count)
    return distribution.of_values(found)


def _set(given: dict[str, float], path: str) -> Distribution:
    count, total, low, high = (_number(given[name], f"{path}.{name}") for name in ("SampleCount", "Sum", "Minimum", "Maximum"))
    if count <= 0:
        raise errors.value(f"The value {count:g} for parameter {path}.SampleCount is invalid: it must be more than 0.")
    if low > high:
        raise errors.combination(f"The parameter {path}.Maximum must be greater than or equal to {path}.Minimum.")
    room = 1e-9 * max(1.0, abs(total))
    if not low * count - room <= total <= high * count + room:
        raise errors.combination(f"The parameter {path}.Sum is no sum of {count:g} values from {low:g} to {high:g}.")
    return distribution.of_set(count, total, low, high)


def _number(value: float, path: str) -> float:
    number = float(value)
    if not math.isfinite(number) or abs(number) > _LARGEST:
        raise ApiError("InvalidParameterValue", f"The value {value} for parameter {path} is invalid.")
    return number
