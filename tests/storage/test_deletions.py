"""Snapshots deleted in any order lose nothing that another still needs. Real qcow2 files, the real qemu-img."""

import shutil
from pathlib import Path

import pytest

from .real_disks import Real, real

__all__ = ["real"]

pytestmark = pytest.mark.skipif(shutil.which("qemu-io") is None, reason="needs qemu-utils: scripts/setup")


class Moment:
    """All of a cloud on disk, to come back to: files keep their names, because layers name one another."""

    def __init__(self, real: Real, directory: Path) -> None:
        self._real, self._copy = real, directory
        real.state.close()
        shutil.copytree(real.directory / "home", directory, symlinks=True)

    def back(self) -> None:
        self._real.state.close()
        shutil.rmtree(self._real.directory / "home")
        shutil.copytree(self._copy, self._real.directory / "home", symlinks=True)


def five_snapshots(real: Real) -> tuple[str, dict[str, str]]:
    """A volume that was written to before, between and after five snapshots, some blocks of it again and again."""
    volume = real.volume(Size=2)
    recorded = {}
    for number in range(5):
        real.write(volume, 0, 10 + number)
        real.write(volume, 131072 * (number + 1), 20 + number)
        real.write(volume, 65536 * number, 30 + number, 4096)
        snapshot = real.snapshot(volume)
        recorded[snapshot] = real.of_snapshot(snapshot)
    real.write(volume, 0, 99)
    assert len(set(recorded.values())) == 5
    return volume, recorded


def test_five_snapshots_deleted_in_each_of_the_120_orders(real: Real, tmp_path: Path) -> None:
    volume, recorded = five_snapshots(real)
    now = real.of_volume(volume)
    orders = 0

    def delete_each(left: list[str], depth: int) -> None:
        nonlocal orders
        orders += not left
        moment = Moment(real, tmp_path / f"moment-{depth}") if left else None
        for number, snapshot in enumerate(left):
            assert moment is not None
            if number:
                moment.back()
            real.ec2("DeleteSnapshot", SnapshotId=snapshot)
            survivors = [other for other in left if other != snapshot]
            for other in survivors:
                assert real.of_snapshot(other) == recorded[other]
            assert real.of_volume(volume) == now
            if survivors:  # a volume made of it holds the same
                restored = real.volume(SnapshotId=survivors[0])
                assert real.of_volume(restored) == recorded[survivors[0]]
                real.ec2("DeleteVolume", VolumeId=restored)
            assert len(real.disks.list()) == len(survivors) + 1, "a layer that nobody needs is left"
            delete_each(survivors, depth + 1)
        shutil.rmtree(tmp_path / f"moment-{depth}", ignore_errors=True)

    delete_each(list(recorded), 0)
    assert orders == 120


def test_space_comes_back_when_all_is_deleted(real: Real) -> None:
    volume, recorded = five_snapshots(real)
    real.ec2("DeleteVolume", VolumeId=volume)
    for snapshot, digest in recorded.items():
        assert real.of_snapshot(snapshot) == digest
    for snapshot in recorded:
        real.ec2("DeleteSnapshot", SnapshotId=snapshot)
    assert real.disks.list() == {}
    assert real.state.layers.query() == []


def test_a_tree_of_volumes_and_snapshots_loses_nothing(real: Real) -> None:
    root = real.volume(Size=1)
    real.write(root, 0, 1)
    first = real.snapshot(root)
    branches = [real.volume(SnapshotId=first, Size=1 + number) for number in range(3)]
    held: dict[str, str] = {}
    for number, branch in enumerate(branches):
        real.write(branch, 65536 * (1 + number), 50 + number)
        real.snapshot(branch)
        real.write(branch, 0, 60 + number)
        held[branch] = real.of_volume(branch)
    real.ec2("DeleteVolume", VolumeId=root)
    real.ec2("DeleteSnapshot", SnapshotId=first)
    for snapshot in [row.id for row in real.state.snapshots.query()][::-1]:
        real.ec2("DeleteSnapshot", SnapshotId=snapshot)
        assert {branch: real.of_volume(branch) for branch in branches} == held
    real.ec2("DeleteVolume", VolumeId=branches.pop(1))
    real.ec2("DeleteVolume", VolumeId=branches.pop(1))
    assert real.of_volume(branches[0]) == held[branches[0]]
    assert len(real.disks.list()) == 1


def test_a_new_volume_reads_as_zeros(real: Real) -> None:
    first = real.volume(Size=1)
    real.write(first, 0, 170)
    real.ec2("DeleteVolume", VolumeId=first)
    second = real.volume(Size=1)
    real.of_volume(second)
    assert not any((real.directory / "raw").read_bytes())


def test_nobody_but_root_and_the_hypervisor_reads_a_layer(real: Real) -> None:
    five_snapshots(real)
    volumes = real.directory / "home" / "volumes"
    assert volumes.stat().st_mode & 0o007 == 0
    assert all(path.stat().st_mode & 0o007 == 0 for path in volumes.iterdir())


def test_chains_are_flattened_before_they_are_long(real: Real) -> None:
    volume = real.volume(Size=1)
    recorded = {}
    for number in range(20):
        real.write(volume, 4096 * number, 1 + number, 4096)
        snapshot = real.snapshot(volume)
        recorded[snapshot] = real.of_snapshot(snapshot)
        depth, layer = 0, real.state.layers.get(real.state.volumes.get(volume).layer_id)
        while layer is not None:
            depth, layer = depth + 1, real.state.layers.get(layer.parent)
        assert depth <= 17
    assert {snapshot: real.of_snapshot(snapshot) for snapshot in recorded} == recorded
