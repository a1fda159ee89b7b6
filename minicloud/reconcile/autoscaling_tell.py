"""Activities that begin, lifecycle actions that are waited for, and who is told of them."""

import json
import logging
import uuid
from typing import Any

from ..aws import autoscaling_texts as texts
from ..aws import times
from ..callers import acting, lacking
from ..cloud import Cloud
from ..state.rows_autoscaling import ScalingActivity, ScalingMember
from . import notifications
from .autoscaling_view import LONGEST_HOOK, View

log = logging.getLogger(__name__)

_DONE = {
    "autoscaling:EC2_INSTANCE_LAUNCH": "launch", "autoscaling:EC2_INSTANCE_LAUNCH_ERROR": "failed launch",
    "autoscaling:EC2_INSTANCE_TERMINATE": "termination", "autoscaling:EC2_INSTANCE_TERMINATE_ERROR": "failed termination",
}  # fmt: skip


def begun(cloud: Cloud, view: View, row: ScalingMember, description: str, cause: str) -> str:
    """The id of a new activity about a member."""
    activity = ScalingActivity.begun(
        view.group, view.moment, f"{description}: {row.instance_id}", cause, instance_id=row.instance_id,
        details=texts.details(row.subnet_id, row.zone),
    )  # fmt: skip
    return cloud.state.scaling_activities.add(activity).id


def cannot_be_planned(cloud: Cloud, view: View, message: str) -> bool:
    """A failed activity of a group for which nothing can be done: one, as long as it is the same failure. It is not given up."""
    state, said = cloud.state, f"The group cannot be brought to its desired capacity: {message}"
    last = state.scaling_activities.query("group_name = ?", [view.group.name], order="rowid desc limit 1")
    if not last or last[0].message != said:
        cause = texts.at(view.moment, "the group was compared with its desired capacity")
        activity = ScalingActivity.begun(view.group, view.moment, "Updating the group", cause, status="Failed")
        activity.message, activity.progress, activity.ended = said, 100, view.moment
        state.scaling_activities.add(activity)
    return False


def hooks(cloud: Cloud, view: View, row: ScalingMember, transition: str) -> list[dict[str, str]]:
    """What a member waits for from now on; whoever a hook names is told the token."""
    waiting = []
    for hook in view.hooks:
        if hook.transition != transition:
            continue
        heartbeat = hook.settings["HeartbeatTimeout"]
        token = str(uuid.uuid4())
        waiting.append(
            {
                "name": hook.name, "token": token, "deadline": times.text(view.now + heartbeat), "result": "",
                "limit": times.text(view.now + min(LONGEST_HOOK, heartbeat * 100.0)), "default": hook.settings["DefaultResult"],
            }
        )  # fmt: skip
        if topic := hook.settings.get("NotificationTargetARN"):
            body = {
                "LifecycleHookName": hook.name, "LifecycleTransition": transition, "LifecycleActionToken": token,
                "AutoScalingGroupName": view.group.name, "EC2InstanceId": row.instance_id, "Service": texts.SERVICE,
                "Time": view.moment, "AccountId": cloud.settings.account_id, "RequestId": token,
                "NotificationMetadata": hook.settings.get("NotificationMetadata", ""),
            }  # fmt: skip
            queue(cloud, topic, f'Auto Scaling: lifecycle action for group "{view.group.name}"', body, hook.makers)
    return waiting


def of_activity(cloud: Cloud, activity: ScalingActivity, event: str) -> None:
    """Tell those who want to know that an activity is over."""
    for wanted in cloud.state.scaling_notifications.find(group_name=activity.group_name, kind=event):
        subject = f'Auto Scaling: {_DONE[event]} for group "{activity.group_name}"'
        queue(cloud, wanted.topic, subject, body_of(cloud, activity, event), wanted.makers)


def body_of(cloud: Cloud, activity: ScalingActivity, event: str) -> dict[str, Any]:
    """A notification as AWS writes it."""
    return {
        "Service": texts.SERVICE, "Time": activity.ended, "RequestId": activity.id, "Event": event,
        "AccountId": cloud.settings.account_id, "AutoScalingGroupName": activity.group_name,
        "AutoScalingGroupARN": activity.group_arn, "ActivityId": activity.id, "Description": activity.description,
        "Cause": activity.cause, "StartTime": activity.started, "EndTime": activity.ended, "StatusCode": activity.status,
        "StatusMessage": activity.message, "Progress": activity.progress, "EC2InstanceId": activity.instance_id,
        "Details": json.loads(activity.details),
    }  # fmt: skip


def queue(cloud: Cloud, topic: str, subject: str, body: dict[str, Any], makers: list[str]) -> None:
    """Leave a message for a topic's webhook or command; it is delivered outside this transaction.

    A message that those who asked for it may not publish any more is not sent.
    """
    if who := lacking(acting(cloud, makers), "sns:Publish"):
        log.warning("%s: %s may not publish to %s", subject, who, topic)
        return
    notifications.queue(cloud, topic, subject, body)
