"""An older state in which no layer was changed since, but volumes went from one guest to another."""

import re
from pathlib import Path

import pytest

from minicloud.errors import Retry, StateError
from minicloud.reconcile import generations

from .older import keep
from .real_disks import Real, real
from .test_foreign_guests import opened
from .test_older_in_use import Patch, Scene, scene

__all__ = ["real", "scene"]


class Gone:
    """A volume that is attached to one instance in the copy, `free` to none, and to another since, which writes to it."""

    def __init__(self, scene: Scene, *, free: bool, on: bool = True) -> None:
        self.scene, self.volume, self.other = scene, scene.volume, scene.ec2.run()
        self.serial = scene.volume.replace("-", "")
        if not on:
            scene.ec2("StopInstances", InstanceIds=[self.other])
        if free:
            self.detach()
        scene.write(self.volume, 0, "first")
        keep(scene.ec2.cloud, scene.copy)
        if not free:
            self.detach()
        scene.ec2("AttachVolume", VolumeId=self.volume, InstanceId=self.other, Device="/dev/sdf")
        scene.rest()
        if not on:
            scene.ec2("StartInstances", InstanceIds=[self.other])
            scene.rest()
        assert self.serial in scene.host.blocks.chains(self.other)

    def detach(self) -> None:
        self.scene.ec2("DetachVolume", VolumeId=self.volume)
        self.scene.rest()

    def uncounted(self, patch: Patch) -> None:
        """As a state of a minicloud that did not count who has a volume, or one of the same age that was changed by hand."""
        with self.scene.host.store.change() as held:
            held["stamp"][1] = 0
        self.scene.back()
        patch.setattr(generations, "refusal", lambda _: "")


@pytest.mark.parametrize(("free", "on"), [(False, True), (True, True), (True, False), (False, False)])
def test_it_is_refused_and_adopted_when_the_other_is_off(scene: Scene, free: bool, on: bool) -> None:
    gone = Gone(scene, free=free, on=on)
    scene.back()
    for operation in ("CreateSnapshot", "DeleteVolume", "DetachVolume"):
        assert "is older than the disks" in scene.ec2.refused(operation, VolumeId=gone.volume).message
    scene.ec2.look()
    assert gone.serial in scene.host.blocks.chains(gone.other)
    with pytest.raises(StateError, match=f"{gone.other}; shut them down first"):
        scene.adopted()
    scene.host.kill(gone.other)
    told = scene.adopted()
    scene.rest()
    assert (f"{gone.volume} is attached to {scene.instance} again" in told) is not free
    assert (gone.serial in scene.host.blocks.chains(scene.instance)) is not free
    assert gone.serial not in scene.host.blocks.chains(gone.other)
    assert scene.of_volume(gone.volume) == {0: "first"}
    assert not scene.state.failures.query()


def test_a_volume_that_was_let_go(scene: Scene) -> None:
    """Its guest has it again, as the row says."""
    keep(scene.ec2.cloud, scene.copy)
    scene.ec2("DetachVolume", VolumeId=scene.volume)
    scene.rest()
    scene.back()
    assert "is older than the disks" in generations.refusal(scene.ec2.cloud)
    scene.adopted()
    scene.rest()
    assert scene.volume.replace("-", "") in scene.host.blocks.chains(scene.instance)
    assert scene.state.volumes.get(scene.volume).attachment == "attached"


def test_what_changes_no_guest_is_not_counted(scene: Scene) -> None:
    """A state that was backed up before an instance was stopped, and started, is as new as the disks."""
    before = scene.state.identity
    scene.power("StopInstances")
    scene.power("StartInstances")
    assert scene.state.identity == before


@pytest.mark.parametrize("free", [True, False])
def test_no_snapshot_is_taken_of_what_another_guest_writes_to(scene: Scene, monkeypatch: Patch, free: bool) -> None:
    """Whatever the state has counted: it would change as the other guest writes."""
    gone = Gone(scene, free=free)
    gone.uncounted(monkeypatch)
    layer = scene.top(gone.volume)
    snapshot = scene.state.snapshots.get(str(scene.ec2("CreateSnapshot", VolumeId=gone.volume)["SnapshotId"]))
    assert snapshot.state == "error"
    assert f"is not the guest of {gone.volume}" in snapshot.message
    assert scene.top(gone.volume) == layer
    assert [row.id for row in scene.state.layers.find(parent=layer)] == []


@pytest.mark.parametrize("free", [True, False])
def test_nor_is_it_removed(scene: Scene, monkeypatch: Patch, free: bool) -> None:
    """It goes when the other guest is off."""
    gone = Gone(scene, free=free)
    gone.uncounted(monkeypatch)
    layer = scene.top(gone.volume)
    if not free:
        gone.detach()
    scene.ec2("DeleteVolume", VolumeId=gone.volume)
    scene.rest()
    assert layer in scene.host.disks.list()
    assert scene.host.blocks.chains(gone.other)[gone.serial] == (scene.host.disks.path(layer),)
    (failure,) = scene.state.failures.query()
    assert re.search(f"{layer} is not removed: .* has it open", failure.message)
    scene.host.kill(gone.other)
    scene.state.failures.change(failure.part, failure.subject, retry_at="")
    scene.rest()
    assert layer not in scene.host.disks.list()


def test_a_real_disk_that_a_process_has_open(real: Real, tmp_path: Path) -> None:
    volume = real.volume(Size=1)
    layer = Path(real.top(volume))
    with opened(layer):
        assert (real.disks.is_open(layer.stem), real.disks.is_open("layer-none")) == (True, False)
        snapshot = real.state.snapshots.get(real.snapshot(volume))
        assert (snapshot.state, "see fuser" in snapshot.message) == ("error", True)
        with pytest.raises(Retry, match="is not removed: a process has it open"):
            real.disks.remove(layer.stem)
        assert layer.exists()
    assert real.state.snapshots.get(real.snapshot(volume)).state == "completed"
