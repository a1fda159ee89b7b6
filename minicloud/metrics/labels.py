"""Labels of series: AWS's dynamic ones, ${MAX}, ${LAST}, ${PROP('Dim.InstanceId')} and so on, filled in."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .values import TimeSeries

_DYNAMIC = re.compile(r"\$\{\s*(?:(LABEL|MAX|MIN|AVG|SUM|LAST|FIRST|DATAPOINT_COUNT)|PROP\(\s*'([^']*)'\s*\))\s*\}")
_FIGURES: dict[str, Callable[[Sequence[float]], float]] = {
    "MAX": max, "MIN": min, "SUM": sum, "AVG": lambda values: sum(values) / len(values),
    "LAST": lambda values: values[-1], "FIRST": lambda values: values[0], "DATAPOINT_COUNT": len,
}  # fmt: skip


def labelled(one: TimeSeries, query: Mapping[str, Any], *, several: bool) -> TimeSeries:
    """A series with the label that its query gives it: its own name, that of the metric, or the expression's id."""
    own = one.label if "MetricStat" in query or several else query["Id"]
    own = own or query["Id"]
    given = query.get("Label")
    if not given:
        return replace(one, label=own)
    values = [value for _, value in sorted(one.points.items())]

    def fill(found: re.Match[str]) -> str:
        if found[2] is not None:
            return one.properties.get(found[2], "")
        if found[1] == "LABEL":
            return own
        return f"{_FIGURES[found[1]](values):g}" if values else "--"

    text = _DYNAMIC.sub(fill, given)
    return replace(one, label=f"{text} {own}" if several and "${" not in given else text)
