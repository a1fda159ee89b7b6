"""Disks of guests that another state has started: no adoption takes them, and no uninstallation deletes them."""

import contextlib
import dataclasses
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from minicloud.cli import adoption, uninstall
from minicloud.cli.main import execute
from minicloud.cli.session import Session
from minicloud.cloud import Cloud
from minicloud.errors import StateError
from minicloud.host import disk_use, fake, qemu_img
from minicloud.host.disks import LocalDisks
from minicloud.host.fake import FakeHost
from minicloud.reconcile.worker import worker_for

from ..cloud_fixtures import Ec2, settings


def cloud_of(directory: Path, host: FakeHost) -> Cloud:
    """Drivers that tell whose a guest is, as real ones do."""
    cloud = Cloud(settings(directory), lambda _, identity: host.of(identity))
    cloud.worker = worker_for(cloud)
    return cloud


def minicloud(cloud: Cloud, *words: str) -> int:
    return execute(words, Session(connect=lambda: cloud))


@contextlib.contextmanager
def opened(path: Path, *flags: str) -> Iterator[None]:
    """A process of QEMU has a disk open."""
    words = ["qemu-io", *(flags or ("-f", "qcow2")), path]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        print("length", file=process.stdin, flush=True)
        assert process.stdout.readline()
        yield
        process.stdin.close()


@pytest.fixture
def lost(tmp_path: Path, host: FakeHost) -> str:
    """An instance that runs on, of a state that was lost."""
    ec2 = Ec2(cloud_of(tmp_path, host))
    instance = ec2.run()
    ec2.cloud.state.close()
    for path in ec2.cloud.settings.home.glob("state.sqlite*"):
        path.unlink()
    return instance


def test_disks_of_guests_of_a_lost_state_are_not_taken_from_them(
    tmp_path: Path, host: FakeHost, lost: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = host.disks.list()
    assert minicloud(cloud_of(tmp_path, host), "adopt", "--yes") == 253
    assert f"guests run with disks that this state does not know: {lost}" in (said := capsys.readouterr().err)
    assert f"virsh -c {settings(tmp_path).libvirt_uri} shutdown {lost}" in said
    assert host.disks.list() == before
    host.guests.destroy(lost)
    assert minicloud(cloud_of(tmp_path, host), "adopt", "--yes") == 0
    assert host.disks.list() == {}


def test_nor_of_guests_that_no_state_accounts_for(tmp_path: Path, host: FakeHost, lost: str) -> None:
    """The disks have no stamp, or one of a third state."""
    with host.store.change() as held:
        held["stamp"] = None
    cloud = cloud_of(tmp_path, host)
    cloud.state.begin_anew()
    with pytest.raises(StateError, match=r"a process has disks open that this state does not know.*fuser"):
        adoption.adopt(cloud)
    assert host.guests.list() == {}
    assert host.of(cloud.state.identity.id).disks.in_use() == set(host.disks.list())
    assert lost


def test_uninstalling_tells_what_others_have(
    tmp_path: Path, host: FakeHost, lost: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud = cloud_of(tmp_path, host)
    cloud.state.begin_anew()
    assert cloud.state.identity.id
    assert minicloud(cloud, "uninstall", "--yes") == 0
    said = capsys.readouterr().out
    assert "minicloud's on this host" not in said
    assert f"left the guest {lost} of the state " in said
    assert "left the network subnet-" in said


def test_a_disk_that_a_guest_has_open_is_not_deleted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    volumes = tmp_path / "home" / "volumes"
    aside = volumes / "quarantine" / "20260101T000000Z" / "layer-0123456789abcdef0.qcow2"
    aside.parent.mkdir(parents=True)
    below, other = volumes / "layer-0123456789abcdef1.qcow2", volumes / "layer-0123456789abcdef2.qcow2"
    for path in (below, other):
        qemu_img.create(path, 1 << 20)
    qemu_img.create_overlay(aside, below, "qcow2", 1 << 20)
    host = dataclasses.replace(fake.host(), disks=LocalDisks(volumes))
    cloud = Cloud(settings(tmp_path), lambda *_: host)
    with opened(aside):
        assert [disk_use.is_open(path) for path in (aside, below, other)] == [True, True, False]
        assert host.disks.in_use() == {"layer-0123456789abcdef1"}
        assert minicloud(cloud, "uninstall", "--data", "--yes") == 0
        assert [path.exists() for path in (aside, below, other)] == [True, True, False]
        assert f"left {aside}: " in capsys.readouterr().out
    list(uninstall.remove(cloud, data=True))
    assert not volumes.exists()


@pytest.mark.parametrize(("name", "flags"), [("seeds/i-0123456789abcdef0.iso", ["-r"]), ("nvram/i-0123456789abcdef0.fd", [])])
def test_nor_is_what_else_a_guest_has_open(
    tmp_path: Path, name: str, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The guest is of a state that shares the home."""
    path = tmp_path / "home" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(1 << 16))
    host = fake.host()
    cloud = Cloud(settings(tmp_path), lambda *_: host)
    with opened(path, "-f", "raw", *flags):
        assert minicloud(cloud, "uninstall", "--data", "--yes") == 0
        assert path.exists()
        assert f"left {path}: " in capsys.readouterr().out
    list(uninstall.remove(cloud, data=True))
    assert not path.exists()
