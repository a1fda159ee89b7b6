"""Lifecycle policies over a fake host, by a clock of the tests' own."""

import time
from typing import Any

import pytest

from minicloud import api
from minicloud.aws import times
from minicloud.errors import ApiError, Permanent
from minicloud.host.fake import FakeHost
from minicloud.reconcile import lifecycle_made

from ..cloud_fixtures import Ec2
from .dlm_client import DAY, HOUR, Dlm, dlm, tagged

__all__ = ["dlm"]


def test_snapshots_appear_and_the_oldest_go(dlm: Dlm, ec2: Ec2) -> None:
    wanted = tagged(ec2, colour="red")
    ec2("CreateVolume", AvailabilityZone="us-east-1a", Size=1)
    policy = dlm.policy(schedule={"CopyTags": True, "TagsToAdd": [{"Key": "made", "Value": "by policy"}]})
    dlm.passes(60)
    assert dlm.snapshots() == []
    made = []
    for number in range(5):
        dlm.passes(HOUR)
        dlm.passes(1)  # nothing is due
        made.append(dlm.snapshots()[-1]["SnapshotId"])
        assert len(dlm.snapshots()) == min(3, number + 1)
    assert [one["SnapshotId"] for one in dlm.snapshots()] == made[-3:]
    newest = dlm.snapshots()[-1]
    assert newest["VolumeId"] == wanted
    assert {tag["Key"]: tag["Value"] for tag in newest["Tags"]} == {
        "backup": "yes", "colour": "red", "made": "by policy", lifecycle_made.POLICY_TAG: policy,
        lifecycle_made.SCHEDULE_TAG: "hourly",
    }  # fmt: skip
    runs = ec2.cloud.state.policy_runs.query()
    assert [len(run.made) for run in runs] == [1] * 5
    assert [run.removed for run in runs] == [[], [], [], [made[0]], [made[1]]]


def test_two_missed_runs_become_one(dlm: Dlm, ec2: Ec2) -> None:
    tagged(ec2)
    dlm.policy()
    dlm.passes(DAY)
    assert len(dlm.snapshots()) == 1
    dlm.passes(60)
    assert len(dlm.snapshots()) == 1


def test_retention_by_age(dlm: Dlm, ec2: Ec2) -> None:
    tagged(ec2)
    dlm.now = time.time()
    dlm.policy(retain={"Interval": 1, "IntervalUnit": "DAYS"})
    dlm.passes(HOUR)
    first = dlm.snapshots()[0]["SnapshotId"]
    ec2.cloud.state.snapshots.change(first, started=times.text(dlm.now - 1.5 * DAY))
    dlm.passes(HOUR)
    assert first not in [one["SnapshotId"] for one in dlm.snapshots()]
    assert len(dlm.snapshots()) == 1


def test_what_a_user_made_is_not_deleted(dlm: Dlm, ec2: Ec2) -> None:
    own = ec2("CreateSnapshot", VolumeId=tagged(ec2))["SnapshotId"]
    dlm.policy(retain={"Count": 1})
    for _ in range(3):
        dlm.passes(HOUR)
    assert ec2("DescribeSnapshots", SnapshotIds=[own])["Snapshots"]
    assert len(dlm.snapshots()) == 1


def test_a_policy_of_instances(dlm: Dlm, ec2: Ec2) -> None:
    extra = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1}}, {"DeviceName": "/dev/sdg", "Ebs": {"VolumeSize": 2}}]
    tag = [{"ResourceType": "instance", "Tags": [{"Key": "backup", "Value": "yes"}]}]
    instance = ec2.run(BlockDeviceMappings=extra, TagSpecifications=tag)
    scratch = ec2.cloud.state.volumes.find(instance_id=instance, device="/dev/sdg")[0].id
    ec2("CreateTags", Resources=[scratch], Tags=[{"Key": "scratch", "Value": "1"}])
    excluded = {"ExcludeBootVolume": True, "ExcludeDataVolumeTags": [{"Key": "scratch", "Value": "1"}]}
    dlm.policy("INSTANCE", Parameters=excluded)
    dlm.passes(HOUR)
    assert [one["VolumeSize"] for one in dlm.snapshots()] == [1]


def test_a_policy_of_images(dlm: Dlm, ec2: Ec2) -> None:
    ec2.run(TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "backup", "Value": "yes"}]}])
    dlm.policy("INSTANCE", retain={"Count": 2}, PolicyType="IMAGE_MANAGEMENT")
    for _ in range(4):
        dlm.passes(HOUR)
    images = ec2("DescribeImages", Filters=[{"Name": "tag-key", "Values": [lifecycle_made.POLICY_TAG]}])["Images"]
    assert len(images) == 2
    assert len(ec2.cloud.state.snapshots.query("image_id != ''")) == 2


def test_of_a_volume_that_is_gone_age_keeps_the_last_and_number_keeps_all(dlm: Dlm, ec2: Ec2) -> None:
    dlm.now = time.time()
    volume = tagged(ec2)
    dlm.policy(retain={"Interval": 1, "IntervalUnit": "DAYS"})
    dlm.policy(retain={"Count": 2}, schedule={"Name": "counted"})
    for _ in range(2):
        dlm.passes(HOUR)
    ec2("DeleteVolume", VolumeId=volume)
    for number, row in enumerate(dlm.snapshots()):
        ec2.cloud.state.snapshots.change(row["SnapshotId"], started=times.text(dlm.now - 5 * DAY + number))
    for _ in range(3):
        dlm.passes(HOUR)
    left = [tag["Value"] for one in dlm.snapshots() for tag in one["Tags"] if tag["Key"] == lifecycle_made.SCHEDULE_TAG]
    assert sorted(left) == ["counted", "counted", "hourly"]


def test_a_snapshot_that_failed_takes_no_place_of_a_whole_one(dlm: Dlm, ec2: Ec2) -> None:
    tagged(ec2)
    dlm.policy(retain={"Count": 1})
    dlm.passes(HOUR)
    first = dlm.snapshots()[0]["SnapshotId"]
    dlm.passes(HOUR)
    failed = dlm.snapshots()[-1]["SnapshotId"]
    assert failed != first
    ec2.cloud.state.snapshots.change(failed, state="error")
    dlm.passes(HOUR)
    assert failed not in [one["SnapshotId"] for one in dlm.snapshots()]
    assert len(dlm.snapshots()) == 1


def test_snapshots_are_shared_for_as_long_as_the_rule_says(dlm: Dlm, ec2: Ec2) -> None:
    dlm.now = time.time()
    tagged(ec2)
    rule = {"TargetAccounts": ["111111111111", "222222222222"], "UnshareInterval": 1, "UnshareIntervalUnit": "DAYS"}
    dlm.policy(retain={"Count": 5}, schedule={"ShareRules": [rule]})
    dlm.passes(HOUR)
    first = dlm.snapshots()[0]["SnapshotId"]

    def shared(snapshot: str) -> list[str]:
        shown = ec2("DescribeSnapshotAttribute", SnapshotId=snapshot, Attribute="createVolumePermission")
        return [one["UserId"] for one in shown["CreateVolumePermissions"]]

    assert shared(first) == ["111111111111", "222222222222"]
    change = {"Remove": [{"UserId": "222222222222"}], "Add": [{"UserId": "333333333333"}]}
    ec2("ModifySnapshotAttribute", SnapshotId=first, CreateVolumePermission=change)
    dlm.passes(HOUR)
    assert shared(first) == ["111111111111", "333333333333"], "what a user changed stays"
    ec2.cloud.state.snapshots.change(first, started=times.text(dlm.now - 1.5 * DAY))
    dlm.passes(HOUR)
    assert shared(first) == ["333333333333"]


def test_variable_tags_of_an_instance(dlm: Dlm, ec2: Ec2) -> None:
    instance = ec2.run(TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "backup", "Value": "yes"}]}])
    variable = [{"Key": "of", "Value": "$(instance-id)"}, {"Key": "at", "Value": "$(timestamp)"}]
    dlm.policy("INSTANCE", schedule={"VariableTags": variable})
    dlm.passes(HOUR)
    tags = {tag["Key"]: tag["Value"] for tag in dlm.snapshots()[0]["Tags"]}
    assert (tags["of"], tags["at"]) == (instance, "2099-03-01T13:00:00.000Z")


@pytest.mark.parametrize(
    ("retain", "deprecate", "deprecated"),
    [
        ({"Count": 3}, {"Count": 2}, [True, True, False]),
        ({"Interval": 2, "IntervalUnit": "WEEKS"}, {"Interval": 1, "IntervalUnit": "WEEKS"}, [True, True, False]),
    ],
)
def test_images_are_deprecated(
    dlm: Dlm, ec2: Ec2, retain: dict[str, Any], deprecate: dict[str, Any], deprecated: list[bool]
) -> None:
    dlm.now = time.time()
    ec2.run(TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "backup", "Value": "yes"}]}])
    dlm.policy("INSTANCE", retain=retain, PolicyType="IMAGE_MANAGEMENT", schedule={"DeprecateRule": deprecate})
    for _ in range(3):
        dlm.passes(HOUR)
    images = ec2("DescribeImages", Filters=[{"Name": "tag-key", "Values": [lifecycle_made.POLICY_TAG]}])["Images"]
    images.sort(key=lambda one: one["CreationDate"])
    assert ["DeprecationTime" in one for one in images] == deprecated
    if "Interval" in deprecate:
        ahead = times.seconds(images[0]["DeprecationTime"]) - times.seconds(images[0]["CreationDate"])
        assert 6.9 * DAY < ahead <= 7 * DAY


def test_a_run_that_was_cut_short_goes_on_where_it_was(dlm: Dlm, ec2: Ec2, monkeypatch: pytest.MonkeyPatch) -> None:
    volumes = {tagged(ec2), tagged(ec2)}
    dlm.policy()
    real, count = api.call, [0]

    def dying(*args: Any, **more: Any) -> Any:
        count[0] += 1
        if count[0] == 2:
            raise KeyboardInterrupt
        return real(*args, **more)

    monkeypatch.setattr(api, "call", dying)
    with pytest.raises(KeyboardInterrupt):
        dlm.passes(HOUR)
    dlm.passes(1)
    assert sorted(one["VolumeId"] for one in dlm.snapshots()) == sorted(volumes)
    assert len(ec2.cloud.state.policy_runs.query()) == 1


def test_one_that_fails_does_not_keep_the_others_and_is_told(dlm: Dlm, ec2: Ec2, monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = tagged(ec2), tagged(ec2)
    policy = dlm.policy()
    real = api.call

    def refusing(cloud: Any, service: str, name: str, params: Any, **more: Any) -> Any:
        if params.get("VolumeId") == bad:
            raise ApiError("IncorrectState", "not now")
        return real(cloud, service, name, params, **more)

    monkeypatch.setattr(api, "call", refusing)
    dlm.passes(HOUR)
    assert [one["VolumeId"] for one in dlm.snapshots()] == [good]
    assert bad in dlm("GetLifecyclePolicy", PolicyId=policy)["Policy"]["StatusMessage"]


def test_disabled_policies_do_nothing_and_make_nothing_up(dlm: Dlm, ec2: Ec2, host: FakeHost) -> None:
    tagged(ec2)
    policy = dlm.policy()
    dlm("UpdateLifecyclePolicy", PolicyId=policy, State="DISABLED")
    dlm.passes(3 * HOUR)
    assert dlm.snapshots() == []
    dlm("UpdateLifecyclePolicy", PolicyId=policy, State="ENABLED")
    ec2.cloud.state.policies.change(policy, modified=times.text(dlm.now))
    dlm.passes(60)
    assert dlm.snapshots() == []
    host.fail("blocks.chains", Permanent("x"))  # of no instance, so nobody asks
    dlm.passes(HOUR)
    assert len(dlm.snapshots()) == 1


def test_policies_are_described_changed_tagged_and_deleted(dlm: Dlm) -> None:
    policy = dlm.policy()
    shown = dlm("GetLifecyclePolicy", PolicyId=policy)["Policy"]
    assert (shown["State"], shown["PolicyDetails"]["PolicyType"]) == ("ENABLED", "EBS_SNAPSHOT_MANAGEMENT")
    dlm("TagResource", ResourceArn=shown["PolicyArn"], Tags={"more": "1"})
    dlm("UntagResource", ResourceArn=shown["PolicyArn"], TagKeys=["team"])
    assert dlm("ListTagsForResource", ResourceArn=shown["PolicyArn"])["Tags"] == {"more": "1"}
    assert [one["PolicyId"] for one in dlm("GetLifecyclePolicies", TargetTags=["backup=yes"])["Policies"]] == [policy]
    assert dlm("GetLifecyclePolicies", ResourceTypes=["INSTANCE"])["Policies"] == []
    dlm("UpdateLifecyclePolicy", PolicyId=policy, Description="better")
    assert dlm("GetLifecyclePolicy", PolicyId=policy)["Policy"]["Description"] == "better"
    dlm("DeleteLifecyclePolicy", PolicyId=policy)
    with pytest.raises(ApiError, match="ResourceNotFoundException"):
        dlm("GetLifecyclePolicy", PolicyId=policy)
    assert dlm("GetLifecyclePolicies")["Policies"] == []


def test_the_kind_of_a_policy_stays(dlm: Dlm) -> None:
    policy = dlm.policy()
    for changes in ({"ResourceTypes": ["INSTANCE"]}, {"PolicyType": "IMAGE_MANAGEMENT"}, {"PolicyLanguage": "SIMPLIFIED"}):
        with pytest.raises(ApiError, match="InvalidRequestException"):
            dlm("UpdateLifecyclePolicy", PolicyId=policy, PolicyDetails=changes)
    with pytest.raises(ApiError, match="InvalidRequestException"):
        dlm("UpdateLifecyclePolicy", PolicyId=policy, CreateInterval=2)
    with pytest.raises(ApiError, match="InvalidRequestException"):
        dlm("UpdateLifecyclePolicy", PolicyId=policy, ExecutionRoleArn="me")


SCRIPTS = [{"ExecutionHandler": "AWS_VSS_BACKUP"}]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"TargetTags": []}, "Invalid"),
        ({"Schedules": []}, "Invalid"),
        ({"PolicyType": "EVENT_BASED_POLICY"}, "UnsupportedOperation"),
        ({"Parameters": {"ExcludeBootVolume": True}}, "InvalidRequestException"),
        ({"schedule": {"CreateRule": {"Interval": 5, "IntervalUnit": "HOURS"}}}, "InvalidRequestException"),
        ({"schedule": {"CreateRule": {"CronExpression": "cron(61 0 * * ? *)"}}}, "InvalidRequestException"),
        ({"schedule": {"RetainRule": {}}}, "InvalidRequestException"),
        ({"schedule": {"FastRestoreRule": {"Count": 1}}}, "UnsupportedOperation"),
        ({"retain": {"Count": 1001}}, "Invalid"),
        ({"retain": {"Interval": 101, "IntervalUnit": "YEARS"}}, "InvalidRequestException"),
        ({"retain": {"Interval": 3}}, "InvalidRequestException"),
        ({"retain": {"Interval": 3, "IntervalUnit": "DAYS", "Count": 3}}, "InvalidRequestException"),
        ({"schedule": {"CreateRule": {"Interval": 1, "IntervalUnit": "HOURS", "Times": ["25:00"]}}}, "InvalidRequestException"),
        ({"schedule": {"CreateRule": {"Interval": 1, "IntervalUnit": "HOURS", "Scripts": SCRIPTS}}}, "UnsupportedOperation"),
        ({"schedule": {"Name": "a/b"}}, "InvalidRequestException"),
        ({"schedule": {"CrossRegionCopyRules": [{"TargetRegion": "eu-west-1", "Encrypted": False}]}}, "UnsupportedOperation"),
        ({"schedule": {"ArchiveRule": {"RetainRule": {"RetentionArchiveTier": {"Count": 3}}}}}, "UnsupportedOperation"),
        ({"schedule": {"ShareRules": [{"TargetAccounts": ["me"]}]}}, "Invalid"),
        ({"schedule": {"ShareRules": [{"TargetAccounts": ["1" * 12], "UnshareInterval": 1}]}}, "InvalidRequestException"),
        ({"schedule": {"DeprecateRule": {"Count": 1}}}, "InvalidRequestException"),
        ({"schedule": {"VariableTags": [{"Key": "a", "Value": "$(instance-id)"}]}}, "InvalidRequestException"),
        ({"ResourceLocations": ["LOCAL_ZONE"]}, "UnsupportedOperation"),
        ({"CrossRegionCopyTargets": [{"TargetRegion": "eu-west-1"}]}, "UnsupportedOperation"),
        ({"EventSource": {"Type": "MANAGED_CWE"}}, "UnsupportedOperation"),
        ({"CreateInterval": 1}, "InvalidRequestException"),
    ],
)
def test_policies_that_make_no_sense(dlm: Dlm, changes: dict[str, Any], code: str) -> None:
    with pytest.raises(ApiError) as caught:
        dlm.policy(**changes)
    assert caught.value.code.startswith(code)
