"""Alarms from datapoints to actions, by a clock of the tests' own."""

import json
from typing import Any

import pytest

from minicloud import api
from minicloud.errors import ApiError, Retry
from minicloud.reconcile import alarm_actions
from minicloud.reconcile.monitor import Steps

from .world import TOPIC, World

STOP = "arn:aws:automate:us-east-1:ec2:stop"
POLICY = "arn:aws:autoscaling:us-east-1:000000000000:scalingPolicy:0-1:autoScalingGroupName/web:policyName/up"


def watched(world: World) -> None:
    """The daemon has run for some time."""
    world.passes(600, 30)


def test_an_alarm_goes_to_alarm_and_back(world: World) -> None:
    watched(world)
    world.alarm(AlarmActions=[TOPIC], OKActions=[TOPIC])
    assert world.state() == "INSUFFICIENT_DATA"
    world.put(5)
    world.passes(70)
    assert world.state() == "OK"
    world.put(50)
    world.passes(70)
    assert world.state() == "ALARM"
    world.put(5)
    world.passes(70)
    assert world.state() == "OK"
    assert world.history() == [
        "Alarm updated from INSUFFICIENT_DATA to OK", "Alarm updated from OK to ALARM", "Alarm updated from ALARM to OK",
    ]  # fmt: skip
    messages = [json.loads(json.loads(one["body"])["Message"]) for one in world.host.sent()]
    assert [(one["OldStateValue"], one["NewStateValue"]) for one in messages] == [
        ("INSUFFICIENT_DATA", "OK"), ("OK", "ALARM"), ("ALARM", "OK"),
    ]  # fmt: skip
    assert messages[1]["Trigger"]["MetricName"] == "load"
    (shown,) = world("DescribeAlarms", AlarmNames=["high"])["MetricAlarms"]
    assert json.loads(shown["StateReasonData"])["recentDatapoints"] == [5.0]


def test_missing_data(world: World) -> None:
    watched(world)
    for treatment in ("missing", "ignore", "breaching", "notBreaching"):
        world.alarm(treatment, TreatMissingData=treatment)
    world.put(5)
    world.passes(70)
    assert {world.state(name) for name in ("missing", "ignore", "breaching", "notBreaching")} == {"OK"}
    world.passes(300)
    assert world.state("missing") == "INSUFFICIENT_DATA"
    assert world.state("ignore") == "OK"
    assert world.state("breaching") == "ALARM"
    assert world.state("notBreaching") == "OK"


def test_three_of_five(world: World) -> None:
    watched(world)
    world.alarm(EvaluationPeriods=5, DatapointsToAlarm=3)
    for value, state in ((1, "OK"), (50, "OK"), (50, "OK"), (1, "OK"), (50, "ALARM"), (1, "ALARM"), (1, "OK")):
        world.put(value)
        world.passes(60)
        world.passes(5)
        world.passes(-5)
        if state == "ALARM" or value == 1:
            assert world.state() in (state, "INSUFFICIENT_DATA"), (value, state)


def test_high_resolution_alarms(world: World) -> None:
    watched(world)
    world.alarm(Period=10)
    for _ in range(3):
        world.put(50, StorageResolution=1)
        world.passes(10)
    assert world.state() == "ALARM"


def test_metric_math_alarm(world: World) -> None:
    watched(world)

    def metric(query_id: str, name: str) -> dict[str, Any]:
        stat = {"Metric": {"Namespace": "Test", "MetricName": name}, "Period": 60, "Stat": "Sum"}
        return {"Id": query_id, "MetricStat": stat, "ReturnData": False}

    queries = [metric("e", "errors"), metric("r", "requests"), {"Id": "rate", "Expression": "100*e/r", "ReturnData": True}]
    world("PutMetricAlarm", AlarmName="rate", Metrics=queries, EvaluationPeriods=1, Threshold=10,
          ComparisonOperator="GreaterThanThreshold")  # fmt: skip
    world.put(5, name="errors")
    world.put(20, name="requests")
    world.passes(70)
    assert world.state("rate") == "ALARM"
    world.put(1, name="errors")
    world.put(20, name="requests")
    world.passes(70)
    assert world.state("rate") == "OK"


def test_percentiles_of_few_samples_change_nothing(world: World) -> None:
    watched(world)
    low = {"Statistic": None, "ExtendedStatistic": "p99"}
    world.alarm("ignore", **low, EvaluateLowSampleCountPercentile="ignore")
    world.alarm("evaluate", **low)
    world.put(50)
    world.passes(70)
    assert (world.state("ignore"), world.state("evaluate")) == ("INSUFFICIENT_DATA", "ALARM")


def test_ec2_actions_happen_once(world: World) -> None:
    one = world.ec2.run()
    watched(world)
    about = [{"Name": "InstanceId", "Value": one}]
    world.alarm(Dimensions=about, AlarmActions=[STOP])
    world.put(50, Dimensions=about)
    world.passes(70)
    world.ec2.look()
    assert world.ec2.state(one) == "stopped"
    assert world.history("Action") == [f"Successfully executed action {STOP}"]


@pytest.mark.parametrize(("action", "wish"), [("Terminate", "terminated"), ("Reboot", "running"), ("Stop", "stopped")])
def test_ec2_actions_of_the_old_kind(world: World, action: str, wish: str) -> None:
    one = world.ec2.run()
    arn = f"arn:aws:swf:us-east-1:000000000000:action/actions/AWS_EC2.InstanceId.{action}/1.0"
    world.alarm(Dimensions=[{"Name": "InstanceId", "Value": one}], AlarmActions=[arn])
    world("SetAlarmState", AlarmName="high", StateValue="ALARM", StateReason="test")
    world.step()
    assert world.ec2.row(one).wish == wish
    assert world.ec2.row(one).reboots_asked == (1 if action == "Reboot" else 0)


def test_recovery_restarts(world: World) -> None:
    one = world.ec2.run()
    world("PutMetricAlarm", AlarmName="r", Namespace="AWS/EC2", MetricName="StatusCheckFailed_System", Period=60,
          Statistic="Maximum", EvaluationPeriods=2, Threshold=1, ComparisonOperator="GreaterThanOrEqualToThreshold",
          Dimensions=[{"Name": "InstanceId", "Value": one}], AlarmActions=["arn:aws:automate:us-east-1:ec2:recover"])  # fmt: skip
    world("SetAlarmState", AlarmName="r", StateValue="ALARM", StateReason="test")
    world.step()
    assert world.ec2.row(one).reboots_asked == 1


def test_an_action_that_is_refused_is_told(world: World) -> None:
    world.alarm(Dimensions=[{"Name": "InstanceId", "Value": "i-0123456789abcdef0"}], AlarmActions=[STOP])
    world("SetAlarmState", AlarmName="high", StateValue="ALARM", StateReason="test")
    world.step()
    (said,) = world.history("Action")
    assert said.startswith(f"Failed to execute action {STOP}.")
    assert "does not exist" in said
    assert world.cloud.state.alarm_actions.query() == []


def test_an_action_that_fails_keeps_no_other_waiting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one = world.ec2.run()
    real = api.call

    def call(cloud: Any, service: str, name: str, params: Any, **more: Any) -> Any:
        if service == "autoscaling":
            raise KeyError("a fault of ours")
        return real(cloud, service, name, params, **more)

    monkeypatch.setattr(alarm_actions.api, "call", call)
    world.alarm("bad", AlarmActions=[POLICY])
    world.alarm("good", Dimensions=[{"Name": "InstanceId", "Value": one}], AlarmActions=[STOP])
    for name in ("bad", "good"):
        world("SetAlarmState", AlarmName=name, StateValue="ALARM", StateReason="test")
    world.step()
    assert world.ec2.row(one).wish == "stopped"
    assert world.cloud.state.alarm_actions.query() == []
    assert [said[:6] for said in world.history("Action")] == ["Failed", "Succes"]


def test_a_policy_is_asked_for_again_while_the_alarm_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    real = api.call

    def call(cloud: Any, service: str, name: str, params: Any, **more: Any) -> Any:
        if service != "autoscaling":
            return real(cloud, service, name, params, **more)
        asked.append({"operation": name, **params, "who": more["caller"].user_id, "alarm": more["caller"].arn})
        return {}

    monkeypatch.setattr(alarm_actions.api, "call", call)
    watched(world)
    world.alarm(AlarmActions=[POLICY])
    for _ in range(4):
        world.put(50)
        world.passes(60)
    assert len(asked) in (3, 4)
    assert asked[0] == {
        "operation": "ExecutePolicy", "AutoScalingGroupName": "web", "PolicyName": POLICY, "MetricValue": 50.0,
        "BreachThreshold": 10.0, "who": "cloudwatch.amazonaws.com",
        "alarm": "arn:aws:cloudwatch:us-east-1:000000000000:alarm:high",
    }  # fmt: skip
    assert len(world.history()) == 1
    world("DisableAlarmActions", AlarmNames=["high"])
    before = len(asked)
    world.put(50)
    world.passes(120)
    assert len(asked) == before


@pytest.mark.parametrize("moment", ["before", "inside", "after"])
def test_killed_while_it_acts_it_acts_once(world: World, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    one = world.ec2.run()
    world.alarm(Dimensions=[{"Name": "InstanceId", "Value": one}], AlarmActions=["arn:aws:automate:us-east-1:ec2:reboot"])
    world("SetAlarmState", AlarmName="high", StateValue="ALARM", StateReason="test")

    class Killed(BaseException):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        if moment == "before":
            patch.setattr(alarm_actions, "_act", die)
        elif moment == "inside":
            patch.setattr(alarm_actions.alarm_states, "note", die)
        else:
            patch.setattr(alarm_actions, "_told", lambda *_: {})
            patch.setattr(world.steps.cloud.metrics, "age", die)
        with pytest.raises(Killed):
            world.step()
    world.restart()
    world.passes(30)
    assert world.ec2.row(one).reboots_asked == 1
    assert len(world.history("Action")) == 1


def test_a_state_that_was_set_lasts_until_the_next_look(world: World) -> None:
    watched(world)
    world.alarm()
    world.put(5)
    world.passes(70)
    world("SetAlarmState", AlarmName="high", StateValue="ALARM", StateReason="drill", StateReasonData='{"a": 1}')
    assert world.state() == "ALARM"
    world.put(5)
    world.passes(70)
    assert world.history()[-2:] == ["Alarm updated from OK to ALARM", "Alarm updated from ALARM to OK"]


def test_a_daemon_that_was_off_raises_no_alarm(world: World) -> None:
    watched(world)
    world.alarm(TreatMissingData="breaching")
    world.put(5)
    world.passes(70)
    assert world.state() == "OK"
    world.wall, world.steady = world.wall + 7200, world.steady + 7200
    world.restart()
    world.passes(60)
    assert world.state() == "OK"
    world.put(5)
    world.passes(120)
    assert world.state() == "OK"
    world.passes(600)
    assert world.state() == "ALARM"


@pytest.mark.parametrize("jump", [86400.0, -86400.0])
def test_a_clock_that_jumps_starts_no_storm(world: World, jump: float) -> None:
    watched(world)
    world.put(5)
    world.passes(65)
    for number in range(20):
        world.alarm(f"a{number}", TreatMissingData=("breaching", "missing", "notBreaching")[number % 3], AlarmActions=[TOPIC])
    for _ in range(3):
        world.put(5)
        world.passes(60)
    before = len(world.history())
    world.wall += jump
    for _ in range(5):
        world.put(5)
        world.passes(60)
    assert {world.state(f"a{number}") for number in range(20)} == {"OK"}
    assert len(world.cloud.state.alarm_history.find(item="StateUpdate")) == before == 20


def test_messages_are_tried_again_and_then_given_up(world: World) -> None:
    world.alarm(AlarmActions=[TOPIC])
    world.host.fail("messages.post", Retry("no answer"), times=2)
    world("SetAlarmState", AlarmName="high", StateValue="ALARM", StateReason="test")
    world.passes(120)
    (sent,) = world.host.sent()
    body = json.loads(sent["body"])
    assert (body["Type"], body["TopicArn"]) == ("Notification", TOPIC)
    assert sent["headers"]["x-amz-sns-message-id"] == body["MessageId"]
    assert body["Subject"] == 'ALARM: "high" in us-east-1'
    world.host.fail("messages.post", Retry("no answer"), times=100)
    world("SetAlarmState", AlarmName="high", StateValue="OK", StateReason="test")
    world("SetAlarmState", AlarmName="high", StateValue="ALARM", StateReason="test")
    world.passes(9000, 30)
    assert world.cloud.state.notifications.query() == []
    assert any(said.startswith("Failed to execute action") for said in world.history("Action"))


def test_a_command_gets_the_message(world: World) -> None:
    world.alarm(AlarmActions=["arn:aws:sns:us-east-1:000000000000:pager"])
    world("SetAlarmState", AlarmName="high", StateValue="ALARM", StateReason="$(reboot); `id`")
    world.passes(10)
    (sent,) = world.host.sent()
    assert sent["command"] == ["/usr/local/bin/page", "now"]
    assert json.loads(json.loads(sent["body"])["Message"])["NewStateReason"] == "$(reboot); `id`"


def test_an_alarm_that_cannot_be_worked_out_does_not_stop_others(world: World) -> None:
    watched(world)
    world.alarm("broken")
    world.cloud.state.alarms.change("broken", settings={"nonsense": 1})
    world.alarm("fine")
    world.put(50)
    world.passes(70)
    assert world.state("fine") == "ALARM"


def test_steps_go_on_over_a_cloud_with_nothing(world: World) -> None:
    steps = Steps(world.cloud)
    for moment in range(3):
        steps.step(1e9 + 60 * moment, 60.0 * moment)
    with pytest.raises(ApiError):
        api.call(world.cloud, "cloudwatch", "PutAnomalyDetector", {})
