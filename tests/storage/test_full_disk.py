"""A file system that is really full while a volume is made, a snapshot taken, layers merged, an image imported."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from minicloud.errors import Retry
from minicloud.host.image_import import import_image
from minicloud.host.image_store import ImageStore
from minicloud.host.run import run
from minicloud.services.ec2 import volumes

from .real_disks import Real, real

__all__ = ["real"]

pytestmark = pytest.mark.lab
KIB, MIB = 1 << 10, 1 << 20


class Small:
    """A file system of 16 MiB."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True)
        run(["mount", "-t", "tmpfs", "-o", "size=16m", "small", directory])

    def fill(self) -> None:
        with (self._directory / ".filler").open("wb") as file:
            while True:
                try:
                    os.write(file.fileno(), b"x" * 4 * KIB)
                except OSError:
                    return

    def empty(self) -> None:
        (self._directory / ".filler").unlink()


@pytest.fixture
def small(real: Real) -> Iterator[Small]:
    yield Small(real.directory / "home" / "volumes")
    run(["umount", real.directory / "home" / "volumes"])


def files(real: Real) -> set[str]:
    return set(os.listdir(real.directory / "home" / "volumes")) - {".filler", "minicloud.json", "place.json"}


def test_a_volume(real: Real, small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    small.fill()
    error = real.ec2.refused("CreateVolume", AvailabilityZone="us-east-1a", Size=1)
    assert (error.code, error.status) == ("InsufficientVolumeCapacity", 500)
    monkeypatch.setattr(volumes, "LEAST_FREE", 0)  # as if it became full a moment later
    volume = real.volume(Size=1)
    row = real.state.volumes.get(volume)
    assert (row.state, files(real)) == ("creating", set())
    assert "no space left" in row.reason.lower()
    small.empty()
    real.look()
    assert real.state.volumes.get(volume).state == "available"
    assert len(files(real)) == 1


def test_a_snapshot(real: Real, small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volumes, "LEAST_FREE", 0)
    volume = real.volume(Size=1)
    real.write(volume, 0, 1)
    before, content = files(real), real.of_volume(volume)
    small.fill()
    snapshot = real.snapshot(volume)
    row = real.state.snapshots.get(snapshot)
    assert (row.state, files(real)) == ("error", before), "a snapshot of a later moment would not be what was asked for"
    shown = real.ec2("DescribeSnapshots", SnapshotIds=[snapshot])["Snapshots"][0]
    assert "no space left" in shown["StateMessage"].lower()
    assert real.of_volume(volume) == content
    real.ec2("DeleteSnapshot", SnapshotId=snapshot)
    small.empty()
    snapshot = real.snapshot(volume)
    assert real.of_snapshot(snapshot) == content
    real.write(volume, 0, 2)
    assert real.of_snapshot(snapshot) == content


def test_a_merge(real: Real, small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volumes, "LEAST_FREE", 0)
    volume = real.volume(Size=1)
    snapshots = []
    for number in range(3):
        real.write(volume, 262144 * number, 1 + number, 262144)
        snapshots.append(real.snapshot(volume))
    now, kept = real.of_volume(volume), {snapshot: real.of_snapshot(snapshot) for snapshot in snapshots[1:]}
    small.fill()
    real.ec2("DeleteSnapshot", SnapshotId=snapshots[0])
    assert real.of_volume(volume) == now
    assert {snapshot: real.of_snapshot(snapshot) for snapshot in kept} == kept
    assert len(files(real)) == 4, "it could not be merged yet"
    small.empty()
    real.look()
    assert len(files(real)) == 3
    assert real.of_volume(volume) == now
    assert {snapshot: real.of_snapshot(snapshot) for snapshot in kept} == kept


def partitioned(size: int) -> bytes:
    """Noise that begins with a partition table."""
    return os.urandom(510) + b"\x55\xaa" + os.urandom(size - 512)


def test_an_import(tmp_path: Path) -> None:
    small, source = Small(tmp_path / "images"), tmp_path / "disk.raw"
    try:
        source.write_bytes(partitioned(8 * MIB))
        store = ImageStore(tmp_path / "images", None)
        small.fill()
        with pytest.raises(Retry, match="no space left"):
            import_image(str(source), store, name="mine", max_bytes=1 << 30)
        assert os.listdir(tmp_path / "images") == [".filler"]
        small.empty()
        source.write_bytes(partitioned(2 * MIB))
        made = import_image(str(source), store, name="mine", max_bytes=1 << 30)
        assert [one.image_id for one in store.list()] == [made.image_id]
    finally:
        run(["umount", tmp_path / "images"])
