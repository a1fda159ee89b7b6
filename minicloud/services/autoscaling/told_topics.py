"""The topics that a group tells something: webhooks or commands of the settings. Whoever is named hears of it at once."""

import uuid

from ...api import Call
from ...aws import autoscaling_texts as texts
from ...callers import check
from ...state.rows_autoscaling import ScalingGroup
from ...state.rows_cloudwatch import Notification
from .finding import invalid

TEST = "autoscaling:TEST_NOTIFICATION"


def checked(call: Call, arn: str) -> str:
    """The ARN, if it is that of a topic there is, to which the caller may publish. Raises ApiError."""
    if not arn.startswith("arn:aws:sns:"):
        raise invalid("Topic ARN must be that of an SNS topic: arn:aws:sns:REGION:ACCOUNT:NAME")
    if (name := arn.rpartition(":")[2]) not in call.cloud.settings.topics:
        raise invalid(f"There is no topic {name[:80]}: a topic is a webhook or a command of the settings, [topics.{name[:80]}]")
    check(call.caller, "autoscaling", "sns:Publish", arn)
    return arn


def test(call: Call, group: ScalingGroup, arn: str) -> None:
    """Send what tells a receiver that it will be told of this group."""
    body = {
        "Service": texts.SERVICE, "Time": call.now, "RequestId": str(uuid.uuid4()), "Event": TEST,
        "AccountId": call.cloud.settings.account_id, "AutoScalingGroupName": group.name, "AutoScalingGroupARN": group.arn,
    }  # fmt: skip
    subject = f'Auto Scaling: test notification for group "{group.name}"'
    call.cloud.state.notifications.add(Notification.of(arn, subject, body, call.now))
