"""PutDashboard, GetDashboard, ListDashboards, DeleteDashboards: documents that are kept and checked, for whoever shows them."""

import json
import re
from typing import Any

from ...api import Answer, Call, operation
from ...errors import ApiError
from ...state.rows_cloudwatch import Dashboard
from . import errors
from .shown_pages import page

MOST_BODY, PAGE, MOST_WIDGETS = 1 << 20, 1000, 500
_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_KINDS = {"metric", "text", "log", "explorer", "alarm", "custom"}


def _invalid(message: str) -> ApiError:
    return ApiError("InvalidParameterInput", message)


def _arn(call: Call, name: str) -> str:
    return f"arn:aws:cloudwatch::{call.cloud.settings.account_id}:dashboard/{name}"


@operation()
def put_dashboard(call: Call, *, dashboard_name: str, dashboard_body: str) -> Answer:
    """PutDashboard: a document that is none is refused; what looks wrong in one is told."""
    if not _NAME.fullmatch(dashboard_name):
        raise _invalid(f"The value {dashboard_name[:300]} for field DashboardName has invalid characters or length.")
    if len(dashboard_body.encode()) > MOST_BODY:
        raise _invalid("The dashboard body is larger than 1 MiB.")
    messages = _check(dashboard_body)
    dashboards = call.cloud.state.dashboards
    dashboards.remove(dashboard_name)
    dashboards.add(Dashboard(dashboard_name, dashboard_body, call.now))
    return {"DashboardValidationMessages": messages}


def _check(text: str) -> list[dict[str, str]]:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _invalid("The field DashboardBody must be a valid JSON object") from error
    if not isinstance(body, dict) or not isinstance(body.get("widgets"), list):
        raise _invalid('The field DashboardBody must be a JSON object with a list "widgets"')
    if len(body["widgets"]) > MOST_WIDGETS:
        raise _invalid(f"A dashboard has at most {MOST_WIDGETS} widgets")
    return [message for number, widget in enumerate(body["widgets"]) for message in _of_widget(widget, f"/widgets/{number}")]


def _of_widget(widget: Any, path: str) -> list[dict[str, str]]:
    if not isinstance(widget, dict):
        raise _invalid(f"{path} must be a JSON object")
    said = []
    if widget.get("type") not in _KINDS:
        said.append({"DataPath": f"{path}/type", "Message": f"Should match one of: {', '.join(sorted(_KINDS))}"})
    if not isinstance(widget.get("properties"), dict):
        said.append({"DataPath": f"{path}/properties", "Message": "Should have required property 'properties'"})
    bounds = {"x": (0, 23), "y": (0, 10**6), "width": (1, 24), "height": (1, 1000)}
    for name, (low, high) in bounds.items():
        value = widget.get(name, low)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            said.append({"DataPath": f"{path}/{name}", "Message": f"Should be a whole number from {low} to {high}"})
    return said


@operation()
def get_dashboard(call: Call, *, dashboard_name: str) -> Answer:
    """GetDashboard."""
    row = call.cloud.state.dashboards.get(dashboard_name)
    if row is None:
        raise errors.not_found(f"Dashboard {dashboard_name} does not exist")
    return {"DashboardArn": _arn(call, row.name), "DashboardBody": row.body, "DashboardName": row.name}


@operation(own_pages=True)
def list_dashboards(call: Call, *, dashboard_name_prefix: str | None = None) -> Answer:
    """ListDashboards."""
    rows = [row for row in call.cloud.state.dashboards.query() if row.name.startswith(dashboard_name_prefix or "")]
    shown, token = page(rows, lambda row: row.name, call.next_token, PAGE)
    entries = [
        {
            "DashboardName": row.name,
            "DashboardArn": _arn(call, row.name),
            "LastModified": row.modified,
            "Size": len(row.body.encode()),
        }
        for row in shown
    ]
    return {"DashboardEntries": entries, **({"NextToken": token} if token else {})}


@operation()
def delete_dashboards(call: Call, *, dashboard_names: list[str]) -> Answer:
    """DeleteDashboards: all of them, or none."""
    dashboards = call.cloud.state.dashboards
    if lost := [name for name in dashboard_names if dashboards.get(name) is None]:
        raise errors.not_found(f"Dashboard {', '.join(lost)} does not exist")
    for name in dashboard_names:
        dashboards.remove(name)
    return {}
