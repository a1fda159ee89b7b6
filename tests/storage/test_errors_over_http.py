"""Each row of AWS's errors for volumes, snapshots and images, as boto3 gets it over HTTP: code and status, and AWS's words."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from minicloud.cloud import Idle
from minicloud.host.fake import FakeHost

from ..cloud_fixtures import IMAGE
from ..endpoint_fixtures import Served, error_of, served

__all__ = ["served"]

ZONE = {"AvailabilityZone": "us-east-1a"}
VOL, SNAP, AMI = (f"{kind}-{'0' * 17}" for kind in ("vol", "snap", "ami"))

Case = tuple[str, dict[str, Any], str, str]
"""An operation, its parameters, the code, a part of the text."""


class Scene:
    """A running instance, an attached volume, a free one, one being made, a snapshot that is pending, an image of one's own."""

    def __init__(self, served: Served) -> None:
        self.ec2, state = served.boto(), served.cloud.state
        run = {"ImageId": IMAGE.image_id, "InstanceType": "t3.nano", "MinCount": 1, "MaxCount": 1}
        self.instance, self.busy, self.ended = (self.ec2.run_instances(**run)["Instances"][0]["InstanceId"] for _ in range(3))
        self.attached, self.free, self.unmade, self.far = (self.volume(zone) for zone in ("a", "a", "a", "c"))
        self.ec2.attach_volume(VolumeId=self.attached, InstanceId=self.instance, Device="/dev/sdf")
        self.root = state.volumes.find(instance_id=self.instance, device="/dev/xvda")[0].id
        self.ec2.terminate_instances(InstanceIds=[self.ended])
        self.mine = self.ec2.create_image(InstanceId=self.instance, Name="mine")["ImageId"]
        self.used = state.images.get(self.mine).snapshot_id
        self.gone = self.ec2.create_image(InstanceId=self.instance, Name="gone", NoReboot=True)["ImageId"]
        self.ec2.deregister_image(ImageId=self.gone)
        self.pending = self.ec2.create_snapshot(VolumeId=self.far)["SnapshotId"]
        image = self.ec2.create_image(InstanceId=self.busy, Name="busy", NoReboot=True)["ImageId"]
        served.cloud.worker = Idle()  # so that what is not done yet stays so
        state.volumes.change(self.unmade, state="creating")
        state.snapshots.change(self.pending, state="pending")
        state.images.change(image, state="pending")

    def volume(self, zone: str) -> str:
        return str(self.ec2.create_volume(AvailabilityZone=f"us-east-1{zone}", Size=10, VolumeType="gp3")["VolumeId"])

    def creations(self) -> Iterator[Case]:
        bad = "InvalidParameterValue"
        yield "create_volume", {**ZONE}, "MissingParameter", "The request must contain the parameter size/snapshot"
        yield "create_volume", {"Size": 1}, "MissingParameter", "The request must contain the parameter zone"
        yield "create_volume", {"Size": 1, "AvailabilityZone": "mars"}, "InvalidZone.NotFound", "The zone 'mars' does not exist."
        yield "create_volume", {**ZONE, "Size": 1, "VolumeType": "gp9"}, "UnknownVolumeType", "Unsupported volume type 'gp9'"
        yield "create_volume", {**ZONE, "Size": 0}, bad, "must be at least 1 GiB in size"
        yield "create_volume", {**ZONE, "Size": 100, "VolumeType": "sc1"}, bad, "sc1 volumes must be at least 125 GiB in size"
        yield "create_volume", {**ZONE, "Size": -4}, bad, "Value (-4) for parameter size is invalid."
        yield "create_volume", {**ZONE, "Size": 99999}, bad, "too large for volume type gp2; maximum is 16384GiB"
        for kind in ("gp2", "st1"):
            params = {**ZONE, "Size": 500, "VolumeType": kind, "Iops": 300}
            yield "create_volume", params, "InvalidParameterCombination", f"iops is not supported for {kind} volumes."
        yield "create_volume", {**ZONE, "Size": 1, "KmsKeyId": "k"}, "InvalidParameterDependency", "KmsKeyId requires"
        yield "create_volume", {**ZONE, "SnapshotId": SNAP}, "InvalidSnapshot.NotFound", f"The snapshot '{SNAP}' does not exist."
        yield "create_volume", {**ZONE, "SnapshotId": self.pending}, "IncorrectState", "Snapshot is in invalid state - pending"

    def attachments(self) -> Iterator[Case]:
        def attach(**changes: str) -> dict[str, str]:
            return {"VolumeId": self.free, "InstanceId": self.instance, "Device": "/dev/sdg", **changes}

        where = "attach_volume"
        yield where, attach(VolumeId=VOL), "InvalidVolume.NotFound", f"The volume '{VOL}' does not exist."
        yield where, attach(VolumeId=self.attached), "VolumeInUse", f"{self.attached} is already attached to an instance"
        yield where, attach(VolumeId=self.unmade), "IncorrectState", f"{self.unmade} is not 'available'."
        text = "Invalid value '/dev/sdf' for unixDevice. Attachment point /dev/sdf is already in use"
        yield where, attach(Device="/dev/sdf"), "InvalidParameterValue", text
        text = "Value (/dev/sr0) for parameter device is invalid. /dev/sr0 is not a valid EBS device name."
        yield where, attach(Device="/dev/sr0"), "InvalidParameterValue", text
        yield where, attach(InstanceId=self.ended), "IncorrectState", f"Instance '{self.ended}' is not 'running'."
        yield where, attach(VolumeId=self.far), "InvalidVolume.ZoneMismatch", "is not in the same availability zone as instance"
        text = f"Volume '{self.free}' is in the 'available' state."
        yield "detach_volume", {"VolumeId": self.free}, "IncorrectState", text
        text = f"The volume {self.attached} is not attached to instance {self.busy} as device /dev/sdf"
        params = {"VolumeId": self.attached, "InstanceId": self.busy}
        yield "detach_volume", params, "InvalidAttachment.NotFound", text
        text = f"Unable to detach root volume '{self.root}' from instance '{self.instance}'"
        yield "detach_volume", {"VolumeId": self.root}, "OperationNotPermitted", text
        text = f"Volume {self.attached} is currently attached to {self.instance}"
        yield "delete_volume", {"VolumeId": self.attached}, "VolumeInUse", text
        yield "delete_volume", {"VolumeId": "vol-x"}, "InvalidParameterValue", "Value (vol-x) for parameter volume is invalid."
        yield "delete_volume", {"VolumeId": VOL}, "InvalidVolume.NotFound", f"The volume '{VOL}' does not exist."

    def snapshots(self) -> Iterator[Case]:
        text = f"Volume '{self.unmade}' is not in the 'available' or 'in-use' state."
        yield "create_snapshot", {"VolumeId": self.unmade}, "IncorrectState", text
        text = "The maximum per volume CreateSnapshot request rate has been exceeded."
        yield "create_snapshot", {"VolumeId": self.far}, "SnapshotCreationPerVolumeRateExceeded", text
        text = "for parameter description is invalid. Character sets beyond ASCII are not supported."
        yield "create_snapshot", {"VolumeId": self.free, "Description": "\u00fc"}, "InvalidParameterValue", text
        text = f"The snapshot {self.used} is currently in use by {self.mine}"
        yield "delete_snapshot", {"SnapshotId": self.used}, "InvalidSnapshot.InUse", text
        yield "delete_snapshot", {"SnapshotId": SNAP}, "InvalidSnapshot.NotFound", f"The snapshot '{SNAP}' does not exist."
        yield "delete_snapshot", {"SnapshotId": "snap-x"}, "InvalidSnapshotID.Malformed", 'Invalid id: "snap-x"'

    def images(self) -> Iterator[Case]:
        taken = f"AMI name mine is already in use by AMI {self.mine}"
        registered = {"BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": self.used}}]}
        for name in ("create_image", "register_image"):
            params = {"InstanceId": self.instance} if name == "create_image" else registered
            yield name, {**params, "Name": "mine"}, "InvalidAMIName.Duplicate", taken
            for wrong in ("me", "x" * 129, "a*b"):
                yield name, {**params, "Name": wrong}, "InvalidAMIName.Malformed", "between 3 and 128 characters long"
        params = {"InstanceId": self.busy, "Name": "second", "NoReboot": True}
        yield "create_image", params, "ConcurrentCreateImageNoRebootLimitExceeded", "maximum number of concurrent CreateImage"
        text = "No root snapshot specified in device mapping."
        yield "register_image", {"Name": "rootless"}, "InvalidBlockDeviceMapping", text
        yield "deregister_image", {"ImageId": AMI}, "InvalidAMIID.NotFound", f"The image id '[{AMI}]' does not exist"
        run = {"MinCount": 1, "MaxCount": 1, "InstanceType": "t3.nano"}
        text = f"The image ID '{self.gone}' is no longer available"
        yield "run_instances", {**run, "ImageId": self.gone}, "InvalidAMIID.Unavailable", text
        small = [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 2}}]
        params = {**run, "ImageId": self.mine, "BlockDeviceMappings": small}
        text = f"Volume of size 2GB is smaller than snapshot '{self.used}', expect size>= 3GB"
        yield "run_instances", params, "InvalidBlockDeviceMapping", text


def answer_of(ec2: Any, operation: str, params: dict[str, Any]) -> tuple[str, int, str]:
    """Code, status and text of a refusal."""
    try:
        return "", 200, str(getattr(ec2, operation)(**params))
    except ClientError as error:
        response = error.response
        return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]


def test_every_row(served: Served) -> None:
    scene, wrong = Scene(served), []
    before = (len(served.cloud.state.volumes.query()), len(served.cloud.state.snapshots.query()))
    for cases in (scene.creations, scene.attachments, scene.snapshots, scene.images):
        for operation, params, code, text in cases():
            answered = answer_of(scene.ec2, operation, params)
            if answered[:2] != (code, 400) or text not in answered[2]:
                wrong.append((operation, params, answered))
    assert not wrong, "\n".join(map(str, wrong))
    assert (len(served.cloud.state.volumes.query()), len(served.cloud.state.snapshots.query())) == before


def test_a_client_token_that_comes_again_with_something_else(served: Served) -> None:
    ec2 = served.boto()
    first = ec2.create_volume(**ZONE, Size=1, ClientToken="once")["VolumeId"]
    assert ec2.create_volume(**ZONE, Size=1, ClientToken="once")["VolumeId"] == first
    with pytest.raises(ClientError) as caught:
        ec2.create_volume(**ZONE, Size=2, ClientToken="once")
    assert error_of(caught) == ("IdempotentParameterMismatch", 400)
    text = "Parameters on this idempotent request are inconsistent with parameters used in previous request(s)."
    assert caught.value.response["Error"]["Message"] == text


def test_a_full_disk(served: Served, host: FakeHost) -> None:
    with host.store.change() as held:
        held["free"] = 1 << 20
    with pytest.raises(ClientError) as caught:
        served.boto().create_volume(**ZONE, Size=1)
    assert error_of(caught) == ("InsufficientVolumeCapacity", 500)
    text = "There is not enough capacity to fulfill your EBS volume provision request."
    assert caught.value.response["Error"]["Message"] == text
