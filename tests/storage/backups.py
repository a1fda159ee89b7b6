"""A cloud with real disks, a backup of it, and another host to restore it on."""

import dataclasses
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from minicloud.cloud import Cloud
from minicloud.host import fake
from minicloud.host.archive import Writer
from minicloud.host.contracts import BaseImage
from minicloud.host.disks import LocalDisks
from minicloud.host.image_store import ImageStore
from minicloud.host.qemu_img import create
from minicloud.host.run import run
from minicloud.reconcile import backing_up, disk_spec, restoring, snapshots
from minicloud.reconcile.worker import worker_for
from minicloud.services.ec2 import volumes

from ..cloud_fixtures import IMAGE, Ec2, settings
from .real_disks import SMALL, Real


def nothing(*_: Any) -> None:
    """What hears of progress here."""


def back_up(cloud: Cloud, file: Path, *, disks: bool = True) -> Any:
    return backing_up.make(cloud, file, disks=disks, say=nothing, progress=nothing)


def restore(cloud: Cloud, file: Path, *, replace: bool = False, anyway: bool = False) -> list[str]:
    return restoring.restore(cloud, file, replace=replace, anyway=anyway, progress=nothing)


class Place(Real):
    """A host: a fake one with real disks and a real image store."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        self.host: Any = dataclasses.replace(fake.host(), disks=LocalDisks(settings(directory).home / "volumes"))
        self.disks = self.host.disks
        self.directory = directory
        self.open()

    def open(self) -> None:
        """A new process begins with what is there."""
        if hasattr(self, "ec2"):
            self.cloud.state.close()
        cloud = Cloud(settings(self.directory), lambda *_: self.host)
        cloud.worker = worker_for(cloud)
        self.ec2 = Ec2(cloud)

    @property
    def cloud(self) -> Cloud:
        return self.ec2.cloud

    @property
    def home(self) -> Path:
        return self.directory / "home"

    def image(self, mib: int = 3) -> str:
        """A base image in the store, of real bytes, which instances can be launched from."""
        store, disk = ImageStore(self.directory / "images"), self.directory / "new.qcow2"
        create(disk, mib << 20)
        run(["qemu-io", "-f", "qcow2", "-c", f"write -q -P 9 0 {mib << 20}", disk])
        made = store.add(disk, name="small", source="test", root_device_name="/dev/xvda")
        self.know(made.image_id)
        return made.image_id

    def know(self, image_id: str) -> None:
        """Let the fake host have an image of the store."""
        place = self.directory / "images" / image_id / "image.qcow2"
        found: BaseImage = dataclasses.replace(IMAGE, image_id=image_id, name="small", path=str(place), virtual_size=3 << 20)
        self.host.add_image(found)

    def lose(self) -> None:
        """All that is kept is gone."""
        self.cloud.state.close()
        for path in (self.home, self.directory / "images", self.directory / "run"):
            shutil.rmtree(path, ignore_errors=True)
        self.open()

    def snapshots(self) -> list[str]:
        return [row.id for row in self.state.snapshots.query("volume_id != 'vol-ffffffff'")]

    def files(self) -> set[str]:
        """All that is below the home, without what a database that is open has."""
        names = {str(path.relative_to(self.home)) for path in self.home.rglob("*") if path.is_file()}
        return {name for name in names if not name.endswith(("-wal", "-shm"))}


def forge(file: Path, **changes: Any) -> Path:
    """The same backup with other members (bytes by name), and sums and sizes that fit them; `manifest` changes what it says."""
    with tarfile.open(file) as read:
        members = {info.name: body.read() for info in read if (body := read.extractfile(info)) is not None}
    members.pop("sums.json")
    said = json.loads(members.pop("manifest.json")) | changes.pop("manifest", {})
    members |= changes.pop("members", {})
    said["members"] = {name: len(data) for name, data in members.items()}
    made = file.with_name(f"forged-{file.name}")
    with made.open("wb") as out:
        writer = Writer(out)
        writer.add_bytes("manifest.json", json.dumps(said).encode())
        for name, data in members.items():
            writer.add_bytes(name, data)
        writer.finish()
    return made


def member(file: Path, name: str) -> bytes:
    """A member whose name ends so."""
    with tarfile.open(file) as read:
        (info,) = [info for info in read if info.name.endswith(name)]
        body = read.extractfile(info)
        assert body is not None
        return body.read()


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (volumes, snapshots, disk_spec):
        monkeypatch.setattr(module, "GIB", SMALL)


@pytest.fixture
def here(tmp_path: Path) -> Place:
    return Place(tmp_path / "here")


@pytest.fixture
def there(tmp_path: Path) -> Place:
    return Place(tmp_path / "there")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "to").mkdir()
    return tmp_path / "to" / "b.tar"
