"""The daemon's monitoring is killed with `kill -9` at each of its steps: an alarm's state changes once, its actions happen once,
its message arrives, with one MessageId however often it is sent. In processes of their own, over a fake host.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from minicloud import api
from minicloud.aws import times
from minicloud.cloud import Cloud
from minicloud.host import fake
from minicloud.reconcile import alarms, notifications
from minicloud.reconcile.monitor import Steps

from ..cloud_fixtures import IMAGE, Ec2, cloud_in
from ..crashes import Point, arm, both
from ..processes import killed
from .world import START, TOPIC, TOPICS

STATES, ACTIONS, SENDING = (
    "minicloud.metrics.alarm_states",
    "minicloud.reconcile.alarm_actions",
    "minicloud.reconcile.notifications",
)
POINTS = [
    *both(f"{STATES}:change", f"{STATES}:note", f"{STATES}:queue_actions", f"{ACTIONS}:_act", f"{ACTIONS}:_told"),
    *both(f"{SENDING}:queue", f"{SENDING}:_send", "messages.post", f"{SENDING}:_done"),
    Point(f"{ACTIONS}:_act", "before", 2), Point(f"{ACTIONS}:_act", "after", 2),
]  # fmt: skip
REBOOT = "arn:aws:automate:us-east-1:ec2:reboot"


def opened(directory: Path) -> Cloud:
    cloud = cloud_in(directory, work=False)
    cloud.settings = dataclasses.replace(cloud.settings, topics=TOPICS)
    return cloud


def call(cloud: Cloud, operation: str, **params: Any) -> dict[str, Any]:
    return api.call(cloud, "cloudwatch", operation, params)


def daemon(cloud: Cloud) -> None:
    """What the daemon does in a moment, at the time of these tests."""
    with mock.patch("time.time", return_value=START + 75):
        steps = Steps(cloud)
        steps.evaluator.watching = 0.0
        alarms.Evaluator.step(steps.evaluator, START + 75)
        steps.step(START + 75, 1000.0)
        notifications.deliver(cloud, START + 75)


@pytest.mark.parametrize("point", POINTS, ids=str)
def test_once(tmp_path: Path, point: Point) -> None:
    fake.host(tmp_path / "host").add_image(IMAGE)
    cloud = cloud_in(tmp_path)
    instance = Ec2(cloud).run()
    about = [{"Name": "InstanceId", "Value": instance}]
    with mock.patch("time.time", return_value=START + 30):
        datum = {"MetricName": "load", "Value": 50.0, "Timestamp": times.text(START + 10), "Dimensions": about}
        call(cloud, "PutMetricData", Namespace="Test", MetricData=[datum])
    cloud.state.close()
    cloud.metrics.close()
    cloud = opened(tmp_path)
    call(cloud, "PutMetricAlarm", AlarmName="high", Namespace="Test", MetricName="load", Dimensions=about, Statistic="Average",
         Period=60, EvaluationPeriods=1, Threshold=10.0, ComparisonOperator="GreaterThanThreshold",
         AlarmActions=[REBOOT, TOPIC])  # fmt: skip
    cloud.state.close()
    cloud.metrics.close()

    def dies() -> None:
        fresh = opened(tmp_path)
        arm(fresh, point)
        daemon(fresh)

    assert killed(dies), f"the daemon does not come to {point}"
    assert not killed(lambda: daemon(opened(tmp_path)))
    assert not killed(lambda: daemon(opened(tmp_path)))
    state = opened(tmp_path).state
    assert [row.state for row in state.alarms.query()] == ["ALARM"]
    kept = state.alarm_history.query()
    summaries = sorted(row.summary for row in kept if row.item != "ConfigurationUpdate")
    assert summaries == [
        "Alarm updated from INSUFFICIENT_DATA to ALARM", f"Successfully executed action {REBOOT}",
        f"Successfully executed action {TOPIC}",
    ]  # fmt: skip
    row = state.instances.get(instance)
    assert row is not None
    assert row.reboots_asked == 1
    assert state.alarm_actions.query() == state.notifications.query() == []
    sent = [json.loads(one["body"])["MessageId"] for one in fake.host(tmp_path / "host").sent()]
    assert len(sent) in (1, 2)
    assert len(set(sent)) == 1
