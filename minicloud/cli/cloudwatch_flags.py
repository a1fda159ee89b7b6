"""The aws CLI's own flags for PutMetricData: one datapoint without JSON."""

from collections.abc import Mapping

from ..errors import UsageError
from .ec2_flags import Params, Twist
from .flags import flag
from .parse import Words

_FLAGS = (
    flag("metric-name", "The metric of the one datapoint that is put."),
    flag("value", "Its value."),
    flag("unit", "Its unit, such as Percent."),
    flag("timestamp", "Its time; now if not given."),
    flag("dimensions", "Its dimensions: NAME=VALUE,NAME=VALUE."),
    flag("statistic-values", "A statistic set instead of a value: SampleCount=..,Sum=..,Minimum=..,Maximum=.."),
    flag("storage-resolution", "1 for a metric of high resolution."),
)


def _pairs(words: Mapping[str, Words], name: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in str(words[name]).split(","):
        key, sign, value = part.partition("=")
        if not sign or not key:
            raise UsageError(f"--{name} is NAME=VALUE,NAME=VALUE, not {words[name]!r}")
        found[key.strip()] = value.strip()
    return found


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(f"--{name}: {text!r} is not a number") from error


def _add(words: Mapping[str, Words], params: Params) -> None:
    given = [made.name for made in _FLAGS if made.name in words]
    if not given:
        return
    if "MetricData" in params:
        raise UsageError(f"--{given[0]} does not go with --metric-data")
    if "metric-name" not in words:
        raise UsageError(f"--{given[0]} needs --metric-name")
    datum: Params = {"MetricName": str(words["metric-name"])}
    for name, member in (("unit", "Unit"), ("timestamp", "Timestamp")):
        if name in words:
            datum[member] = str(words[name])
    if "value" in words:
        datum["Value"] = _number("value", str(words["value"]))
    if "storage-resolution" in words:
        datum["StorageResolution"] = int(_number("storage-resolution", str(words["storage-resolution"])))
    if "dimensions" in words:
        datum["Dimensions"] = [{"Name": name, "Value": value} for name, value in _pairs(words, "dimensions").items()]
    if "statistic-values" in words:
        pairs = _pairs(words, "statistic-values")
        datum["StatisticValues"] = {name: _number("statistic-values", value) for name, value in pairs.items()}
    params["MetricData"] = [datum]


TWISTS = {("cloudwatch", "PutMetricData"): Twist(flags=_FLAGS, add=_add)}
