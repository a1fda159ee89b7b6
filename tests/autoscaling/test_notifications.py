"""Who is told of what a group does: messages to topics, and the tokens of lifecycle actions."""

import dataclasses
import json
import time
from typing import Any

import pytest

from minicloud.reconcile import notifications
from minicloud.topics import Topic

from .scene import Scaling

OPS = "arn:aws:sns:us-east-1:000000000000:ops"
LAUNCH, FAILED, TERMINATE = (
    "autoscaling:EC2_INSTANCE_LAUNCH", "autoscaling:EC2_INSTANCE_LAUNCH_ERROR", "autoscaling:EC2_INSTANCE_TERMINATE",
)  # fmt: skip
TEST = "autoscaling:TEST_NOTIFICATION"


@pytest.fixture
def heard(scaling: Scaling) -> list[dict[str, Any]]:
    """What the webhook of the topic `ops` has heard so far."""
    topics = {"ops": Topic(webhook="http://127.0.0.1:1/hook")}
    scaling.cloud.settings = dataclasses.replace(scaling.cloud.settings, topics=topics)
    return []


def deliver(scaling: Scaling, said: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Deliver what is due; the messages that were new, without tests."""
    before = len(said)
    notifications.deliver(scaling.cloud, time.time())
    said[:] = [one for one in map(_body, scaling.host.sent()) if TEST not in one["Message"]]
    return [json.loads(one["Message"]) for one in said[before:]]


def _body(sent: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(sent["body"]))


def wants(scaling: Scaling, *kinds: str) -> None:
    scaling("PutNotificationConfiguration", AutoScalingGroupName="group", TopicARN=OPS, NotificationTypes=list(kinds))


def test_launches_and_terminations_are_told_once_they_are_over(scaling: Scaling, heard: list[dict[str, Any]]) -> None:
    scaling.create(DesiredCapacity=0)
    wants(scaling, LAUNCH, TERMINATE)
    scaling("SetDesiredCapacity", AutoScalingGroupName="group", DesiredCapacity=1)
    (instance_id,) = scaling.in_service()
    (told,) = deliver(scaling, heard)
    assert (told["Event"], told["EC2InstanceId"], told["StatusCode"]) == (LAUNCH, instance_id, "Successful")
    assert told["Cause"] == scaling.activities()[0]["Cause"]
    assert told["Details"].keys() == {"Subnet ID", "Availability Zone"}
    assert heard[0]["TopicArn"] == OPS
    assert heard[0]["Subject"] == 'Auto Scaling: launch for group "group"'
    scaling("SetDesiredCapacity", AutoScalingGroupName="group", DesiredCapacity=0)
    scaling.look()
    assert [one["Event"] for one in deliver(scaling, heard)] == [TERMINATE]


@pytest.mark.usefixtures("heard")
def test_who_is_named_hears_of_it_at_once(scaling: Scaling) -> None:
    scaling.create(DesiredCapacity=0)
    wants(scaling, LAUNCH, TERMINATE)
    scaling(
        "PutLifecycleHook", AutoScalingGroupName="group", LifecycleHookName="hook", NotificationTargetARN=OPS,
        LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING",
    )  # fmt: skip
    notifications.deliver(scaling.cloud, time.time())
    told = [json.loads(_body(one)["Message"]) for one in scaling.host.sent()]
    assert [(one["Event"], one["AutoScalingGroupName"]) for one in told] == [(TEST, "group")] * 2


def test_failures_are_told_to_those_who_ask_for_them(scaling: Scaling, heard: list[dict[str, Any]]) -> None:
    scaling.create(DesiredCapacity=0)
    wants(scaling, FAILED)
    scaling.ec2("DeleteLaunchTemplate", LaunchTemplateName="template")
    scaling("SetDesiredCapacity", AutoScalingGroupName="group", DesiredCapacity=1)
    (told,) = deliver(scaling, heard)
    assert told["Event"] == FAILED
    assert told["StatusMessage"].endswith("Launching EC2 instance failed.")


def test_a_hook_tells_its_token_with_which_it_is_completed(scaling: Scaling, heard: list[dict[str, Any]]) -> None:
    scaling.create(DesiredCapacity=0)
    scaling(
        "PutLifecycleHook", AutoScalingGroupName="group", LifecycleHookName="hook", NotificationTargetARN=OPS,
        LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING", NotificationMetadata="blue",
    )  # fmt: skip
    scaling("SetDesiredCapacity", AutoScalingGroupName="group", DesiredCapacity=1)
    (told,) = deliver(scaling, heard)
    assert (told["LifecycleHookName"], told["NotificationMetadata"]) == ("hook", "blue")
    scaling(
        "CompleteLifecycleAction", AutoScalingGroupName="group", LifecycleHookName="hook",
        LifecycleActionToken=told["LifecycleActionToken"], LifecycleActionResult="CONTINUE",
    )  # fmt: skip
    assert scaling.in_service() == [told["EC2InstanceId"]]


def test_topics_are_those_of_the_settings(scaling: Scaling, heard: list[dict[str, Any]]) -> None:
    scaling.create(DesiredCapacity=0)
    wants(scaling, LAUNCH)
    found = scaling("DescribeNotificationConfigurations", AutoScalingGroupNames=["group"])["NotificationConfigurations"]
    assert found == [{"AutoScalingGroupName": "group", "TopicARN": OPS, "NotificationType": LAUNCH}]
    error = scaling.refused(
        "PutNotificationConfiguration", AutoScalingGroupName="group", TopicARN=f"{OPS}x", NotificationTypes=[LAUNCH]
    )
    assert "There is no topic opsx" in error.message
    error = scaling.refused(
        "PutLifecycleHook", AutoScalingGroupName="group", LifecycleHookName="hook", NotificationTargetARN=f"{OPS}x",
        LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING",
    )  # fmt: skip
    assert "There is no topic opsx" in error.message
    assert scaling("DescribeLifecycleHooks", AutoScalingGroupName="group")["LifecycleHooks"] == []
    scaling("DeleteNotificationConfiguration", AutoScalingGroupName="group", TopicARN=OPS)
    scaling("SetDesiredCapacity", AutoScalingGroupName="group", DesiredCapacity=1)
    assert deliver(scaling, heard) == []
