"""Real measurements of a real, tiny guest: its own figures against CloudWatch's, and an alarm that stops it.

The collector runs as in the daemon, with short intervals; the tests of this file run in its order.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from minicloud import api
from minicloud.aws import times
from minicloud.reconcile.monitor import Monitor

from ..cloud_fixtures import Ec2
from ..crashes import orphans
from ..real_cloud import cloud_at, launch
from ..ssh import BOOT, Login
from ..waits import until

pytestmark = [pytest.mark.lab, pytest.mark.guest]
CLOUD = "monitoring"
SECONDS = 5
Property = Callable[[str, object], None]
STOP = "arn:aws:automate:us-east-1:ec2:stop"


@dataclass
class Measured:
    """A guest, and the cloud that measures it."""

    ec2: Ec2
    guest: Login

    def cloudwatch(self, operation: str, **params: Any) -> dict[str, Any]:
        return api.call(self.ec2.cloud, "cloudwatch", operation, params)

    def points(self, name: str, since: float, until_: float) -> dict[float, float]:
        """The sums of a metric of the guest by their times."""
        found = self.cloudwatch(
            "GetMetricStatistics", Namespace="AWS/EC2", MetricName=name, Period=SECONDS, Statistics=["Sum"],
            Dimensions=self.about, StartTime=times.text(since), EndTime=times.text(until_),
        )["Datapoints"]  # fmt: skip
        return {times.seconds(one["Timestamp"]): one["Sum"] for one in found}

    @property
    def about(self) -> list[dict[str, str]]:
        return [{"Name": "InstanceId", "Value": self.guest.instance_id}]

    def ticks(self) -> tuple[float, float]:
        """The guest's own account: what its processors did since it started, and how much of that they were idle."""
        figures = [float(word) for word in self.guest.run("head -1 /proc/stat").split()[1:9]]
        return sum(figures), figures[3] + figures[4]


@pytest.fixture(scope="module")
def measured() -> Iterator[Measured]:
    ec2 = Ec2(cloud_at(CLOUD, sample_seconds=SECONDS))
    private = ec2("CreateKeyPair", KeyName="k", KeyType="ed25519")["KeyMaterial"]
    answer = ec2("RunInstances", **launch("tiny", "t2.nano"), KeyName="k", Monitoring={"Enabled": True})
    guest = Login.of(ec2, answer["Instances"][0]["InstanceId"], "root", private)
    monitor = Monitor(ec2.cloud)
    monitor.start()
    guest.run("true")
    yield Measured(ec2, guest)
    monitor.stop()
    ec2("TerminateInstances", InstanceIds=[guest.instance_id])
    assert orphans(lambda: cloud_at(CLOUD)) == []


def _favour(guest_id: str) -> None:
    """Let a guest's threads go before everything else on this host. What a vCPU waits for a processor, an emulated guest counts
    partly as its own work and partly not at all: a comparison with its accounts needs a host that does not let it wait.
    """
    for about in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if f"guest={guest_id}".encode() in about.read_bytes():
                for thread in (about.parent / "task").iterdir():
                    os.sched_setscheduler(int(thread.name), os.SCHED_RR, os.sched_param(1))
                return
    raise AssertionError(f"no process is the guest {guest_id}")


def _boundary() -> float:
    """Wait for the beginning of an interval; its time."""
    begin = (time.time() // SECONDS + 1) * SECONDS
    time.sleep(begin - time.time())
    return begin


def test_cpu_utilization_is_what_the_guest_says_itself(measured: Measured, record_property: Property) -> None:
    _favour(measured.guest.instance_id)
    # Half of the time busy: neither an idle nor a full processor would show an error of the measure.
    measured.guest.run("(while :; do timeout 1 sh -c 'while :; do :; done'; sleep 1; done) >/dev/null 2>&1 & echo $! >/run/load")
    begin, before = _boundary(), measured.ticks()
    time.sleep(60)
    after, end = measured.ticks(), _boundary()
    measured.guest.run("kill $(cat /run/load)")
    until("the last interval is kept", lambda: measured.points("CPUUtilization", end - SECONDS, end), 60)
    own = 100.0 * (1.0 - (after[1] - before[1]) / (after[0] - before[0]))
    found = measured.points("CPUUtilization", begin, end)
    seen = sum(found.values()) / len(found)
    record_property("CPUUtilization", f"the guest says {own:.2f} %, CloudWatch {seen:.2f} % ({len(found)} datapoints)")
    assert len(found) >= 10
    assert 20 < own < 95
    assert abs(own - seen) <= 3.0, f"the guest says {own:.2f} %, CloudWatch {seen:.2f} %"


def _ten_mebibytes(measured: Measured) -> tuple[int, dict[str, dict[float, float]], int]:
    """What the guest says that it sent, what the metrics say of the same time by intervals, and how many of these there were.

    An interval in which nothing is sent comes first, and one last: a look that is late counts as its neighbour's.
    """
    begin = _boundary()
    own = "cat /sys/class/net/e*/statistics/tx_bytes"
    before = int(measured.guest.run(own))
    _boundary()
    measured.guest.run("dd if=/dev/zero bs=64k count=160 2>/dev/null | cat >/run/ten; cat /run/ten", patience=BOOT)
    sent = int(measured.guest.run(own)) - before
    _boundary()
    end = _boundary()
    until("a later interval is kept", lambda: measured.points("NetworkOut", end, end + 60), 60)
    return sent, {name: measured.points(name, begin, end) for name in ("NetworkOut", "NetworkIn")}, round((end - begin) / SECONDS)


def test_network_out_is_what_the_guest_sent(measured: Measured, record_property: Property) -> None:
    for _ in range(5):
        sent, found, intervals = _ten_mebibytes(measured)
        if len(found["NetworkOut"]) == intervals:
            break  # a busy host makes gaps, and what is in a gap is not counted
    else:
        raise AssertionError(f"there was a gap each time: {found}")
    seen = sum(found["NetworkOut"].values())
    record_property("NetworkOut", f"the guest says {sent}, CloudWatch {seen:.0f}")
    assert sent > 10 << 20
    assert abs(seen - sent) <= 0.03 * sent
    assert sum(found["NetworkIn"].values()) < sent / 2


def test_an_alarm_stops_a_guest_that_works_too_hard(measured: Measured) -> None:
    measured.cloudwatch(
        "PutMetricAlarm", AlarmName="busy", Namespace="AWS/EC2", MetricName="CPUUtilization", Dimensions=measured.about,
        Statistic="Average", Period=10, EvaluationPeriods=2, Threshold=60.0, ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[STOP],
    )  # fmt: skip
    measured.guest.run("(while :; do :; done) >/dev/null 2>&1 & true")

    def stopped() -> bool:
        measured.ec2.look()
        return measured.ec2.state(measured.guest.instance_id) == "stopped"

    until("the alarm has stopped the guest", stopped, BOOT, pause=1.0)
    history = measured.cloudwatch("DescribeAlarmHistory", AlarmName="busy", ScanBy="TimestampAscending")["AlarmHistoryItems"]
    summaries = [one["HistorySummary"] for one in history]
    assert summaries.count(f"Successfully executed action {STOP}") == 1
    assert any(summary.endswith("to ALARM") for summary in summaries)
