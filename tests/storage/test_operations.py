"""Volumes, snapshots and images as their user sees them, over a fake host."""

from ipaddress import IPv4Address

import pytest

from minicloud.errors import Retry
from minicloud.host.contracts import Power
from minicloud.host.fake import FakeHost
from minicloud.reconcile import loop
from minicloud.reconcile import worker as worker_module
from minicloud.reconcile.worker import InDaemon, SelfOrDaemon

from ..cloud_fixtures import Ec2

ZONE = {"AvailabilityZone": "us-east-1a"}


def volume(ec2: Ec2, **params: object) -> str:
    return str(ec2("CreateVolume", **{**ZONE, "Size": 10, **params})["VolumeId"])


def shown(ec2: Ec2, volume_id: str) -> dict[str, object]:
    found: dict[str, object] = ec2("DescribeVolumes", VolumeIds=[volume_id])["Volumes"][0]
    return found


def test_a_volume_comes_is_used_and_goes(ec2: Ec2, host: FakeHost) -> None:
    instance = ec2.run()
    made = ec2(
        "CreateVolume", **ZONE, Size=100, TagSpecifications=[{"ResourceType": "volume", "Tags": [{"Key": "a", "Value": "b"}]}]
    )
    assert (made["State"], made["VolumeType"], made["Iops"]) == ("creating", "gp2", 300)
    volume_id = made["VolumeId"]
    assert shown(ec2, volume_id)["State"] == "available"
    attached = ec2("AttachVolume", InstanceId=instance, VolumeId=volume_id, Device="/dev/sdf")
    assert attached["State"] == "attaching"
    assert shown(ec2, volume_id)["Attachments"][0]["State"] == "attached"  # type: ignore[index]
    assert volume_id.replace("-", "") in host.blocks.chains(instance)
    mapped = {device["DeviceName"]: device["Ebs"]["VolumeId"] for device in ec2.instance(instance)["BlockDeviceMappings"]}
    assert mapped["/dev/sdf"] == volume_id
    filters = [{"Name": "attachment.instance-id", "Values": [instance]}, {"Name": "tag:a", "Values": ["b"]}]
    assert [one["VolumeId"] for one in ec2("DescribeVolumes", Filters=filters)["Volumes"]] == [volume_id]
    ec2("DetachVolume", VolumeId=volume_id)
    assert shown(ec2, volume_id)["State"] == "available"
    ec2("DeleteVolume", VolumeId=volume_id)
    assert volume_id not in [row.id for row in ec2.cloud.state.volumes.query()]
    assert len(host.disks.list()) == 1  # the root volume's


def test_a_stopped_instance_keeps_and_gains_volumes(ec2: Ec2, host: FakeHost) -> None:
    instance, volume_id = ec2.run(), volume(ec2)
    ec2("StopInstances", InstanceIds=[instance])
    ec2("AttachVolume", InstanceId=instance, VolumeId=volume_id, Device="/dev/sdf")
    ec2("StartInstances", InstanceIds=[instance])
    assert len(host.blocks.chains(instance)) == 2


def test_a_busy_detach_waits_and_force_takes_the_disk_away(ec2: Ec2, host: FakeHost) -> None:
    instance, volume_id = ec2.run(), volume(ec2)
    ec2("AttachVolume", InstanceId=instance, VolumeId=volume_id, Device="/dev/sdf")
    host.hold_disk(instance, volume_id.replace("-", ""))
    ec2("DetachVolume", VolumeId=volume_id)
    state = ec2.cloud.state.volumes
    assert shown(ec2, volume_id)["State"] == "in-use"
    state.change(volume_id, detach_asked="2026-01-01T00:00:00.000Z")  # long ago
    ec2.look()
    assert shown(ec2, volume_id)["Attachments"][0]["State"] == "busy"  # type: ignore[index]
    ec2("DetachVolume", VolumeId=volume_id, Force=True)
    state.change(volume_id, detach_asked="2026-01-01T00:00:00.000Z")
    assert shown(ec2, volume_id)["State"] == "available"


def test_disks_of_a_launch(ec2: Ec2, host: FakeHost) -> None:
    snapshot = ec2("CreateSnapshot", VolumeId=volume(ec2, Size=5))["SnapshotId"]
    instance = ec2.run(
        BlockDeviceMappings=[
            {
                "DeviceName": "/dev/xvda",
                "Ebs": {"VolumeSize": 20, "VolumeType": "io1", "Iops": 500, "DeleteOnTermination": False},
            },
            {"DeviceName": "/dev/sdf", "Ebs": {"SnapshotId": snapshot, "VolumeSize": 6, "VolumeType": "gp3", "Throughput": 200}},
            {"DeviceName": "/dev/sdg", "Ebs": {"VolumeSize": 1}},
        ]
    )
    rows = {row.device: row for row in ec2.cloud.state.volumes.find(instance_id=instance)}
    assert [(row.size, row.kind, row.iops, row.throughput) for _, row in sorted(rows.items())] == [
        (6, "gp3", 3000, 200), (1, "gp2", 100, 0), (20, "io1", 500, 0),
    ]  # fmt: skip
    assert host.spec(instance)["disks"][0]["disk_id"] == rows["/dev/xvda"].id
    assert host.spec(instance)["disks"][0]["limits"]["iops"] == 500
    ec2("TerminateInstances", InstanceIds=[instance])
    ec2.look()
    left = ec2.cloud.state.volumes.find(id=rows["/dev/xvda"].id)[0]
    assert (left.state, left.instance_id, left.delete_on_termination) == ("available", "", False)
    assert not ec2.cloud.state.volumes.among("id", [rows["/dev/sdf"].id, rows["/dev/sdg"].id])


@pytest.mark.parametrize("how", ["detached", "left by its instance"])
def test_a_volume_of_a_launch_that_never_came_to_make_it_is_made(ec2: Ec2, host: FakeHost, how: str) -> None:
    host.fail("guests.list", Retry("libvirt is away"))
    instance = ec2.run(BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1, "DeleteOnTermination": False}}])
    (row,) = ec2.cloud.state.volumes.find(device="/dev/sdf")
    assert row.layer_id not in ec2.cloud.host.disks.list()
    if how == "detached":
        ec2("DetachVolume", VolumeId=row.id)
    else:
        ec2("TerminateInstances", InstanceIds=[instance])
    ec2.look()
    assert shown(ec2, row.id)["State"] == "available"
    assert row.layer_id in ec2.cloud.host.disks.list()


def test_a_guest_whose_volume_outlives_it_is_shut_down_and_not_cut_off(ec2: Ec2, host: FakeHost) -> None:
    keep = [{"DeviceName": "/dev/xvda", "Ebs": {"DeleteOnTermination": False}}]
    instance = ec2.run(BlockDeviceMappings=keep)
    host.deafen(instance)
    ec2("TerminateInstances", InstanceIds=[instance])
    assert ec2.state(instance) == "shutting-down"
    assert host.guests.list()[instance].power is Power.RUNNING
    assert ["guests.shutdown", instance] in host.calls()
    host.power_off_by_guest(instance)
    ec2.look()
    assert ec2.state(instance) == "terminated"


def test_a_modification_is_live(ec2: Ec2, host: FakeHost) -> None:
    instance, volume_id = ec2.run(), volume(ec2, VolumeType="gp2")
    ec2("AttachVolume", InstanceId=instance, VolumeId=volume_id, Device="/dev/sdf")
    answer = ec2("ModifyVolume", VolumeId=volume_id, Size=50, VolumeType="gp3", Iops=4000)["VolumeModification"]
    assert (answer["ModificationState"], answer["OriginalSize"], answer["TargetSize"]) == ("modifying", 10, 50)
    done = ec2("DescribeVolumesModifications", VolumeIds=[volume_id])["VolumesModifications"][0]
    assert (done["ModificationState"], done["Progress"]) == ("completed", 100)
    assert (shown(ec2, volume_id)["Size"], shown(ec2, volume_id)["Iops"]) == (50, 4000)
    with host.store.change() as held:
        disk = held["guests"][instance]["disks"][volume_id.replace("-", "")]
        assert disk["limits"]["iops"] == 4000
        assert held["disks"][disk["path"].removeprefix("fake:")]["size"] == 50 << 30
    snapshot = ec2("CreateSnapshot", VolumeId=volume_id)
    assert snapshot["VolumeSize"] == 50


@pytest.mark.parametrize(
    "case", [("gp2", 10, 100, 3000), ("gp2", 500, 1500, 3000), ("gp2", 2000, 6000, 0), ("standard", 10, 100, 300)]
)
def test_limits_of_types_with_bursts(ec2: Ec2, host: FakeHost, case: tuple[str, int, int, int]) -> None:
    kind, size, iops, burst = case
    instance = ec2.run(BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeType": kind, "VolumeSize": size}}])
    limits = host.spec(instance)["disks"][0]["limits"]
    assert (limits["iops"], limits["burst_iops"]) == (iops, burst)


def test_a_damaged_disk_puts_its_volume_in_error_and_no_other(ec2: Ec2, host: FakeHost) -> None:
    instance, other = ec2.run(), ec2.run()
    ec2("StopInstances", InstanceIds=[instance])
    row = ec2.cloud.state.volumes.find(instance_id=instance)[0]
    host.corrupt(row.layer_id)
    ec2("StartInstances", InstanceIds=[instance])
    assert ec2.instance(instance)["State"]["Name"] == "stopped"
    assert "damaged" in ec2.instance(instance)["StateReason"]["Message"]
    status = {one["VolumeId"]: one["VolumeStatus"]["Status"] for one in ec2("DescribeVolumeStatus")["VolumeStatuses"]}
    assert status[row.id] == "impaired"
    assert status[ec2.cloud.state.volumes.find(instance_id=other)[0].id] == "ok"
    assert ec2.state(other) == "running"


def test_a_disk_that_is_found_damaged_while_it_is_used(ec2: Ec2, host: FakeHost) -> None:
    instance, other = ec2.run(), ec2.run()
    made = volume(ec2)
    ec2("AttachVolume", VolumeId=made, InstanceId=instance, Device="/dev/sdf")
    row = ec2.cloud.state.volumes.get(made)
    assert row is not None
    host.corrupt(row.layer_id)
    ec2.look()
    assert shown(ec2, made)["State"] == "error"
    status = ec2("DescribeVolumeStatus", VolumeIds=[made])["VolumeStatuses"][0]
    assert status["VolumeStatus"]["Status"] == "impaired"
    assert "damaged" in status["Events"][0]["Description"]
    assert [one["State"] for one in ec2("DescribeVolumes")["Volumes"] if one["VolumeId"] != made] == ["in-use"] * 2
    assert (ec2.state(instance), ec2.state(other)) == ("running", "running")
    ec2("StopInstances", InstanceIds=[instance])
    ec2.look()
    ec2("DetachVolume", VolumeId=made)
    assert (shown(ec2, made)["Attachments"], shown(ec2, made)["State"]) == ([], "error")
    ec2("EnableVolumeIO", VolumeId=made)
    assert shown(ec2, made)["State"] == "error"
    with host.store.change() as held:
        held["disks"][row.layer_id].pop("damaged")
    ec2("EnableVolumeIO", VolumeId=made)
    assert shown(ec2, made)["State"] == "available"
    ec2("DeleteVolume", VolumeId=made)


def test_a_guest_halted_by_a_full_disk_goes_on_when_there_is_room(ec2: Ec2, host: FakeHost) -> None:
    instance = ec2.run()
    with host.store.change() as held:
        held["free"] = 0
    host.pause(instance)
    ec2.look()
    assert host.guests.list()[instance].power is Power.PAUSED
    status = ec2("DescribeVolumeStatus")["VolumeStatuses"][0]
    assert (status["VolumeStatus"]["Status"], status["Actions"][0]["Code"]) == ("impaired", "enable-volume-io")
    with host.store.change() as held:
        held["free"] = 1 << 40
    ec2("EnableVolumeIO", VolumeId=status["VolumeId"])
    assert host.guests.list()[instance].power is Power.RUNNING
    assert ec2("DescribeVolumeStatus")["VolumeStatuses"][0]["VolumeStatus"]["Status"] == "ok"


def test_snapshots_say_when_file_systems_were_not_quiesced(ec2: Ec2, host: FakeHost) -> None:
    instance = ec2.run()
    root = ec2.cloud.state.volumes.query()[0].id
    quiet = ec2("CreateSnapshot", VolumeId=root)["SnapshotId"]
    host.deafen(instance)
    loud = ec2("CreateSnapshot", VolumeId=root)["SnapshotId"]
    found = {one["SnapshotId"]: one for one in ec2("DescribeSnapshots", SnapshotIds=[quiet, loud])["Snapshots"]}
    assert "StateMessage" not in found[quiet]
    assert "without quiescing" in found[loud]["StateMessage"]
    assert found[loud]["Progress"] == "100%"


@pytest.mark.parametrize("worker", [InDaemon, SelfOrDaemon])
def test_a_snapshot_is_of_the_moment_of_the_call_whoever_does_the_work(
    idle: Ec2, worker: type[InDaemon] | type[SelfOrDaemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = idle("CreateVolume", AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
    loop.run_pass(idle.cloud)
    monkeypatch.setattr(worker_module, "wake", lambda _: True)  # to a daemon that is busy with something else
    idle.cloud.worker = worker(idle.cloud)
    before = idle.cloud.state.volumes.get(made)
    snapshot = idle.cloud.state.snapshots.get(idle("CreateSnapshot", VolumeId=made)["SnapshotId"])
    after = idle.cloud.state.volumes.get(made)
    assert before is not None
    assert after is not None
    assert snapshot is not None
    assert (snapshot.state, snapshot.layer_id) == ("completed", before.layer_id)
    assert after.layer_id != before.layer_id


def test_create_snapshots_is_one_call_to_the_host(ec2: Ec2, host: FakeHost) -> None:
    instance = ec2.run(BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1}}])
    made = ec2("CreateSnapshots", InstanceSpecification={"InstanceId": instance})["Snapshots"]
    assert len(made) == 2
    assert len([call for call in host.calls() if call[0] == "blocks.freeze"]) == 1
    data = ec2("CreateSnapshots", InstanceSpecification={"InstanceId": instance, "ExcludeBootVolume": True})["Snapshots"]
    assert [one["VolumeSize"] for one in data] == [1]


def test_permissions_and_attributes(ec2: Ec2) -> None:
    snapshot = ec2("CreateSnapshot", VolumeId=volume(ec2))["SnapshotId"]
    who = {"SnapshotId": snapshot, "Attribute": "createVolumePermission"}
    ec2(
        "ModifySnapshotAttribute",
        SnapshotId=snapshot,
        CreateVolumePermission={"Add": [{"UserId": "111122223333"}, {"Group": "all"}]},
    )
    ec2(
        "ModifySnapshotAttribute",
        SnapshotId=snapshot,
        Attribute="createVolumePermission",
        OperationType="remove",
        UserIds=["111122223333"],
    )
    assert ec2("DescribeSnapshotAttribute", **who)["CreateVolumePermissions"] == [{"Group": "all"}]
    ec2("ResetSnapshotAttribute", **who)
    assert ec2("DescribeSnapshotAttribute", **who)["CreateVolumePermissions"] == []


def test_an_image_of_an_instance_and_instances_of_it(ec2: Ec2, host: FakeHost) -> None:
    instance = ec2.run(BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 7, "VolumeType": "gp3"}}])
    for row in ec2.cloud.state.volumes.query():
        host.write(host.disks.path(row.layer_id), 5, f"on {row.device}")
    image = ec2("CreateImage", InstanceId=instance, Name="mine")["ImageId"]
    ec2.look()
    assert (ec2.state(instance), host.guests.list()[instance].power) == ("running", Power.RUNNING)
    assert [call[0] for call in host.calls() if call[-1] == instance].count("guests.start") == 2
    found = ec2("DescribeImages", ImageIds=[image])["Images"][0]
    assert (found["State"], [one["DeviceName"] for one in found["BlockDeviceMappings"]]) == (
        "available",
        ["/dev/xvda", "/dev/sdf"],
    )
    clone = ec2.run(ImageId=image)
    for row in ec2.cloud.state.volumes.find(instance_id=clone):
        assert host.read(host.disks.path(row.layer_id))[5] == f"on {row.device}"
    bare = ec2.run(ImageId=image, BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "NoDevice": ""}])
    assert len(ec2.cloud.state.volumes.find(instance_id=bare)) == 1
    ec2("TerminateInstances", InstanceIds=[instance, clone, bare])
    copy = ec2("CopyImage", Name="copied", SourceImageId=image, SourceRegion="us-east-1")["ImageId"]
    gone = ec2("DeregisterImage", ImageId=image, DeleteAssociatedSnapshots=True)["DeleteSnapshotResults"]
    assert {one["ReturnCode"] for one in gone} == {"success"}
    again = ec2.run(ImageId=copy)
    root = ec2.cloud.state.volumes.find(instance_id=again, device="/dev/xvda")[0]
    assert host.read(host.disks.path(root.layer_id))[5] == "on /dev/xvda"


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_an_image_with_other_disks_than_its_instance(ec2: Ec2, host: FakeHost, state: str) -> None:
    disks = [{"DeviceName": f"/dev/sd{letter}", "Ebs": {"VolumeSize": 2}} for letter in "fg"]
    instance = ec2.run(BlockDeviceMappings=disks)
    if state == "stopped":
        ec2("StopInstances", InstanceIds=[instance])
        ec2.look()
    changes = [
        {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 9, "VolumeType": "gp2", "DeleteOnTermination": False}},
        {"DeviceName": "/dev/sdf", "NoDevice": ""},
        {"DeviceName": "/dev/sdh", "Ebs": {"VolumeSize": 8, "VolumeType": "gp3", "Iops": 4000}},
    ]
    image = ec2("CreateImage", InstanceId=instance, Name="mine", BlockDeviceMappings=changes)["ImageId"]
    ec2.look()
    assert ec2.state(instance) == state
    found = {one["DeviceName"]: one["Ebs"] for one in ec2("DescribeImages", ImageIds=[image])["Images"][0]["BlockDeviceMappings"]}
    assert list(found) == ["/dev/xvda", "/dev/sdg", "/dev/sdh"]
    root = found["/dev/xvda"]
    assert (root["VolumeSize"], root["VolumeType"], root["DeleteOnTermination"]) == (9, "gp2", False)
    assert "SnapshotId" not in found["/dev/sdh"]
    taken = {row.volume_id: row.id for row in ec2.cloud.state.snapshots.find(image_id=image)}
    volumes = {row.device: row.id for row in ec2.cloud.state.volumes.find(instance_id=instance)}
    assert set(taken) == {volumes["/dev/xvda"], volumes["/dev/sdg"]}
    clone = ec2.cloud.state.volumes.find(instance_id=ec2.run(ImageId=image))
    assert [(row.device, row.size, row.kind, row.delete_on_termination) for row in clone] == [
        ("/dev/xvda", 9, "gp2", False), ("/dev/sdg", 2, "gp2", True), ("/dev/sdh", 8, "gp3", True),
    ]  # fmt: skip
    small = [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 1}}]
    error = ec2.refused("CreateImage", InstanceId=instance, Name="small", BlockDeviceMappings=small)
    assert error.code == "InvalidBlockDeviceMapping"
    changes[-1]["Ebs"] = {"VolumeSize": 3, "VolumeType": "gp3", "Iops": 4000}
    error = ec2.refused("CreateImage", InstanceId=instance, Name="fast", BlockDeviceMappings=changes)
    assert error.code == "InvalidParameterValue"
    assert "ratio" in error.message


def test_an_image_registered_from_a_snapshot_boots_as_its_origin(ec2: Ec2) -> None:
    instance = ec2.run()
    snapshot = ec2("CreateSnapshot", VolumeId=ec2.cloud.state.volumes.query()[0].id)["SnapshotId"]
    image = ec2("RegisterImage", Name="of a snapshot", RootDeviceName="/dev/xvda", BlockDeviceMappings=[
        {"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot}}, {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 2}},
    ])["ImageId"]  # fmt: skip
    row = ec2.cloud.state.images.get(image)
    origin = ec2.cloud.state.images.get(ec2.row(instance).image_id)
    assert row is not None
    assert origin is not None
    assert (row.base, row.default_user, row.boot_mode) == (origin.base, origin.default_user, origin.boot_mode)
    assert len(ec2.cloud.state.volumes.find(instance_id=ec2.run(ImageId=image))) == 2


def test_attributes_and_deprecation_of_an_image(ec2: Ec2) -> None:
    image = ec2("DescribeImages")["Images"][0]["ImageId"]
    ec2("ModifyImageAttribute", ImageId=image, Description={"Value": "better"})
    assert ec2("DescribeImageAttribute", ImageId=image, Attribute="description")["Description"] == {"Value": "better"}
    ec2("ModifyImageAttribute", ImageId=image, LaunchPermission={"Add": [{"Group": "all"}]})
    assert ec2("DescribeImages", ImageIds=[image])["Images"][0]["Public"] is True
    ec2("ResetImageAttribute", ImageId=image, Attribute="launchPermission")
    assert ec2("DescribeImages", ImageIds=[image])["Images"][0]["Public"] is False
    ec2("EnableImageDeprecation", ImageId=image, DeprecateAt="2099-01-02T03:04:05Z")
    assert ec2("DescribeImages", ImageIds=[image])["Images"][0]["DeprecationTime"] == "2099-01-02T03:04:00.000Z"
    ec2("DisableImageDeprecation", ImageId=image)
    assert "DeprecationTime" not in ec2("DescribeImages", ImageIds=[image])["Images"][0]


def test_an_instance_keeps_its_address_while_an_image_is_made(ec2: Ec2, host: FakeHost) -> None:
    instance = ec2.run()
    address = ec2.instance(instance)["PrivateIpAddress"]
    ec2("CreateImage", InstanceId=instance, Name="mine")
    ec2.look()
    subnet = ec2.instance(instance)["SubnetId"]
    assert host.networks.answers(subnet, [IPv4Address(address)]) == {IPv4Address(address)}
