"""Packer, as Debian 12 has it, where no guest is needed: the builders of images and of volumes with no communicator."""

import json
import re
from pathlib import Path

from ..cloud_fixtures import IMAGE, RUN
from ..endpoint_fixtures import Served
from .packer_builds import OWN, command, nothing_of_the_build_is_left, tags
from .programs import ran

USER = "123456789012"


def packed(served: Served, directory: Path, template: str) -> str:
    """What a build says."""
    return ran(served, directory, command(template, endpoint=served.url, image=IMAGE.image_id), **OWN).text


def test_an_image_is_built_and_built_again_in_its_place(served: Served, tmp_path: Path) -> None:
    ec2 = served.boto()
    images = []
    for _ in range(2):
        packed(served, tmp_path, "images.json")
        nothing_of_the_build_is_left(ec2)
        (image,) = ec2.describe_images(Owners=["self"], Filters=[{"Name": "name", "Values": ["packed"]}])["Images"]
        images.append(image["ImageId"])
    assert len(set(images)) == 2
    assert (image["Description"], image["EnaSupport"], image["Public"]) == ("packed from debian-12", True, True)
    assert tags(image) == {"Base": IMAGE.image_id, "Of": "packer"}
    snapshots = {one["DeviceName"]: one["Ebs"]["SnapshotId"] for one in image["BlockDeviceMappings"]}
    assert sorted(snapshots) == ["/dev/sdf", "/dev/xvda"]
    permissions = ec2.describe_image_attribute(ImageId=image["ImageId"], Attribute="launchPermission")["LaunchPermissions"]
    assert {"UserId": USER} in permissions
    for snapshot in snapshots.values():
        asked = {"SnapshotId": snapshot, "Attribute": "createVolumePermission"}
        assert ec2.describe_snapshot_attribute(**asked)["CreateVolumePermissions"] == [{"UserId": USER}]
        assert tags(ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0])["Of"] == "snapshot"
    left = {
        one["SnapshotId"] for one in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"] if one["VolumeId"] != "vol-ffffffff"
    }
    assert left == set(snapshots.values())
    assert ec2.describe_volumes()["Volumes"] == []
    builds = json.loads((tmp_path / "manifest.json").read_text())["builds"]
    assert [build["artifact_id"] for build in builds] == [f"us-east-1:{made}" for made in images]


def test_an_image_of_a_disk_that_is_not_the_root(served: Served, tmp_path: Path) -> None:
    packed(served, tmp_path, "surrogate.json")
    ec2 = served.boto()
    nothing_of_the_build_is_left(ec2)
    (image,) = ec2.describe_images(Owners=["self"], Filters=[{"Name": "name", "Values": ["from-a-second-disk"]}])["Images"]
    assert (image["RootDeviceName"], image["State"], tags(image)) == ("/dev/xvda", "available", {"Of": "surrogate"})
    (root,) = image["BlockDeviceMappings"]
    assert root["Ebs"]["VolumeSize"] == 5
    made = ec2.run_instances(**{**RUN, "ImageId": image["ImageId"]})["Instances"][0]["InstanceId"]
    ec2.terminate_instances(InstanceIds=[made])


def test_volumes(served: Served, tmp_path: Path) -> None:
    said = packed(served, tmp_path, "volumes.json")
    ec2 = served.boto()
    nothing_of_the_build_is_left(ec2)
    volumes = {
        tags(one)["Name"]: one for one in ec2.describe_volumes(Filters=[{"Name": "tag:Of", "Values": ["packer"]}])["Volumes"]
    }
    shown = {name: (one["State"], one["Size"], one["VolumeType"]) for name, one in volumes.items()}
    assert shown == {"data": ("available", 3, "gp2"), "fast": ("available", 4, "io1")}
    assert set(re.findall("vol-[0-9a-f]+", said)) == {one["VolumeId"] for one in volumes.values()}
