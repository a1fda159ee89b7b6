"""Groups over a fake host: sizes, replacement, activities, protection, standby, their end."""

import json

import pytest

from minicloud import api
from minicloud.cloud import Cloud
from minicloud.errors import Permanent
from minicloud.host.contracts import Capacity
from minicloud.reconcile import autoscaling, loop
from minicloud.reconcile.autoscaling_actions import Action
from minicloud.reconcile.autoscaling_view import View

from ..cloud_fixtures import IMAGE
from .scene import ZONES, Scaling


def test_a_group_is_there_when_its_command_returns(scaling: Scaling) -> None:
    scaling.create(Tags=[{"Key": "role", "Value": "web", "PropagateAtLaunch": True}, {"Key": "own", "Value": "x"}])
    group = scaling.group()
    assert [one["LifecycleState"] for one in group["Instances"]] == ["InService"] * 2
    assert sorted(one["AvailabilityZone"] for one in group["Instances"]) == ZONES
    for instance_id in scaling.in_service():
        tags = {tag["Key"]: tag["Value"] for tag in scaling.ec2.instance(instance_id)["Tags"]}
        assert tags["aws:autoscaling:groupName"] == "group"
        assert tags["role"] == "web"
        assert "own" not in tags


def test_activities_tell_what_happened_and_why(scaling: Scaling) -> None:
    scaling.create()
    (activity, _) = scaling.activities()
    assert activity["StatusCode"] == "Successful"
    assert activity["Progress"] == 100
    assert activity["Description"].startswith("Launching a new EC2 instance: i-")
    assert "a user request created an AutoScalingGroup changing the desired capacity from 0 to 2.  At " in activity["Cause"]
    assert activity["Cause"].endswith("increasing the capacity from 0 to 2.")
    assert json.loads(activity["Details"]).keys() == {"Subnet ID", "Availability Zone"}


def test_desired_capacity_moves_the_group_within_its_bounds(scaling: Scaling) -> None:
    scaling.create()
    scaling("SetDesiredCapacity", AutoScalingGroupName="group", DesiredCapacity=5)
    assert len(scaling.in_service()) == 5
    scaling("SetDesiredCapacity", AutoScalingGroupName="group", DesiredCapacity=1)
    assert len(scaling.in_service()) == 1
    gone = scaling.activities()[0]
    assert "explicitly set group desired capacity changing the desired capacity from 5 to 1" in gone["Cause"]
    assert gone["Cause"].endswith("was selected for termination.")


def test_bounds_move_the_desired_capacity(scaling: Scaling) -> None:
    scaling.create()
    scaling("UpdateAutoScalingGroup", AutoScalingGroupName="group", MinSize=4)
    assert len(scaling.in_service()) == 4
    assert (
        "constraints to min: 4, max: 10, desired: 4 changing the desired capacity from 2 to 4" in scaling.activities()[0]["Cause"]
    )
    scaling("UpdateAutoScalingGroup", AutoScalingGroupName="group", MinSize=0, MaxSize=1)
    assert len(scaling.in_service()) == 1


@pytest.mark.parametrize("how", ["kill", "power_off_by_guest", "stop", "terminate"])
def test_what_ends_is_replaced_with_a_true_record(scaling: Scaling, how: str) -> None:
    scaling.create()
    victim, other = scaling.in_service()
    scaling.look(400)
    if how in ("kill", "power_off_by_guest"):
        getattr(scaling.host, how)(victim)
    elif how == "stop":
        scaling.ec2("StopInstances", InstanceIds=[victim])
    else:
        scaling.ec2("TerminateInstances", InstanceIds=[victim])
    scaling.look()
    scaling.look()
    after = scaling.in_service()
    assert other in after
    assert victim not in after
    assert len(after) == 2
    ended = scaling.about(victim)[0]
    assert ended["Description"] == f"Terminating EC2 instance: {victim}"
    assert "in response to an EC2 health check indicating it has been terminated or stopped" in ended["Cause"]
    assert ended["StatusCode"] == "Successful"
    (new,) = set(after) - {other}
    assert "in response to an unhealthy instance needing to be replaced" in scaling.about(new)[0]["Cause"]


def test_an_instance_that_fails_its_status_check_is_replaced_after_the_grace_period(scaling: Scaling) -> None:
    scaling.create(HealthCheckGracePeriod=300)
    victim = scaling.in_service()[0]
    state = scaling.cloud.state
    state.instances.change(victim, reachable="failed")
    scaling.look(200)
    assert victim in scaling.in_service()
    state.instances.change(victim, reachable="failed")
    scaling.look(200)
    assert victim not in scaling.in_service()
    assert "EC2 instance status checks failure" in scaling.about(victim)[0]["Cause"]


def test_a_crash_looping_template_backs_off(scaling: Scaling) -> None:
    scaling.create(DesiredCapacity=1)
    launched = set(scaling.in_service())
    for _ in range(600):  # ten minutes of a guest that ends whenever it runs
        for instance_id in scaling.in_service():
            scaling.host.kill(instance_id)
        scaling.look(1)
        launched |= set(scaling.states())
    assert 3 <= len(launched) <= 8
    running = [row for row in scaling.cloud.state.instances.query() if row.state not in ("terminated", "shutting-down")]
    assert len(running) <= 1


def test_failures_are_forgotten_once_the_group_is_steady(scaling: Scaling) -> None:
    scaling.create(DesiredCapacity=1)
    for _ in range(3):
        scaling.host.kill(scaling.in_service()[0])
        scaling.look()
        scaling.look(60)
    assert [row.failures for row in scaling.cloud.state.scaling_groups.query()] == [3]
    scaling.look(301)
    assert [row.failures for row in scaling.cloud.state.scaling_groups.query()] == [0]


def test_a_full_host_gives_a_failed_activity_with_the_arithmetic_and_one_at_a_time(scaling: Scaling) -> None:
    scaling.host.set_capacity(Capacity(16, 512 + 3 * 512))
    scaling.create(DesiredCapacity=5)
    assert len(scaling.in_service()) == 3
    failed = [one for one in scaling.activities() if one["StatusCode"] == "Failed"]
    assert len(failed) == 1
    message = failed[0]["StatusMessage"]
    assert "We currently do not have sufficient t3.nano capacity" in message
    assert "t3.nano takes 512 MiB; of the host's 2048 MiB" in message
    assert message.endswith("Launching EC2 instance failed.")
    for _ in range(100):
        scaling.look(6)  # ten minutes
    assert len([one for one in scaling.activities() if one["StatusCode"] == "Failed"]) <= 8
    scaling.host.set_capacity(Capacity(16, 65536))
    scaling.look(601)
    assert len(scaling.in_service()) == 5


def test_several_types_are_tried_in_their_order(scaling: Scaling) -> None:
    scaling.host.set_capacity(Capacity(16, 512 + 1024))
    types = [{"InstanceType": name} for name in ("t3.medium", "t3.micro")]
    policy = {"LaunchTemplate": {"LaunchTemplateSpecification": {"LaunchTemplateName": "template"}, "Overrides": types}}
    scaling.create(DesiredCapacity=1, LaunchTemplate=None, MixedInstancesPolicy=policy)
    (instance,) = scaling.group()["Instances"]
    assert instance["InstanceType"] == "t3.micro"


def test_latest_means_the_version_of_the_moment(scaling: Scaling) -> None:
    latest = {"LaunchTemplateName": "template", "Version": "$Latest"}
    scaling.create(DesiredCapacity=1, LaunchTemplate=latest)
    new = {"ImageId": IMAGE.image_id, "InstanceType": "t3.micro"}
    scaling.ec2("CreateLaunchTemplateVersion", LaunchTemplateName="template", LaunchTemplateData=new)
    scaling("SetDesiredCapacity", AutoScalingGroupName="group", DesiredCapacity=2)
    found = {one["LaunchTemplate"]["Version"]: one["InstanceType"] for one in scaling.group()["Instances"]}
    assert found == {"1": "t3.nano", "2": "t3.micro"}


def test_a_launch_configuration_launches_what_it_says(scaling: Scaling) -> None:
    scaling(
        "CreateLaunchConfiguration", LaunchConfigurationName="lc", ImageId=IMAGE.image_id, InstanceType="t3.nano",
        AssociatePublicIpAddress=False, InstanceMonitoring={"Enabled": False},
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 9}}],
    )  # fmt: skip
    scaling.create(DesiredCapacity=1, LaunchTemplate=None, LaunchConfigurationName="lc")
    (instance_id,) = scaling.in_service()
    assert [row.size for row in scaling.cloud.state.volumes.find(instance_id=instance_id)] == [9]
    assert scaling.ec2.instance(instance_id)["Monitoring"]["State"] == "disabled"
    assert "PublicIpAddress" not in scaling.ec2.instance(instance_id)
    error = scaling.refused("DeleteLaunchConfiguration", LaunchConfigurationName="lc")
    assert error.code == "ResourceInUse"


def test_a_group_after_an_instance(scaling: Scaling) -> None:
    pattern = scaling.ec2.run(InstanceType="t3.micro")
    scaling.create(DesiredCapacity=1, LaunchTemplate=None, AvailabilityZones=None, InstanceId=pattern)
    (instance,) = scaling.group()["Instances"]
    assert instance["InstanceType"] == "t3.micro"
    assert instance["InstanceId"] != pattern
    assert scaling.group()["LaunchConfigurationName"] == "group"


def test_terminate_in_group(scaling: Scaling) -> None:
    scaling.create()
    first, second = scaling.in_service()
    terminate = "TerminateInstanceInAutoScalingGroup"
    activity = scaling(terminate, InstanceId=first, ShouldDecrementDesiredCapacity=True)["Activity"]
    assert (
        f"instance {first} was taken out of service in response to a user request, shrinking the capacity from 2 to 1"
        in (activity["Cause"])
    )
    assert scaling.in_service() == [second]
    scaling(terminate, InstanceId=second, ShouldDecrementDesiredCapacity=False)
    assert len(scaling.in_service()) == 1
    assert scaling.in_service() != [second]
    scaling("UpdateAutoScalingGroup", AutoScalingGroupName="group", MinSize=1)
    error = scaling.refused(terminate, InstanceId=scaling.in_service()[0], ShouldDecrementDesiredCapacity=True)
    assert error.code == "ValidationError"


def test_protected_instances_stay(scaling: Scaling) -> None:
    scaling.create()
    first, second = scaling.in_service()
    scaling("SetInstanceProtection", AutoScalingGroupName="group", InstanceIds=[first], ProtectedFromScaleIn=True)
    scaling("SetDesiredCapacity", AutoScalingGroupName="group", DesiredCapacity=0)
    assert scaling.in_service() == [first]
    assert second not in scaling.states()


def test_termination_protection_of_ec2_does_not_bind_the_group(scaling: Scaling) -> None:
    scaling.template("guarded", DisableApiTermination=True)
    scaling.create(DesiredCapacity=1, LaunchTemplate={"LaunchTemplateName": "guarded"})
    (instance_id,) = scaling.in_service()
    scaling("SetDesiredCapacity", AutoScalingGroupName="group", DesiredCapacity=0)
    scaling.look()
    assert scaling.ec2.state(instance_id) == "terminated"


def test_attach_and_detach(scaling: Scaling) -> None:
    scaling.create()
    own = scaling.ec2.run(Placement={"AvailabilityZone": ZONES[0]})
    scaling("AttachInstances", AutoScalingGroupName="group", InstanceIds=[own])
    assert own in scaling.in_service()
    assert scaling.group()["DesiredCapacity"] == 3
    answer = scaling("DetachInstances", AutoScalingGroupName="group", InstanceIds=[own], ShouldDecrementDesiredCapacity=True)
    assert answer["Activities"][0]["Description"] == f"Detaching EC2 instance: {own}"
    assert own not in scaling.states()
    assert scaling.ec2.state(own) == "running"
    assert scaling.group()["DesiredCapacity"] == 2
    first = scaling.in_service()[0]
    scaling("DetachInstances", AutoScalingGroupName="group", InstanceIds=[first], ShouldDecrementDesiredCapacity=False)
    assert len(scaling.in_service()) == 2
    assert "aws:autoscaling:groupName" not in {tag["Key"] for tag in scaling.ec2.instance(first).get("Tags", [])}


def test_standby(scaling: Scaling) -> None:
    scaling.create()
    first, second = scaling.in_service()
    scaling("EnterStandby", AutoScalingGroupName="group", InstanceIds=[first], ShouldDecrementDesiredCapacity=True)
    assert scaling.states() == {first: "Standby", second: "InService"}
    scaling.host.kill(first)  # nobody minds
    scaling.look()
    assert scaling.states() == {first: "Standby", second: "InService"}
    scaling.ec2("StartInstances", InstanceIds=[first])
    scaling("ExitStandby", AutoScalingGroupName="group", InstanceIds=[first])
    assert scaling.states() == {first: "InService", second: "InService"}
    assert scaling.group()["DesiredCapacity"] == 2


def test_health_by_request(scaling: Scaling) -> None:
    scaling.create(HealthCheckGracePeriod=600)
    first = scaling.in_service()[0]
    scaling("SetInstanceHealth", InstanceId=first, HealthStatus="Unhealthy")
    assert first in scaling.in_service()
    scaling("SetInstanceHealth", InstanceId=first, HealthStatus="Unhealthy", ShouldRespectGracePeriod=False)
    assert first not in scaling.in_service()
    assert "a user health-check" in scaling.about(first)[0]["Cause"]


def test_deleting(scaling: Scaling) -> None:
    scaling.create()
    error = scaling.refused("DeleteAutoScalingGroup", AutoScalingGroupName="group")
    assert error.code == "ResourceInUse"
    scaling(
        "PutLifecycleHook", AutoScalingGroupName="group", LifecycleHookName="hook",
        LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
    )  # fmt: skip
    ids = scaling.in_service()
    scaling("DeleteAutoScalingGroup", AutoScalingGroupName="group", ForceDelete=True)
    scaling.look()
    assert scaling("DescribeAutoScalingGroups")["AutoScalingGroups"] == []
    assert [scaling.ec2.state(instance_id) for instance_id in ids] == ["terminated"] * 2
    activities = scaling.activities()
    assert len(activities) == 4
    assert {one["AutoScalingGroupState"] for one in activities} == {"Deleted"}
    scaling.create()
    assert len(scaling.in_service()) == 2


def test_what_nobody_foresaw_in_one_group_leaves_the_others_alone(scaling: Scaling) -> None:
    scaling.create("bad", DesiredCapacity=0)
    scaling.cloud.state.scaling_groups.change("bad", settings={"AvailabilityZones": ["us-east-1a"]}, desired=1)
    scaling.create("good")
    assert len(scaling.in_service("good")) == 2


def test_a_group_that_cannot_be_planned_says_so_once(scaling: Scaling, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = autoscaling.plan

    def plan(view: View) -> list[Action]:
        if view.group.name == "bad":
            raise ValueError("min() of an empty sequence")
        return genuine(view)

    monkeypatch.setattr(autoscaling, "plan", plan)
    scaling.create("bad", DesiredCapacity=1)
    scaling.create("good")
    for _ in range(3):
        scaling.look()
    assert len(scaling.in_service("good")) == 2
    (activity,) = scaling("DescribeScalingActivities", AutoScalingGroupName="bad")["Activities"]
    assert activity["StatusCode"] == "Failed"
    assert activity["StatusMessage"].endswith("ValueError: min() of an empty sequence")
    failing = scaling.cloud.state.failures.find(part="groups")
    assert [failure.subject for failure in failing] == ["bad"]
    monkeypatch.setattr(autoscaling, "plan", genuine)
    scaling.clock.pass_(60.0)
    scaling.look()
    assert len(scaling.in_service("bad")) == 1
    assert scaling.cloud.state.failures.query() == []


def test_a_launch_that_fails_on_the_host_is_a_failed_activity(scaling: Scaling) -> None:
    scaling.host.fail("guests.start", Permanent("no such thing as a guest", "Server.InternalError"))
    scaling.create(DesiredCapacity=1)
    scaling.look()
    failed = [one for one in scaling.activities() if one["StatusCode"] == "Failed"]
    assert "no such thing as a guest. Launching EC2 instance failed." in failed[0]["StatusMessage"]
    assert len(scaling.in_service()) == 1


def test_everything_can_be_described(scaling: Scaling) -> None:
    for name in api.operations("autoscaling"):
        if name.startswith("Describe"):
            found = api.find("autoscaling", name)
            required = found.model.input_shape.required if found.model.input_shape else []
            scaling.cloud.state.scaling_groups.get("group") or scaling.create()
            scaling(name, **dict.fromkeys(required, "group"))


def test_a_group_may_be_the_first_thing_that_is_asked_for(cloud: Cloud) -> None:
    """Its zones are those of the default VPC, which is made for it."""
    loop.run_pass(cloud)
    launches = {"LaunchConfigurationName": "first", "ImageId": IMAGE.image_id, "InstanceType": "t3.nano"}
    api.call(cloud, "autoscaling", "CreateLaunchConfiguration", launches)
    group = {"AutoScalingGroupName": "first", "MinSize": 1, "MaxSize": 1, "LaunchConfigurationName": "first"}
    api.call(cloud, "autoscaling", "CreateAutoScalingGroup", {**group, "AvailabilityZones": ZONES})
    (instance,) = cloud.state.instances.query()
    assert instance.state == "running"
