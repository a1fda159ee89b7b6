"""A cloud over a fake host, by a clock of the tests' own: `World.passes` lets time go by, with the daemon's steps in it."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest

from minicloud import api
from minicloud.aws import times
from minicloud.cloud import Cloud
from minicloud.errors import ApiError
from minicloud.host.fake import FakeHost
from minicloud.host.fake_drivers import FakeMachine
from minicloud.reconcile import notifications
from minicloud.reconcile.monitor import Steps
from minicloud.topics import Topic

from ..cloud_fixtures import Ec2

START = times.seconds("2027-03-01T12:00:00Z")
TOPIC = "arn:aws:sns:us-east-1:000000000000:ops"
TOPICS = {"ops": Topic(webhook="https://hook.example/x"), "pager": Topic(command=("/usr/local/bin/page", "now"))}


class World:
    """A client of CloudWatch, the cloud that it is of, and the time."""

    def __init__(self, ec2: Ec2, host: FakeHost) -> None:
        self.ec2, self.host, self.cloud = ec2, host, ec2.cloud
        self.wall, self.steady = START, 1000.0
        self.steps = Steps(self.cloud)

    def __call__(self, operation: str, **params: Any) -> dict[str, Any]:
        """The answer of an operation of CloudWatch at the present time, which is what AWS's model says."""
        with self.clock():
            return api.call(self.cloud, "cloudwatch", operation, params)

    def refused(self, operation: str, **params: Any) -> ApiError:
        with pytest.raises(ApiError) as caught:
            self(operation, **params)
        return caught.value

    @contextlib.contextmanager
    def clock(self) -> Iterator[None]:
        """The time of day is that of this world, and so is the uptime."""
        up = mock.patch.object(FakeMachine, "uptime", return_value=self.steady)
        with mock.patch.object(time, "time", return_value=self.wall), up:
            yield

    def at(self, seconds: float) -> str:
        """A moment so many seconds from now."""
        return times.text(self.wall + seconds)

    def passes(self, seconds: float, step: float = 5.0) -> None:
        """Time goes by."""
        end = self.steady + seconds
        while self.steady < end:
            self.wall += step
            self.steady += step
            self.step()

    def step(self) -> None:
        """What the daemon does in one moment."""
        with self.clock():
            self.steps.step(self.wall, self.steady)
            notifications.deliver(self.cloud, self.wall)

    def restart(self) -> None:
        """The daemon is killed and begins anew."""
        self.steps = Steps(self.cloud)

    def put(self, value: float, ago: float = 0.0, name: str = "load", **more: Any) -> None:
        """One datapoint of a metric of the tests' own."""
        datum = {"MetricName": name, "Value": value, "Timestamp": self.at(-ago), **more}
        self("PutMetricData", Namespace="Test", MetricData=[datum])

    def alarm(self, name: str = "high", **changes: Any) -> None:
        """An alarm on that metric."""
        params = {
            "AlarmName": name, "Namespace": "Test", "MetricName": "load", "Statistic": "Average", "Period": 60,
            "EvaluationPeriods": 1, "Threshold": 10.0, "ComparisonOperator": "GreaterThanThreshold", **changes,
        }  # fmt: skip
        self("PutMetricAlarm", **{key: value for key, value in params.items() if value is not None})

    def state(self, name: str = "high") -> str:
        """The state of an alarm."""
        row = self.cloud.state.alarms.get(name)
        assert row is not None
        return row.state

    def history(self, item: str = "StateUpdate", **params: Any) -> list[str]:
        """The summaries of the history, the oldest first."""
        found = self("DescribeAlarmHistory", HistoryItemType=item, ScanBy="TimestampAscending", **params)
        return [one["HistorySummary"] for one in found["AlarmHistoryItems"]]

    def values(self, name: str, about: dict[str, str], statistic: str = "Average", **more: Any) -> list[float]:
        """A metric's values, the oldest first."""
        params = {"Namespace": "AWS/EC2", "Period": 60, "StartTime": self.at(-3600), "EndTime": self.at(60), **more}
        pairs = [{"Name": key, "Value": value} for key, value in about.items()]
        found = self("GetMetricStatistics", MetricName=name, Dimensions=pairs, Statistics=[statistic], **params)["Datapoints"]
        return [one[statistic] for one in sorted(found, key=lambda one: str(one["Timestamp"]))]


@pytest.fixture
def world(ec2: Ec2, host: FakeHost) -> World:
    settings = dataclasses.replace(ec2.cloud.settings, topics=TOPICS)
    ec2.cloud.settings = settings
    return World(ec2, host)


def metrics_of(cloud: Cloud, namespace: str) -> set[str]:
    """The names of the metrics of a namespace."""
    return {one.metric.name for one in cloud.metrics.series(namespace)}
