"""Lifecycle policies over a fake host, by a clock of the tests' own."""

import time
from typing import Any

import pytest

from minicloud import api
from minicloud.aws import times
from minicloud.errors import ApiError, Permanent
from minicloud.host.fake import FakeHost
from minicloud.reconcile import lifecycle

from .. import conforms
from ..cloud_fixtures import Ec2

HOUR, DAY = 3600.0, 86400.0
HOURLY = {"Interval": 1, "IntervalUnit": "HOURS", "Times": ["00:00"]}
NOON = times.seconds("2099-03-01T12:00:30Z")


class Dlm:
    """A client, and a clock."""

    def __init__(self, ec2: Ec2) -> None:
        self.ec2, self.now = ec2, NOON

    def __call__(self, operation: str, **params: Any) -> dict[str, Any]:
        answer = api.call(self.ec2.cloud, "dlm", operation, params)
        conforms.check(api.find("dlm", operation).model.output, answer, operation)
        return answer

    def policy(self, kind: str = "VOLUME", retain: dict[str, Any] | None = None, **changes: Any) -> str:
        schedule = {"Name": "hourly", "CreateRule": HOURLY, "RetainRule": retain or {"Count": 3}, **changes.pop("schedule", {})}
        details = {
            "ResourceTypes": [kind], "TargetTags": [{"Key": "backup", "Value": "yes"}], "Schedules": [schedule], **changes,
        }  # fmt: skip
        made = self(
            "CreateLifecyclePolicy", ExecutionRoleArn="arn:aws:iam::000000000000:role/dlm", Description="d", State="ENABLED",
            PolicyDetails=details, Tags={"team": "a"},
        )["PolicyId"]  # fmt: skip
        self.ec2.cloud.state.policies.change(made, modified=times.text(self.now))
        return str(made)

    def passes(self, seconds: float) -> None:
        self.now += seconds
        lifecycle.reconcile(self.ec2.cloud, lambda: self.now)

    def snapshots(self) -> list[dict[str, Any]]:
        found = self.ec2("DescribeSnapshots", Filters=[{"Name": "tag-key", "Values": [lifecycle.POLICY_TAG]}])["Snapshots"]
        return sorted(found, key=lambda one: str(one["StartTime"]))


@pytest.fixture
def dlm(ec2: Ec2) -> Dlm:
    return Dlm(ec2)


def tagged(ec2: Ec2, **tags: str) -> str:
    given = [{"Key": key, "Value": value} for key, value in {"backup": "yes", **tags}.items()]
    made = ec2(
        "CreateVolume", AvailabilityZone="us-east-1a", Size=1, TagSpecifications=[{"ResourceType": "volume", "Tags": given}]
    )
    return str(made["VolumeId"])


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
        "backup": "yes", "colour": "red", "made": "by policy", lifecycle.POLICY_TAG: policy, lifecycle.SCHEDULE_TAG: "hourly",
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
    images = ec2("DescribeImages", Filters=[{"Name": "tag-key", "Values": [lifecycle.POLICY_TAG]}])["Images"]
    assert len(images) == 2
    assert len(ec2.cloud.state.snapshots.query("image_id != ''")) == 2


def test_a_run_that_was_cut_short_goes_on_where_it_was(dlm: Dlm, ec2: Ec2, monkeypatch: pytest.MonkeyPatch) -> None:
    volumes = {tagged(ec2), tagged(ec2)}
    dlm.policy()
    real, count = api.call, [0]

    def dying(*args: Any) -> Any:
        count[0] += 1
        if count[0] == 2:
            raise KeyboardInterrupt
        return real(*args)

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

    def refusing(cloud: Any, service: str, name: str, params: Any) -> Any:
        if params.get("VolumeId") == bad:
            raise ApiError("IncorrectState", "not now")
        return real(cloud, service, name, params)

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
    ],
)
def test_policies_that_make_no_sense(dlm: Dlm, changes: dict[str, Any], code: str) -> None:
    with pytest.raises(ApiError) as caught:
        dlm.policy(**changes)
    assert caught.value.code.startswith(code)
