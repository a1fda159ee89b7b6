"""Disks that are links to files elsewhere, as who has moved a disk to another file system leaves them."""

import fcntl
import os
import shutil
import struct
from pathlib import Path

import pytest

from minicloud.cli import adoption
from minicloud.errors import Permanent
from minicloud.host import disk_stamp, disk_use, qemu_img
from minicloud.reconcile import layer_files, layers

from .backups import Place, back_up, file, here, restore, small, there
from .older import keep
from .older import restore as put_back
from .test_moved_homes import A, B, copied, moved, read

__all__ = ["file", "here", "small", "there"]


def link(here: Place, layer: str, to: Path, *, relative: bool = False) -> Path:
    """Move a disk into a directory, and leave a link; where it is then."""
    path = Path(here.disks.path(layer))
    to.mkdir(exist_ok=True)
    shutil.move(path, to / path.name)
    path.symlink_to(os.path.relpath(to / path.name, path.parent) if relative else to / path.name)
    return to / path.name


class TestNewer:
    """One that an older state does not know."""

    @pytest.fixture
    def volume(self, here: Place, tmp_path: Path) -> str:
        volume = here.volume(Size=1)
        here.write(volume, 0, 1)
        keep(here.cloud, tmp_path / "c.sqlite")
        here.snapshot(volume)
        here.write(volume, 65536, 2)
        self.content = here.of_volume(volume)
        self.file = link(here, here.state.volumes.get(volume).layer_id, tmp_path / "big")
        put_back(here.cloud, tmp_path / "c.sqlite")
        here.open()
        return volume

    def test_what_it_stands_on_is_not_written_to(self, here: Place, volume: str, tmp_path: Path) -> None:
        layer = here.state.volumes.get(volume).layer_id
        with pytest.raises(Permanent, match="stands on"):
            layers.refuse_frozen(here.cloud, layer)
        adoption.adopt(here.cloud)
        assert here.state.volumes.get(volume).layer_id != layer
        here.write(volume, 0, 9)
        assert read(self.file, tmp_path) == self.content

    def test_what_it_stands_on_stays(self, here: Place, volume: str) -> None:
        layer = here.state.volumes.get(volume).layer_id
        adoption.adopt(here.cloud)
        here.ec2("DeleteVolume", VolumeId=volume)
        here.look()
        assert layer in here.disks.list()


def test_it_is_in_a_backup(here: Place, there: Place, file: Path, tmp_path: Path) -> None:
    volume = here.volume(Size=1)
    here.write(volume, 0, 1)
    link(here, here.state.volumes.get(volume).layer_id, tmp_path / "big")
    here.snapshot(volume)
    content = here.of_volume(volume)
    assert back_up(here.cloud, file).messages == ()
    restore(there.cloud, file)
    there.open()
    there.look()
    layer_files.make(there.cloud, there.state.volumes.get(volume).layer_id)
    assert there.of_volume(volume) == content


def test_it_is_open_where_its_file_is(tmp_path: Path) -> None:
    path, other = tmp_path / "real.qcow2", tmp_path / "link.qcow2"
    path.write_bytes(bytes(4096))
    other.symlink_to(path)
    assert not disk_use.is_open(other)
    with path.open("r+b") as opened:
        fcntl.fcntl(opened, fcntl.F_OFD_SETLK, struct.pack("@hhqqi4x", fcntl.F_RDLCK, 0, 100, 1, 0))
        assert disk_use.is_open(other)


@pytest.mark.parametrize("relative", [True, False])
def test_it_leads_to_its_file_from_where_it_was_put_aside(here: Place, tmp_path: Path, relative: bool) -> None:
    here.disks.create(A, 1 << 20, None)
    here.disks.create(B, 1 << 20, here.disks.path(A))
    big = link(here, A, here.home / "big", relative=relative)
    content = read(big, tmp_path)
    place = Path(here.disks.set_aside([A, B], "a test"))
    assert here.disks.list() == {}
    assert (place / big.name).samefile(big)
    assert read(place / f"{B}.qcow2", tmp_path) == content
    if relative:
        moved(here, tmp_path / "new")
        (aside,) = here.home.rglob(f"*/{place.name}/{big.name}")
        assert aside.exists()


class TestOutside:
    """A link out of the home: a copy of the home has the same file."""

    @pytest.fixture
    def volume(self, here: Place, tmp_path: Path) -> str:
        volume = here.volume(Size=1)
        here.write(volume, 0, 1)
        here.snapshot(volume)
        here.write(volume, 65536, 2)
        self.file = link(here, here.state.volumes.get(volume).layer_id, tmp_path / "big")
        self.name = qemu_img.backing(self.file)
        return volume

    def test_of_a_copied_home_is_not_written_to(self, here: Place, volume: str, tmp_path: Path) -> None:
        layer = here.state.volumes.get(volume).layer_id
        copied(here, tmp_path / "new")
        with pytest.raises(Permanent, match="another home may have that file"):
            layers.correct_headers(here.cloud, layer)
        assert qemu_img.backing(self.file) == self.name
        own = Path(here.disks.path(layer))
        own.unlink()
        shutil.copy(self.file, own)
        layers.correct_headers(here.cloud, layer)
        assert str(qemu_img.backing(own)).startswith(str(here.home))

    @pytest.mark.parametrize("number", [0, 1, 2, 3])
    def test_nothing_is_merged_around_that_of_a_copied_home(self, here: Place, tmp_path: Path, number: int) -> None:
        """What is to be merged, what it is merged into, or what stands on it is the link."""
        volume, chain, taken = here.volume(Size=1), list[str](), list[str]()
        for byte in (1, 2, 3, 4):
            here.write(volume, 65536 * byte, byte)
            chain.append(here.state.volumes.get(volume).layer_id)
            if byte < 4:
                taken.append(here.snapshot(volume))
        file = link(here, chain[number], tmp_path / "big")
        before, content = file.read_bytes(), here.of_volume(volume)
        copied(here, tmp_path / "new")
        here.ec2("DeleteSnapshot", SnapshotId=taken[1])
        here.look()
        assert file.read_bytes() == before
        assert "another home may have " in " ".join(row.message for row in here.state.failures.query("part = 'layers'"))
        assert here.of_volume(volume) == content

    def test_of_a_copied_home_that_was_put_aside_is_not_written_to(self, here: Place, volume: str, tmp_path: Path) -> None:
        layer = here.state.volumes.get(volume).layer_id
        copied(here, tmp_path / "new")
        here.disks.set_aside([layer], "a test")
        layer_files.follow_aside(here.cloud)
        assert qemu_img.backing(self.file) == self.name

    def test_of_this_home_is_merged(self, here: Place, volume: str) -> None:
        content, top = here.of_volume(volume), here.state.volumes.get(volume).layer_id
        (snapshot,) = here.snapshots()
        here.ec2("DeleteSnapshot", SnapshotId=snapshot)
        here.look()
        assert here.of_volume(volume) == content
        assert here.state.layers.get(top) is None

    def test_of_this_home_is_corrected_after_a_merge_that_was_not_recorded(self, here: Place, volume: str) -> None:
        top = here.state.volumes.get(volume).layer_id
        lower = here.state.layers.get(top).parent
        here.snapshot(volume)
        second = here.state.volumes.get(volume).layer_id
        layer_files.make(here.cloud, second)
        link(here, second, self.file.parent)
        here.disks.rebase(second, here.disks.path(lower))
        layers.correct_headers(here.cloud, second)
        assert here.disks.backing(second) == here.disks.path(top)


def test_its_place_aside_is_seen(here: Place, tmp_path: Path) -> None:
    here.disks.create(A, 1 << 20, None)
    here.disks.create(B, 1 << 20, here.disks.path(A))
    link(here, B, tmp_path / "big")
    place = here.disks.set_aside([B], "a test")
    assert here.disks.above(A) == {f"{place}/{B}.qcow2"}
    assert disk_stamp.noted_backing(Path(place) / f"{B}.qcow2") == here.disks.path(A)
