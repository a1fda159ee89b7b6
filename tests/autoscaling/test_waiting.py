"""What a group waits for: lifecycle hooks, suspended processes, schedules, clocks, lifetimes."""

from typing import Any

from minicloud.aws import times

from .scene import ZONES, Scaling

LAUNCHING, TERMINATING = "autoscaling:EC2_INSTANCE_LAUNCHING", "autoscaling:EC2_INSTANCE_TERMINATING"


def hook(scaling: Scaling, transition: str, **more: Any) -> None:
    scaling(
        "PutLifecycleHook", AutoScalingGroupName="group", LifecycleHookName="hook", LifecycleTransition=transition,
        HeartbeatTimeout=60, **more,
    )  # fmt: skip


def complete(scaling: Scaling, instance_id: str, result: str) -> None:
    scaling(
        "CompleteLifecycleAction", AutoScalingGroupName="group", LifecycleHookName="hook", InstanceId=instance_id,
        LifecycleActionResult=result,
    )  # fmt: skip


def test_launch_hooks_wait_for_somebody(scaling: Scaling) -> None:
    scaling.create(DesiredCapacity=0)
    hook(scaling, LAUNCHING)
    scaling("SetDesiredCapacity", AutoScalingGroupName="group", DesiredCapacity=1)
    ((first, state),) = scaling.states().items()
    assert state == "Pending:Wait"
    assert scaling.activities()[0]["StatusCode"] == "MidLifecycleAction"
    scaling.look(50)
    heartbeat = {"AutoScalingGroupName": "group", "LifecycleHookName": "hook", "InstanceId": first}
    scaling("RecordLifecycleActionHeartbeat", **heartbeat)
    scaling.look(50)
    assert scaling.states()[first] == "Pending:Wait"
    complete(scaling, first, "CONTINUE")
    assert scaling.states() == {first: "InService"}
    assert scaling.refused("CompleteLifecycleAction", LifecycleActionResult="CONTINUE", **heartbeat).code == "ValidationError"


def test_launch_hooks_give_up_by_default_and_by_word(scaling: Scaling) -> None:
    scaling.create(DesiredCapacity=0)
    hook(scaling, LAUNCHING)
    scaling("SetDesiredCapacity", AutoScalingGroupName="group", DesiredCapacity=1)
    (first,) = scaling.states()
    complete(scaling, first, "ABANDON")
    scaling.look()
    (second,) = scaling.states()
    assert second != first
    assert {one["StatusCode"] for one in scaling.about(first)} == {"Cancelled", "Successful"}
    scaling.look(61)
    scaling.look(20)
    assert second not in scaling.states()


def test_terminate_hooks_wait_and_then_it_goes_either_way(scaling: Scaling) -> None:
    scaling.create(DesiredCapacity=1)
    hook(scaling, TERMINATING, DefaultResult="CONTINUE")
    (first,) = scaling.in_service()
    scaling("SetDesiredCapacity", AutoScalingGroupName="group", DesiredCapacity=0)
    assert scaling.states() == {first: "Terminating:Wait"}
    assert scaling.ec2.state(first) == "running"
    scaling.look(61)
    scaling.look()
    assert scaling.states() == {}
    assert scaling.ec2.state(first) == "terminated"


def test_suspended_processes_rest(scaling: Scaling) -> None:
    scaling.create()
    first, second = scaling.in_service()
    scaling("SuspendProcesses", AutoScalingGroupName="group", ScalingProcesses=["Launch", "ReplaceUnhealthy"])
    scaling.host.kill(first)
    scaling.look()
    states = {one["InstanceId"]: (one["LifecycleState"], one["HealthStatus"]) for one in scaling.group()["Instances"]}
    assert states == {first: ("InService", "Unhealthy"), second: ("InService", "Healthy")}
    scaling("ResumeProcesses", AutoScalingGroupName="group", ScalingProcesses=["ReplaceUnhealthy"])
    assert scaling.in_service() == [second]
    scaling("SuspendProcesses", AutoScalingGroupName="group", ScalingProcesses=["Terminate"])
    scaling("SetDesiredCapacity", AutoScalingGroupName="group", DesiredCapacity=0)
    assert scaling.in_service() == [second]
    scaling("ResumeProcesses", AutoScalingGroupName="group")
    assert scaling.states() == {}
    assert scaling.group()["SuspendedProcesses"] == []


def test_zones_are_balanced_again(scaling: Scaling) -> None:
    scaling.create(DesiredCapacity=4, AvailabilityZones=ZONES[:1])
    scaling("UpdateAutoScalingGroup", AutoScalingGroupName="group", AvailabilityZones=ZONES)
    for _ in range(8):
        scaling.look(1)
        assert 4 <= len(scaling.in_service()) <= 5
    zones = [one["AvailabilityZone"] for one in scaling.group()["Instances"]]
    assert sorted(zones) == sorted(ZONES * 2)
    assert any("balance instances in zones us-east-1b" in one["Cause"] for one in scaling.activities())


def test_scheduled_actions(scaling: Scaling) -> None:
    scaling.create(DesiredCapacity=1)
    put = {"AutoScalingGroupName": "group", "ScheduledActionName": "morning"}
    at = times.text(times.seconds(scaling.group()["CreatedTime"]) + 100)
    scaling("PutScheduledUpdateGroupAction", **put, StartTime=at, MinSize=2, DesiredCapacity=3)
    (shown,) = scaling("DescribeScheduledActions", AutoScalingGroupName="group")["ScheduledUpdateGroupActions"]
    assert (shown["StartTime"], shown["DesiredCapacity"]) == (at, 3)
    scaling.look(50)
    assert len(scaling.in_service()) == 1
    scaling.look(60)
    assert len(scaling.in_service()) == 3
    assert (
        "the scheduled action morning executed. Setting min size from 0 to 2. Setting desired capacity from 1 to 3."
        in (scaling.activities()[0]["Cause"])
    )
    scaling("SetDesiredCapacity", AutoScalingGroupName="group", DesiredCapacity=2)
    scaling.look(3600)
    assert len(scaling.in_service()) == 2
    answer = scaling("BatchDeleteScheduledAction", AutoScalingGroupName="group", ScheduledActionNames=["morning", "none"])
    assert [one["ScheduledActionName"] for one in answer["FailedScheduledActions"]] == ["none"]


def test_a_clock_that_is_set_starts_no_storm(scaling: Scaling) -> None:
    scaling.create(HealthCheckGracePeriod=600, MaxInstanceLifetime=86400)
    put = {"AutoScalingGroupName": "group", "ScheduledActionName": "hourly", "Recurrence": "0 * * * *"}
    scaling("PutScheduledUpdateGroupAction", **put, DesiredCapacity=3)
    scaling.look()
    before = len(scaling.activities())
    for jump in (86400, -2 * 86400):
        scaling.clock.set(jump)
        for _ in range(5):
            scaling.look(2)
        assert len(scaling.in_service()) == 3
        row = scaling.cloud.state.instances.query("state = 'running'")[0]
        scaling.cloud.state.instances.change(row.id, reachable="failed")
        scaling.look(2)
        assert row.id in scaling.in_service(), "the grace period did not end with the jump"
        scaling.cloud.state.instances.change(row.id, reachable="")
    assert len(scaling.activities()) <= before + 1
    (action,) = scaling("DescribeScheduledActions", AutoScalingGroupName="group")["ScheduledUpdateGroupActions"]
    assert 0 <= times.seconds(action["StartTime"]) - times.seconds(times.now()) <= 3600


def test_instances_past_their_lifetime_are_replaced_one_by_one(scaling: Scaling) -> None:
    scaling.create(DesiredCapacity=3, MaxInstanceLifetime=86400)
    old = set(scaling.in_service())
    scaling.look(86000)
    assert set(scaling.in_service()) == old
    scaling.clock.pass_(500)
    for _ in range(20):
        scaling.look(2)
        assert len(scaling.in_service()) >= 2
    assert len(scaling.in_service()) == 3
    assert not set(scaling.in_service()) & old
