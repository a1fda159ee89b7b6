"""Disks whose headers name paths of a home that was moved or copied: what stands on what is known all the same."""

import dataclasses
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from minicloud.cli import adoption, doctor_leftovers, images
from minicloud.errors import Permanent
from minicloud.host import disk_stamp, qemu_img
from minicloud.host.disk_places import Places
from minicloud.host.disks import LocalDisks
from minicloud.host.run import run
from minicloud.reconcile import generations, layer_files, layers

from .backups import Place, back_up, file, here, restore, small
from .older import keep
from .older import restore as put_back

__all__ = ["file", "here", "small"]

A, B, C = (f"layer-0000000000000000{letter}" for letter in "abc")


def opened(place: Place, directory: Path) -> None:
    """A process begins with what is in a directory."""
    place.cloud.state.close()
    place.disks = LocalDisks(directory / "home" / "volumes")
    place.host = dataclasses.replace(place.host, disks=place.disks)
    place.directory = directory
    place.open()


def moved(place: Place, to: Path) -> None:
    """The home and all beside it go to another path."""
    place.cloud.state.close()
    shutil.move(place.directory, to)
    opened(place, to)


def copied(place: Place, to: Path) -> None:
    """The same, and what is copied stays where it is."""
    place.cloud.state.close()
    shutil.copytree(place.directory, to, symlinks=True)
    opened(place, to)


def linked(place: Place, to: Path) -> None:
    """The same by a link."""
    to.symlink_to(place.directory)
    opened(place, to)


WAYS = [moved, copied, linked]


def read(path: Path | str, directory: Path) -> str:
    raw = directory / "read.raw"
    run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, raw])
    return hashlib.sha256(raw.read_bytes()).hexdigest()


def sums(directory: Path) -> dict[str, str]:
    """What the disks below a directory are, byte by byte."""
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.rglob("*.qcow2")}


def a_minute_later(place: Place) -> None:
    place.state.host_clock.remove_where("1 = 1")
    place.look()


class Newer:
    """A volume of which there is an older copy of the state, and a disk on its layer that this does not know."""

    def __init__(self, place: Place, directory: Path) -> None:
        self.place, self.copy = place, directory / "copy.sqlite"
        self.volume = place.volume(Size=1)
        place.write(self.volume, 0, 1)
        keep(place.cloud, self.copy)
        self.layer = place.state.volumes.get(self.volume).layer_id
        place.snapshot(self.volume)
        place.write(self.volume, 65536, 2)
        self.newer = place.state.volumes.get(self.volume).layer_id
        self.content = place.of_volume(self.volume)

    def back(self) -> None:
        put_back(self.place.cloud, self.copy)
        self.place.open()

    def kept(self) -> list[str]:
        return [row.id for row in self.place.state.snapshots.query() if row.description == adoption.DESCRIPTION]

    def there(self) -> Path:
        """The newer disk."""
        (path,) = self.place.home.rglob(f"{self.newer}.qcow2")
        return path


@pytest.fixture
def newer(here: Place, tmp_path: Path) -> Newer:
    return Newer(here, tmp_path)


@pytest.mark.parametrize("way", WAYS)
def test_a_newer_disk_beside_an_older_state_in_another_place(
    newer: Newer, tmp_path: Path, way: Callable[[Place, Path], None]
) -> None:
    newer.back()
    way(newer.place, tmp_path / "new")
    original = sums(tmp_path / "here") if way is copied else {}
    adoption.adopt(newer.place.cloud)
    newer.place.look()
    assert newer.there().parent.parent.name == disk_stamp.ASIDE
    assert newer.place.state.volumes.get(newer.volume).layer_id != newer.layer
    with pytest.raises(Permanent, match=f"{newer.newer}.*stands on {newer.layer}"):
        layers.refuse_frozen(newer.place.cloud, newer.layer)
    newer.place.write(newer.volume, 0, 9)
    assert sums(tmp_path / "here") == original or way is not copied
    shutil.rmtree(tmp_path / "here") if way is copied else None
    assert read(newer.there(), tmp_path) == newer.content


def test_an_older_backup_and_newer_disks_that_were_brought_along(here: Place, file: Path, tmp_path: Path) -> None:
    """As the README says, but with a backup that is not the last one."""
    volume = here.volume(Size=1)
    here.write(volume, 0, 1)
    back_up(here.cloud, file, disks=False)
    layer = here.state.volumes.get(volume).layer_id
    here.snapshot(volume)
    here.write(volume, 65536, 2)
    content, newest = here.of_volume(volume), here.state.volumes.get(volume).layer_id
    there = Place(tmp_path / "there")
    there.cloud.state.close()
    shutil.rmtree(there.home, ignore_errors=True)
    shutil.copytree(here.home / "volumes", there.home / "volumes")
    shutil.move(here.directory, tmp_path / "gone")
    there.open()
    restore(there.cloud, file, anyway=True)
    there.open()
    adoption.adopt(there.cloud)
    assert there.state.volumes.get(volume).layer_id not in (layer, newest)
    there.write(volume, 0, 9)
    (aside,) = there.home.rglob(f"{newest}.qcow2")
    assert read(aside, tmp_path) == content


@pytest.mark.parametrize("way", WAYS)
def test_what_a_disk_that_was_put_aside_stands_on_is_not_merged_into_after_a_move(
    newer: Newer, tmp_path: Path, way: Callable[[Place, Path], None]
) -> None:
    newer.back()
    adoption.adopt(newer.place.cloud)
    (kept,) = newer.kept()
    way(newer.place, tmp_path / "new")
    newer.place.ec2("DeleteSnapshot", SnapshotId=kept)
    for _ in range(3):
        newer.place.look()
    newer.place.write(newer.volume, 0, 9)
    a_minute_later(newer.place)
    shutil.rmtree(tmp_path / "here") if way is copied else None
    assert read(newer.there(), tmp_path) == newer.content


@pytest.mark.parametrize("way", [moved, copied])
def test_disks_that_were_put_aside_read_after_a_move(here: Place, tmp_path: Path, way: Callable[[Place, Path], None]) -> None:
    """By themselves, within a minute: they stand on one another there, or on a disk in use, or on a base image."""
    here.volume(Size=1)
    image_id = here.image()
    store = here.directory / "images" / image_id / "image.qcow2"
    here.disks.create(A, 3 << 20, str(store))
    run(["qemu-io", "-f", "qcow2", "-c", "write -q -P 5 0 65536", here.disks.path(A)])
    for name, base in ((B, A), (C, B)):
        here.disks.create(name, 3 << 20, here.disks.path(base))
    content = read(here.disks.path(C), tmp_path)
    here.disks.set_aside([B, C], "a test")
    here.look()
    way(here, tmp_path / "new")
    here.disks.set_aside([A], "a test")
    a_minute_later(here)
    (top,) = here.home.rglob(f"{C}.qcow2")
    for path in (top, top.with_name(f"{B}.qcow2")):
        assert str(here.home) in str(qemu_img.backing(path))
    shutil.rmtree(tmp_path / "here", ignore_errors=True)
    a_minute_later(here)  # the image is where it was until then
    assert read(top, tmp_path) == content


@pytest.mark.parametrize("way", [moved, copied])
def test_disks_are_put_aside_with_what_they_stand_on_after_a_move(
    here: Place, file: Path, tmp_path: Path, way: Callable[[Place, Path], None]
) -> None:
    """And what is restored in their place, with their names, is not what they stand on."""
    volume = here.volume(Size=1)
    here.write(volume, 0, 1)
    back_up(here.cloud, file)
    layer = here.state.volumes.get(volume).layer_id
    here.snapshot(volume)
    here.write(volume, 65536, 2)
    top, content = here.state.volumes.get(volume).layer_id, here.of_volume(volume)
    way(here, tmp_path / "new")
    restore(here.cloud, file, replace=True)
    here.open()
    assert layer in here.disks.list()
    here.write(volume, 0, 9)
    shutil.rmtree(tmp_path / "here", ignore_errors=True)
    (aside,) = here.home.rglob(f"{top}.qcow2")
    assert read(aside, tmp_path) == content


@pytest.mark.parametrize("way", WAYS)
def test_volumes_and_snapshots_go_on_after_a_move(here: Place, tmp_path: Path, way: Callable[[Place, Path], None]) -> None:
    """And what was copied reads nothing any more of what it was copied from."""
    volume = here.volume(Size=1)
    here.write(volume, 0, 1)
    first = here.snapshot(volume)
    here.write(volume, 65536, 2)
    second = here.snapshot(volume)
    before = here.of_snapshot(second)
    way(here, tmp_path / "new")
    original = sums(tmp_path / "here") if way is copied else {}
    other = here.volume(SnapshotId=second)
    assert here.state.volumes.get(other).state == "available"
    assert here.of_volume(other) == before
    larger = here.volume(SnapshotId=second)
    here.ec2("ModifyVolume", VolumeId=volume, Size=2)
    assert here.state.volumes.get(volume).size == 2
    for snapshot in (first, second):
        here.ec2("DeleteSnapshot", SnapshotId=snapshot)
        here.look()
    assert here.of_volume(larger) == before
    assert sums(tmp_path / "here") == original or way is not copied
    if way is copied:
        shutil.rmtree(tmp_path / "here")
        assert here.of_volume(other) == before


@pytest.mark.parametrize("way", [moved, copied])
@pytest.mark.parametrize("of_image", [True, False])
def test_rows_follow_the_files_of_a_home_that_was_moved(
    here: Place, tmp_path: Path, way: Callable[[Place, Path], None], of_image: bool
) -> None:
    """With an older state whose layers went since, and before any header was corrected."""
    image_id = here.image()
    here.look()
    (image,) = here.ec2("DescribeImages", ImageIds=[image_id])["Images"]
    source = {"SnapshotId": image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]} if of_image else {"Size": 3}
    volume = here.volume(**source)
    taken = []
    for byte in (1, 2):
        here.write(volume, 65536 * byte, byte)
        taken.append(here.snapshot(volume))
    here.write(volume, 0, 3)
    content, top = here.of_volume(volume), here.state.volumes.get(volume).layer_id
    keep(here.cloud, tmp_path / "copy.sqlite")
    if of_image:  # as a guest does that is on
        here.disks.rebase(top, str(here.directory / "images" / image_id / "image.qcow2"))
        for snapshot in reversed(taken):
            here.disks.remove(here.state.snapshots.get(snapshot).layer_id)
        generations.count(here.cloud)
    else:
        here.ec2("DeleteSnapshot", SnapshotId=taken[0])
        here.look()
    put_back(here.cloud, tmp_path / "copy.sqlite")
    way(here, tmp_path / "new")
    here.know(image_id)
    told = "\n".join(adoption.adopt(here.cloud))
    shutil.rmtree(tmp_path / "here", ignore_errors=True)
    assert f"{top} stands on" in told
    assert "is left as it is" not in told
    layers.correct_headers(here.cloud, top)
    assert here.state.volumes.get(volume).state == "available"
    assert here.of_volume(volume) == content


@pytest.mark.parametrize("way", WAYS)
def test_an_image_on_which_a_disk_stands_that_was_put_aside_stays(
    here: Place, tmp_path: Path, way: Callable[[Place, Path], None]
) -> None:
    image_id = here.image()
    here.disks.create(A, 3 << 20, str(here.directory / "images" / image_id / "image.qcow2"))
    here.disks.set_aside([A], "a test")
    way(here, tmp_path / "new")
    here.know(image_id)
    here.look()
    with pytest.raises(Permanent, match=f"cannot go: .*{A}"):
        images.forget(here.cloud, image_id)


def test_the_place_of_what_others_stand_on_is_not_offered_to_be_deleted(here: Place, tmp_path: Path) -> None:
    for name, base in ((A, None), (B, A)):
        here.disks.create(name, 1 << 20, here.disks.path(base) if base else None)
    for name in (A, B):
        here.disks.set_aside([name], "a test")
    for path, _ in disk_stamp.asides(here.home / "volumes"):
        os.utime(path, (0, 0))
    moved(here, tmp_path / "new")
    found = doctor_leftovers.judge(doctor_leftovers.gather(here.cloud), "qemu:///system", here.home)
    remedies = [check.remedy for check in found if check.name == "quarantine"]
    assert sorted("rm -r" in remedy for remedy in remedies) == [False, True]


def test_a_relative_name_is_one_beside_the_disk(here: Place) -> None:
    here.disks.create(A, 1 << 20, None)
    top = Path(here.disks.path(B))
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", f"{A}.qcow2", top])
    assert here.disks.above(A) == {B}
    with pytest.raises(Permanent, match="stands on it"):
        here.disks.remove(A)


class TestNames:
    """Which file a name means, among several of one layer."""

    @pytest.fixture
    def tree(self, tmp_path: Path) -> tuple[Path, Places]:
        directory = tmp_path / "home" / "volumes"
        asides = [directory / "quarantine" / name for name in ("20260101T000000Z", "20260102T000000Z")]
        for place in (directory, *asides):
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{A}.qcow2").touch()
        return directory, Places(directory, asides)

    def standing(self, tree: tuple[Path, Places], file: Path, name: str) -> list[str]:
        directory, places = tree
        return sorted(
            str(path.relative_to(directory).parent)
            for path in directory.rglob(f"{A}.qcow2")
            if places.stands_on(file, name, str(path))
        )

    @pytest.mark.parametrize("home", ["/old", "/old/quarantine", "/old\0er"])
    def test_of_a_disk_in_use(self, tree: tuple[Path, Places], home: str) -> None:
        directory, places = tree
        top, name = directory / f"{B}.qcow2", f"{home}/volumes/{A}.qcow2"
        assert self.standing(tree, top, name) == ["."]
        assert places.moved(top, name, directory / "quarantine" / "20260103T000000Z") == directory / f"{A}.qcow2"

    def test_of_a_disk_that_was_put_aside(self, tree: tuple[Path, Places]) -> None:
        """The one beside it may have been put there with it, by a minicloud that did not know the name."""
        directory, places = tree
        top, name = directory / "quarantine" / "20260101T000000Z" / f"{B}.qcow2", f"/old/volumes/{A}.qcow2"
        assert self.standing(tree, top, name) == [".", "quarantine/20260101T000000Z"]
        assert places.moved(top, name, top.parent) == top.with_name(f"{A}.qcow2")

    def test_of_what_was_put_aside_before(self, tree: tuple[Path, Places]) -> None:
        directory, places = tree
        first, top = directory / "quarantine" / "20260101T000000Z" / f"{A}.qcow2", directory / f"{B}.qcow2"
        name = f"/old/volumes/quarantine/20260101T000000Z/{A}.qcow2"
        assert self.standing(tree, top, name) == ["quarantine/20260101T000000Z"]
        assert places.moved(top, name, directory) == first
        first.unlink()
        assert self.standing(tree, top, name) == [".", "quarantine/20260102T000000Z"], "nobody can tell"
        assert places.moved(top, name, directory) is None

    def test_of_this_very_place(self, tree: tuple[Path, Places]) -> None:
        directory, places = tree
        top = directory / "quarantine" / "20260101T000000Z" / f"{B}.qcow2"
        name = f"{directory}/{A}.qcow2"
        assert self.standing(tree, top, name) == ["."]
        assert places.moved(top, name, top.parent) is None
        (directory / f"{A}.qcow2").unlink()
        assert places.moved(top, name, top.parent) == top.with_name(f"{A}.qcow2")

    def test_somebodys_file_is_told_by_its_path(self, tree: tuple[Path, Places]) -> None:
        directory, places = tree
        mine = directory / "mine.qcow2"
        assert places.stands_on(directory / f"{B}.qcow2", str(mine), str(mine))
        assert not places.stands_on(directory / f"{B}.qcow2", "/old/mine.qcow2", str(mine))
        assert places.moved(directory / f"{B}.qcow2", "/old/mine.qcow2", directory) is None


def test_a_header_that_cannot_be_repointed_keeps_no_other_from_it(here: Place, tmp_path: Path) -> None:
    here.disks.create(A, 1 << 20, None)
    for name in (B, C):
        here.disks.create(name, 1 << 20, here.disks.path(A))
    place = Path(here.disks.set_aside([B, C], "a test"))
    moved(here, tmp_path / "new")
    place = here.home / "volumes" / "quarantine" / place.name
    data = bytearray((place / f"{B}.qcow2").read_bytes())
    data[79] |= 2
    (place / f"{B}.qcow2").write_bytes(data)
    layer_files.follow_aside(here.cloud)
    assert qemu_img.backing(place / f"{C}.qcow2") == here.disks.path(A)
