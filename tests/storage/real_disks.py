"""A cloud over a fake host with real disks: qcow2 files, made and merged by the real qemu-img. A GiB is a MiB here."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import pytest

from minicloud.host import fake
from minicloud.host.disks import LocalDisks
from minicloud.host.run import run
from minicloud.reconcile import disk_spec, snapshots
from minicloud.services.ec2 import volumes

from ..cloud_fixtures import Ec2, cloud_in

SMALL = 1 << 20


class Real:
    """The cloud, and what a guest would do to its disks."""

    def __init__(self, directory: Path) -> None:
        self.disks = LocalDisks(directory / "home" / "volumes")
        self.host: Any = dataclasses.replace(fake.host(), disks=self.disks)
        self.directory = directory
        self.ec2 = Ec2(cloud_in(directory, self.host))

    @property
    def state(self) -> Any:
        return self.ec2.cloud.state

    def volume(self, **params: Any) -> str:
        made = self.ec2("CreateVolume", **{"AvailabilityZone": "us-east-1a", "VolumeType": "gp2", **params})
        return str(made["VolumeId"])

    def snapshot(self, volume_id: str) -> str:
        return str(self.ec2("CreateSnapshot", VolumeId=volume_id)["SnapshotId"])

    def top(self, volume_id: str) -> str:
        return self.disks.path(self.state.volumes.get(volume_id).layer_id)

    def write(self, volume_id: str, offset: int, byte: int, size: int = 65536) -> None:
        words = f"write -q -P {byte} {offset} {size}"
        run(["qemu-io", "-f", "qcow2", "-c", words, self.top(volume_id)])

    def digest(self, layer_id: str) -> str:
        """The SHA-256 of all that a layer reads as."""
        raw = self.directory / "raw"
        run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", self.disks.path(layer_id), raw])
        return hashlib.sha256(raw.read_bytes()).hexdigest()

    def of_volume(self, volume_id: str) -> str:
        return self.digest(self.state.volumes.get(volume_id).layer_id)

    def of_snapshot(self, snapshot_id: str) -> str:
        return self.digest(self.state.snapshots.get(snapshot_id).layer_id)

    def look(self) -> None:
        self.ec2.look()


@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Real:
    for module in (volumes, snapshots, disk_spec):
        monkeypatch.setattr(module, "GIB", SMALL)
    return Real(tmp_path)
