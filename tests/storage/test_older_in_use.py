"""An older state that is adopted while its own guests are on: what their layers stand on is what the guests read."""

from pathlib import Path
from typing import Any

import pytest

from minicloud.cli import adoption
from minicloud.errors import StateError
from minicloud.host import fake
from minicloud.host.fake import FakeHost
from minicloud.reconcile import layers
from minicloud.state import chains

from ..cloud_fixtures import IMAGE, Ec2, cloud_in
from .older import keep, restore
from .real_disks import Real, real
from .test_foreign_guests import opened

__all__ = ["real"]

Patch = pytest.MonkeyPatch
Content = dict[int, str]


class Scene:
    """An instance with a volume of one GiB, which it writes to, and what is done with them."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.copy = directory, directory / "copy.sqlite"
        self.host: FakeHost = fake.host()
        self.host.add_image(IMAGE)
        self.ec2 = Ec2(cloud_in(directory, self.host))
        self.instance = self.ec2.run()
        self.volume = self.new(Size=1)
        self.plug(self.volume, "/dev/sdf")

    @property
    def state(self) -> Any:
        return self.ec2.cloud.state

    def new(self, **params: Any) -> str:
        return str(self.ec2("CreateVolume", AvailabilityZone="us-east-1a", **params)["VolumeId"])

    def plug(self, volume: str, device: str) -> None:
        self.ec2("AttachVolume", VolumeId=volume, InstanceId=self.instance, Device=device)

    def top(self, volume: str) -> str:
        return str(self.state.volumes.get(volume).layer_id)

    def write(self, volume: str, block: int, value: str) -> None:
        self.host.write(self.host.disks.path(self.top(volume)), block, value)

    def of_volume(self, volume: str) -> Content:
        return self.host.read(self.host.disks.path(self.top(volume)))

    def of_snapshot(self, snapshot: str) -> Content:
        return self.host.read(self.host.disks.path(self.layer_of(snapshot)))

    def layer_of(self, snapshot: str) -> str:
        return str(self.state.snapshots.get(snapshot).layer_id)

    def taken(self, volume: str, block: int, value: str) -> str:
        self.write(volume, block, value)
        return str(self.ec2("CreateSnapshot", VolumeId=volume)["SnapshotId"])

    def rest(self) -> None:
        """Passes, in which guests finish what they copy."""
        for _ in range(4):
            self.ec2.look()
            if self.host.blocks.chains(self.instance):
                self.host.finish_jobs(self.instance)

    def back(self) -> None:
        restore(self.ec2.cloud, self.copy)
        self.ec2 = Ec2(cloud_in(self.directory, self.host))

    def adopted(self) -> str:
        return "\n".join(adoption.adopt(self.ec2.cloud))

    def power(self, operation: str) -> None:
        self.ec2(operation, InstanceIds=[self.instance])
        self.rest()


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


class Left:
    """A volume that its running guest has made to stand on nothing, and a copy of the state in which it stands on the layer of a
    snapshot. That layer is another volume's since, and was written to; its snapshot is deleted, a former one is not.
    """

    def __init__(self, scene: Scene, patch: Patch, *, twice: bool = False) -> None:
        patch.setattr(chains, "MOST_DEPTH", 2)
        self.scene, self.volumes = scene, [scene.volume]
        if twice:
            self.volumes.append(scene.new(Size=1))
            scene.plug(self.volumes[1], "/dev/sdg")
        self.first = [scene.taken(volume, 0, "first") for volume in self.volumes]
        self.second = [scene.taken(volume, 1, "second") for volume in self.volumes]
        keep(scene.ec2.cloud, scene.copy)
        for volume in self.volumes:
            scene.write(volume, 0, "newest")
        scene.rest()
        assert not any(scene.state.layers.get(scene.top(volume)).parent for volume in self.volumes), "it was not flattened"
        patch.undo()
        for second in self.second:
            layer, other = scene.layer_of(second), scene.new(SnapshotId=second)
            scene.ec2("DeleteSnapshot", SnapshotId=second)
            scene.rest()
            assert scene.top(other) == layer
            scene.write(other, 2, "another's")
        self.bytes = [scene.of_volume(volume) for volume in self.volumes]
        self.bytes_of_first = [scene.of_snapshot(first) for first in self.first]

    def check(self) -> None:
        """All that the state says is whole reads as it did."""
        assert [self.scene.of_volume(volume) for volume in self.volumes] == self.bytes
        assert {self.scene.state.volumes.get(volume).state for volume in self.volumes} == {"in-use"}
        for first, content in zip(self.first, self.bytes_of_first, strict=True):
            if (row := self.scene.state.snapshots.get(first)) is not None:
                assert row.state == "completed"
                assert self.scene.of_snapshot(first) == content


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("paused", [False, True])
def test_a_volume_of_a_guest_reads_on_after_that_is_off(scene: Scene, monkeypatch: Patch, paused: bool, twice: bool) -> None:
    """Put onto what its row says, it would read what another volume has written since."""
    left = Left(scene, monkeypatch, twice=twice)
    scene.back()
    if paused:
        scene.host.pause(scene.instance)
    told = scene.adopted()
    left.check()
    for volume, second in zip(left.volumes, left.second, strict=True):
        assert f"{scene.top(volume)} stands on nothing from now on: its file says so" in told
        assert f"{second} may read as a later one" in told
    scene.rest()
    scene.power("StopInstances")
    for volume in left.volumes:
        layers.correct_headers(scene.ec2.cloud, scene.top(volume))
    left.check()
    scene.power("StartInstances")
    for snapshot in (*left.second, *left.first):
        scene.ec2("DeleteSnapshot", SnapshotId=snapshot)
        scene.rest()
        left.check()
    assert not scene.state.failures.query()


def test_what_is_merged_after_it_is_what_the_guest_reads(scene: Scene, monkeypatch: Patch) -> None:
    """Snapshots are taken and deleted, all while the guest is on."""
    left = Left(scene, monkeypatch)
    scene.back()
    scene.adopted()
    taken = str(scene.ec2("CreateSnapshot", VolumeId=scene.volume)["SnapshotId"])
    assert scene.of_snapshot(taken) == left.bytes[0]
    for snapshot in (left.first[0], left.second[0]):
        scene.ec2("DeleteSnapshot", SnapshotId=snapshot)
        scene.rest()
        left.check()
        assert scene.of_snapshot(taken) == left.bytes[0]
    scene.ec2("DeleteSnapshot", SnapshotId=taken)
    scene.rest()
    left.check()
    assert len(scene.state.layers.find(base="")) == 2, "of the root disk, and of the volume"
    assert not scene.state.failures.query()


def test_what_a_guest_has_copied_is_on_the_disk_before_a_row_says_so(scene: Scene, monkeypatch: Patch) -> None:
    """A job that has ended, and was recorded by nobody: the guest may die then."""
    monkeypatch.setattr(chains, "MOST_DEPTH", 2)
    scene.taken(scene.volume, 0, "first")
    scene.taken(scene.volume, 1, "second")
    keep(scene.ec2.cloud, scene.copy)
    content = scene.of_volume(scene.volume)
    scene.ec2.look()
    assert scene.host.blocks.jobs(scene.instance)
    scene.ec2("CreateVolume", AvailabilityZone="us-east-1a", Size=1)  # the disks have gone on
    scene.host.finish_jobs(scene.instance)
    scene.back()
    scene.adopted()
    scene.host.kill(scene.instance)
    scene.rest()
    assert scene.of_volume(scene.volume) == content


class Committed:
    """A snapshot, in the copy, whose layer a running guest writes the next one into, because it was deleted since."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.first = scene.taken(scene.volume, 0, "first")
        self.second = scene.taken(scene.volume, 0, "second")
        scene.write(scene.volume, 0, "newest")
        keep(scene.ec2.cloud, scene.copy)
        self.then = scene.of_snapshot(self.first)
        self.bytes, self.bytes_of_second = scene.of_volume(scene.volume), scene.of_snapshot(self.second)
        scene.ec2("DeleteSnapshot", SnapshotId=self.first)
        scene.ec2.look()
        assert scene.host.blocks.jobs(scene.instance) == {scene.volume.replace("-", ""): ""}

    def check(self) -> None:
        """What the state says is whole reads as it did, but for what it says may not."""
        assert self.scene.of_volume(self.scene.volume) == self.bytes
        for snapshot, content in ((self.first, self.then), (self.second, self.bytes_of_second)):
            row = self.scene.state.snapshots.get(snapshot)
            if row is not None and row.state != "error" and "may read as a later one" not in row.message:
                assert (row.state, self.scene.of_snapshot(snapshot)) == ("completed", content)


def test_nothing_is_adopted_while_a_guest_merges_layers(scene: Scene) -> None:
    """The layer of a snapshot that was deleted since is half written over then, and no file says so until that is done."""
    committed = Committed(scene)
    scene.back()
    stamp, disks = scene.host.disks.stamp(), scene.host.disks.list()
    rows = [scene.state.layers.query(), scene.state.snapshots.query(), scene.state.volumes.query(), scene.state.identity]
    with pytest.raises(StateError, match=rf"guests merge layers of their disks: {scene.instance}.*again when that is done"):
        scene.adopted()
    assert (scene.host.disks.stamp(), scene.host.disks.list()) == (stamp, disks)
    assert rows == [
        scene.state.layers.query(), scene.state.snapshots.query(), scene.state.volumes.query(), scene.state.identity,
    ]  # fmt: skip
    scene.host.finish_jobs(scene.instance)
    scene.adopted()
    committed.check()


def test_nor_while_a_process_has_a_disk_open(real: Real, tmp_path: Path) -> None:
    """qemu-img goes on merging when the command that has called it was killed."""
    volume = real.volume(Size=1)
    snapshot = real.snapshot(volume)
    keep(real.ec2.cloud, tmp_path / "copy.sqlite")
    real.volume(Size=1)
    restore(real.ec2.cloud, tmp_path / "copy.sqlite")
    real.ec2 = Ec2(cloud_in(tmp_path, real.host))
    layer = real.state.snapshots.get(snapshot).layer_id
    before = real.disks.list()
    with (
        opened(Path(real.disks.path(layer))),
        pytest.raises(StateError, match=rf"a process has disks open and is no guest of this state: {layer}; .*fuser"),
    ):
        adoption.adopt(real.ec2.cloud)
    assert real.disks.list() == before
    adoption.adopt(real.ec2.cloud)
    assert real.state.volumes.get(volume).state == "available"


@pytest.mark.parametrize("on", [True, False])
def test_a_snapshot_that_another_was_merged_into_says_so(scene: Scene, on: bool) -> None:
    """The merge is done, and what was merged is there yet: it stands on the snapshot's layer as ever."""
    committed = Committed(scene)
    scene.host.finish_jobs(scene.instance)
    if not on:
        scene.host.kill(scene.instance)
    scene.back()
    told = scene.adopted()
    assert f"{committed.first} is in error: its layer " in told
    committed.check()
    for snapshot in (committed.first, committed.second):
        scene.rest()
        committed.check()
        scene.ec2("DeleteSnapshot", SnapshotId=snapshot)
    scene.rest()
    committed.check()


def test_a_guest_that_has_the_layer_of_one_volume_as_another_comes_first(scene: Scene, monkeypatch: Patch) -> None:
    """A layer that was one volume's is another's since, which the same guest has: it would lose it to the first."""
    layer = scene.top(scene.volume)
    keep(scene.ec2.cloud, scene.copy)
    snapshot = scene.taken(scene.volume, 0, "first")
    other = scene.new(SnapshotId=snapshot)
    scene.ec2("DetachVolume", VolumeId=scene.volume)
    scene.ec2("DeleteVolume", VolumeId=scene.volume)
    scene.ec2("DeleteSnapshot", SnapshotId=snapshot)
    scene.rest()
    assert scene.top(other) == layer
    scene.plug(other, "/dev/sdg")
    scene.back()
    with pytest.raises(StateError, match=f"{scene.instance}; shut them down first"):
        scene.adopted()
