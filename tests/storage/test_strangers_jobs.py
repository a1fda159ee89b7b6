"""Jobs that other programs have of a guest's disks, such as virsh blockcopy: nothing of ours ends them; what waits says so."""

from pathlib import Path

import pytest

from minicloud.errors import Retry
from minicloud.host.fake import FakeHost
from minicloud.reconcile import backing_up, backup_freeze

from ..cloud_fixtures import Ec2

ROOT = "/dev/xvda"
WAITS = "a disk has a job of another program: copy of "


class Scene:
    """An instance with a second volume, of whose root another program makes a copy."""

    def __init__(self, ec2: Ec2, host: FakeHost) -> None:
        self.ec2, self.host = ec2, host
        self.instance = ec2.run(BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1}}])
        self.root = ec2.cloud.state.volumes.find(instance_id=self.instance, device=ROOT)[0].id
        self.data = ec2.cloud.state.volumes.find(instance_id=self.instance, device="/dev/sdf")[0].id

    @property
    def serial(self) -> str:
        return self.root.replace("-", "")

    def begin(self) -> None:
        self.host.begin_job(self.instance, self.serial, "copy")

    def goes_on(self) -> None:
        assert self.host.blocks.jobs(self.instance) == {self.serial: "copy"}

    def told(self) -> str:
        return " ".join(row.message for row in self.ec2.cloud.state.failures.query())


@pytest.fixture
def scene(ec2: Ec2, host: FakeHost) -> Scene:
    return Scene(ec2, host)


@pytest.mark.parametrize("which", ["root", "data"])
def test_a_snapshot_does_not_end_it(scene: Scene, which: str) -> None:
    scene.begin()
    made = scene.ec2("CreateSnapshot", VolumeId=getattr(scene, which))["SnapshotId"]
    scene.goes_on()
    (shown,) = scene.ec2("DescribeSnapshots", SnapshotIds=[made])["Snapshots"]
    assert (shown["State"], shown["StateMessage"].startswith(WAITS)) == ("error", True)
    scene.host.finish_jobs(scene.instance)
    made = scene.ec2("CreateSnapshot", VolumeId=getattr(scene, which))["SnapshotId"]
    assert scene.ec2("DescribeSnapshots", SnapshotIds=[made])["Snapshots"][0]["State"] == "completed"


def test_a_merge_waits_and_says_so(scene: Scene) -> None:
    made = scene.ec2("CreateSnapshot", VolumeId=scene.root)["SnapshotId"]
    scene.begin()
    scene.ec2("DeleteSnapshot", SnapshotId=made)
    scene.ec2.look()
    scene.goes_on()
    assert WAITS in scene.told()
    for _ in range(3):
        scene.host.finish_jobs(scene.instance)
        scene.ec2.cloud.state.failures.remove_where("1 = 1")  # the delay before the next attempt
        scene.ec2.look()
    assert scene.told() == ""
    assert len(scene.host.blocks.chains(scene.instance)[scene.serial]) == 2


def test_a_forced_detachment_waits_and_says_so(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minicloud.reconcile.volumes.ASK_AGAIN", 0.0)
    scene.host.hold_disk(scene.instance, scene.data.replace("-", ""))
    scene.begin()
    scene.ec2("DetachVolume", VolumeId=scene.data, Force=True)
    scene.ec2.look()
    scene.goes_on()
    assert scene.ec2.cloud.state.volumes.get(scene.data).reason.startswith(WAITS)


def test_a_disk_grows_when_it_has_ended(scene: Scene) -> None:
    size = scene.ec2.cloud.state.volumes.get(scene.root).size
    scene.begin()
    scene.ec2("ModifyVolume", VolumeId=scene.root, Size=size + 1)
    for _ in range(9):
        scene.ec2.look()
    scene.goes_on()
    (shown,) = scene.ec2("DescribeVolumesModifications")["VolumesModifications"]
    assert (shown["ModificationState"], shown["StatusMessage"].startswith(WAITS)) == ("modifying", True)
    scene.host.finish_jobs(scene.instance)
    scene.ec2.look()
    assert scene.ec2.cloud.state.volumes.get(scene.root).size == size + 1


def test_an_instance_ends_with_it(scene: Scene) -> None:
    scene.begin()
    scene.ec2("TerminateInstances", InstanceIds=[scene.instance])
    assert scene.ec2.state(scene.instance) == "terminated"


def test_a_backup_does_not_end_it_and_says_so(scene: Scene, tmp_path: Path) -> None:
    scene.begin()
    with pytest.raises(Retry, match=WAITS):
        backing_up.make(scene.ec2.cloud, tmp_path / "b.tar", disks=True, say=lambda _: None, progress=lambda *_: None)
    scene.goes_on()
    assert scene.ec2.cloud.state.snapshots.query("batch like 'backup-%'") == []
    assert not (tmp_path / "b.tar").exists()


@pytest.mark.parametrize("whose", ["ours", "another's"])
def test_a_backup_waits_for_no_job_for_ever(scene: Scene, monkeypatch: pytest.MonkeyPatch, whose: str) -> None:
    monkeypatch.setattr(backup_freeze, "_PATIENCE", 0.0)
    monkeypatch.setattr(backup_freeze, "_MERGED", 0.0)
    if whose == "ours":
        scene.ec2("DeleteSnapshot", SnapshotId=scene.ec2("CreateSnapshot", VolumeId=scene.root)["SnapshotId"])
    else:
        scene.begin()
    said = list[str]()
    with pytest.raises(Retry, match="has merged layers" if whose == "ours" else WAITS):
        backup_freeze.settle_jobs(scene.ec2.cloud, said.append)
    assert said == [
        f"{scene.instance} merges layers of its disks" if whose == "ours" else f"{scene.instance} has a job of another program"
    ]
    assert scene.host.blocks.jobs(scene.instance)
