"""Default policies of DLM: everything without a recent backup gets one, a day and a week's worth is kept."""

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from minicloud.aws import times
from minicloud.errors import ApiError

from ..cloud_fixtures import Ec2
from ..endpoint_fixtures import Served, error_of, served
from .dlm_client import DAY, ROLE, Dlm, dlm

__all__ = ["dlm", "served"]


def made(dlm: Dlm, kind: str = "VOLUME", **params: Any) -> str:
    """A default policy, made now; the clock stands at its first run."""
    common = {"ExecutionRoleArn": ROLE, "Description": "default", "State": "ENABLED"}
    policy = str(dlm("CreateLifecyclePolicy", **common, DefaultPolicy=kind, **params)["PolicyId"])
    dlm.now = time.time() + 61
    return policy


def volume(ec2: Ec2, kind: str = "gp3", **tags: str) -> str:
    given = [{"Key": key, "Value": value} for key, value in tags.items()]
    specifications = [{"ResourceType": "volume", "Tags": given}] if given else []
    made = ec2("CreateVolume", AvailabilityZone="us-east-1a", Size=1, VolumeType=kind, TagSpecifications=specifications)
    return str(made["VolumeId"])


def of(dlm: Dlm) -> list[str]:
    """The volumes that the policy's snapshots are of."""
    return sorted(one["VolumeId"] for one in dlm.snapshots())


def aged(ec2: Ec2, days: float) -> None:
    """All snapshots as if they had been made some days earlier."""
    for row in ec2.cloud.state.snapshots.query():
        ec2.cloud.state.snapshots.change(row.id, started=times.text(times.seconds(row.started) - days * DAY))


def test_what_has_no_recent_snapshot_gets_one_every_few_days(dlm: Dlm, ec2: Ec2) -> None:
    old, backed_up = volume(ec2, colour="red"), volume(ec2)
    ec2("CreateSnapshot", VolumeId=backed_up)
    made(dlm, CreateInterval=2, RetainInterval=3, CopyTags=True)
    dlm.passes(0)
    assert of(dlm) == [old]
    assert {"Key": "colour", "Value": "red"} in dlm.snapshots()[0]["Tags"]
    dlm.passes(60)
    assert of(dlm) == [old], "a run a day"
    new = volume(ec2)
    dlm.passes(DAY)
    assert of(dlm) == sorted([old, new])
    row = ec2.cloud.state.snapshots.find(volume_id=new)[0]
    ec2.cloud.state.snapshots.change(row.id, started=times.text(dlm.now))
    dlm.passes(DAY)
    assert of(dlm) == sorted([old, old, new, backed_up])


def test_they_are_kept_for_as_long_as_it_says(dlm: Dlm, ec2: Ec2) -> None:
    volume(ec2)
    made(dlm, RetainInterval=2)
    dlm.passes(0)
    first = dlm.snapshots()[0]["SnapshotId"]
    aged(ec2, 2)
    dlm.passes(DAY)
    assert [one["SnapshotId"] for one in dlm.snapshots()] != [first]
    assert len(dlm.snapshots()) == 1


def test_exclusions(dlm: Dlm, ec2: Ec2) -> None:
    ec2.run(BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1}}])
    volume(ec2, "gp2")
    volume(ec2, scratch="yes")
    wanted = [volume(ec2), ec2.cloud.state.volumes.find(device="/dev/sdf")[0].id]
    ec2.cloud.state.volumes.change(wanted[1], kind="gp3")
    tags = [{"Key": "scratch", "Value": "yes"}]
    made(dlm, Exclusions={"ExcludeBootVolumes": True, "ExcludeVolumeTypes": ["gp2"], "ExcludeTags": tags})
    dlm.passes(0)
    assert of(dlm) == sorted(wanted)


def test_of_instances_it_makes_images(dlm: Dlm, ec2: Ec2) -> None:
    instance = ec2.run()
    made(dlm, "INSTANCE")
    dlm.passes(0)
    images = [image for image in ec2("DescribeImages")["Images"] if image.get("SourceInstanceId") == instance]
    assert len(images) == 1
    assert ec2.state(instance) == "running", "and reboots nothing"
    for row in ec2.cloud.state.images.find(instance_id=instance):
        ec2.cloud.state.images.change(row.id, created=times.text(dlm.now + DAY - 60))
    dlm.passes(DAY)
    assert len(ec2.cloud.state.images.find(instance_id=instance)) == 1, "there is a recent one"


@pytest.mark.parametrize("extend", [False, True])
@pytest.mark.parametrize("end", ["source", "disabled", "deleted"])
def test_what_ends_with_the_volume_or_the_policy(dlm: Dlm, ec2: Ec2, end: str, extend: bool) -> None:
    one = volume(ec2)
    policy = made(dlm, RetainInterval=2, ExtendDeletion=extend)
    dlm.passes(0)
    if end == "source":
        ec2("DeleteVolume", VolumeId=one)
    elif end == "disabled":
        dlm("UpdateLifecyclePolicy", PolicyId=policy, State="DISABLED")
    else:
        dlm("DeleteLifecyclePolicy", PolicyId=policy)
        assert dlm("GetLifecyclePolicies")["Policies"] == []
    aged(ec2, 3)
    dlm.passes(DAY)
    assert len(ec2.cloud.state.snapshots.find(volume_id=one)) == (0 if extend else 1)
    dlm.passes(DAY)
    assert (ec2.cloud.state.policies.get(policy) is None) == (end == "deleted")


def test_it_is_shown_and_changed(dlm: Dlm) -> None:
    policy = made(dlm, CreateInterval=2)
    shown = dlm("GetLifecyclePolicy", PolicyId=policy)["Policy"]
    assert shown["DefaultPolicy"] is True
    assert shown["PolicyDetails"] == {
        "PolicyLanguage": "SIMPLIFIED", "PolicyType": "EBS_SNAPSHOT_MANAGEMENT", "ResourceType": "VOLUME", "CreateInterval": 2,
        "RetainInterval": 7, "CopyTags": False, "ExtendDeletion": False,
    }  # fmt: skip
    dlm("UpdateLifecyclePolicy", PolicyId=policy, RetainInterval=10, PolicyDetails=None)
    dlm("UpdateLifecyclePolicy", PolicyId=policy, PolicyDetails={"CopyTags": True})
    details = dlm("GetLifecyclePolicy", PolicyId=policy)["Policy"]["PolicyDetails"]
    assert (details["CreateInterval"], details["RetainInterval"], details["CopyTags"]) == (2, 10, True)
    own = dlm.policy()
    for kind, found in (("ALL", [policy]), ("VOLUME", [policy]), ("INSTANCE", [])):
        assert [one["PolicyId"] for one in dlm("GetLifecyclePolicies", DefaultPolicyType=kind)["Policies"]] == found
    summaries = {one["PolicyId"]: one["DefaultPolicy"] for one in dlm("GetLifecyclePolicies")["Policies"]}
    assert summaries == {policy: True, own: False}


def test_one_of_each_kind(dlm: Dlm) -> None:
    made(dlm)
    details = {"PolicyLanguage": "SIMPLIFIED", "ResourceType": "INSTANCE", "RetainInterval": 3}
    common = {"ExecutionRoleArn": ROLE, "Description": "default", "State": "ENABLED"}
    dlm("CreateLifecyclePolicy", **common, PolicyDetails=details)
    for params in ({"DefaultPolicy": "VOLUME"}, {"PolicyDetails": details}):
        with pytest.raises(ApiError, match="already"):
            dlm("CreateLifecyclePolicy", **common, **params)


@pytest.mark.parametrize(
    "params",
    [
        {"DefaultPolicy": "VOLUME", "CreateInterval": 8},
        {"DefaultPolicy": "VOLUME", "RetainInterval": 15},
        {"DefaultPolicy": "VOLUME", "RetainInterval": 1},
        {"DefaultPolicy": "VOLUME", "CreateInterval": 3, "RetainInterval": 3},
        {"DefaultPolicy": "VOLUME", "CreateInterval": 3, "PolicyDetails": {"RetainInterval": 5}},
        {"DefaultPolicy": "VOLUME", "PolicyDetails": {"ResourceType": "INSTANCE"}},
        {"DefaultPolicy": "VOLUME", "PolicyDetails": {"PolicyType": "IMAGE_MANAGEMENT"}},
        {"DefaultPolicy": "VOLUME", "PolicyDetails": {"TargetTags": [{"Key": "a", "Value": "b"}]}},
        {"DefaultPolicy": "INSTANCE", "Exclusions": {"ExcludeBootVolumes": True}},
        {"PolicyDetails": {"PolicyLanguage": "SIMPLIFIED"}},
        {"CreateInterval": 1},
    ],
)
def test_those_that_make_no_sense(dlm: Dlm, params: dict[str, Any]) -> None:
    with pytest.raises(ApiError, match="InvalidRequestException"):
        dlm("CreateLifecyclePolicy", ExecutionRoleArn=ROLE, Description="d", State="ENABLED", **params)
    assert dlm("GetLifecyclePolicies")["Policies"] == []


def test_other_regions_are_refused_by_name(dlm: Dlm) -> None:
    with pytest.raises(ApiError, match="CrossRegionCopyTargets"):
        made(dlm, CrossRegionCopyTargets=[{"TargetRegion": "eu-west-1"}])


def test_over_http(served: Served) -> None:
    client = served.boto("dlm")
    common = {"ExecutionRoleArn": ROLE, "Description": "default", "State": "ENABLED"}
    exclusions = {"ExcludeBootVolumes": True, "ExcludeVolumeTypes": ["st1"], "ExcludeTags": [{"Key": "a", "Value": "b"}]}
    policy = client.create_lifecycle_policy(**common, DefaultPolicy="VOLUME", Exclusions=exclusions, Tags={"team": "x"})[
        "PolicyId"
    ]
    client.update_lifecycle_policy(PolicyId=policy, RetainInterval=9, ExtendDeletion=True)
    shown = client.get_lifecycle_policy(PolicyId=policy)["Policy"]
    assert (shown["DefaultPolicy"], shown["Tags"], shown["PolicyDetails"]["Exclusions"]) == (True, {"team": "x"}, exclusions)
    assert (shown["PolicyDetails"]["RetainInterval"], shown["PolicyDetails"]["ExtendDeletion"]) == (9, True)
    assert [one["PolicyId"] for one in client.get_lifecycle_policies(DefaultPolicyType="VOLUME")["Policies"]] == [policy]
    with pytest.raises(ClientError) as caught:
        client.create_lifecycle_policy(**common, DefaultPolicy="VOLUME")
    assert error_of(caught) == ("InvalidRequestException", 400)
    client.delete_lifecycle_policy(PolicyId=policy)
    with pytest.raises(ClientError) as caught:
        client.get_lifecycle_policy(PolicyId=policy)
    assert error_of(caught) == ("ResourceNotFoundException", 404)
