"""Backups of a host where something fails that may pass: it ends the backup, and no volume is called lost for it."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from minicloud.errors import Damaged, HostError, Permanent, StateError
from minicloud.host import archive, qemu_img
from minicloud.host.run import CommandFailed
from minicloud.reconcile import backup_freeze

from .backups import Place, back_up, file, here, small
from .test_backup_bad_files import gone, names, quick

__all__ = ["file", "here", "quick", "small"]


@pytest.mark.parametrize("what", ["volumes", "images"])
def test_where_nothing_is_there_the_place_is_away(here: Place, file: Path, what: str) -> None:
    """Such as a file system that is not mounted: no volume is lost by that."""
    here.ec2.run(ImageId=here.image())
    volume = here.volume(Size=1)
    here.write(volume, 0, 1)
    place = here.home / "volumes"
    if what == "volumes":
        place.rename(place.with_name("away"))
        place.mkdir()
    else:
        with here.host.store.change() as held:
            held["images"].clear()
    with pytest.raises((Permanent, StateError), match="mounted"):
        back_up(here.cloud, file)
    assert {row.state for row in here.state.volumes.query()} == {"available", "in-use"}
    assert list(file.parent.iterdir()) == []


def opening(monkeypatch: pytest.MonkeyPatch, number: int, path: Path) -> None:
    """From when guests' disks are frozen on, a file cannot be opened."""
    settle, known = backup_freeze.settle_jobs, os.open

    def refused(name: Any, *given: Any, **more: Any) -> int:
        if str(name) == str(path):
            raise OSError(number, os.strerror(number), str(path))
        return known(name, *given, **more)

    def settled(*given: Any) -> None:
        settle(*given)
        monkeypatch.setattr(os, "open", refused)

    monkeypatch.setattr(backup_freeze, "settle_jobs", settled)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.EACCES])
def test_a_disk_that_cannot_be_opened_is_not_lost(here: Place, file: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = here.volume(Size=1)
    here.write(volume, 0, 1)
    with monkeypatch.context() as patch:
        opening(patch, number, Path(here.top(volume)))
        with pytest.raises(HostError, match=os.strerror(number)):
            back_up(here.cloud, file)
    assert here.state.volumes.get(volume).state == "available"
    assert list(file.parent.iterdir()) == []
    assert back_up(here.cloud, file).messages == ()


def test_a_directory_that_cannot_be_written_ends_it(here: Place, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = here.volume(Size=1)

    def read_only(*_: Any, **__: Any) -> None:
        raise Permanent("minicloud may not do this on this host: Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(type(here.disks), "create", read_only)
        with pytest.raises(Permanent, match="Read-only"):
            back_up(here.cloud, file)
    assert here.state.volumes.get(volume).state == "available"
    assert list(file.parent.iterdir()) == []


@pytest.mark.parametrize("text", ["Input/output error", "Stale file handle", "Permission denied", "Connection timed out"])
def test_what_qemu_img_says_of_the_system_is_no_damage(
    here: Place, file: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the disk each time leaves a volume out, and its row as it is: the disk may be read later."""
    volume, other, real, top = here.volume(Size=1), here.volume(Size=1), qemu_img.run, ""
    top = here.top(volume)

    def fails(words: Any, **more: Any) -> Any:
        if words[1] == "info" and words[-1] == top:
            raise CommandFailed(words, 1, f"qemu-img: Could not open '{top}': {text}".encode())
        return real(words, **more)

    with monkeypatch.context() as patch:
        patch.setattr(qemu_img, "run", fails)
        if text == "Input/output error":
            made = back_up(here.cloud, file)
            assert (names(made.messages, volume), names(made.messages, other)) == (True, False)
        else:
            with pytest.raises(HostError, match=text):
                back_up(here.cloud, file)
    assert here.state.volumes.get(volume).state == "available"


@pytest.mark.parametrize("how", [os.SEEK_DATA, os.SEEK_HOLE])
def test_where_it_cannot_be_told_what_is_data_nothing_is_taken_for_a_hole(
    here: Place, file: Path, how: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = here.volume(Size=1), here.volume(Size=1)
    for one in (bad, good):
        here.write(one, 0, 7)
    known, seek = Path(here.top(bad)).stat().st_ino, os.lseek

    def fails(descriptor: int, at: int, whence: int) -> int:
        if whence == how and os.fstat(descriptor).st_ino == known:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return seek(descriptor, at, whence)

    monkeypatch.setattr(archive.os, "lseek", fails)  # type: ignore[attr-defined]
    made = back_up(here.cloud, file)
    assert (names(made.messages, bad), names(made.messages, good)) == (True, False)


def test_one_of_an_instance_whose_snapshot_fails_for_good(here: Place, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong shows only when a layer is put on it: the others of its instance are in the backup, of one moment."""
    more = [{"DeviceName": f"/dev/sd{letter}", "Ebs": {"VolumeSize": 1}} for letter in "fg"]
    instance = here.ec2.run(ImageId=here.image(), BlockDeviceMappings=more)
    bad, *good = (row.id for row in here.state.volumes.find(instance_id=instance))
    for one in good:
        here.write(one, 0, 3)
    layer, create, check = here.state.volumes.get(bad).layer_id, type(here.disks).create, type(here.disks).check

    def broken(disks: Any, disk_id: str, size: int, base: str | None) -> None:
        if base == here.disks.path(layer):
            raise Permanent("no layer can be put on it")
        create(disks, disk_id, size, base)

    def checked(disks: Any, disk_id: str) -> None:
        if disk_id == layer:
            raise Damaged("a table is wrong")
        check(disks, disk_id)

    with monkeypatch.context() as patch:
        patch.setattr(type(here.disks), "create", broken)
        patch.setattr(type(here.disks), "check", checked)
        made = back_up(here.cloud, file)
    assert [names(made.messages, one) for one in (bad, *good)] == [True, False, False]
    assert here.state.volumes.get(bad).state == "in-use"
    assert here.state.snapshots.query("batch like ?", [f"{backup_freeze.BATCH}%"]) == []


def test_one_that_a_guest_has_keeps_its_state(here: Place, file: Path) -> None:
    """It goes on with the guest, and comes back by itself when its files do."""
    instance = here.ec2.run(ImageId=here.image(), BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1}}])
    bad = here.state.volumes.find(instance_id=instance)[-1].id
    gone(Path(here.top(bad)))
    assert names(back_up(here.cloud, file).messages, bad)
    assert (here.state.volumes.get(bad).state, here.state.volumes.get(bad).reason) == ("in-use", "")
