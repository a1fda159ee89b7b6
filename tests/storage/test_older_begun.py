"""An older state that was copied while it took snapshots, or was to make layers: what became of them is told by the files."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minicloud.cli import adopt, adoption
from minicloud.cloud import Cloud, Idle
from minicloud.errors import Retry
from minicloud.host import fake
from minicloud.reconcile import generations, layer_files, layers, snapshots
from minicloud.state.rows_storage import Snapshot

from ..cloud_fixtures import IMAGE, Ec2, cloud_in
from .older import keep, restore
from .real_disks import Real, real

__all__ = ["real"]

Patch = pytest.MonkeyPatch


def copy_when(monkeypatch: Patch, copy: Path, moment: str) -> None:
    """The state is copied when the next snapshot was asked for, or journaled, or has its new layer and no guest is switched."""
    place, name = {"asked": (snapshots, "_journal"), "journaled": (layer_files, "make"), "made": (snapshots, "_switch")}[moment]
    genuine: Callable[..., Any] = getattr(place, name)

    def copying(cloud: Cloud, *rest: Any) -> Any:
        if not copy.exists() and (moment == "asked" or cloud.state.snapshots.query("next_layer != ''")):
            keep(cloud, copy)
        return genuine(cloud, *rest)

    monkeypatch.setattr(place, name, copying)


class Begun:
    """A volume with a snapshot that is there, and one that is being taken when the state is copied."""

    def __init__(self, real: Real, directory: Path, monkeypatch: Patch, moment: str) -> None:
        self.real, self.directory = real, directory
        self.volume = real.volume(Size=1)
        real.write(self.volume, 0, 1)
        self.first = real.snapshot(self.volume)
        real.write(self.volume, 65536, 2)
        self.bytes_then = real.of_volume(self.volume)
        self.layer = real.state.volumes.get(self.volume).layer_id
        copy_when(monkeypatch, directory / "copy.sqlite", moment)
        self.second = real.snapshot(self.volume)
        real.write(self.volume, 0, 3)
        self.newest = real.of_volume(self.volume)

    def delete(self, snapshot: str) -> None:
        self.real.ec2("DeleteSnapshot", SnapshotId=snapshot)
        for _ in range(2):
            self.real.look()

    def back(self) -> None:
        restore(self.real.ec2.cloud, self.directory / "copy.sqlite")
        self.real.ec2 = Ec2(cloud_in(self.directory, self.real.host))

    def adopted(self) -> str:
        self.back()
        told = "\n".join(adoption.adopt(self.real.ec2.cloud))
        for _ in range(2):
            self.real.look()
        assert adopt.situation(self.real.ec2.cloud) == ""
        return told

    def snapshot(self) -> Snapshot:
        row = self.real.state.snapshots.get(self.second)
        assert row is not None
        return row  # type: ignore[no-any-return]


@pytest.mark.parametrize("moment", ["journaled", "made"])
def test_one_that_was_taken_since_is_finished(real: Real, tmp_path: Path, monkeypatch: Patch, moment: str) -> None:
    begun = Begun(real, tmp_path, monkeypatch, moment)
    assert f"{begun.second}, which was being taken, is completed" in begun.adopted()
    assert begun.snapshot().state == "completed"
    assert real.of_snapshot(begun.second) == begun.bytes_then
    assert real.of_volume(begun.volume) == begun.newest


def test_one_whose_layer_may_be_anothers_by_now_says_so(real: Real, tmp_path: Path, monkeypatch: Patch) -> None:
    begun = Begun(real, tmp_path, monkeypatch, "made")
    top = real.state.volumes.get(begun.volume).layer_id
    real.disks.rebase(top, None)  # as a guest does that is on
    real.state.layers.change(top, parent="")
    generations.count(real.ec2.cloud)
    told = begun.adopted()
    assert f"{begun.second}, which was being taken, is completed" in told
    assert "may read as a later one" in begun.snapshot().message
    assert real.of_volume(begun.volume) == begun.newest


@pytest.mark.parametrize("moment", ["journaled", "made"])
def test_one_that_was_taken_and_deleted_since_is_in_error(real: Real, tmp_path: Path, monkeypatch: Patch, moment: str) -> None:
    """Taken now it would have what was written later; the volume goes on with what its layer has."""
    begun = Begun(real, tmp_path, monkeypatch, moment)
    begun.delete(begun.second)
    told = begun.adopted()
    assert f"{begun.second} is in error" in told
    assert (begun.snapshot().state, begun.snapshot().next_layer) == ("error", "")
    assert "moment is over" in begun.snapshot().message
    assert real.of_volume(begun.volume) == begun.newest
    assert real.state.volumes.get(begun.volume).state == "available"
    assert {layer.id for layer in real.state.layers.find(made=True, base="")} == set(real.disks.list())
    real.snapshot(begun.volume)
    assert real.of_volume(begun.volume) == begun.newest


@pytest.mark.parametrize("moment", ["journaled", "made"])
def test_a_volume_goes_on_with_the_new_layer_where_the_old_one_was_merged(
    real: Real, tmp_path: Path, monkeypatch: Patch, moment: str
) -> None:
    begun = Begun(real, tmp_path, monkeypatch, moment)
    begun.delete(begun.first)
    assert begun.layer not in real.disks.list()
    told = begun.adopted()
    assert f"{begun.second} is in error: its layer {begun.layer} is not there" in told
    assert f"{begun.first} may read as a later one" in told
    assert real.of_volume(begun.volume) == begun.newest
    assert real.state.volumes.get(begun.volume).state == "available"


def test_one_that_was_only_asked_for_is_in_error(real: Real, tmp_path: Path, monkeypatch: Patch) -> None:
    begun = Begun(real, tmp_path, monkeypatch, "asked")
    assert f"{begun.second} is in error" in begun.adopted()
    real.write(begun.volume, 0, 9)
    assert real.digest(begun.layer) == begun.bytes_then


@pytest.mark.parametrize("method", ["put_stamp", "list"])
def test_cut_short_the_rest_is_done_the_next_time(real: Real, tmp_path: Path, monkeypatch: Patch, method: str) -> None:
    begun = Begun(real, tmp_path, monkeypatch, "made")
    begun.delete(begun.first)
    begun.delete(begun.second)
    begun.back()

    def fail(*_: object) -> None:
        raise Retry("in the midst")

    with monkeypatch.context() as patched, contextlib.suppress(Retry):
        patched.setattr(type(real.disks), method, fail)
        adoption.adopt(real.ec2.cloud)
    real.look()
    assert begun.snapshot().state != "completed"
    if adopt.situation(real.ec2.cloud):
        adoption.adopt(real.ec2.cloud)
    real.look()
    assert begun.snapshot().state == "error"
    assert begun.real.state.volumes.get(begun.volume).state == "error", "its layer is gone, and no file says where its bytes are"


def test_a_layer_that_was_still_to_be_made_may_have_been_merged_since(real: Real, tmp_path: Path) -> None:
    volume = real.volume(Size=1)
    real.write(volume, 0, 1)
    snapshot = real.snapshot(volume)
    real.ec2("DeleteVolume", VolumeId=volume)
    real.look()
    made, then = being_made(real, snapshot, tmp_path / "copy.sqlite"), real.of_snapshot(snapshot)
    real.write(made, 0, 2)
    newest = real.of_volume(made)
    real.ec2("DeleteSnapshot", SnapshotId=snapshot)
    for _ in range(2):
        real.look()
    restore(real.ec2.cloud, tmp_path / "copy.sqlite")
    real.ec2 = Ec2(cloud_in(tmp_path, real.host))
    told = "\n".join(adoption.adopt(real.ec2.cloud))
    real.look()
    assert real.of_snapshot(snapshot) == newest != then
    assert f"{snapshot} may read as a later one" in told


def test_a_snapshot_on_whose_layer_nothing_has_stood_may_read_as_a_later_one(real: Real, tmp_path: Path) -> None:
    """Its layer is another volume's since, and nothing of that is in the files. One on which something stands is as it was."""
    volume, other = real.volume(Size=1), real.volume(Size=1)
    real.write(volume, 0, 1)
    snapshot, sure = real.snapshot(volume), real.snapshot(other)
    real.ec2("DeleteVolume", VolumeId=volume)
    real.look()
    keep(real.ec2.cloud, tmp_path / "copy.sqlite")
    made = real.volume(SnapshotId=snapshot)
    real.ec2("DeleteSnapshot", SnapshotId=snapshot)
    for _ in range(2):
        real.look()
    real.write(made, 0, 2)
    newest = real.of_volume(made)
    restore(real.ec2.cloud, tmp_path / "copy.sqlite")
    real.ec2 = Ec2(cloud_in(tmp_path, real.host))
    told = "\n".join(adoption.adopt(real.ec2.cloud))
    assert real.of_snapshot(snapshot) == newest
    assert f"{snapshot} may read as a later one" in told
    assert sure not in told


def test_a_layer_whose_former_one_is_anothers_since_reads_as_its_file_does(real: Real, tmp_path: Path) -> None:
    """Its row says otherwise: put onto that again, it would read what another volume has written."""
    volume = real.volume(Size=1)
    real.write(volume, 0, 1)
    snapshot = real.snapshot(volume)
    real.write(volume, 65536, 2)
    keep(real.ec2.cloud, tmp_path / "copy.sqlite")
    newest, top = real.of_volume(volume), real.state.volumes.get(volume).layer_id
    real.disks.rebase(top, None)  # as a guest does that is on
    real.state.layers.change(top, parent="")
    made = real.volume(SnapshotId=snapshot)
    real.ec2("DeleteSnapshot", SnapshotId=snapshot)
    for _ in range(2):
        real.look()
    real.write(made, 131072, 3)
    restore(real.ec2.cloud, tmp_path / "copy.sqlite")
    real.ec2 = Ec2(cloud_in(tmp_path, real.host))
    told = "\n".join(adoption.adopt(real.ec2.cloud))
    layers.correct_headers(real.ec2.cloud, top)
    assert real.of_volume(volume) == newest
    assert f"{top} stands on nothing from now on" in told
    assert f"{snapshot} may read as a later one" in told


def test_a_layer_that_was_to_be_made_on_one_that_is_gone(real: Real, tmp_path: Path) -> None:
    volume = real.volume(Size=1)
    taken = []
    for byte in (1, 2):
        real.write(volume, 65536 * byte, byte)
        taken.append(real.snapshot(volume))
    made = being_made(real, taken[1], tmp_path / "copy.sqlite")
    real.ec2("DeleteVolume", VolumeId=made)
    real.ec2("DeleteSnapshot", SnapshotId=taken[0])
    for _ in range(2):
        real.look()
    restore(real.ec2.cloud, tmp_path / "copy.sqlite")
    real.ec2 = Ec2(cloud_in(tmp_path, real.host))
    told = "\n".join(adoption.adopt(real.ec2.cloud))
    real.look()
    assert f"the volume {made} is in error: its layer was to be made on" in told
    assert real.state.volumes.get(made).state == "error"


def being_made(real: Real, snapshot: str, copy: Path) -> str:
    """A volume, and a copy of the state from before its file was made."""
    worker, real.ec2.cloud.worker = real.ec2.cloud.worker, Idle()
    made = real.volume(SnapshotId=snapshot)
    keep(real.ec2.cloud, copy)
    real.ec2.cloud.worker = worker
    real.look()
    return made


def test_a_layer_that_a_snapshot_in_progress_names_and_somebody_deleted(real: Real, tmp_path: Path, monkeypatch: Patch) -> None:
    """Of a state that is not older: whoever adopts for another reason."""
    begun = Begun(real, tmp_path, monkeypatch, "made")
    begun.delete(begun.second)
    begun.back()
    stamp = real.disks.stamp()
    assert stamp is not None
    real.state.advance(beyond=stamp.generation)
    assert f"{begun.second} is in error" in "\n".join(adoption.adopt(real.ec2.cloud))
    real.look()
    assert real.of_volume(begun.volume) == begun.newest


def test_an_image_that_was_being_made_has_failed(tmp_path: Path, monkeypatch: Patch) -> None:
    """And the instance goes on with the layer that its guest wrote to."""
    host = fake.host()
    host.add_image(IMAGE)
    ec2 = Ec2(cloud_in(tmp_path, host))
    instance = ec2.run()
    volume = ec2.cloud.state.volumes.find(instance_id=instance)[0].id
    copy_when(monkeypatch, tmp_path / "copy.sqlite", "made")
    image = ec2("CreateImage", InstanceId=instance, Name="mine", NoReboot=True)["ImageId"]
    top = ec2.cloud.state.volumes.find(id=volume)[0].layer_id
    host.write(host.disks.path(top), 0, "new")
    ec2("DeregisterImage", ImageId=image)
    for snapshot in ec2.cloud.state.snapshots.find(volume_id=volume):
        ec2("DeleteSnapshot", SnapshotId=snapshot.id)
    for _ in range(3):
        ec2.look()
        host.finish_jobs(instance)
    ec2("StopInstances", InstanceIds=[instance])
    restore(ec2.cloud, tmp_path / "copy.sqlite")
    ec2 = Ec2(cloud_in(tmp_path, host))
    adoption.adopt(ec2.cloud)
    ec2.look()
    (said,) = ec2("DescribeImages", ImageIds=[image])["Images"]
    assert said["State"] == "failed"
    assert ec2.cloud.state.volumes.find(id=volume)[0].layer_id == top
    assert host.read(host.disks.path(top))[0] == "new"
