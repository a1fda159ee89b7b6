"""`minicloud storage` and `minicloud images export`."""

from pathlib import Path

import pytest

from minicloud.cli import images_export, storage
from minicloud.errors import HostError, UsageError
from minicloud.host.contracts import Seed
from minicloud.host.fake import FakeHost

from ..cloud_fixtures import IMAGE, Ec2
from .dlm_client import HOUR, Dlm, dlm, tagged
from .real_disks import Real, real

__all__ = ["dlm", "real"]


def report(ec2: Ec2) -> dict[str, object]:
    return storage.report(storage.gather(ec2.cloud))


def test_what_agrees(ec2: Ec2) -> None:
    ec2.run(InstanceType="i3.large")
    answer = report(ec2)
    assert (answer["UnknownFiles"], answer["MissingFiles"]) == ([], [])
    assert answer["Volumes"][0]["Depth"] == 1  # type: ignore[index]


def test_a_file_that_no_row_knows_is_named_and_left(ec2: Ec2, host: FakeHost) -> None:
    ec2("CreateVolume", AvailabilityZone="us-east-1a", Size=1)  # a state that knows no disk at all is refused beside disks
    host.disks.create("layer-0000000000000000f", 1 << 30, None)
    host.seeds.write(Seed("i-0000000000000000f", "h", (), b"", "u"))
    with host.store.change() as held:
        held["others"] = {"/somewhere/notes.txt": 4096}
    images = ec2.cloud.settings.images
    (images / ".partial-import-00000001").mkdir(parents=True)
    (images / ".downloads").mkdir()
    (images / ".downloads" / f"{0:024x}.part").write_bytes(b"x" * 10000)
    (images / "ami-0000000000000000f").mkdir()
    for _ in range(2):
        named = {str(one["File"]).rpartition("/")[2]: one["What"] for one in report(ec2)["UnknownFiles"]}  # type: ignore[attr-defined]
        assert list(named) == [
            "layer-0000000000000000f", "notes.txt", "fake:i-0000000000000000f", ".partial-import-00000001", f"{0:024x}.part",
            "ami-0000000000000000f",
        ]  # fmt: skip
        ec2.look()
    assert "layer-0000000000000000f" in host.disks.list()
    assert "i-0000000000000000f" in host.seeds.list()
    assert (images / ".downloads" / f"{0:024x}.part").exists()


def test_a_base_image_that_is_gone_is_named_with_all_that_stands_on_it(ec2: Ec2, host: FakeHost) -> None:
    instance = ec2.run()
    volume = ec2.cloud.state.volumes.find(instance_id=instance)[0]
    image = ec2.cloud.state.images.query()[0]
    with host.store.change() as held:
        held["images"].clear()
    (missing,) = report(ec2)["MissingFiles"]  # type: ignore[misc]
    assert (missing["ImageId"], missing["NeededBy"]) == (IMAGE.image_id, [volume.id, image.snapshot_id])


def test_a_row_whose_file_is_gone_is_named_with_all_that_need_it(ec2: Ec2, host: FakeHost) -> None:
    volume = ec2("CreateVolume", AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
    snapshot = ec2("CreateSnapshot", VolumeId=volume)["SnapshotId"]
    row = ec2.cloud.state.snapshots.get(snapshot)
    assert row is not None
    host.lose_disk(row.layer_id)
    assert report(ec2)["MissingFiles"] == [{"LayerId": row.layer_id, "NeededBy": [volume, snapshot]}]
    assert "none" not in str(storage.table_of(report(ec2))["MissingFiles"])


def test_layers_that_wait_for_guests_are_told(ec2: Ec2) -> None:
    """A layer under two running guests cannot be merged into either."""
    base = ec2("CreateVolume", AvailabilityZone="us-east-1a", Size=3)["VolumeId"]
    first = ec2("CreateSnapshot", VolumeId=base)["SnapshotId"]
    second = ec2("CreateSnapshot", VolumeId=base)["SnapshotId"]
    for _ in range(2):
        ec2.run(BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"SnapshotId": second}}])
    row = ec2.cloud.state.snapshots.get(first)
    assert row is not None
    ec2("DeleteSnapshot", SnapshotId=first)
    assert report(ec2)["Reclaimable"]["WaitForGuestsToStop"] == [row.layer_id]  # type: ignore[index]
    ec2("StopInstances", InstanceIds=[one.id for one in ec2.cloud.state.instances.query()])
    ec2.look()
    assert report(ec2)["Reclaimable"]["Layers"] == []  # type: ignore[index]


def test_what_a_policy_did_is_told(dlm: Dlm, ec2: Ec2) -> None:
    tagged(ec2)
    policy = dlm.policy(retain={"Count": 1})
    for _ in range(2):
        dlm.passes(HOUR)
    told = report(ec2)["Policies"][0]  # type: ignore[index]
    assert (told["PolicyId"], told["Runs"], told["Made"], told["Deleted"]) == (policy, 2, 2, 1)
    newest, oldest = told["History"]
    assert newest["Made"] == [one["SnapshotId"] for one in dlm.snapshots()]
    assert newest["Deleted"] == oldest["Made"]
    shown = storage.table_of(report(ec2))["PolicyRuns"]
    assert [run["Deleted"] for run in shown] == [oldest["Made"][0], ""]


def test_export_is_a_disk_of_its_own(real: Real, tmp_path: Path) -> None:
    volume = real.volume(Size=1)
    real.write(volume, 0, 7)
    first = real.snapshot(volume)
    real.write(volume, 65536, 8)
    snapshot = real.snapshot(volume)
    mapping = [{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": snapshot}}]
    image = real.ec2("RegisterImage", Name="mine", BlockDeviceMappings=mapping)["ImageId"]
    images_export.write(real.ec2.cloud, image, tmp_path / "out.qcow2")
    assert (tmp_path / "out.qcow2").stat().st_mode & 0o077 == 0
    digest = real.of_snapshot(snapshot)
    assert digest != real.of_snapshot(first)
    real.disks.path = lambda _: str(tmp_path / "out.qcow2")  # type: ignore[method-assign]
    assert real.digest("exported") == digest
    with pytest.raises(HostError, match="exists already"):
        images_export.write(real.ec2.cloud, image, tmp_path / "out.qcow2")
    with pytest.raises(UsageError, match="no image"):
        images_export.write(real.ec2.cloud, IMAGE.image_id, tmp_path / "other.qcow2")
