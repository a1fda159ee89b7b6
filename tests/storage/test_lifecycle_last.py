"""A lifecycle policy never deletes the last backup of what is still there, and nothing that it did not make."""

import time
from typing import Any

import pytest

from minicloud import api
from minicloud.aws import times
from minicloud.errors import ApiError
from minicloud.state.rows import Tag

from ..cloud_fixtures import Ec2
from .dlm_client import DAY, HOUR, ROLE, Dlm, dlm, tagged

__all__ = ["dlm"]

POLICY = "aws:dlm:lifecycle-policy-id"
WEEK = {"Interval": 7, "IntervalUnit": "DAYS"}
TAGGED = [{"ResourceType": "instance", "Tags": [{"Key": "backup", "Value": "yes"}]}]
EXTRA = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1}}]


def ids(dlm: Dlm) -> list[str]:
    """The snapshots of policies that are whole, in the order in which they were made."""
    there = {one["SnapshotId"] for one in dlm.snapshots() if one["State"] == "completed"}
    return [row.id for row in dlm.ec2.cloud.state.snapshots.query() if row.id in there]


def images(ec2: Ec2) -> list[str]:
    return [row.id for row in ec2.cloud.state.images.query() if row.name.startswith("policy-") and row.state == "available"]


def age(ec2: Ec2, days: float) -> None:
    """All snapshots and images as if they had been made some days earlier."""
    state = ec2.cloud.state
    for row in state.snapshots.query():
        state.snapshots.change(row.id, started=times.text(times.seconds(row.started) - days * DAY))
    for image in state.images.query("instance_id != ''"):
        state.images.change(image.id, created=times.text(times.seconds(image.created) - days * DAY))


def refuse(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """No policy can do these operations any more."""
    real = api.call

    def refusing(cloud: Any, service: str, name: str, params: Any, **more: Any) -> Any:
        if name in names:
            raise ApiError("IncorrectState", "not now")
        return real(cloud, service, name, params, **more)

    monkeypatch.setattr(api, "call", refusing)


def spoil(monkeypatch: pytest.MonkeyPatch, *, layer_id: str | None = None) -> None:
    """The snapshots of volumes of 1 GiB that policies make are in error: with a layer, or never taken."""
    real = api.call

    def spoiling(cloud: Any, service: str, name: str, params: Any, **more: Any) -> Any:
        before = {row.id for row in cloud.state.snapshots.query()}
        answer = real(cloud, service, name, params, **more)
        for row in cloud.state.snapshots.query("size = 1"):
            if row.id not in before and name.startswith("Create"):
                left = row.layer_id if layer_id is None else layer_id
                cloud.state.snapshots.change(row.id, state="error", message="a bad sector", layer_id=left)
        return answer

    monkeypatch.setattr(api, "call", spoiling)


@pytest.fixture(autouse=True)
def today(dlm: Dlm) -> None:
    dlm.now = time.time()


@pytest.mark.parametrize("trouble", ["damaged", "no new one", "failing ones", "damaged ones"])
def test_by_age_the_newest_whole_one_stays_until_there_is_a_newer(
    dlm: Dlm, ec2: Ec2, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    volume = tagged(ec2)
    dlm.policy(retain=WEEK)
    for _ in range(3):
        dlm.passes(HOUR)
    last = ids(dlm)[-1]
    with monkeypatch.context() as patch:
        if trouble == "damaged":
            ec2.cloud.state.volumes.change(volume, state="error", reason="QEMU found it damaged")
        elif trouble == "no new one":
            refuse(patch, "CreateSnapshot")
        else:
            spoil(patch, layer_id="" if trouble == "failing ones" else None)
        for _ in range(3):
            age(ec2, 9)
            dlm.passes(HOUR)
            assert ids(dlm) == [last], "the older ones go"
    ec2.cloud.state.volumes.change(volume, state="available", reason="")
    dlm.passes(HOUR)
    dlm.passes(HOUR)
    assert last not in ids(dlm), "there are newer ones"
    assert len(ids(dlm)) >= 2


def test_of_a_volume_without_its_target_tag_all_stay(dlm: Dlm, ec2: Ec2) -> None:
    """As on AWS: the policy does not manage it any more. It does again when the tag is there."""
    volume = tagged(ec2)
    dlm.policy(retain=WEEK)
    for _ in range(3):
        dlm.passes(HOUR)
    before = ids(dlm)
    ec2("DeleteTags", Resources=[volume], Tags=[{"Key": "backup"}])
    age(ec2, 30)
    dlm.passes(HOUR)
    assert ids(dlm) == before
    ec2("CreateTags", Resources=[volume], Tags=[{"Key": "backup", "Value": "yes"}])
    dlm.passes(HOUR)
    assert not set(ids(dlm)) & set(before)
    assert len(ids(dlm)) == 1


def test_of_an_instance_without_its_target_tag_all_stay(dlm: Dlm, ec2: Ec2) -> None:
    instance = ec2.run(TagSpecifications=TAGGED)
    dlm.policy("INSTANCE", retain=WEEK)
    dlm.policy("INSTANCE", retain=WEEK, PolicyType="IMAGE_MANAGEMENT")
    for _ in range(2):
        dlm.passes(HOUR)
    before = ids(dlm), images(ec2)
    ec2("DeleteTags", Resources=[instance], Tags=[{"Key": "backup"}])
    age(ec2, 30)
    dlm.passes(HOUR)
    assert (ids(dlm), images(ec2)) == before


@pytest.mark.parametrize("layer_id", [None, ""])
@pytest.mark.parametrize("retain", [WEEK, {"Count": 1}])
def test_a_set_that_is_not_whole_takes_no_place_of_one_that_is(
    dlm: Dlm, ec2: Ec2, monkeypatch: pytest.MonkeyPatch, retain: dict[str, Any], layer_id: str | None
) -> None:
    ec2.run(BlockDeviceMappings=EXTRA, TagSpecifications=TAGGED)
    dlm.policy("INSTANCE", retain=retain)
    dlm.passes(HOUR)
    whole = ids(dlm)
    assert len(whole) == 2
    with monkeypatch.context() as patch:
        spoil(patch, layer_id=layer_id)
        for _ in range(3):
            age(ec2, 9)
            dlm.passes(HOUR)
    assert ids(dlm)[:2] == whole
    assert len(ids(dlm)) == 3, "and the newest of the volume that is well"
    age(ec2, 9)
    dlm.passes(HOUR)
    dlm.passes(HOUR)
    assert not set(ids(dlm)) & set(whole), "there is a newer whole set"
    assert not [one for one in dlm.snapshots() if one["State"] == "error"]


@pytest.mark.parametrize("trouble", ["no new one can be made", "a snapshot of each is damaged"])
def test_of_images_the_newest_stays_and_is_not_deprecated(
    dlm: Dlm, ec2: Ec2, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    ec2.run(BlockDeviceMappings=EXTRA, TagSpecifications=TAGGED)
    deprecate = {"Interval": 1, "IntervalUnit": "DAYS"}
    dlm.policy("INSTANCE", retain=WEEK, PolicyType="IMAGE_MANAGEMENT", schedule={"DeprecateRule": deprecate})
    for _ in range(2):
        dlm.passes(HOUR)
    last = images(ec2)[-1]
    if trouble == "no new one can be made":
        refuse(monkeypatch, "CreateImage")
    else:
        spoil(monkeypatch)
    for _ in range(3):
        age(ec2, 9)
        dlm.passes(HOUR)
        assert last in images(ec2)
        assert len(images(ec2)) <= 2
    shown = ec2("DescribeImages", ImageIds=[last])["Images"][0]
    assert "DeprecationTime" not in shown


def test_the_last_goes_with_its_source_only_where_that_was_asked_for(dlm: Dlm, ec2: Ec2) -> None:
    """ExtendDeletion is about a source that was deleted, not about one that is damaged."""
    made = ec2("CreateVolume", AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
    common = {"ExecutionRoleArn": ROLE, "Description": "default", "State": "ENABLED"}
    dlm("CreateLifecyclePolicy", **common, DefaultPolicy="VOLUME", RetainInterval=2, ExtendDeletion=True)
    dlm.passes(61)
    ec2.cloud.state.volumes.change(made, state="error", reason="QEMU found it damaged")
    age(ec2, 30)
    dlm.passes(DAY)
    assert len(ids(dlm)) == 1


def test_copies_are_nobodys_but_the_users(dlm: Dlm, ec2: Ec2) -> None:
    instance = ec2.run(TagSpecifications=TAGGED)
    ec2("CreateTags", Resources=[instance], Tags=[{"Key": "team", "Value": "a"}])
    dlm.policy("INSTANCE", retain={"Count": 1}, PolicyType="IMAGE_MANAGEMENT", schedule={"CopyTags": True})
    dlm.passes(HOUR)
    copy = ec2("CopyImage", Name="mine", SourceImageId=images(ec2)[0], SourceRegion="us-east-1", CopyImageTags=True)["ImageId"]
    assert {tag["Key"] for tag in ec2("DescribeImages", ImageIds=[copy])["Images"][0]["Tags"]} == {"team", "backup"}
    for _ in range(3):
        dlm.passes(HOUR)
    assert ec2("DescribeImages", ImageIds=[copy])["Images"][0]["State"] == "available"


def test_tags_of_services_are_not_copied_to_snapshots(ec2: Ec2) -> None:
    instance = ec2.run()
    volume = ec2.cloud.state.volumes.find(instance_id=instance)[0].id
    ec2("CreateTags", Resources=[volume], Tags=[{"Key": "team", "Value": "a"}])
    with ec2.cloud.state.transaction():
        for key in (POLICY, "AWS:anything"):
            ec2.cloud.state.tags.add(Tag(volume, key, "x", "volume"))
    made = ec2("CreateSnapshots", InstanceSpecification={"InstanceId": instance}, CopyTagsFromSource="volume")["Snapshots"][0]
    assert made["Tags"] == [{"Key": "team", "Value": "a"}]


def test_what_has_its_tags_and_was_not_made_by_it_is_not_deleted(dlm: Dlm, ec2: Ec2) -> None:
    """As in a state in which those tags were still copied."""
    volume, instance = tagged(ec2), ec2.run(TagSpecifications=TAGGED)
    of_volumes = dlm.policy(retain=WEEK)
    of_images = dlm.policy("INSTANCE", retain={"Count": 1}, PolicyType="IMAGE_MANAGEMENT")
    own = ec2("CreateSnapshot", VolumeId=volume, Description="before the upgrade")["SnapshotId"]
    image = ec2("CreateImage", InstanceId=instance, Name="before the upgrade")["ImageId"]
    dlm.passes(HOUR)
    copy = ec2("CopyImage", Name="mine", SourceImageId=images(ec2)[0], SourceRegion="us-east-1")["ImageId"]
    with ec2.cloud.state.transaction():
        for made, policy, kind in ((own, of_volumes, "snapshot"), (copy, of_images, "image"), (image, of_images, "image")):
            ec2.cloud.state.tags.add(Tag(made, POLICY, policy, kind))
            ec2.cloud.state.tags.add(Tag(made, "aws:dlm:lifecycle-schedule-name", "hourly", kind))
    age(ec2, 30)
    for _ in range(3):
        dlm.passes(HOUR)
    state = ec2.cloud.state
    left = state.snapshots.get(own), state.images.get(copy), state.images.get(image)
    assert [row.state if row else "" for row in left] == ["completed", "available", "available"]
