"""Disks as files: whole or not there, shared with QEMU and nobody else."""

import fcntl
import os
import stat
import threading
from pathlib import Path

import pytest

from minicloud.errors import HostError, Permanent
from minicloud.host import qemu_img
from minicloud.host.disks import LocalDisks
from minicloud.host.run import run

from ..image_forge import break_tables


@pytest.fixture
def disks(tmp_path: Path) -> LocalDisks:
    return LocalDisks(tmp_path / "volumes")


def test_an_empty_disk(disks: LocalDisks) -> None:
    disks.create("vol-0a", 10 << 30, None)
    path = Path(disks.path("vol-0a"))
    assert qemu_img.info(path, "qcow2").virtual_size == 10 << 30
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o750
    assert disks.list()["vol-0a"] < 1 << 20


def test_a_disk_on_a_base_names_its_format(disks: LocalDisks, tmp_path: Path) -> None:
    base = tmp_path / "base.qcow2"
    qemu_img.create(base, 1 << 30)
    disks.create("vol-0a", 2 << 30, str(base))
    info = qemu_img.info(Path(disks.path("vol-0a")), "qcow2")
    assert (info.virtual_size, info.backing, info.backing_format) == (2 << 30, str(base), "qcow2")


def test_a_disk_that_is_there_is_left_alone(disks: LocalDisks) -> None:
    disks.create("vol-0a", 1 << 20, None)
    before = Path(disks.path("vol-0a")).stat().st_ino
    disks.create("vol-0a", 1 << 30, None)
    assert Path(disks.path("vol-0a")).stat().st_ino == before


def test_a_failure_leaves_no_disk(disks: LocalDisks, tmp_path: Path) -> None:
    with pytest.raises(HostError):
        disks.create("vol-0a", 1 << 20, str(tmp_path / "none.qcow2"))
    assert disks.list() == {}


def test_what_a_crash_left_is_swept_by_the_next_maker(disks: LocalDisks) -> None:
    disks.create("vol-0a", 1 << 20, None)
    directory = Path(disks.path("vol-0a")).parent
    (directory / "vol-0b.new").write_bytes(b"half")
    assert set(disks.list()) == {"vol-0a"}
    disks.create("vol-0c", 1 << 20, None)
    assert sorted(os.listdir(directory)) == ["vol-0a.qcow2", "vol-0c.qcow2"]


def test_a_disk_that_qemu_marked(disks: LocalDisks) -> None:
    disks.create("vol-0a", 1 << 20, None)
    assert disks.damage("vol-0a") == ""
    path = Path(disks.path("vol-0a"))
    run(["qemu-io", "-f", "qcow2", "-c", "write 0 64k", path])
    break_tables(path)
    assert disks.damage("vol-0a") == ""
    with pytest.raises(Permanent, match="damaged"):
        disks.check("vol-0a")
    run(["qemu-io", "-f", "qcow2", "-c", "read 0 64k", path], check=False)
    assert "damaged" in disks.damage("vol-0a")
    path.write_bytes(b"x" * 100)
    with pytest.raises(Permanent, match="does not begin as a qcow2 file"):
        disks.damage("vol-0a")
    path.unlink()
    assert "is not there" in disks.damage("vol-0a")


def test_what_is_no_disk_is_named_and_left(disks: LocalDisks) -> None:
    disks.create("vol-0a", 1 << 20, None)
    directory = Path(disks.path("vol-0a")).parent
    strange = ["notes.txt", ".vol-0b.qcow2", "Mine.new", "a b.qcow2"]
    for name in strange:
        (directory / name).write_bytes(b"x" * 5000)
    disks.create("vol-0c", 1 << 20, None)
    assert {Path(path).name: size for path, size in disks.others().items()} == dict.fromkeys(strange, 8192)
    (directory / "vol-0d.new").write_bytes(b"half")
    assert str(directory / "vol-0d.new") in disks.others()
    lock = os.open(directory, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert str(directory / "vol-0d.new") not in disks.others()
    os.close(lock)


def test_what_another_is_making_is_left_alone(disks: LocalDisks) -> None:
    """While somebody holds the directory's lock, a second maker waits and deletes nothing."""
    disks.create("vol-0a", 1 << 20, None)
    directory = Path(disks.path("vol-0a")).parent
    lock = os.open(directory, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    (directory / "vol-0b.new").write_bytes(b"half")
    maker = threading.Thread(target=disks.create, args=("vol-0c", 1 << 20, None))
    maker.start()
    maker.join(0.2)
    assert maker.is_alive(), "it waits for the lock"
    assert (directory / "vol-0b.new").exists()
    os.close(lock)
    maker.join()
    assert set(disks.list()) == {"vol-0a", "vol-0c"}


@pytest.mark.parametrize("disk_id", ["../x", "vol", "", "vol-0a/../../x", "VOL-0a"])
def test_an_id_is_no_path(disks: LocalDisks, disk_id: str) -> None:
    with pytest.raises(ValueError, match="not the id"):
        disks.create(disk_id, 1 << 20, None)
