"""An older state of which a layer was merged into since, or half so: the stamp beside the disks says into which, and for whom."""

import hashlib
from pathlib import Path

import pytest

from minicloud.cli import adopt, adoption
from minicloud.errors import Retry
from minicloud.host.disks import LocalDisks
from minicloud.host.run import run

from ..cloud_fixtures import Ec2, cloud_in
from .older import keep, restore
from .real_disks import Real, real
from .test_older_begun import Begun
from .test_older_in_use import Scene, scene

__all__ = ["real", "scene"]

Patch = pytest.MonkeyPatch


def back(real: Real, copy: Path) -> str:
    restore(real.ec2.cloud, copy)
    real.ec2 = Ec2(cloud_in(real.directory, real.host))
    return "\n".join(adoption.adopt(real.ec2.cloud))


def halfway(disks: LocalDisks, _: str, into: str) -> None:
    """qemu-img is killed when it has written the first of two clusters."""
    run(["qemu-io", "-f", "qcow2", "-c", "write -q -P 9 0 65536", disks.path(into)])
    raise Retry("killed in its midst")


def test_a_snapshot_whose_layer_was_half_written_over_says_so(real: Real, tmp_path: Path, monkeypatch: Patch) -> None:
    """What was being merged stands on it as ever, and nobody has it open."""
    volume, copy = real.volume(Size=1), tmp_path / "copy.sqlite"
    real.write(volume, 0, 1)
    snapshot, sure = real.snapshot(volume), real.snapshot(real.volume(Size=1))
    for place in (0, 65536):
        real.write(volume, place, 9)
    newest = real.of_volume(volume)
    keep(real.ec2.cloud, copy)
    then = real.of_snapshot(snapshot)
    with monkeypatch.context() as patched:
        patched.setattr(LocalDisks, "commit", halfway)
        real.ec2("DeleteSnapshot", SnapshotId=snapshot)
    told = back(real, copy)
    assert real.of_snapshot(snapshot) != then
    assert f"{snapshot} is in error" in told
    assert real.state.snapshots.get(snapshot).state == "error"
    assert sure not in told
    for _ in range(2):
        real.look()
    assert real.of_volume(volume) == newest
    assert adopt.situation(real.ec2.cloud) == ""


@pytest.mark.parametrize("moment", ["journaled", "made"])
def test_one_in_progress_whose_layer_was_half_written_over_is_in_error(
    real: Real, tmp_path: Path, monkeypatch: Patch, moment: str
) -> None:
    begun = Begun(real, tmp_path, monkeypatch, moment)
    with monkeypatch.context() as patched:
        patched.setattr(LocalDisks, "commit", halfway)
        begun.delete(begun.second)
    assert real.digest(begun.layer) != begun.bytes_then
    assert f"{begun.second} is in error" in begun.adopted()
    assert begun.snapshot().state == "error"
    assert real.of_volume(begun.volume) == begun.newest
    assert real.state.volumes.get(begun.volume).state == "available"


@pytest.mark.parametrize("moment", ["asked", "journaled", "made"])
def test_one_in_progress_whose_next_layer_is_gone_is_in_error_as_well(
    real: Real, tmp_path: Path, monkeypatch: Patch, moment: str
) -> None:
    """It was merged; a later one was being merged into the same layer."""
    begun = Begun(real, tmp_path, monkeypatch, moment)
    begun.delete(begun.second)
    third = real.snapshot(begun.volume)
    real.write(begun.volume, 0, 4)
    real.write(begun.volume, 65536, 4)
    newest = real.of_volume(begun.volume)
    with monkeypatch.context() as patched:
        patched.setattr(LocalDisks, "commit", halfway)
        begun.delete(third)
    assert f"{begun.second} is in error" in begun.adopted()
    assert real.of_volume(begun.volume) == newest
    assert real.state.volumes.get(begun.volume).state == "available"


def test_so_does_one_that_a_guest_was_writing_into_when_it_ended(scene: Scene) -> None:
    first = scene.taken(scene.volume, 0, "first")
    scene.taken(scene.volume, 0, "second")
    scene.write(scene.volume, 0, "newest")
    keep(scene.ec2.cloud, scene.copy)
    scene.ec2("DeleteSnapshot", SnapshotId=first)
    scene.ec2.look()
    assert scene.host.blocks.jobs(scene.instance)
    scene.host.kill(scene.instance)
    scene.back()
    assert f"{first} is in error" in scene.adopted()
    scene.rest()
    assert scene.of_volume(scene.volume) == {0: "newest"}


def test_a_layer_that_was_merged_into_before_the_copy_is_as_it_is_known(real: Real, tmp_path: Path) -> None:
    volume = real.volume(Size=1)
    first, second = real.snapshot(volume), real.snapshot(volume)
    real.ec2("DeleteSnapshot", SnapshotId=first)
    real.look()
    keep(real.ec2.cloud, tmp_path / "copy.sqlite")
    real.volume(Size=1)
    assert second not in back(real, tmp_path / "copy.sqlite")


def test_a_volume_whose_layer_is_anothers_since_goes_on_beside_it(real: Real, tmp_path: Path) -> None:
    """What the other has written is nowhere else, and is kept."""
    volume = real.volume(Size=1)
    real.write(volume, 0, 1)
    layer = real.state.volumes.get(volume).layer_id
    keep(real.ec2.cloud, tmp_path / "copy.sqlite")
    snapshot = real.snapshot(volume)
    other = real.volume(SnapshotId=snapshot)
    real.ec2("DeleteVolume", VolumeId=volume)
    real.ec2("DeleteSnapshot", SnapshotId=snapshot)
    for _ in range(2):
        real.look()
    assert real.state.volumes.get(other).layer_id == layer
    real.write(other, 65536, 2)
    newest = real.of_volume(other)
    told = back(real, tmp_path / "copy.sqlite")
    assert f"{volume} has what the volume {other} wrote" in told
    (kept,) = [row for row in real.state.snapshots.query() if row.description == adoption.DESCRIPTION]
    assert (kept.layer_id, kept.id in told) == (layer, True)
    for _ in range(2):
        real.look()
    real.write(volume, 0, 3)
    assert real.digest(layer) == newest
    assert adopt.situation(real.ec2.cloud) == ""


def test_a_volume_whose_layer_was_half_written_over_goes_on_with_what_was_being_merged(
    real: Real, tmp_path: Path, monkeypatch: Patch
) -> None:
    """Which hides it; the layer alone reads as the volume did at no moment."""
    volume = real.volume(Size=1)
    real.write(volume, 0, 1)
    real.write(volume, 65536, 1)
    keep(real.ec2.cloud, tmp_path / "copy.sqlite")
    snapshot = real.snapshot(volume)
    for place in (0, 65536):
        real.write(volume, place, 9)
    newest, top = real.of_volume(volume), real.state.volumes.get(volume).layer_id
    with monkeypatch.context() as patched:
        patched.setattr(LocalDisks, "commit", halfway)
        real.ec2("DeleteSnapshot", SnapshotId=snapshot)
    told = back(real, tmp_path / "copy.sqlite")
    assert f"{volume} goes on with {top}, which was being merged" in told
    for _ in range(2):
        real.look()
        assert real.of_volume(volume) == newest
    assert real.state.volumes.get(volume).state == "available"
    assert adopt.situation(real.ec2.cloud) == ""
    assert list(real.disks.list()) == [layer.id for layer in real.state.layers.find(base="")]


def test_one_whose_layer_was_half_written_over_for_another_is_in_error(real: Real, tmp_path: Path, monkeypatch: Patch) -> None:
    volume = real.volume(Size=1)
    real.write(volume, 0, 1)
    layer = real.state.volumes.get(volume).layer_id
    keep(real.ec2.cloud, tmp_path / "copy.sqlite")
    snapshot = real.snapshot(volume)
    other = real.volume(SnapshotId=snapshot)
    real.write(other, 0, 9)
    top, content = real.state.volumes.get(other).layer_id, real.of_volume(other)
    real.ec2("DeleteVolume", VolumeId=volume)
    with monkeypatch.context() as patched:
        patched.setattr(LocalDisks, "commit", halfway)
        real.ec2("DeleteSnapshot", SnapshotId=snapshot)
        real.look()
    told = back(real, tmp_path / "copy.sqlite")
    assert f"the volume {volume} is in error: its layer {layer} has what was written later" in told
    assert real.state.volumes.get(volume).state == "error"
    (aside,) = (tmp_path / "home" / "volumes" / "quarantine").rglob(f"{top}.qcow2")
    raw = tmp_path / "raw"
    run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", aside, raw])
    assert hashlib.sha256(raw.read_bytes()).hexdigest() == content
