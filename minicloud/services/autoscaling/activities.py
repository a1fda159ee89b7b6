"""Activities: what a group does and did, and why. They are kept for six weeks, those of deleted groups too."""

from typing import Any

from ...api import Answer, Call, operation
from ...aws import times
from ...state.rows_autoscaling import ScalingActivity
from .finding import named

KEPT = 42 * 86400.0
_FILTERS = {"StartTimeLowerBound": "StartTime", "StartTimeUpperBound": "StartTime", "Status": "StatusCode"}


def activity_view(row: ScalingActivity) -> dict[str, Any]:
    """An activity as AWS answers it."""
    view = {
        "ActivityId": row.id,
        "AutoScalingGroupName": row.group_name,
        "Description": row.description,
        "Cause": row.cause,
        "StartTime": row.started,
        "StatusCode": row.status,
        "Progress": row.progress,
        "Details": row.details,
        "AutoScalingGroupARN": row.group_arn,
    }
    if row.message:
        view["StatusMessage"] = row.message
    if row.ended:
        view["EndTime"] = row.ended
    return view


@operation(items="Activities", key="ActivityId", filters=_FILTERS)
def describe_scaling_activities(
    call: Call,
    *,
    activity_ids: list[str] | None = None,
    auto_scaling_group_name: str | None = None,
    include_deleted_groups: bool = False,
    include_managed_resources: bool = True,
) -> Answer:
    """DescribeScalingActivities, newest first."""
    del include_managed_resources
    state, oldest = call.cloud.state, times.text(times.seconds(call.now) - KEPT)
    where, values = ["started >= ?"], [oldest]
    if auto_scaling_group_name:
        if not include_deleted_groups:
            named(call, auto_scaling_group_name)
        where.append("group_name = ?")
        values.append(auto_scaling_group_name)
    rows = state.scaling_activities.query(" and ".join(where), values, "id")
    there = {group.arn for group in state.scaling_groups.query()}
    wanted = set(activity_ids or [])
    shown = []
    for row in rows:
        if (wanted and row.id not in wanted) or (row.group_arn not in there and not include_deleted_groups):
            continue
        view = activity_view(row)
        if row.group_arn not in there:
            view["AutoScalingGroupState"] = "Deleted"
        shown.append(view)
    return {"Activities": shown}
