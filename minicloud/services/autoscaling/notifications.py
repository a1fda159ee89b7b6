"""Whom a group tells what: topics, which are webhooks or commands of the user's settings."""

from ...api import Answer, Call, operation
from ...state.rows_autoscaling import ScalingNotification
from . import told_topics
from .finding import changeable, invalid, named

LAUNCH, LAUNCH_ERROR = "autoscaling:EC2_INSTANCE_LAUNCH", "autoscaling:EC2_INSTANCE_LAUNCH_ERROR"
TERMINATE, TERMINATE_ERROR = "autoscaling:EC2_INSTANCE_TERMINATE", "autoscaling:EC2_INSTANCE_TERMINATE_ERROR"
NOTIFICATIONS = (LAUNCH, LAUNCH_ERROR, TERMINATE, TERMINATE_ERROR, told_topics.TEST)


@operation()
def put_notification_configuration(
    call: Call, *, auto_scaling_group_name: str, topic_arn: str, notification_types: list[str]
) -> Answer:
    """PutNotificationConfiguration: replaces what this topic was told before, and sends it a test notification."""
    group, table = changeable(call, auto_scaling_group_name), call.cloud.state.scaling_notifications
    if strange := [name for name in notification_types if name not in NOTIFICATIONS]:
        raise invalid(f'"{strange[0]}" is not a valid notification type. Allowed: {", ".join(NOTIFICATIONS)}')
    if not notification_types:
        raise invalid("NotificationTypes must name at least one type")
    told_topics.checked(call, topic_arn)
    table.remove_where("group_name = ? and topic = ?", group.name, topic_arn)
    for kind in dict.fromkeys(notification_types):
        table.add(ScalingNotification(group.name, topic_arn, kind, call.makers))
    told_topics.test(call, group, topic_arn)
    return {}


@operation()
def delete_notification_configuration(call: Call, *, auto_scaling_group_name: str, topic_arn: str) -> Answer:
    """DeleteNotificationConfiguration."""
    group = named(call, auto_scaling_group_name)
    gone = call.cloud.state.scaling_notifications.remove_where("group_name = ? and topic = ?", group.name, topic_arn)
    if not gone:
        raise invalid(f"This Auto Scaling group has no notification configuration for {topic_arn}")
    return {}


@operation(items="NotificationConfigurations", key="AutoScalingGroupName TopicARN NotificationType")
def describe_notification_configurations(
    call: Call, *, auto_scaling_group_names: list[str] | None = None, include_managed_resources: bool = True
) -> Answer:
    """DescribeNotificationConfigurations."""
    del include_managed_resources
    table = call.cloud.state.scaling_notifications
    rows = table.among("group_name", auto_scaling_group_names) if auto_scaling_group_names else table.query()
    return {
        "NotificationConfigurations": [
            {"AutoScalingGroupName": row.group_name, "TopicARN": row.topic, "NotificationType": row.kind} for row in rows
        ]
    }
