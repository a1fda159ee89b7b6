"""Files at paths that a hypervisor names: which are disks of ours, and what others hold."""

import shutil
from pathlib import Path

import pytest

from minicloud.errors import Damaged, Permanent
from minicloud.host import qemu_img
from minicloud.host.contracts_storage import Stamp, Stranger
from minicloud.host.disks import LocalDisks
from minicloud.host.run import run

DISK = "layer-0123456789abcdef0"


@pytest.fixture
def disks(tmp_path: Path) -> LocalDisks:
    made = LocalDisks(tmp_path / "home" / "volumes")
    made.create(DISK, 1 << 20, None)
    made.put_stamp(Stamp("0" * 32, 1))
    return made


def test_ours_by_name_here_and_where_it_was(disks: LocalDisks, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "home")
    for path in (disks.path(DISK), f"{link}/volumes/{DISK}.qcow2", f"/none/volumes/{DISK}.qcow2"):
        assert [disks.own(path, live=live) for live in (False, True)] == [DISK, DISK], path
    gone = "layer-0123456789abcdef1"
    assert disks.own(disks.path(gone), live=False) == gone


def test_others_by_name(disks: LocalDisks) -> None:
    for path in (disks.path(DISK).replace(".qcow2", ".mine"), "/tmp/x.qcow2", "", "/", "nbd://host/x"):
        assert disks.own(path, live=False) == "", path


def test_a_copy_is_ours_in_a_home_that_was_copied_and_where_no_guest_writes_to_it(disks: LocalDisks, tmp_path: Path) -> None:
    home, alone = tmp_path / "former", tmp_path / "alone"
    shutil.copytree(tmp_path / "home", home)
    alone.mkdir()
    shutil.copy(disks.path(DISK), alone)
    assert [disks.own(f"{home}/volumes/{DISK}.qcow2", live=live) for live in (False, True)] == [DISK, ""]
    assert [disks.own(f"{alone}/{DISK}.qcow2", live=live) for live in (False, True)] == ["", ""]


def test_what_others_hold(disks: LocalDisks, tmp_path: Path) -> None:
    file = tmp_path / "x,y: z.qcow2"
    qemu_img.create_overlay(file, Path(disks.path(DISK)))
    assert disks.stranger(str(file)) == Stranger(False, disks.path(DISK))
    run(["qemu-io", "-f", "qcow2", "-c", "write -z 64k 64k", file])
    assert disks.stranger(str(file)) == Stranger(True, disks.path(DISK))
    qemu_img.commit(file)
    assert disks.stranger(str(file)).holds, "it was not emptied"
    run(["qemu-img", "commit", "-q", "-f", "qcow2", file])
    assert not disks.stranger(str(file)).holds


def test_what_it_stands_on_is_not_opened(disks: LocalDisks, tmp_path: Path) -> None:
    file = tmp_path / "x.qcow2"
    qemu_img.create_overlay(file, Path(disks.path(DISK)))
    Path(disks.path(DISK)).unlink()
    assert disks.stranger(str(file)) == Stranger(False, disks.path(DISK))


def test_what_is_none(disks: LocalDisks, tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(bytes(1 << 16))
    (tmp_path / "directory").mkdir()
    for name, words in (("raw", "does not begin as"), ("directory", "no regular file"), ("none", "is not there")):
        with pytest.raises(Permanent, match=words) as caught:
            disks.stranger(str(tmp_path / name))
        assert isinstance(caught.value, Damaged)
