"""ListMetrics: what has had datapoints in the last two weeks, or with RecentlyActive in the last three hours."""

import json
import time
from typing import TypedDict

from ...api import Answer, Call, operation
from ...state.metrics import Metric
from . import errors
from .shown_pages import page

PAGE = 500
_LISTED, _RECENT = 14 * 86400, 3 * 3600


class DimensionFilterInput(TypedDict, total=False):
    """A dimension by name, or by name and value."""

    Name: str
    Value: str


@operation(own_pages=True)
def list_metrics(
    call: Call,
    *,
    namespace: str | None = None,
    metric_name: str | None = None,
    dimensions: list[DimensionFilterInput] | None = None,
    recently_active: str | None = None,
) -> Answer:
    """ListMetrics: a metric has all the dimensions that are asked for, and may have more."""
    if len(dimensions or ()) > 10:
        raise errors.value("The collection Dimensions must not have a size greater than 10.")
    since = int(time.time()) - (_RECENT if recently_active else _LISTED)
    found = {
        (one.metric.namespace, one.metric.name, one.metric.dimensions)
        for one in call.cloud.metrics.series(namespace or "", metric_name or "", since=since)
        if _fits(one.metric, dimensions or [])
    }
    shown, token = page(sorted(found), json.dumps, call.next_token, PAGE)
    metrics = [
        {"Namespace": space, "MetricName": name, "Dimensions": [{"Name": key, "Value": value} for key, value in pairs]}
        for space, name, pairs in shown
    ]
    return {"Metrics": metrics, **({"NextToken": token} if token else {})}


def _fits(metric: Metric, wanted: list[DimensionFilterInput]) -> bool:
    have = dict(metric.dimensions)
    return all(one["Name"] in have and one.get("Value", have[one["Name"]]) == have[one["Name"]] for one in wanted)
