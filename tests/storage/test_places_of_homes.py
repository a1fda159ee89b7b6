"""`volumes/place.json`: when it is written anew, so that a link that is made later is this home's; and what is printed to do."""

import json
import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

import minicloud
from minicloud.errors import Permanent
from minicloud.host import disk_links
from minicloud.host.run import run
from minicloud.reconcile import layers, volumes

from .backups import Place, file, here, small
from .test_linked_disks import link
from .test_links_of_copies import MAY_BE, digest
from .test_moved_homes import copied, moved

__all__ = ["file", "here", "small"]

OWNER, MODE = (1234, 2345), 0o660


def layer_of(place: Place, volume: str) -> str:
    return str(place.state.volumes.get(volume).layer_id)


def carry_out(commands: str) -> None:
    for command in commands.split(" && "):
        run(shlex.split(command))


def mark(place: Place) -> dict[str, str]:
    return dict(json.loads((place.home / "volumes" / disk_links.PLACE).read_text()))


class TestWhatIsPrinted:
    """It leaves a file that QEMU can open as before."""

    @pytest.fixture
    def volume(self, here: Place, tmp_path: Path) -> str:
        volume = here.volume(Size=1)
        here.write(volume, 0, 1)
        self.file = link(here, layer_of(here, volume), tmp_path / "my big")
        os.chown(self.file, *OWNER)
        self.file.chmod(MODE)
        return volume

    def as_before(self, place: Place, volume: str) -> None:
        own = Path(place.disks.path(layer_of(place, volume)))
        there = own.lstat()
        assert (there.st_uid, there.st_gid) == OWNER
        assert (there.st_mode & 0o777, there.st_nlink) == (MODE, 1)
        assert not own.is_symlink()
        volumes.prepare_one(place.cloud, place.state.volumes.get(volume))

    def test_of_a_link(self, here: Place, volume: str, tmp_path: Path) -> None:
        copied(here, tmp_path / "the new")
        with pytest.raises(Permanent, match=MAY_BE) as told:
            layers.refuse_frozen(here.cloud, layer_of(here, volume))
        carry_out(told.value.message.partition("its place (")[2].partition(")")[0])
        self.as_before(here, volume)

    def test_of_a_further_name(self, here: Place, volume: str, tmp_path: Path) -> None:
        copied(here, tmp_path / "new")
        own = Path(here.disks.path(layer_of(here, volume)))
        own.unlink()
        own.hardlink_to(self.file)
        with pytest.raises(Permanent, match=MAY_BE) as told:
            layers.refuse_frozen(here.cloud, layer_of(here, volume))
        carry_out(told.value.message.partition("its place (")[2].partition(")")[0])
        self.as_before(here, volume)

    def test_of_a_header_of_another_place(self, here: Place, tmp_path: Path) -> None:
        volume = here.volume(Size=1)
        here.write(volume, 0, 1)
        here.snapshot(volume)
        here.write(volume, 65536, 2)
        big = link(here, layer_of(here, volume), tmp_path / "my big")
        os.chown(big, *OWNER)
        big.chmod(MODE)
        copied(here, tmp_path / "new")
        with pytest.raises(Permanent, match="another home may have that file") as told:
            layers.correct_headers(here.cloud, layer_of(here, volume))
        carry_out(told.value.message.partition("of the link (")[2].removesuffix(")"))
        self.as_before(here, volume)

    def test_of_the_directory(self, here: Place, volume: str, tmp_path: Path) -> None:
        before = here.home / "volumes"
        before.chmod(0o751)
        os.chown(before, *OWNER)
        before.rename(tmp_path / "disks")
        before.symlink_to(tmp_path / "disks")
        own = tmp_path / "disks" / f"{layer_of(here, volume)}.qcow2"
        own.unlink()
        self.file.rename(own)
        copied(here, tmp_path / "new")
        with pytest.raises(Permanent, match=MAY_BE) as told:
            layers.refuse_frozen(here.cloud, layer_of(here, volume))
        carry_out(told.value.message.partition("its place (")[2].partition(")")[0])
        there = (here.home / "volumes").lstat()
        assert (there.st_uid, there.st_gid, there.st_mode & 0o777) == (*OWNER, 0o751)
        self.as_before(here, volume)

    def test_of_all_then_nothing_is_shared(self, here: Place, volume: str, tmp_path: Path) -> None:
        self.test_of_a_link(here, volume, tmp_path)
        here.look()
        assert mark(here)["home"] == str(here.home)


WAYS: list[Callable[[Place, Path], None]] = [moved, copied]


@pytest.mark.parametrize("way", WAYS)
def test_a_link_that_is_made_later_is_this_homes(here: Place, tmp_path: Path, way: Callable[[Place, Path], None]) -> None:
    volume = here.volume(Size=1)
    way(here, tmp_path / "new")
    here.look()
    link(here, layer_of(here, volume), tmp_path / "big")
    here.open()
    volumes.prepare_one(here.cloud, here.state.volumes.get(volume))
    assert mark(here)["home"] == str(here.home)


@pytest.mark.parametrize("way", ["a disk", "a further name", "a disk put aside", "keys", "the state"])
def test_it_stays_while_anything_is_shared(here: Place, tmp_path: Path, way: str) -> None:
    volume = here.volume(Size=1)
    here.look()
    (tmp_path / "big").mkdir()
    path, before = Path(here.disks.path(layer_of(here, volume))), mark(here)
    if way == "keys":
        (here.home / "certificates").symlink_to(tmp_path / "big")
    elif way == "a further name":
        (tmp_path / "big" / "x").hardlink_to(path)
        (tmp_path / "new").mkdir()
    elif way == "a disk put aside":
        here.disks.create("layer-0000000000000000a", 1 << 20, None)
        link(here, "layer-0000000000000000a", tmp_path / "big")
        here.disks.set_aside(["layer-0000000000000000a"], "a test")
    elif way == "a disk":
        link(here, layer_of(here, volume), tmp_path / "big")
    else:
        here.cloud.state.close()
        here.cloud.settings.database.rename(tmp_path / "big" / "state.sqlite")
        here.cloud.settings.database.symlink_to(tmp_path / "big" / "state.sqlite")
    if way == "a further name":
        (tmp_path / "new").rmdir()
        moved(here, tmp_path / "new")
    else:
        copied(here, tmp_path / "new")
    disk_links.note(here.home / "volumes")
    assert mark(here) == before


@pytest.mark.usefixtures("small")
def test_a_host_whose_id_is_new_at_each_boot(here: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own file systems are no other host's."""
    volume = here.volume(Size=1)
    link(here, layer_of(here, volume), tmp_path / "big")
    monkeypatch.setattr(disk_links, "MACHINE_ID", tmp_path / "id")
    (tmp_path / "mounts").write_text("1 1 0:1 / / rw - ext4 /dev/x rw\n")
    monkeypatch.setattr(disk_links, "MOUNTS", tmp_path / "mounts")
    for boot in ("a", "b"):
        (tmp_path / "id").write_text(f"{boot}\n")
        here.open()
        volumes.prepare_one(here.cloud, here.state.volumes.get(volume))
        here.look()
        assert mark(here)["host"] == boot


@pytest.mark.parametrize(
    ("kind", "place", "is_one"),
    [("ext4", "big", True), ("nfs4", "big", False), ("fuse.sshfs", "big", False), ("nfs", "bi", True), ("ceph", "b c", True)],
)
def test_a_file_system_of_one_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, place: str, is_one: bool) -> None:
    mounted = str(tmp_path / place).replace(" ", "\\040")
    lines = ["1 1 0:1 / / rw - overlay o rw", "", f"9 1 0:9 / {mounted} rw,noatime shared:1 master:2 - {kind} x rw"]
    (tmp_path / "mounts").write_text("\n".join(line for line in lines if line) + "\n")
    monkeypatch.setattr(disk_links, "MOUNTS", tmp_path / "mounts")
    assert disk_links.is_of_one_host(tmp_path / "big" / "x") is is_one
    assert disk_links.is_of_one_host(tmp_path / "b c" / "x") is (kind != "ceph")


def test_the_first_pass_writes_it(here: Place, tmp_path: Path) -> None:
    """Of a home that is of an older version, with a disk that is a link, and is copied before a layer changes."""
    volume = here.volume(Size=1)
    big = link(here, layer_of(here, volume), tmp_path / "big")
    (here.home / "volumes" / disk_links.PLACE).unlink()
    here.open()
    here.ec2("DescribeVolumes")
    here.look()
    before = digest(big)
    copied(here, tmp_path / "new")
    here.ec2("ModifyVolume", VolumeId=volume, Size=2)
    here.look()
    assert digest(big) == before


def test_no_other_way_to_copy_is_printed() -> None:
    """What keeps neither owner nor mode makes a file that QEMU cannot open."""
    root = Path(minicloud.__file__).parent
    texts = [path.read_text() for path in (*root.rglob("*.py"), root.parent / "README.md")]
    said = [line.strip() for text in texts for line in text.splitlines() if re.search(r"\b(cp|rsync) --?[a-z]", line)]
    assert said
    kept = ("cp -p ", "cp -a ", "rsync -a ", "(cp --link)")
    assert not [line for line in said if not any(way in line for way in kept)]
