"""Backups of a host where some disk cannot be copied: it is left out, and told by name with the reason; all others are in it."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minicloud.cli import doctor_upkeep
from minicloud.cli.doctor_checks import OK, WARN
from minicloud.cli.main import execute
from minicloud.cli.session import Session
from minicloud.errors import Damaged, Retry
from minicloud.host import archive
from minicloud.host.image_store import ImageStore
from minicloud.reconcile import backup_freeze, backup_record, backup_unfit, isolation, layer_files, snapshots

from ..cloud_fixtures import waited
from .backups import Place, back_up, file, here, member, restore, small, there

__all__ = ["file", "here", "small", "there"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_unfit, "_PAUSE", 0.0)


def gone(path: Path) -> None:
    path.unlink()


def junk(path: Path) -> None:
    path.write_bytes(b"junk" * 100)


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def below(place: Place, volume: str) -> Path:
    """The file under a volume's top."""
    return Path(place.disks.path(place.state.layers.get(place.state.volumes.get(volume).layer_id).parent))


def moved(place: Place, there: Place, file: Path) -> list[str]:
    told = restore(there.cloud, file)
    there.open()
    there.look()
    return told


def names(told: Any, name: str) -> bool:
    return any(name in sentence and "is not in the backup: " in sentence for sentence in told)


@pytest.mark.parametrize("spoil", [gone, junk, directory])
@pytest.mark.parametrize("base", [False, True], ids=["top", "base"])
def test_a_free_volume(here: Place, there: Place, file: Path, spoil: Callable[[Path], None], base: bool) -> None:
    good, bad = here.volume(Size=1), here.volume(Size=1)
    for one in (good, bad):
        here.write(one, 0, 1)
    if base:
        here.snapshot(bad)
    spoil(below(here, bad) if base else Path(here.top(bad)))
    made = back_up(here.cloud, file)
    assert names(made.messages, bad)
    row = here.state.volumes.get(bad)
    assert (row.state, bool(row.reason)) == ("error", True)
    assert here.state.volumes.get(good).state == "available"
    waited(here.cloud)
    assert here.state.snapshots.query("batch like ?", [f"{backup_freeze.BATCH}%"]) == []
    moved(here, there, file)
    assert there.of_volume(good) == here.of_volume(good)
    row = there.state.volumes.get(bad)
    assert row.state == "error"
    assert here.state.volumes.get(bad).reason in row.reason


def test_one_of_an_instance(here: Place, there: Place, file: Path) -> None:
    """Its others are of one moment still."""
    image = here.image()
    more = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1}}]
    instance = here.ec2.run(ImageId=image, BlockDeviceMappings=more)
    root, bad = (
        row.id for row in sorted(here.state.volumes.find(instance_id=instance), key=lambda row: row.device, reverse=True)
    )
    here.write(root, 0, 3)
    gone(Path(here.top(bad)))
    assert names(back_up(here.cloud, file).messages, bad)
    moved(here, there, file)
    there.know(image)
    assert there.of_volume(root) == here.of_volume(root)
    assert (there.state.volumes.get(root).state, there.state.volumes.get(bad).state) == ("in-use", "error")


@pytest.mark.parametrize("spoil", [gone, junk])
def test_a_snapshot_and_its_ami(here: Place, there: Place, file: Path, spoil: Callable[[Path], None]) -> None:
    volume, other = here.volume(Size=1), here.volume(Size=1)
    bad, good = here.snapshot(volume), here.snapshot(other)
    mapping = [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": bad}}]
    ami = here.ec2("RegisterImage", Name="own", RootDeviceName="/dev/xvda", BlockDeviceMappings=mapping)["ImageId"]
    here.ec2("DeleteVolume", VolumeId=volume)
    here.look()
    spoil(Path(here.disks.path(here.state.snapshots.get(bad).layer_id)))
    made = back_up(here.cloud, file)
    assert (names(made.messages, bad), names(made.messages, ami), names(made.messages, good)) == (True, True, False)
    assert (here.state.snapshots.get(bad).state, here.state.images.get(ami).state) == ("completed", "available")
    moved(here, there, file)
    assert there.of_snapshot(good) == here.of_snapshot(good)
    row = there.state.snapshots.get(bad)
    assert (row.state, there.state.images.get(ami).state) == ("error", "failed")
    assert here.state.snapshots.get(bad).layer_id in row.message


@pytest.mark.parametrize("what", ["gone", "disk gone", "other bytes"])
def test_a_base_image(here: Place, there: Place, file: Path, what: str) -> None:
    """What stands on it cannot be read without it; one whose bytes have changed is not taken along, its disks are."""
    image, other, good = here.image(), here.image(), here.volume(Size=1)
    here.write(good, 0, 1)
    here.ec2.run(ImageId=other)
    kept = [{"DeviceName": "/dev/xvda", "Ebs": {"DeleteOnTermination": False}}]  # no launch without the image ends it
    instance = here.ec2.run(ImageId=image, BlockDeviceMappings=kept)
    root = here.state.volumes.find(instance_id=instance)[0].id
    store = ImageStore(here.directory / "images")
    if what == "gone":
        store.remove(image)
        with here.host.store.change() as held:
            del held["images"][image]
    elif what == "disk gone":
        store.path(image).unlink()
    else:
        with store.path(image).open("r+b") as disk:
            disk.seek(-1, os.SEEK_END)
            disk.write(b"\x07")
    made = back_up(here.cloud, file)
    assert names(made.messages, image)
    assert names(made.messages, root) == (what != "other bytes")
    told = moved(here, there, file)
    assert [sentence for sentence in told if image in sentence]
    assert there.of_volume(good) == here.of_volume(good)
    assert (there.state.volumes.get(root).state == "error") == (what != "other bytes")


class Disk:
    """A file of which some reads fail."""

    def __init__(self, path: Path, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left, known, pread = times, path.stat().st_ino, os.pread

        def read(descriptor: int, size: int, offset: int) -> bytes:
            if self.left and os.fstat(descriptor).st_ino == known:
                self.left -= 1
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return pread(descriptor, size, offset)

        monkeypatch.setattr(archive.os, "pread", read)  # type: ignore[attr-defined]


def test_a_disk_that_fails_once_is_in_it(here: Place, there: Place, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = here.volume(Size=1)
    here.write(volume, 0, 1)
    freeze = backup_freeze.freeze

    def frozen(*given: Any) -> None:
        freeze(*given)
        Disk(below(here, volume), 1, monkeypatch)

    then = here.of_volume(volume)
    with monkeypatch.context() as patch:
        patch.setattr(backup_freeze, "freeze", frozen)
        assert back_up(here.cloud, file).messages == ()
    moved(here, there, file)
    layer_files.make(there.cloud, there.state.volumes.get(volume).layer_id)
    assert there.of_volume(volume) == then


def test_a_disk_that_fails_each_time_is_left_out(here: Place, there: Place, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = here.volume(Size=1), here.volume(Size=1)
    for one in (good, bad):
        here.write(one, 0, 1)
    settle = backup_freeze.settle_jobs

    def settled(*given: Any) -> None:
        settle(*given)
        Disk(below(here, bad), -1, monkeypatch)

    with monkeypatch.context() as patch:
        patch.setattr(backup_freeze, "settle_jobs", settled)
        made = back_up(here.cloud, file)
    assert (names(made.messages, bad), names(made.messages, good)) == (True, False)
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    moved(here, there, file)
    assert there.of_volume(good) == here.of_volume(good)
    assert there.state.volumes.get(bad).state == "error"
    assert "Input/output error" in there.state.volumes.get(bad).reason


def test_one_look_that_fails_says_nothing(here: Place, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume, verify, failures = here.volume(Size=1), layer_files.verify, [Damaged("once")]

    def once(*given: Any, **more: Any) -> None:
        if failures:
            raise failures.pop()
        verify(*given, **more)

    monkeypatch.setattr(layer_files, "verify", once)
    assert back_up(here.cloud, file).messages == ()
    assert here.state.volumes.get(volume).state == "available"


@pytest.mark.parametrize("where", ["verify", "make"])
def test_what_may_pass_ends_it_and_calls_no_volume_lost(
    here: Place, file: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = here.volume(Size=1)

    def full(*_: Any, **__: Any) -> None:
        raise Retry("the host's disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(layer_files, where, full)
        with pytest.raises(Retry, match="full"):
            back_up(here.cloud, file)
    assert here.state.volumes.get(volume).state == "available"
    assert list(file.parent.iterdir()) == []
    assert back_up(here.cloud, file).messages == ()


def by_somebody(here: Place, monkeypatch: pytest.MonkeyPatch, act: Callable[[str], None]) -> None:
    """Between the record of each of a backup's snapshots and its being taken somebody else does something."""
    take = snapshots.take

    def meanwhile(cloud: Any, batch: str, wait: float = 0.0) -> bool:
        (row,) = here.state.snapshots.find(batch=batch, state="pending")
        act(row.volume_id)
        return take(cloud, batch, wait)

    monkeypatch.setattr(snapshots, "take", meanwhile)


def test_one_whose_snapshot_another_process_gave_up(here: Place, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad, take = here.volume(Size=1), here.volume(Size=1), snapshots.take

    def act(volume: str) -> None:
        if volume == bad:
            gone(Path(here.top(bad)))
            (row,) = here.state.snapshots.find(volume_id=bad, state="pending")
            with pytest.raises(isolation.GaveUp):
                take(here.cloud, row.batch)

    by_somebody(here, monkeypatch, act)
    made = back_up(here.cloud, file)
    assert (names(made.messages, bad), names(made.messages, good)) == (True, False)


def test_one_that_is_deleted_meanwhile_is_not_told(here: Place, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = here.volume(Size=1), here.volume(Size=1)

    def act(volume: str) -> None:
        if volume == bad:
            here.state.volumes.remove(bad)

    by_somebody(here, monkeypatch, act)
    made = back_up(here.cloud, file)
    assert (made.messages, made.volumes) == ((), 1)
    assert good


def test_it_is_told_by_the_command_and_by_the_doctor(here: Place, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad, _ = here.volume(Size=1), here.volume(Size=1)
    gone(Path(here.top(bad)))
    session = Session(connect=lambda: here.cloud)
    assert execute(["backup", str(file), "--with-disks"], session) == 2
    assert f"{bad} is not in the backup" in capsys.readouterr().out
    assert b"is not in the backup" in member(file, "manifest.json")
    record = backup_record.read(here.cloud.settings)
    assert record is not None
    assert list(record.left_out) == [bad]
    (check,) = [check for check in doctor_upkeep.checks(here.cloud) if check.name == "backup"]
    assert check.status == WARN
    assert check.found.endswith(f"; not in it: {bad}")
    here.ec2("DeleteVolume", VolumeId=bad)
    here.look()
    file.unlink()
    assert execute(["backup", str(file), "--with-disks"], session) == 0
    (check,) = [check for check in doctor_upkeep.checks(here.cloud) if check.name == "backup"]
    assert check.status == OK
