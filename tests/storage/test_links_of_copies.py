"""Disks that are links out of a home, in a copy of that home: the file is the other home's as well, and is not written to."""

import hashlib
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from minicloud.cli import uninstall
from minicloud.errors import Permanent
from minicloud.host import disk_links, disk_stamp
from minicloud.host.disks import LocalDisks
from minicloud.host.run import run
from minicloud.reconcile import layer_files, layers, volumes

from .backups import Place, file, here, small
from .test_linked_disks import link
from .test_moved_homes import A, B, copied, linked, moved

__all__ = ["file", "here", "small"]

MAY_BE = "may be a copy"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class TestTheLowest:
    """A layer that stands on nothing: its header names no place."""

    @pytest.fixture
    def volume(self, here: Place, tmp_path: Path) -> str:
        volume = here.volume(Size=1)
        here.write(volume, 0, 1)
        self.file = link(here, here.state.volumes.get(volume).layer_id, tmp_path / "big")
        self.before = digest(self.file)
        return volume

    def test_no_guest_gets_it(self, here: Place, volume: str, tmp_path: Path) -> None:
        copied(here, tmp_path / "new")
        with pytest.raises(Permanent, match=MAY_BE) as told:
            volumes.prepare_one(here.cloud, here.state.volumes.get(volume))
        path, mark = here.disks.path(here.state.volumes.get(volume).layer_id), here.home / "volumes" / disk_links.PLACE
        assert f"{path} is a link to {self.file}" in told.value.message
        assert f"cp -p --sparse=always {path} {path}.copy && mv {path}.copy {path}" in told.value.message
        assert f"delete {mark}" in told.value.message
        assert str(tmp_path / "here" / "home") in told.value.message
        assert here.state.volumes.get(volume).state == "error"

    def test_it_does_not_grow(self, here: Place, volume: str, tmp_path: Path) -> None:
        copied(here, tmp_path / "new")
        here.ec2("ModifyVolume", VolumeId=volume, Size=2)
        here.look()
        assert digest(self.file) == self.before
        assert here.state.volumes.get(volume).size == 1

    def test_nothing_is_merged_into_it(self, here: Place, volume: str, tmp_path: Path) -> None:
        snapshot = here.snapshot(volume)
        here.write(volume, 65536, 2)
        content = here.of_volume(volume)
        copied(here, tmp_path / "new")
        here.ec2("DeleteSnapshot", SnapshotId=snapshot)
        here.look()
        assert digest(self.file) == self.before
        assert here.of_volume(volume) == content

    def test_it_is_read(self, here: Place, volume: str, tmp_path: Path) -> None:
        """And what is made on it is of this home."""
        content = here.of_volume(volume)
        copied(here, tmp_path / "new")
        other = here.volume(SnapshotId=here.snapshot(volume))
        here.write(other, 65536, 3)
        assert digest(self.file) == self.before
        assert here.of_volume(volume) == content

    @pytest.mark.parametrize("way", ["its own", "deleted"])
    def test_what_is_said_to_do_helps(self, here: Place, volume: str, tmp_path: Path, way: str) -> None:
        copied(here, tmp_path / "new")
        own = Path(here.disks.path(here.state.volumes.get(volume).layer_id))
        if way == "its own":
            with pytest.raises(Permanent) as told:
                layers.refuse_frozen(here.cloud, here.state.volumes.get(volume).layer_id)
            for command in told.value.message.partition("(")[2].partition(")")[0].split(" && "):
                run(shlex.split(command))
            assert own.is_file()
            assert not own.is_symlink()
        else:
            (here.home / "volumes" / disk_links.PLACE).unlink()
        volumes.prepare_one(here.cloud, here.state.volumes.get(volume))

    def test_in_a_home_that_was_moved(self, here: Place, volume: str, tmp_path: Path) -> None:
        """Nobody can tell it from a copy whose original is not mounted."""
        moved(here, tmp_path / "new")
        with pytest.raises(Permanent, match=MAY_BE):
            layers.refuse_frozen(here.cloud, here.state.volumes.get(volume).layer_id)

    def test_in_this_home(self, here: Place, volume: str, tmp_path: Path) -> None:
        volumes.prepare_one(here.cloud, here.state.volumes.get(volume))
        linked(here, tmp_path / "new")
        volumes.prepare_one(here.cloud, here.state.volumes.get(volume))

    def test_on_another_host(self, here: Place, volume: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The home has the same path there, and the file lies where both hosts have it."""
        (tmp_path / "id").write_text("another\n")
        monkeypatch.setattr(disk_links, "MACHINE_ID", tmp_path / "id")
        (tmp_path / "mounts").write_text(
            f"1 1 0:1 / / rw - ext4 /dev/x rw\n2 1 0:2 / {self.file.parent} rw shared:1 - nfs4 x:/ rw\n"
        )
        monkeypatch.setattr(disk_links, "MOUNTS", tmp_path / "mounts")
        with pytest.raises(Permanent, match=MAY_BE):
            volumes.prepare_one(here.cloud, here.state.volumes.get(volume))


def test_on_a_base_image_of_a_store_that_both_have(here: Place, tmp_path: Path) -> None:
    """Its header names a place that is right for both."""
    image_id = here.image()
    here.look()
    (image,) = here.ec2("DescribeImages", ImageIds=[image_id])["Images"]
    volume = here.volume(SnapshotId=image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"])
    here.write(volume, 0, 1)
    layer, images = here.state.volumes.get(volume).layer_id, here.directory / "images"
    big = link(here, layer, tmp_path / "big")
    copied(here, tmp_path / "new")
    shutil.rmtree(here.directory / "images")
    (here.directory / "images").symlink_to(images)
    before = digest(big)
    with pytest.raises(Permanent, match=MAY_BE):
        layers.refuse_frozen(here.cloud, layer)
    assert digest(big) == before


def test_an_instance_store(tmp_path: Path) -> None:
    disk = "i-0123456789abcdef0-ephemeral0"
    one = LocalDisks(tmp_path / "one" / "volumes")
    one.create(disk, 1 << 20, None)
    one.put_stamp(disk_stamp.Stamp("a" * 32, 1))
    path = Path(one.path(disk))
    path.rename(tmp_path / path.name)
    path.symlink_to(tmp_path / path.name)
    one.create(disk, 1 << 20, None)
    shutil.copytree(tmp_path / "one", tmp_path / "two", symlinks=True)
    with pytest.raises(Permanent, match=MAY_BE):
        LocalDisks(tmp_path / "two" / "volumes").create(disk, 1 << 20, None)


def test_each_way_of_the_driver_to_write(here: Place, tmp_path: Path) -> None:
    here.volume(Size=1)
    here.disks.create(A, 1 << 20, None)
    here.disks.create(B, 1 << 20, here.disks.path(A))
    files = [link(here, layer, tmp_path / "big") for layer in (A, B)]
    copied(here, tmp_path / "new")
    before = [digest(path) for path in files]
    Path(here.disks.path(B)).unlink()
    here.disks.create(B, 1 << 20, here.disks.path(A))
    for write in (
        lambda: here.disks.commit(B, A),
        lambda: here.disks.resize(A, 2 << 20),
        lambda: here.disks.rebase(A, here.disks.path(B)),
        lambda: here.disks.repoint(A, here.disks.path(B)),
    ):
        with pytest.raises(Permanent, match=MAY_BE):
            write()
    assert [digest(path) for path in files] == before


def test_one_that_was_put_aside(here: Place, tmp_path: Path) -> None:
    """Its header names a place of this home, as of a link that both homes are reached by."""
    here.volume(Size=1)
    here.disks.create(A, 1 << 20, None)
    here.disks.create(B, 1 << 20, here.disks.path(A))
    (tmp_path / "home").symlink_to(here.home)
    here.disks.repoint(B, str(tmp_path / "home" / "volumes" / f"{A}.qcow2"))
    big = link(here, B, tmp_path / "big")
    copied(here, tmp_path / "new")
    (tmp_path / "home").unlink()
    (tmp_path / "home").symlink_to(here.home)
    before = digest(big)
    here.disks.set_aside([A], "a test")
    here.disks.set_aside([B], "a test")
    layer_files.follow_aside(here.cloud)
    assert digest(big) == before


def test_a_copy_by_hard_links(here: Place, tmp_path: Path) -> None:
    volume = here.volume(Size=1)
    here.write(volume, 0, 1)
    layer = here.state.volumes.get(volume).layer_id
    path = Path(here.disks.path(layer))
    copied(here, tmp_path / "new")
    own = Path(here.disks.path(layer))
    own.unlink()
    own.hardlink_to(path)
    before = digest(path)
    with pytest.raises(Permanent, match="has a further name") as told:
        volumes.prepare_one(here.cloud, here.state.volumes.get(volume))
    for command in told.value.message.partition("what is there")[2].partition("(")[2].partition(")")[0].split(" && "):
        run(shlex.split(command))
    volumes.prepare_one(here.cloud, here.state.volumes.get(volume))
    assert digest(path) == before


def test_a_damaged_mark_is_told(here: Place, tmp_path: Path) -> None:
    volume = here.volume(Size=1)
    layer = here.state.volumes.get(volume).layer_id
    link(here, layer, tmp_path / "big")
    mark = here.home / "volumes" / disk_links.PLACE
    for text in ("", "{", "[]", '{"home": 1}'):
        mark.write_text(text)
        with pytest.raises(Permanent, match=f"{mark} is damaged.*delete it"):
            layers.refuse_frozen(here.cloud, layer)
    mark.unlink()
    layers.refuse_frozen(here.cloud, layer)


def test_the_mark_is_no_strangers_file(here: Place) -> None:
    here.volume(Size=1)
    assert (here.home / "volumes" / disk_links.PLACE).is_file()
    assert here.disks.others() == {}


class TestADirectory:
    """The directory of the disks is a link, which both homes have."""

    @pytest.fixture
    def volume(self, here: Place, tmp_path: Path) -> str:
        volume = here.volume(Size=1)
        here.write(volume, 0, 1)
        self.big = tmp_path / "big"
        (here.home / "volumes").rename(self.big)
        (here.home / "volumes").symlink_to(self.big)
        here.look()
        return volume

    def there(self) -> dict[str, str]:
        return {path.name: digest(path) for path in self.big.iterdir()}

    def test_of_a_copy_nothing_is_changed(self, here: Place, volume: str, tmp_path: Path) -> None:
        copied(here, tmp_path / "new")
        before, text = self.there(), f"{here.home / 'volumes'} is a link to {self.big}"
        with pytest.raises(Permanent, match=text):
            volumes.prepare_one(here.cloud, here.state.volumes.get(volume))
        here.ec2("DeleteVolume", VolumeId=volume)
        here.ec2("CreateVolume", AvailabilityZone="us-east-1a", Size=1)
        here.look()
        assert self.there() == before
        assert text in " ".join(row.message for row in here.state.failures.query())

    @pytest.mark.usefixtures("volume")
    def test_uninstall_of_a_copy_leaves_it(self, here: Place, tmp_path: Path) -> None:
        copied(here, tmp_path / "new")
        before = self.there()
        done = CliRunner().invoke(uninstall.command, ["--yes", "--data"], obj=here.ec2, catch_exceptions=False)
        assert self.there() == before
        assert f"left {here.home / 'volumes'}: {here.home / 'volumes'} is a link to {self.big}" in done.output
        assert not here.cloud.settings.database.exists()

    @pytest.mark.parametrize("way", ["its own", "deleted"])
    def test_what_is_said_to_do_helps(self, here: Place, volume: str, tmp_path: Path, way: str) -> None:
        copied(here, tmp_path / "new")
        with pytest.raises(Permanent) as told:
            layers.refuse_frozen(here.cloud, here.state.volumes.get(volume).layer_id)
        assert f"delete {here.home / 'volumes' / disk_links.PLACE}" in told.value.message
        if way == "its own":
            for command in told.value.message.partition("its place (")[2].partition(")")[0].split(" && "):
                run(shlex.split(command))
        else:
            (self.big / disk_links.PLACE).unlink()
        before = self.there()
        here.write(volume, 0, 3)
        here.snapshot(volume)
        assert (self.there() == before) == (way == "its own")
        volumes.prepare_one(here.cloud, here.state.volumes.get(volume))

    def test_in_this_home(self, here: Place, volume: str, tmp_path: Path) -> None:
        here.snapshot(volume)
        linked(here, tmp_path / "new")
        volumes.prepare_one(here.cloud, here.state.volumes.get(volume))
        here.ec2("DeleteVolume", VolumeId=volume)
