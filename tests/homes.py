"""Homes that share an image store, which is real; so are their disks, and all else is of a fake host each."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from minicloud.cli import doctor_leftovers, images, uninstall
from minicloud.cli.session import Session
from minicloud.cloud import Cloud
from minicloud.host import base_images, fake
from minicloud.host.account import Account
from minicloud.host.base_images import BaseImages
from minicloud.host.disks import LocalDisks
from minicloud.host.image_store import ImageStore
from minicloud.host.qemu_img import create
from minicloud.reconcile import loop
from minicloud.reconcile.worker import worker_for
from minicloud.state.rows import Image

from .cloud_fixtures import Ec2, settings

ZONE = {"AvailabilityZone": "us-east-1a"}


class Home(Ec2):
    """A home with real disks; the image store is real and that of all of them."""

    def __init__(self, directory: Path, store: Path, **changes: Any) -> None:
        own = settings(directory, **{"images": store, **changes})
        self.disks = LocalDisks(own.home / "volumes")
        drivers = dataclasses.replace(fake.host(), disks=self.disks)
        images = base_images.store(own)
        super().__init__(Cloud(own, lambda _, state: dataclasses.replace(drivers, images=BaseImages(images, own.home, state))))
        self.cloud.worker = worker_for(self.cloud)

    def image(self, name: str = "small") -> str:
        """A new image of the store."""
        disk = self.cloud.settings.home.parent / "new.qcow2"
        disk.parent.mkdir(parents=True, exist_ok=True)
        create(disk, 1 << 20)
        return self.store.add(disk, name=name, source="test").image_id

    @property
    def store(self) -> ImageStore:
        return base_images.store(self.cloud.settings)

    def row(self, image_id: str) -> Image:  # type: ignore[override]
        found = self.cloud.state.images.get(image_id)
        assert found is not None
        return found

    def volume(self, image_id: str) -> str:
        """A volume of an image's."""
        loop.run_pass(self.cloud)
        return str(self("CreateVolume", SnapshotId=self.row(image_id).snapshot_id, **ZONE)["VolumeId"])

    def file(self, volume_id: str) -> Path:
        volume = self.cloud.state.volumes.get(volume_id)
        assert volume is not None
        return Path(self.disks.path(volume.layer_id))

    def forget(self, image_id: str) -> None:
        """All that it needs of an image goes."""
        for volume in self.cloud.state.volumes.query():
            self("DeleteVolume", VolumeId=volume.id)
        self("DeregisterImage", ImageId=image_id, DeleteAssociatedSnapshots=True)
        self.look()

    def rm(self, image_id: str) -> None:
        """`minicloud images rm`."""
        images.command.main(["rm", image_id], obj=Session(connect=lambda: self.cloud), standalone_mode=False)

    def uninstall(self) -> str:
        """`minicloud uninstall --data --yes`; what it says."""
        done = CliRunner().invoke(uninstall.command, ["--data", "--yes"], obj=self, catch_exceptions=False)
        return done.output

    def told(self) -> list[tuple[str, str]]:
        """What the doctor says of images, and the remedies."""
        found = doctor_leftovers.judge(doctor_leftovers.gather(self.cloud), "qemu:///system", self.cloud.settings.home)
        return [(check.found, check.remedy) for check in found if check.name == "images"]


@pytest.fixture(autouse=True)
def own_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_images, "hypervisor", lambda: Account(os.getuid(), os.getgid()))


@pytest.fixture
def homes(tmp_path: Path) -> tuple[Home, Home]:
    return Home(tmp_path / "first", tmp_path / "images"), Home(tmp_path / "second", tmp_path / "images")
