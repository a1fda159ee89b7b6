"""GetMetricWidgetImage: a graph of metrics as a PNG."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...api import Answer, Call, operation
from ...metrics import meter, queries, widget
from ...metrics.expression import ExpressionError
from ...metrics.queries import Evaluation
from ...metrics.values import TimeSeries
from ...metrics.widget import Widget, WidgetError
from . import errors
from .get_metric_statistics import check_period, finest

if TYPE_CHECKING:
    from ...metrics.chart import Drawn


@operation()
def get_metric_widget_image(call: Call, *, metric_widget: str, output_format: str | None = None) -> Answer:
    """GetMetricWidgetImage. The only format is png: the picture inside an answer."""
    from ...metrics import chart  # the drawing is imported by those who draw

    if output_format not in (None, "png"):
        raise errors.unsupported(f"the output format {output_format}; it has png")
    try:
        wanted = widget.parse(metric_widget, time.time())
        queries.check([line.query for line in wanted.lines], check_period)
        given = _coarsened(wanted)
        with meter.ROOM.meter() as taken:
            evaluation = Evaluation(call.cloud.metrics, given, _start(wanted, given), math.ceil(wanted.end), taken)
            drawn = [
                chart.Drawn(series, line.colour, line.right)
                for line in wanted.lines
                if line.visible
                for series in evaluation.of(line.query["Id"])
            ]
    except (WidgetError, ExpressionError) as error:
        raise errors.invalid(f"Invalid widget: {error}") from error
    return {
        "MetricWidgetImage": chart.draw(wanted, [chart.Drawn(_named(one.series, drawn), one.colour, one.right) for one in drawn])
    }


def _named(series: TimeSeries, drawn: "Sequence[Drawn]") -> TimeSeries:
    """A series whose label others have, too, is told by its dimensions."""
    if sum(one.series.label == series.label for one in drawn) < 2:
        return series
    values = [value for name, value in series.properties.items() if name.startswith("Dim.")]
    return replace(series, label=" ".join([*values, series.label]))


def _coarsened(wanted: Widget) -> list[dict[str, Any]]:
    """The queries with periods that are no shorter than a pixel, and than the data are kept for."""
    span = wanted.end - wanted.start
    least = max(span / wanted.width, finest(wanted.start, time.time()))
    found = []
    for line in wanted.lines:
        query = dict(line.query)
        if "MetricStat" in query:
            query["MetricStat"] = {**query["MetricStat"], "Period": _at_least(query["MetricStat"]["Period"], least)}
        elif "Period" in query:
            query["Period"] = _at_least(query["Period"], least)
        found.append(query)
    return found


def _at_least(period: int, least: float) -> int:
    if period >= least or period < 1:
        return period
    step = 60 if least <= 300 else 300 if least <= 3600 else 3600
    return max(1, math.ceil(least / max(period, step))) * max(period, step)


def _start(wanted: Widget, given: list[dict[str, Any]]) -> int:
    """Where the first period begins: on a multiple of the longest, so that pictures of one another's time look the same."""
    periods = [query.get("MetricStat", query).get("Period") or 60 for query in given]
    longest = max(periods)
    return int(wanted.start // longest * longest)
