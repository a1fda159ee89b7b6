"""CloudWatch over the wire: boto3 with each of its three protocols, the commands, Ansible's module twice."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session

from minicloud.aws import times
from minicloud.cli import top
from minicloud.cli.main import execute
from minicloud.cli.session import Session as Cli
from minicloud.host.fake import FakeHost

from ..cloud_fixtures import Ec2
from ..endpoint_fixtures import Served

PROTOCOLS = ("smithy-rpc-v2-cbor", "json", "query")
PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  vars: {ansible_python_interpreter: "{{ ansible_playbook_python }}"}
  tasks:
    - name: An alarm
      amazon.aws.cloudwatch_metric_alarm:
        name: busy
        state: present
        metric_name: CPUUtilization
        namespace: AWS/EC2
        dimensions: {InstanceId: i-0123456789abcdef0}
        statistic: Average
        comparison: GreaterThanOrEqualToThreshold
        threshold: 80.5
        period: 300
        evaluation_periods: 3
        unit: Percent
        description: too busy
        alarm_actions: ["arn:aws:automate:us-east-1:ec2:stop"]
        treat_missing_data: missing
"""


def client(served: Served, protocol: str) -> Any:
    """A boto3 client that speaks one protocol only."""
    session = Session()
    loader = session.get_component("data_loader")
    load = loader.load_service_model

    def only(service: str, kind: str, api_version: str | None = None) -> Any:
        found = load(service, kind, api_version)
        if kind == "service-2":
            found = {**found, "metadata": {**found["metadata"], "protocols": [protocol], "protocol": protocol}}
        return found

    loader.load_service_model = only
    keys = served.keys
    return boto3.Session(botocore_session=session).client(
        "cloudwatch",
        endpoint_url=served.url,
        region_name="us-east-1",
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret,
        config=Config(retries={"max_attempts": 1}, parameter_validation=False),
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_each_protocol(served: Served, protocol: str) -> None:
    cloudwatch = client(served, protocol)
    assert cloudwatch.meta.service_model.metadata["protocols"] == [protocol]
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    about = [{"Name": "host", "Value": "ü & <b>".encode("ascii", "replace").decode()}]
    many = [
        {"MetricName": "load", "Dimensions": about, "Timestamp": now - timedelta(minutes=minute), "Values": [1.5, float(minute)],
         "Counts": [2.0, 1.0], "Unit": "Count"} for minute in range(500)
    ]  # fmt: skip
    cloudwatch.put_metric_data(Namespace="Wire", MetricData=many)  # large enough to be sent compressed
    asked = {"StartTime": now - timedelta(minutes=10), "EndTime": now + timedelta(minutes=1), "Period": 60}
    found = cloudwatch.get_metric_statistics(
        Namespace="Wire", MetricName="load", Dimensions=about, Statistics=["Sum", "Average"], ExtendedStatistics=["p50"], **asked
    )["Datapoints"]
    assert len(found) == 11
    latest = max(found, key=lambda one: one["Timestamp"])
    assert (latest["Timestamp"], latest["Sum"], latest["ExtendedStatistics"]["p50"]) == (now, 3.0, 1.5)
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=[
            {"Id": "m", "MetricStat": {"Metric": {"Namespace": "Wire", "MetricName": "load", "Dimensions": about}, "Period": 60,
                                       "Stat": "Maximum"}, "ReturnData": False},
            {"Id": "e", "Expression": "m*2", "Label": "twice"},
        ],
        StartTime=now - timedelta(hours=2), EndTime=now, MaxDatapoints=50,
    )  # fmt: skip
    values = [value for page in pages for result in page["MetricDataResults"] for value in result["Values"]]
    assert values == [3.0, *(2.0 * minute for minute in range(2, 121))]
    assert [one["MetricName"] for one in cloudwatch.list_metrics(Namespace="Wire")["Metrics"]] == ["load"]
    alarms(cloudwatch)
    picture = cloudwatch.get_metric_widget_image(
        MetricWidget=json.dumps({"metrics": [["Wire", "load", "host", about[0]["Value"]]]})
    )
    assert picture["MetricWidgetImage"].startswith(b"\x89PNG")


def alarms(cloudwatch: Any) -> None:
    """A life of alarms through boto3."""
    cloudwatch.put_metric_alarm(
        AlarmName="high", Namespace="Wire", MetricName="load", Statistic="Sum", Period=60, EvaluationPeriods=2, Threshold=0.5,
        ComparisonOperator="GreaterThanThreshold", Tags=[{"Key": "team", "Value": "web"}],
    )  # fmt: skip
    cloudwatch.get_waiter("alarm_exists").wait(AlarmNames=["high"], WaiterConfig={"Delay": 1, "MaxAttempts": 3})
    cloudwatch.put_composite_alarm(AlarmName="any", AlarmRule='ALARM("high")')
    cloudwatch.set_alarm_state(AlarmName="high", StateValue="ALARM", StateReason="test")
    (shown,) = cloudwatch.describe_alarms(StateValue="ALARM")["MetricAlarms"]
    assert (shown["AlarmName"], shown["Threshold"]) == ("high", 0.5)
    assert shown["StateUpdatedTimestamp"].tzinfo is not None
    assert cloudwatch.list_tags_for_resource(ResourceARN=shown["AlarmArn"])["Tags"] == [{"Key": "team", "Value": "web"}]
    history = cloudwatch.get_paginator("describe_alarm_history").paginate(AlarmName="high", PaginationConfig={"PageSize": 1})
    assert [item["HistoryItemType"] for page in history for item in page["AlarmHistoryItems"]] == [
        "StateUpdate", "ConfigurationUpdate",
    ]  # fmt: skip
    with pytest.raises(ClientError) as caught:
        cloudwatch.set_alarm_state(AlarmName="nobody", StateValue="OK", StateReason="x")
    assert caught.value.response["Error"]["Code"] in ("ResourceNotFound", "ResourceNotFoundException")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    with pytest.raises(ClientError) as caught:
        cloudwatch.put_metric_alarm(AlarmName="bad", Namespace="W", MetricName="x", Statistic="Sum", Period=45)
    assert "Period must be 10, 20, 30 or a multiple of 60" in caught.value.response["Error"]["Message"]
    cloudwatch.delete_alarms(AlarmNames=["any", "high"])
    assert cloudwatch.describe_alarms()["MetricAlarms"] == []


def test_namespaces_of_aws_are_not_a_callers(served: Served) -> None:
    cloudwatch = served.boto("cloudwatch")
    with pytest.raises(ClientError, match="AWS/"):
        cloudwatch.put_metric_data(Namespace="AWS/EC2", MetricData=[{"MetricName": "CPUUtilization", "Value": 1.0}])


@pytest.mark.parametrize("again", [False, True])
def test_ansible_changes_nothing_the_second_time(served: Served, tmp_path: Path, again: bool) -> None:
    playbook = tmp_path / "alarm.yml"
    playbook.write_text(PLAYBOOK)
    environment = {**os.environ, **served.environment(tmp_path), "ANSIBLE_LOCALHOST_WARNING": "False", "AWS_REGION": "us-east-1"}
    tool = Path(sys.executable).with_name("ansible-playbook")

    def play() -> str:
        done = subprocess.run(
            [tool, "-i", "localhost,", playbook], capture_output=True, text=True, env=environment, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    if again:
        play()
    assert f"changed={0 if again else 1}" in play()
    row = served.cloud.state.alarms.get("busy")
    assert row is not None
    assert row.settings["Threshold"] == 80.5


@dataclass
class Said:
    """What a command printed, and its exit status."""

    status: int
    output: str


def command(capsys: pytest.CaptureFixture[str], cloud: Any, *words: str) -> Said:
    status = execute(list(words), Cli(connect=lambda: cloud))
    return Said(status, capsys.readouterr().out)


def test_commands(ec2: Ec2, capsys: pytest.CaptureFixture[str]) -> None:
    def run(name: str, **flags: str) -> Said:
        words = [word for flag, value in flags.items() for word in (f"--{flag.replace('_', '-')}", value)]
        return command(capsys, ec2.cloud, "cloudwatch", *name.split(), *words)

    one = {"namespace": "Cli", "metric_name": "x"}
    assert run("put-metric-data", **one, value="5", unit="Count").status == 0
    assert run("put-metric-data", **one, value="-5", dimensions="a=1,b=2").status == 0
    assert run("put-metric-data", **one, statistic_values="SampleCount=2,Sum=3,Minimum=1,Maximum=2").status == 0
    assert run("put-metric-data", **one, value="much").status == 252
    data = json.dumps([{"MetricName": "y", "Value": 2.5, "Dimensions": [{"Name": "a", "Value": "b"}]}])
    assert run("put-metric-data", namespace="Cli", metric_data=data).status == 0
    assert run("put-metric-data", **one, metric_data=data).status == 252
    assert json.loads(run("list-metrics", namespace="Cli", query="Metrics[].MetricName").output) == ["x", "x", "y"]
    rule = {"period": "60", "evaluation_periods": "1", "threshold": "3", "comparison_operator": "GreaterThanThreshold"}
    assert run("put-metric-alarm", **one, alarm_name="a", statistic="Sum", **rule).status == 0
    assert run("put-metric-alarm", **one, alarm_name="b", statistic="Sum", **{**rule, "period": "7"}).status == 254
    assert run("wait alarm-exists", alarm_names="a").status == 0
    assert run("put-composite-alarm", alarm_name="c", alarm_rule="ALARM(a) OR TRUE").status == 0
    table = command(
        capsys, ec2.cloud, "cloudwatch", "describe-alarms", "--alarm-types", "MetricAlarm", "CompositeAlarm", "--output", "table"
    ).output
    assert "GreaterThanThreshold" in table
    assert "ALARM(a) OR TRUE" in table
    now = time.time()
    span = {"start_time": times.text(now - 600), "end_time": times.text(now + 60), "period": "60"}
    asked = run("get-metric-statistics", **one, statistics="Sum", **span, query="Datapoints[].Sum")
    assert sum(json.loads(asked.output)) == 8.0


def test_top_shows_what_instances_do(ec2: Ec2, host: FakeHost) -> None:
    idle, busy = ec2.run(), ec2.run(Tags=None)
    stopped = ec2.run()
    ec2("StopInstances", InstanceIds=[stopped])
    ec2("CreateTags", Resources=[busy], Tags=[{"Key": "Name", "Value": "web\x1b[31m"}])
    before = top.look(ec2.cloud)
    host.work(busy, cpu_seconds=1.0, out_bytes=5000, write_bytes=1 << 21)
    after = top.look(ec2.cloud)
    answer = top.report(ec2.cloud, before, top.Look(before.moment + 1.0, after.guests))
    first, second, third = answer["Instances"]
    assert (first["InstanceId"], first["CPUUtilization"], first["NetworkOut"], first["DiskWrite"]) == (busy, 50.0, 5000, 1 << 21)
    assert {second["InstanceId"], third["InstanceId"]} == {idle, stopped}
    assert next(one for one in answer["Instances"] if one["InstanceId"] == stopped)["CPUUtilization"] is None
    shown = top.table_of(answer)["Instances"][0]
    assert (shown["CPU"], shown["Net out"], shown["Disk write"]) == ("50.0 %", "4.9 KiB/s", "2.0 MiB/s")


def test_top_is_one_table_in_a_pipe(ec2: Ec2, capsys: pytest.CaptureFixture[str]) -> None:
    instance = ec2.run()
    said = command(capsys, ec2.cloud, "top", "--interval", "0.2")
    assert json.loads(said.output)["Instances"][0]["InstanceId"] == instance
    table = command(capsys, ec2.cloud, "top", "--once", "--interval", "0.2", "--output", "table")
    assert instance in table.output
    assert command(capsys, ec2.cloud, "top", "--interval", "0").status == 252
