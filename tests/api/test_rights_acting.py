"""What acts later, acts with the rights of who made it: alarms, groups, templates that groups follow, lifecycle policies.

Policy x operation x acts-through. An alarm may be put by anybody who may put alarms, as with AWS, and does nothing that who put
it, enabled it or set its state may not do.
"""

import time
from typing import Any

import pytest

from minicloud.aws import times
from minicloud.reconcile import lifecycle

from .rights_scene import LAUNCH, PASSES_TO_EC2, PROFILE, SNAPSHOTS, TOPIC, Rights, Session, alarm, group, rights

__all__ = ["rights"]

EC2 = "arn:aws:automate:us-east-1:ec2:"
ONLY_ALARMS = "CloudWatchFullAccessV2"
IN_ALARM = {"StateValue": "ALARM", "StateReason": "a test"}
OUT = {"AutoScalingGroupName": "group", "PolicyName": "out", "AdjustmentType": "ChangeInCapacity", "ScalingAdjustment": 1}


def raise_(rights: Rights, name: str, who: Session | None = None) -> str:
    """An alarm goes into ALARM, set by the account or by somebody, and acts; what its history says then."""
    (who or rights.root)("cloudwatch", "SetAlarmState", AlarmName=name, **IN_ALARM)
    rights.alarms()
    return rights.said(name)


@pytest.mark.parametrize(
    ("policies", "may"),
    [
        ((ONLY_ALARMS,), False),
        (("CloudWatchFullAccess", "AmazonEC2ReadOnlyAccess"), False),
        ((ONLY_ALARMS, "CloudWatchActionsEC2Access"), True),
        (("AmazonEC2FullAccess",), True),
    ],
)
def test_alarms_that_act_on_instances(rights: Rights, policies: tuple[str, ...], may: bool) -> None:
    instance_id, who = rights.instance(), rights.session(*policies)
    for action, after in (("reboot", "running"), ("recover", "running"), ("stop", "stopped"), ("terminate", "terminated")):
        wanted = alarm(action, EC2 + action, instance_id=instance_id) | {"MetricName": "StatusCheckFailed"}
        who("cloudwatch", "PutMetricAlarm", **wanted)
        said = raise_(rights, action)
        assert said.startswith("Successfully executed" if may else "Failed to execute")
        assert rights.state(instance_id) == (after if may else "running")
        assert may or "is not authorized to perform: ec2:" in said


@pytest.mark.parametrize(
    ("policy", "may"),
    [(ONLY_ALARMS, False), ("CloudWatchFullAccess", False), ("AmazonEC2FullAccess", True), ("PowerUserAccess", True)],
)
def test_alarms_that_scale(rights: Rights, policy: str, may: bool) -> None:
    rights.group()
    arn = rights.root("autoscaling", "PutScalingPolicy", **OUT)["PolicyARN"]
    rights.session(policy)("cloudwatch", "PutMetricAlarm", **alarm("a", arn))
    said = raise_(rights, "a")
    assert said.startswith("Successfully executed" if may else "Failed to execute")
    assert len(rights.members()) == (2 if may else 1)


@pytest.mark.parametrize(
    ("policy", "may"), [(ONLY_ALARMS, False), ("AmazonEC2FullAccess", False), ("CloudWatchFullAccess", True)]
)
@pytest.mark.parametrize("kind", ["metric", "composite"])
def test_alarms_that_tell_a_topic(rights: Rights, policy: str, may: bool, kind: str) -> None:
    who = rights.session(policy)
    rights.root("cloudwatch", "PutMetricAlarm", **alarm("child"))
    if kind == "metric":
        who("cloudwatch", "PutMetricAlarm", **alarm("a", TOPIC))
        rights.root("cloudwatch", "SetAlarmState", AlarmName="a", **IN_ALARM)
    else:
        who("cloudwatch", "PutCompositeAlarm", AlarmName="a", AlarmRule='ALARM("child")', AlarmActions=[TOPIC])
        rights.alarms()
        rights.root("cloudwatch", "SetAlarmState", AlarmName="child", **IN_ALARM)
    rights.alarms()
    assert len(rights.served.cloud.state.notifications.query()) == may
    if not may:
        assert "is not authorized to perform: sns:Publish" in rights.said("a")


def test_who_sets_or_enables_an_alarm_of_the_account_does_no_more_than_he_may(rights: Rights) -> None:
    first, second = rights.instance(), rights.instance()
    rights.root("cloudwatch", "PutMetricAlarm", **alarm("set", EC2 + "terminate", instance_id=first))
    rights.root("cloudwatch", "PutMetricAlarm", **alarm("off", EC2 + "terminate", instance_id=second), ActionsEnabled=False)
    who = rights.session(ONLY_ALARMS)
    assert raise_(rights, "set", who).startswith("Failed to execute")
    who("cloudwatch", "EnableAlarmActions", AlarmNames=["off"])
    assert raise_(rights, "off").startswith("Failed to execute")
    assert {rights.state(first), rights.state(second)} == {"running"}
    for name in ("set", "off"):
        rights.root("cloudwatch", "SetAlarmState", AlarmName=name, StateValue="OK", StateReason="a test")
    rights.root("cloudwatch", "PutMetricAlarm", **alarm("off", EC2 + "terminate", instance_id=second))
    assert raise_(rights, "set").startswith("Successfully executed")
    assert raise_(rights, "off", rights.session("AmazonEC2FullAccess")).startswith("Successfully executed")
    assert {rights.state(first), rights.state(second)} == {"terminated"}


@pytest.mark.parametrize("suppressed", [False, True])
def test_a_state_that_somebody_set_does_no_more_through_a_composite_alarm(rights: Rights, suppressed: bool) -> None:
    for name in ("child", "quiet"):
        rights.root("cloudwatch", "PutMetricAlarm", **alarm(name))
    hushed = {"ActionsSuppressor": "quiet", "ActionsSuppressorWaitPeriod": 0, "ActionsSuppressorExtensionPeriod": 0}
    rights.root("cloudwatch", "PutCompositeAlarm", AlarmName="a", AlarmRule='ALARM("child")', AlarmActions=[TOPIC], **hushed)
    rights.alarms()
    who: Any = rights.session(ONLY_ALARMS)
    if suppressed:
        rights.root("cloudwatch", "SetAlarmState", AlarmName="quiet", **IN_ALARM)
    (rights.root if suppressed else who)("cloudwatch", "SetAlarmState", AlarmName="child", **IN_ALARM)
    rights.alarms()
    if suppressed:
        who("cloudwatch", "SetAlarmState", AlarmName="quiet", StateValue="OK", StateReason="a test")
        rights.alarms()
    assert rights.served.cloud.state.notifications.query() == []
    assert "sns:Publish" in rights.said("a")


def test_who_sets_the_state_that_an_alarm_has_takes_nothing_from_it(rights: Rights) -> None:
    rights.root("cloudwatch", "PutMetricAlarm", **alarm("child"))
    rights.root("cloudwatch", "PutCompositeAlarm", AlarmName="a", AlarmRule='OK("child")', AlarmActions=[TOPIC])
    rights.root("cloudwatch", "PutCompositeAlarm", AlarmName="b", AlarmRule='ALARM("a")', AlarmActions=[TOPIC])
    rights.alarms()
    who = rights.session(ONLY_ALARMS)
    rights.root("cloudwatch", "SetAlarmState", AlarmName="child", StateValue="OK", StateReason="a test")
    for name, state in (("child", "OK"), ("a", "OK"), ("b", "OK")):
        who("cloudwatch", "SetAlarmState", AlarmName=name, StateValue=state, StateReason="a test")
    rights.alarms()
    assert len(rights.served.cloud.state.notifications.query()) == 2
    who("cloudwatch", "SetAlarmState", AlarmName="a", StateValue="INSUFFICIENT_DATA", StateReason="a test")
    rights.alarms()
    assert [row.set_by for row in rights.served.cloud.state.alarms.query()] == [[], [], []]


def test_an_alarm_is_carried_out_with_what_its_maker_may_at_that_moment(rights: Rights) -> None:
    instance_id, who = rights.instance(), rights.session("AmazonEC2FullAccess")
    who("cloudwatch", "PutMetricAlarm", **alarm("a", EC2 + "stop", instance_id=instance_id))
    rights.delete(who.role)
    rights.role(who.role, "AdministratorAccess")
    assert raise_(rights, "a").startswith("Failed to execute")
    assert rights.state(instance_id) == "running"


@pytest.mark.parametrize(("policy", "may"), [("AutoScalingFullAccess", True), ("AutoScalingReadOnlyAccess", False)])
def test_target_tracking_makes_its_alarms_for_who_asks(rights: Rights, policy: str, may: bool) -> None:
    rights.group()
    kept = {"TargetValue": 50.0, "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"}}
    params = {"AutoScalingGroupName": "group", "PolicyName": "keep", "PolicyType": "TargetTrackingScaling",
              "TargetTrackingConfiguration": kept}  # fmt: skip
    who = rights.session(policy)
    if not may:
        assert who.refused("autoscaling", "PutScalingPolicy", **params)[0] == "AccessDenied"
        return
    who("autoscaling", "PutScalingPolicy", **params)
    rows = rights.served.cloud.state.alarms.query()
    assert [len(row.makers) for row in rows] == [1, 1]
    who("autoscaling", "DeletePolicy", AutoScalingGroupName="group", PolicyName="keep")
    assert rights.served.cloud.state.alarms.query() == []


def test_a_group_launches_with_what_its_maker_may_and_goes_in_any_case(rights: Rights) -> None:
    who = rights.session("AmazonEC2FullAccess", PASSES_TO_EC2)
    who("autoscaling", "CreateAutoScalingGroup", **group(LaunchTemplate={"LaunchTemplateName": "strong"}))
    assert len(rights.members()) == 1
    detached = {"RoleName": who.role, "PolicyArn": f"arn:aws:iam::aws:policy/{PASSES_TO_EC2}"}
    rights.root("iam", "DetachRolePolicy", **detached)
    rights.root("autoscaling", "SetDesiredCapacity", AutoScalingGroupName="group", DesiredCapacity=2)
    assert len(rights.members()) == 1
    assert "iam:PassRole" in rights.activity()["StatusMessage"]
    rights.root("iam", "AttachRolePolicy", **detached)
    rights.look()
    assert len(rights.members()) == 2
    rights.delete(who.role)
    rights.root("autoscaling", "SetDesiredCapacity", AutoScalingGroupName="group", DesiredCapacity=1)
    rights.look()
    assert len([one for one in rights.members() if rights.state(one) == "running"]) == 1
    rights.root("autoscaling", "DeleteAutoScalingGroup", AutoScalingGroupName="group", ForceDelete=True)
    rights.look()
    assert rights.served.cloud.state.scaling_groups.query() == []


@pytest.mark.parametrize("how", ["template", "configuration"])
def test_who_may_not_launch_makes_no_group_that_does(rights: Rights, how: str) -> None:
    source = {} if how == "template" else {"LaunchConfigurationName": "plain"}
    said = rights.session("AutoScalingFullAccess").refused("autoscaling", "CreateAutoScalingGroup", **group(**source))
    assert said[0] == ("ValidationError" if how == "template" else "AccessDenied")
    assert "is not authorized to perform: ec2:RunInstances" in said[1]


@pytest.mark.parametrize("version", ["$Default", "$Latest"])
def test_a_group_that_follows_a_template_launches_nothing_for_who_may_not(rights: Rights, version: str) -> None:
    template = {"LaunchTemplateName": "plain"}
    rights.group(LaunchTemplate={**template, "Version": version})
    (first,) = rights.members()
    who = rights.session("AmazonEC2FullAccess")
    data = {**LAUNCH, "IamInstanceProfile": PROFILE}
    who("ec2", "CreateLaunchTemplateVersion", **template, LaunchTemplateData=data)
    who("ec2", "ModifyLaunchTemplate", **template, DefaultVersion="2")
    rights.root("autoscaling", "SetDesiredCapacity", AutoScalingGroupName="group", DesiredCapacity=2)
    assert rights.members() == [first]
    assert "iam:PassRole" in rights.activity()["StatusMessage"]
    assert rights.served.cloud.state.profile_associations.query() == []
    rights.root("ec2", "CreateLaunchTemplateVersion", **template, LaunchTemplateData=data)
    rights.root("ec2", "ModifyLaunchTemplate", **template, DefaultVersion="3")
    rights.look()
    assert len(rights.members()) == 2
    assert len(rights.served.cloud.state.profile_associations.query()) == 1
    versions = rights.root("ec2", "DescribeLaunchTemplateVersions", **template)["LaunchTemplateVersions"]
    assert [one["CreatedBy"].rpartition(":")[2] for one in versions] == ["root", f"assumed-role/{who.role}/me", "root"]


def test_the_default_version_that_somebody_chose(rights: Rights) -> None:
    """The account made both versions; who chose the one with the role may not pass it."""
    template = {"LaunchTemplateName": "plain"}
    rights.group(LaunchTemplate=template)
    rights.root("ec2", "CreateLaunchTemplateVersion", **template, LaunchTemplateData={**LAUNCH, "IamInstanceProfile": PROFILE})
    rights.session("AmazonEC2FullAccess")("ec2", "ModifyLaunchTemplate", **template, DefaultVersion="2")
    rights.root("autoscaling", "SetDesiredCapacity", AutoScalingGroupName="group", DesiredCapacity=2)
    assert len(rights.members()) == 1


def test_a_refresh_launches_for_who_began_it_and_then_so_does_the_group(rights: Rights) -> None:
    rights.group()
    who = rights.session("AmazonEC2FullAccess", PASSES_TO_EC2)
    held = {"AutoScalingGroupName": "group", "ScalingProcesses": ["InstanceRefresh"]}
    rights.root("autoscaling", "SuspendProcesses", **held)
    wanted = {"LaunchTemplate": {"LaunchTemplateName": "strong"}}
    who("autoscaling", "StartInstanceRefresh", AutoScalingGroupName="group", DesiredConfiguration=wanted,
        Preferences={"MinHealthyPercentage": 0, "InstanceWarmup": 0})  # fmt: skip
    rights.without(who.role)
    rights.root("autoscaling", "ResumeProcesses", **held)
    rights.look()
    assert "ec2:RunInstances" in rights.activity()["StatusMessage"]
    for policy in ("AmazonEC2FullAccess", PASSES_TO_EC2):
        rights.root("iam", "AttachRolePolicy", RoleName=who.role, PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
    for _ in range(4):
        rights.look()
    (row,) = rights.served.cloud.state.scaling_groups.query()
    assert row.settings["LaunchTemplate"]["LaunchTemplateName"] == "strong"
    assert [maker.partition(":")[2] for maker in row.makers] == ["me"]


@pytest.mark.parametrize(
    ("policies", "may"),
    [(("AutoScalingFullAccess",), False), (("AutoScalingFullAccess", "ElasticLoadBalancingFullAccess"), True)],
)
def test_targets_are_registered_for_who_attached_the_target_group(rights: Rights, policies: tuple[str, ...], may: bool) -> None:
    rights.group()
    vpc = rights.root("ec2", "DescribeVpcs")["Vpcs"][0]["VpcId"]
    made = rights.root("elbv2", "CreateTargetGroup", Name="web", Protocol="HTTP", Port=80, VpcId=vpc)["TargetGroups"][0]
    who, params = rights.session(*policies), {"AutoScalingGroupName": "group", "TargetGroupARNs": [made["TargetGroupArn"]]}
    if not may:
        said = who.refused("autoscaling", "AttachLoadBalancerTargetGroups", **params)
        assert (said[0], "elasticloadbalancing:RegisterTargets" in said[1]) == ("AccessDenied", True)
        return
    who("autoscaling", "AttachLoadBalancerTargetGroups", **params)
    rights.look()
    assert [row.target_id for row in rights.served.cloud.state.targets.query()] == rights.members()
    rights.without(who.role)
    rights.root("autoscaling", "SetDesiredCapacity", AutoScalingGroupName="group", DesiredCapacity=2)
    rights.look()
    assert len(rights.served.cloud.state.targets.query()) == 1


def test_a_group_ends_only_what_who_gave_it_may_end(rights: Rights) -> None:
    rights.group()
    params = {"AutoScalingGroupName": "group", "InstanceIds": [rights.instance()]}
    said = rights.session("AutoScalingFullAccess").refused("autoscaling", "AttachInstances", **params)
    assert (said[0], "ec2:TerminateInstances" in said[1]) == ("AccessDenied", True)
    rights.session("AmazonEC2FullAccess")("autoscaling", "AttachInstances", **params)


def test_a_group_tells_topics_for_who_named_them(rights: Rights) -> None:
    rights.group()
    group_name = {"AutoScalingGroupName": "group"}
    wanted = {**group_name, "TopicARN": TOPIC, "NotificationTypes": ["autoscaling:EC2_INSTANCE_LAUNCH"]}
    hook = {**group_name, "LifecycleHookName": "h", "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
            "NotificationTargetARN": TOPIC}  # fmt: skip
    weak, who = rights.session("AutoScalingFullAccess"), rights.session("AutoScalingFullAccess", "AmazonSNSFullAccess")
    for operation, params in (("PutNotificationConfiguration", wanted), ("PutLifecycleHook", hook)):
        said = weak.refused("autoscaling", operation, **params)
        assert (said[0], "sns:Publish" in said[1]) == ("AccessDenied", True)
        who("autoscaling", operation, **params)
    state = rights.served.cloud.state
    rights.without(who.role)
    told = len(state.notifications.query())
    for size in (2, 0):
        rights.root("autoscaling", "SetDesiredCapacity", **group_name, DesiredCapacity=size)
        rights.look()
    assert len(state.notifications.query()) == told


DETAILS = {
    "PolicyType": "EBS_SNAPSHOT_MANAGEMENT", "ResourceTypes": ["VOLUME"], "TargetTags": [{"Key": "b", "Value": "1"}],
    "Schedules": [{"Name": "s", "CreateRule": {"Interval": 1, "IntervalUnit": "HOURS"}, "RetainRule": {"Count": 5}}],
}  # fmt: skip


def lifecycle_policy(rights: Rights, role: str) -> str:
    """A policy that makes snapshots of a volume by the hour."""
    volume = rights.root("ec2", "CreateVolume", AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
    rights.root("ec2", "CreateTags", Resources=[volume], Tags=[{"Key": "b", "Value": "1"}])
    wanted = {"ExecutionRoleArn": f"arn:aws:iam::000000000000:role/{role}", "Description": "d", "State": "ENABLED"}
    return str(rights.root("dlm", "CreateLifecyclePolicy", **wanted, PolicyDetails=DETAILS)["PolicyId"])


def run(rights: Rights, hours: float) -> int:
    """The policy's runs until some hours from now; how many snapshots there are then."""
    cloud = rights.served.cloud
    lifecycle.reconcile(cloud, lambda: time.time() + 3600 * hours)
    return len(cloud.state.tags.find(key="aws:dlm:lifecycle-schedule-name"))


def test_lifecycle_policies_act_as_their_role(rights: Rights) -> None:
    rights.role("dlm", to=("dlm.amazonaws.com",))
    policy = lifecycle_policy(rights, "dlm")
    assert run(rights, 1) == 0
    message = rights.root("dlm", "GetLifecyclePolicy", PolicyId=policy)["Policy"]["StatusMessage"]
    assert "ec2:CreateSnapshot" in message
    rights.root("iam", "AttachRolePolicy", RoleName="dlm", PolicyArn=f"arn:aws:iam::aws:policy/{SNAPSHOTS}")
    assert run(rights, 2) == 1
    rights.delete("dlm")
    rights.role("dlm", "AdministratorAccess", to=("dlm.amazonaws.com",))
    assert run(rights, 3) == 1


def test_a_policy_of_the_account_without_a_role_acts_for_who_changed_it(rights: Rights) -> None:
    policy = lifecycle_policy(rights, "of-old")
    assert run(rights, 1) == 1
    who = rights.session("PowerUserAccess")
    who("dlm", "UpdateLifecyclePolicy", PolicyId=policy, Description="mine")
    modified = times.text(time.time() + 3600)
    rights.served.cloud.state.policies.change(policy, modified=modified)
    assert run(rights, 2) == 2
    rights.without(who.role)
    assert run(rights, 3) == 2
