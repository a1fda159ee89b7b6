"""The description of a picture: AWS's "GetMetricWidgetImage: Metric Widget Structure and Syntax", read and checked.

A row of `metrics` is [namespace, name, dimension, value, ..., {options}]; "." is the same as in the row before, "..." all that is
not said. A row that is [{options}] alone is an expression.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..aws import times

MOST_METRICS, MOST_PIXELS = 100, 2000
COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf")
_DURATION = re.compile(r"(-?)P(?:(\d{1,5})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,7})M)?(?:(\d{1,8})S)?)?")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_ZONE = re.compile(r"([+-])(\d\d):?(\d\d)")
_KNOWN = {"metrics", "width", "height", "title", "view", "stacked", "start", "end", "period", "stat", "timezone", "yAxis",
          "annotations", "legend", "region", "theme", "liveData", "setPeriodToTimeRange", "accountId", "sparkline"}  # fmt: skip


class WidgetError(ValueError):
    """A description that makes no picture; the text says why."""


@dataclass(frozen=True)
class Line:
    """A query as AWS's MetricDataQuery, and how what it gives is drawn."""

    query: dict[str, Any]
    colour: str = ""
    visible: bool = True
    right: bool = False


@dataclass(frozen=True)
class Axis:
    """A value axis: bounds where they are given, a title."""

    low: float | None = None
    high: float | None = None
    label: str = ""


@dataclass(frozen=True)
class Mark:
    """A line across the picture at a value, or up at a time."""

    value: float
    label: str = ""
    colour: str = "#d62728"
    right: bool = False


@dataclass(frozen=True)
class Widget:
    """A picture of `width` by `height` pixels, of the time from `start` to `end`."""

    lines: tuple[Line, ...]
    start: float
    end: float
    width: int = 600
    height: int = 400
    title: str = ""
    stacked: bool = False
    zone: int = 0
    """The offset of the time zone in seconds."""
    left: Axis = Axis()
    right: Axis = Axis()
    horizontal: tuple[Mark, ...] = field(default_factory=tuple)
    vertical: tuple[Mark, ...] = field(default_factory=tuple)
    legend: str = "bottom"
    dark: bool = False


def parse(text: str, now: float) -> Widget:
    """Read a description. Raises WidgetError."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WidgetError("the widget is not JSON") from error
    if not isinstance(given, dict):
        raise WidgetError("the widget is no JSON object")
    if strange := sorted(set(given) - _KNOWN):
        raise WidgetError(f"the widget has no property {strange[0]}")
    if given.get("view", "timeSeries") != "timeSeries":
        raise WidgetError(f"minicloud draws time series only, no view {given['view']!r}")
    start, end = _moment(given.get("start", "-PT3H"), now, "start"), _moment(given.get("end", "PT0H"), now, "end")
    if start >= end:
        raise WidgetError("start must be before end")
    axes = _object(given, "yAxis")
    notes = _object(given, "annotations")
    legend = _object(given, "legend").get("position", "bottom")
    if legend not in ("bottom", "right", "hidden"):
        raise WidgetError("legend.position is bottom, right or hidden")
    return Widget(
        tuple(_lines(given)),
        start,
        end,
        _pixels(given, "width", 600),
        _pixels(given, "height", 400),
        _text(given, "title"),
        bool(given.get("stacked", False)),
        _zone(given.get("timezone", "+0000")),
        _axis(axes, "left"),
        _axis(axes, "right"),
        tuple(_marks(notes, "horizontal", now)),
        tuple(_marks(notes, "vertical", now)),
        legend,
        given.get("theme") == "dark",
    )


def _object(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = given.get(name, {})
    if not isinstance(found, dict):
        raise WidgetError(f"{name} is a JSON object")
    return found


def _text(given: Mapping[str, Any], name: str) -> str:
    return str(given.get(name, ""))[:255]


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 1e300:
        raise WidgetError(f"{name} is a number")
    return float(value)


def _pixels(given: Mapping[str, Any], name: str, usual: int) -> int:
    found = int(_number(given.get(name, usual), name))
    if not 100 <= found <= MOST_PIXELS:
        raise WidgetError(f"{name} is from 100 to {MOST_PIXELS} pixels")
    return found


def _moment(value: Any, now: float, name: str) -> float:
    text = str(value)
    if (found := _DURATION.fullmatch(text)) and any(found.groups()[1:]):
        weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups()[1:])
        length = ((weeks * 7 + days) * 24 + hours) * 3600 + minutes * 60 + seconds
        return now - length if found[1] or name == "start" else now + length
    try:
        return times.seconds(text)
    except (ValueError, OverflowError) as error:
        raise WidgetError(f"{name} is a time, or a duration such as -PT3H, not {text[:40]!r}") from error


def _zone(value: Any) -> int:
    found = _ZONE.fullmatch(str(value))
    if found is None:
        raise WidgetError("timezone is an offset such as +0130")
    seconds = int(found[2]) * 3600 + int(found[3]) * 60
    return -seconds if found[1] == "-" else seconds


def _axis(given: Mapping[str, Any], name: str) -> Axis:
    axis = _object(given, name)
    bounds = [_number(axis[key], f"yAxis.{name}.{key}") if key in axis else None for key in ("min", "max")]
    return Axis(bounds[0], bounds[1], _text(axis, "label"))


def _marks(notes: Mapping[str, Any], name: str, now: float) -> list[Mark]:
    found: list[Mark] = []
    given = notes.get(name, [])
    if not isinstance(given, list):
        raise WidgetError(f"annotations.{name} is a list")
    for one in given:
        for each in one if isinstance(one, list) else [one]:
            if not isinstance(each, dict) or "value" not in each:
                raise WidgetError(f"each of annotations.{name} has a value")
            if each.get("visible", True):
                upright = name == "vertical"
                value = _moment(each["value"], now, "value") if upright else _number(each["value"], "value")
                found.append(Mark(value, _text(each, "label"), _colour(each, "#d62728"), each.get("yAxis") == "right"))
    return found


def _colour(given: Mapping[str, Any], usual: str) -> str:
    colour = given.get("color", usual)
    if colour and not _COLOUR.fullmatch(str(colour)):
        raise WidgetError(f"a color is written as #1f77b4, not {str(colour)[:20]!r}")
    return str(colour)


def _lines(given: Mapping[str, Any]) -> list[Line]:
    rows = given.get("metrics")
    if not isinstance(rows, list) or not 1 <= len(rows) <= MOST_METRICS:
        raise WidgetError(f"metrics is a list of 1 to {MOST_METRICS} metrics")
    found: list[Line] = []
    before: list[str] = []
    taken = {row[-1].get("id") for row in rows if isinstance(row, list) and row and isinstance(row[-1], dict)}
    for number, row in enumerate(rows, 1):
        if not isinstance(row, list) or not row:
            raise WidgetError(f"metrics[{number - 1}] is no list")
        options = row[-1] if isinstance(row[-1], dict) else {}
        words = row[:-1] if options is row[-1] else row
        query: dict[str, Any] = {"Id": str(options.get("id") or _free(number, taken))}
        if "label" in options:
            query["Label"] = str(options["label"])[:255]
        if "expression" in options:
            query["Expression"] = str(options["expression"])
            query["Period"] = int(_number(options.get("period", given.get("period", 300)), "period"))
        else:
            before = _whole(words, before, number)
            query["MetricStat"] = _stat(before, options, given)
        found.append(
            Line(query, _colour(options, ""), options.get("visible", True) is not False, options.get("yAxis") == "right")
        )
    return found


def _free(number: int, taken: set[Any]) -> str:
    name = f"q{number}"
    while name in taken:
        name += "_"
    return name


def _whole(words: Sequence[Any], before: Sequence[str], number: int) -> list[str]:
    """A row without its abbreviations."""
    if not all(isinstance(word, str) for word in words):
        raise WidgetError(f"metrics[{number - 1}] has something else than texts before its options")
    full: list[str] = []
    for at, word in enumerate(words):
        if word == "...":
            rest = len(words) - at - 1
            full += before[at : max(at, len(before) - rest)]
        elif word == ".":
            if len(full) >= len(before):
                raise WidgetError(f"metrics[{number - 1}] has a '.' where the row before has nothing")
            full.append(before[len(full)])
        else:
            full.append(word)
    if len(full) < 2 or len(full) % 2:
        raise WidgetError(f"metrics[{number - 1}] is no namespace, name, and pairs of dimensions")
    return full


def _stat(words: Sequence[str], options: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    pairs = [{"Name": name, "Value": value} for name, value in zip(words[2::2], words[3::2], strict=True)]
    return {
        "Metric": {"Namespace": words[0], "MetricName": words[1], "Dimensions": pairs},
        "Period": int(_number(options.get("period", given.get("period", 300)), "period")),
        "Stat": str(options.get("stat", given.get("stat", "Average"))),
    }
