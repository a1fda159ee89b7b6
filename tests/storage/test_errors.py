"""Bad input of volumes, snapshots and images answers with AWS's codes, texts and statuses."""

from typing import Any

import pytest

from minicloud.errors import Retry
from minicloud.host.fake import FakeHost
from minicloud.host.fake_blocks import FakeBlocks
from minicloud.reconcile import layer_files, loop
from minicloud.state.chains import MOST_CHAIN, depth

from ..cloud_fixtures import IMAGE, Ec2

ZONE = {"AvailabilityZone": "us-east-1a"}
NONE = f"{'0' * 17}"


def refused(client: Ec2, code: str, text: str, operation: str, status: int = 400, **params: Any) -> None:
    error = client.refused(operation, **params)
    assert (error.code, error.status) == (code, status)
    assert text in error.message


def volume(client: Ec2, **params: Any) -> str:
    return str(client("CreateVolume", **{**ZONE, "Size": 10, **params})["VolumeId"])


@pytest.mark.parametrize(
    ("params", "code", "text"),
    [
        ({**ZONE}, "MissingParameter", "size/snapshot"),
        ({"Size": 1}, "MissingParameter", "parameter zone"),
        ({"AvailabilityZone": "mars-1a", "Size": 1}, "InvalidZone.NotFound", "The zone 'mars-1a' does not exist."),
        ({**ZONE, "Size": 1, "VolumeType": "gp9"}, "UnknownVolumeType", "Unsupported volume type 'gp9' for volume creation."),
        ({**ZONE, "Size": 0, "VolumeType": "gp3"}, "InvalidParameterValue", "gp3 volumes must be at least 1 GiB in size."),
        ({**ZONE, "Size": 124, "VolumeType": "st1"}, "InvalidParameterValue", "invalid for st1 volumes: 124 GiB"),
        ({**ZONE, "Size": -1}, "InvalidParameterValue", "Value (-1) for parameter size is invalid."),
        ({**ZONE, "Size": 16385, "VolumeType": "gp2"}, "InvalidParameterValue", "Volume of 16385GiB is too large"),
        ({**ZONE, "Size": 9, "VolumeType": "gp2", "Iops": 100}, "InvalidParameterCombination", "not supported for gp2"),
        ({**ZONE, "Size": 500, "VolumeType": "st1", "Iops": 100}, "InvalidParameterCombination", "not supported for st1"),
        ({**ZONE, "Size": 9, "VolumeType": "io1", "Throughput": 125}, "MissingParameter", "iops"),
        ({**ZONE, "Size": 9, "VolumeType": "io1"}, "MissingParameter", "iops"),
        ({**ZONE, "Size": 4, "VolumeType": "io1", "Iops": 201}, "InvalidParameterValue", "maximum is 50 IOPS per GiB"),
        ({**ZONE, "Size": 4, "VolumeType": "gp3", "Throughput": 1000}, "InvalidParameterValue", "ratio"),
        ({**ZONE, "Size": 4, "KmsKeyId": "k"}, "InvalidParameterDependency", "requires the parameter Encrypted"),
        ({**ZONE, "Size": 4, "Encrypted": True}, "UnsupportedOperation", "encrypted"),
        ({**ZONE, "SnapshotId": f"snap-{NONE}"}, "InvalidSnapshot.NotFound", f"The snapshot 'snap-{NONE}' does not exist."),
    ],
)
def test_create_volume(ec2: Ec2, params: dict[str, Any], code: str, text: str) -> None:
    refused(ec2, code, text, "CreateVolume", **params)
    assert len(ec2.cloud.state.volumes.query()) == 0


def test_create_volume_of_a_pending_snapshot(idle: Ec2) -> None:
    made = volume(idle)
    idle.cloud.state.volumes.change(made, state="available")
    snapshot = idle("CreateSnapshot", VolumeId=made)["SnapshotId"]
    refused(idle, "IncorrectState", "Snapshot is in invalid state - pending", "CreateVolume", **ZONE, SnapshotId=snapshot)
    refused(idle, "SnapshotCreationPerVolumeRateExceeded", "maximum per volume", "CreateSnapshot", VolumeId=made)


def test_create_volume_on_a_full_disk(ec2: Ec2, host: FakeHost) -> None:
    with host.store.change() as held:
        held["free"] = 1 << 20
    refused(ec2, "InsufficientVolumeCapacity", "not enough capacity", "CreateVolume", 500, **ZONE, Size=1)


def test_a_volume_that_cannot_be_made_is_in_error_with_the_reason(ec2: Ec2, host: FakeHost) -> None:
    host.fail("disks.create", Retry("the host's disk is full"), times=9)
    made = volume(ec2)
    for _ in range(5):
        ec2.look()
    assert ec2("DescribeVolumes", VolumeIds=[made])["Volumes"][0]["State"] == "error"
    status = ec2("DescribeVolumeStatus", VolumeIds=[made])["VolumeStatuses"][0]
    assert "disk is full" in status["Events"][0]["Description"]
    ec2("DeleteVolume", VolumeId=made)
    assert ec2("DescribeVolumes")["Volumes"] == []


def test_a_snapshot_is_of_the_moment_of_its_call_or_of_none(ec2: Ec2, host: FakeHost) -> None:
    made = volume(ec2)
    host.fail("disks.create", Retry("libvirt does not answer"), times=2)
    snapshot = ec2("CreateSnapshot", VolumeId=made)["SnapshotId"]
    assert ec2("DescribeSnapshots", SnapshotIds=[snapshot])["Snapshots"][0]["State"] == "completed"
    host.fail("disks.create", Retry("libvirt does not answer"), times=5)
    snapshot = ec2("CreateSnapshot", VolumeId=made)["SnapshotId"]
    (shown,) = ec2("DescribeSnapshots", SnapshotIds=[snapshot])["Snapshots"]
    assert (shown["State"], shown["StateMessage"]) == ("error", "libvirt does not answer")


def test_a_disk_grows_when_what_its_guest_copies_is_copied(ec2: Ec2, host: FakeHost) -> None:
    instance = ec2.run()
    root = ec2.cloud.state.volumes.find(instance_id=instance)[0]
    snapshot = ec2("CreateSnapshot", VolumeId=root.id)["SnapshotId"]
    ec2("DeleteSnapshot", SnapshotId=snapshot)
    assert host.blocks.jobs(instance)
    ec2("ModifyVolume", VolumeId=root.id, Size=root.size + 1)
    for _ in range(9):
        ec2.look()
    assert ec2("DescribeVolumesModifications")["VolumesModifications"][0]["ModificationState"] == "modifying"
    host.finish_jobs(instance)
    ec2.look()
    assert host.disks.size(ec2.cloud.state.volumes.get(root.id).layer_id) == (root.size + 1) << 30


@pytest.mark.parametrize("kind", ["commit", "pull"])
@pytest.mark.parametrize("look", ["chains", "jobs"])
def test_a_job_that_ends_while_it_is_looked_at_is_not_begun_again(
    ec2: Ec2, host: FakeHost, kind: str, look: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = ec2.run()
    root = ec2.cloud.state.volumes.find(instance_id=instance)[0].id
    made = [ec2("CreateSnapshot", VolumeId=root)["SnapshotId"] for _ in range(2 if kind == "commit" else 1)]
    ec2("DeleteSnapshot", SnapshotId=made[0])
    assert host.blocks.jobs(instance)
    real = getattr(FakeBlocks, look)

    def ending(blocks: FakeBlocks, guest_id: str) -> object:
        host.finish_jobs(guest_id)
        return real(blocks, guest_id)

    monkeypatch.setattr(FakeBlocks, look, ending)
    before = len([call for call in host.calls() if call[0] == f"blocks.{kind}"])
    for _ in range(3):
        ec2.look()
        assert ec2.cloud.state.failures.query() == []
    assert len([call for call in host.calls() if call[0] == f"blocks.{kind}"]) == before
    assert len(ec2.cloud.state.layers.find(base="")) == len(made)


def test_attach_and_detach(ec2: Ec2) -> None:
    instance, made = ec2.run(), volume(ec2)
    elsewhere = volume(ec2, AvailabilityZone="us-east-1c")
    attach = {"InstanceId": instance, "VolumeId": made, "Device": "/dev/sdf"}
    missing = f"The volume 'vol-{NONE}' does not exist."
    refused(ec2, "InvalidVolume.NotFound", missing, "AttachVolume", **{**attach, "VolumeId": f"vol-{NONE}"})
    refused(ec2, "InvalidParameterValue", "not a valid EBS device name", "AttachVolume", **{**attach, "Device": "/dev/tape"})
    refused(ec2, "InvalidVolume.ZoneMismatch", "not in the same", "AttachVolume", **{**attach, "VolumeId": elsewhere})
    taken = "Invalid value '/dev/xvda' for unixDevice. Attachment point /dev/xvda is already in use"
    refused(ec2, "InvalidParameterValue", taken, "AttachVolume", **{**attach, "Device": "/dev/xvda"})
    refused(ec2, "IncorrectState", f"Volume '{made}' is in the 'available' state.", "DetachVolume", VolumeId=made)
    ec2("AttachVolume", **attach)
    refused(ec2, "VolumeInUse", f"{made} is already attached to an instance", "AttachVolume", **attach)
    refused(ec2, "VolumeInUse", f"Volume {made} is currently attached to {instance}", "DeleteVolume", VolumeId=made)
    wrong = f"The volume {made} is not attached to instance {instance} as device /dev/sdz"
    refused(ec2, "InvalidAttachment.NotFound", wrong, "DetachVolume", VolumeId=made, Device="/dev/sdz")
    root = next(row.id for row in ec2.cloud.state.volumes.query() if row.device == "/dev/xvda")
    refused(ec2, "OperationNotPermitted", f"Unable to detach root volume '{root}'", "DetachVolume", VolumeId=root)
    ec2("TerminateInstances", InstanceIds=[instance])
    ec2.look()
    refused(ec2, "IncorrectState", f"Instance '{instance}' is not 'running'.", "AttachVolume", **attach)


def test_attach_before_the_volume_is_there(idle: Ec2) -> None:
    instance, made = idle.run(), volume(idle)
    attach = {"InstanceId": instance, "VolumeId": made, "Device": "/dev/sdf"}
    refused(idle, "IncorrectState", f"{made} is not 'available'.", "AttachVolume", **attach)
    text = f"Volume '{made}' is not in the 'available' or 'in-use' state."
    refused(idle, "IncorrectState", text, "CreateSnapshot", VolumeId=made)


def test_delete_volume(ec2: Ec2) -> None:
    text = "Value (vol-x) for parameter volume is invalid. Expected: 'vol-...'."
    refused(ec2, "InvalidParameterValue", text, "DeleteVolume", VolumeId="vol-x")
    refused(ec2, "InvalidVolume.NotFound", "does not exist", "DeleteVolume", VolumeId=f"vol-{NONE}")
    made = volume(ec2)
    ec2("DeleteVolume", VolumeId=made)
    refused(ec2, "InvalidVolume.NotFound", "does not exist", "DeleteVolume", VolumeId=made)


def test_a_client_token_is_for_one_request(ec2: Ec2) -> None:
    made = volume(ec2, ClientToken="once")
    assert volume(ec2, ClientToken="once") == made
    refused(ec2, "IdempotentParameterMismatch", "inconsistent", "CreateVolume", **ZONE, Size=11, ClientToken="once")


def test_modify_volume(ec2: Ec2) -> None:
    made = volume(ec2, VolumeType="gp3")
    refused(ec2, "InvalidParameterValue", "cannot be smaller", "ModifyVolume", VolumeId=made, Size=9)
    refused(ec2, "InvalidParameterCombination", "not supported for gp2", "ModifyVolume", VolumeId=made, VolumeType="gp2", Iops=9)
    refused(ec2, "InvalidVolumeModification.NotFound", made, "DescribeVolumesModifications", VolumeIds=[made])


def test_a_volume_that_stands_on_as_many_layers_as_libvirt_can_open_takes_no_snapshot_until_it_is_flattened(ec2: Ec2) -> None:
    state = ec2.cloud.state
    made = state.volumes.get(volume(ec2))
    assert made is not None

    def deepen(chain: int) -> None:
        """Put layers between the volume's own and its image's, as snapshots do while a copy is made."""
        below = state.layers.get(made.layer_id)
        assert below is not None
        while depth(state.layers, made.layer_id) < chain:
            between = state.layers.add(layer_files.new(below.parent, below.size))
            layer_files.make(ec2.cloud, between.id)
            state.layers.change(below.id, parent=between.id)
            below = between

    deepen(MOST_CHAIN)
    text = "The maximum per volume CreateSnapshot request rate has been exceeded."
    refused(ec2, "SnapshotCreationPerVolumeRateExceeded", text, "CreateSnapshot", VolumeId=made.id)
    loop.run_pass(ec2.cloud, look=True)
    assert ec2("CreateSnapshot", VolumeId=made.id)["State"] == "pending"


def test_snapshots(ec2: Ec2) -> None:
    made = volume(ec2)
    text = "Value (caf\u00e9) for parameter description is invalid. Character sets beyond ASCII are not supported."
    refused(ec2, "InvalidParameterValue", text, "CreateSnapshot", VolumeId=made, Description="caf\u00e9")
    refused(ec2, "InvalidSnapshot.NotFound", f"'snap-{NONE}'", "DeleteSnapshot", SnapshotId=f"snap-{NONE}")
    refused(ec2, "InvalidSnapshotID.Malformed", '(expecting "snap-...")', "DeleteSnapshot", SnapshotId="snap-x")
    ec2("DescribeImages")
    base = ec2.cloud.state.images.query()[0]
    text = f"The snapshot {base.snapshot_id} is currently in use by {base.id}"
    refused(ec2, "InvalidSnapshot.InUse", text, "DeleteSnapshot", SnapshotId=base.snapshot_id)
    refused(ec2, "InvalidParameterValue", "one region", "CopySnapshot", SourceRegion="moon", SourceSnapshotId=base.snapshot_id)


def test_images(ec2: Ec2) -> None:
    instance = ec2.run()
    create = {"InstanceId": instance, "Name": "mine"}
    first = ec2("CreateImage", **create)["ImageId"]
    refused(ec2, "InvalidAMIName.Duplicate", f"AMI name mine is already in use by AMI {first}", "CreateImage", **create)
    refused(ec2, "InvalidAMIName.Malformed", "between 3 and 128", "CreateImage", **{**create, "Name": "me"})
    refused(ec2, "InvalidBlockDeviceMapping", "No root snapshot specified", "RegisterImage", Name="none")
    mapping = [{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": f"snap-{NONE}"}}]
    refused(ec2, "InvalidSnapshot.NotFound", NONE, "RegisterImage", Name="none", BlockDeviceMappings=mapping)
    refused(ec2, "InvalidAMIID.NotFound", f"'[ami-{NONE}]'", "DeregisterImage", ImageId=f"ami-{NONE}")
    ec2("DeregisterImage", ImageId=first)
    refused(ec2, "InvalidAMIID.NotFound", f"'[{first}]'", "DeregisterImage", ImageId=first)
    refused(ec2, "InvalidAMIID.Unavailable", first, "RunInstances", ImageId=first, MinCount=1, MaxCount=1)


def test_one_image_of_an_instance_at_a_time(idle: Ec2) -> None:
    instance = idle.run()
    idle.cloud.state.instances.change(instance, state="running")
    idle("CreateImage", InstanceId=instance, Name="first", NoReboot=True)
    refused(
        idle, "ConcurrentCreateImageNoRebootLimitExceeded", "concurrent", "CreateImage", InstanceId=instance, Name="second",
        NoReboot=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("mapping", "code", "text"),
    [
        ({"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 2}}, "InvalidBlockDeviceMapping", "expect size>= 3GB"),
        ({"DeviceName": "/dev/xvda", "NoDevice": ""}, "InvalidBlockDeviceMapping", "cannot be left out"),
        ({"DeviceName": "/dev/sdf"}, "InvalidBlockDeviceMapping", "neither Ebs nor NoDevice"),
        ({"DeviceName": "/dev/sdf", "Ebs": {"VolumeType": "gp3"}}, "MissingParameter", "size or snapshotId"),
        ({"Ebs": {"VolumeSize": 1}}, "MissingParameter", "deviceName"),
        ({"DeviceName": "/dev/xvda", "Ebs": {"VolumeType": "st1", "VolumeSize": 500}}, "InvalidParameterValue", "root volume"),
        ({"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": f"snap-{NONE}"}}, "InvalidBlockDeviceMapping", "cannot be modified"),
    ],
)
def test_block_devices_of_launches(ec2: Ec2, mapping: dict[str, Any], code: str, text: str) -> None:
    run = {"ImageId": IMAGE.image_id, "MinCount": 1, "MaxCount": 1, "InstanceType": "t3.nano"}
    refused(ec2, code, text, "RunInstances", **run, BlockDeviceMappings=[mapping])
