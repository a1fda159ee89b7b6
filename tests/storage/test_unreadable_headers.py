"""A disk whose header cannot be read concerns what it stands on, as far as that is known, and nothing else."""

import errno
import os
from pathlib import Path

import pytest

from minicloud.cli import adoption, adoption_layers, doctor_leftovers
from minicloud.cli.doctor_checks import OK
from minicloud.errors import HostError, Permanent, Retry
from minicloud.host import qemu_img
from minicloud.host.disk_index import DiskIndex
from minicloud.host.disks import LocalDisks
from minicloud.reconcile import layers

from .backups import Place, here, small
from .test_moved_homes import A, B, Newer, newer

__all__ = ["here", "newer", "small"]


def fail(monkeypatch: pytest.MonkeyPatch, bad: Path, number: int = errno.EIO) -> None:
    """Let each reading of a header fail; the file has changed since one was read."""
    genuine = qemu_img.backing

    def backing(path: Path) -> str | None:
        if Path(path) == bad:
            raise OSError(number, os.strerror(number))
        return genuine(path)

    monkeypatch.setattr(qemu_img, "backing", backing)
    os.utime(bad)


def forget(place: Place) -> None:
    """A process that has read nothing yet."""
    place.disks._index = DiskIndex(place.home / "volumes", place.home / "volumes" / "quarantine")


@pytest.mark.parametrize("fresh", [True, False])
def test_of_one_that_was_put_aside(newer: Newer, monkeypatch: pytest.MonkeyPatch, fresh: bool) -> None:
    place = newer.place
    newer.back()
    adoption.adopt(place.cloud)
    other = place.volume(Size=1)
    layer = place.state.volumes.get(other).layer_id
    place.disks.above(layer)
    forget(place) if fresh else None
    fail(monkeypatch, newer.there())
    layers.refuse_frozen(place.cloud, layer)
    with pytest.raises(Permanent, match="stands on"):
        layers.refuse_frozen(place.cloud, newer.layer)
    (kept,) = newer.kept()
    place.ec2("DeleteSnapshot", SnapshotId=kept)
    place.ec2("DeleteVolume", VolumeId=other)
    for _ in range(3):
        place.look()
    assert newer.layer in place.disks.list()
    assert layer not in place.disks.list()


@pytest.mark.parametrize("fresh", [True, False])
def test_of_one_that_a_row_knows(here: Place, monkeypatch: pytest.MonkeyPatch, fresh: bool) -> None:
    volume, other = here.volume(Size=1), here.volume(Size=1)
    below = here.state.volumes.get(volume).layer_id
    here.snapshot(volume)
    layers.make(here.cloud, here.state.volumes.get(volume).layer_id)
    here.disks.above(below)
    forget(here) if fresh else None
    fail(monkeypatch, Path(here.top(volume)))
    layers.refuse_frozen(here.cloud, here.state.volumes.get(other).layer_id)
    with pytest.raises(Retry, match=f"stands on {below}"):
        layers.refuse_frozen(here.cloud, below)


def test_an_image_stays_and_an_adoption_waits(newer: Newer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not done again goes by what is known of all."""
    newer.back()
    before = newer.place.disks.list()
    fail(monkeypatch, newer.there())
    with pytest.raises(HostError):
        adoption.adopt(newer.place.cloud)
    assert newer.place.disks.list() == before
    volumes = newer.place.home / "volumes"
    with pytest.raises(OSError, match="Input/output"):
        DiskIndex(volumes, volumes / "quarantine").above("/images/ami-0/image.qcow2")


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.EACCES])
def test_what_the_host_refuses_is_no_fault_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    disks = LocalDisks(tmp_path)
    disks.create(A, 1 << 20, None)
    disks.create(B, 1 << 20, None)
    fail(monkeypatch, Path(disks.path(B)), number)
    with pytest.raises(HostError):
        disks.above(A)


@pytest.mark.parametrize("aside", [True, False])
def test_doctor_names_it(here: Place, monkeypatch: pytest.MonkeyPatch, aside: bool) -> None:
    here.volume(Size=1)
    here.disks.create(A, 1 << 20, None)
    bad = Path(here.disks.path(A))
    if aside:
        bad = Path(here.disks.set_aside([A], "a test")) / bad.name
    genuine, number = os.pread, bad.stat().st_ino

    def pread(descriptor: int, length: int, at: int) -> bytes:
        if os.fstat(descriptor).st_ino == number:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return genuine(descriptor, length, at)

    monkeypatch.setattr(os, "pread", pread)
    found = doctor_leftovers.judge(doctor_leftovers.gather(here.cloud), "qemu:///system", here.home)
    assert any(check.status != OK and str(bad) in check.found and "Input/output error" in check.found for check in found)


def test_nothing_is_gone_by_it(newer: Newer, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, newer.there())
    assert adoption_layers.gone(newer.place.cloud) == set()
