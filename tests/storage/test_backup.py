"""Backups of the host with real disks, restored there and on another host."""

import contextlib
import json
import os
import stat
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from minicloud.cli.main import execute
from minicloud.cli.session import Session
from minicloud.cloud import Cloud
from minicloud.errors import ApiError, Permanent, StateError, UsageError
from minicloud.host import own_names
from minicloud.host.run import run
from minicloud.reconcile import backup_freeze, backup_record, layer_files, layers, locks
from minicloud.reconcile.worker import worker_for
from minicloud.state import master_key

from ..cloud_fixtures import Ec2
from .backups import Place, back_up, file, here, restore, small, there
from .real_disks import SMALL

__all__ = ["file", "here", "small", "there"]


def test_volumes_are_as_they_were_on_another_host(here: Place, there: Place, file: Path) -> None:
    image = here.image()
    instance = here.ec2.run(ImageId=image)
    root = here.state.volumes.find(instance_id=instance)[0].id
    volume = here.volume(Size=1)
    here.write(volume, 0, 1)
    snapshot = here.snapshot(volume)
    here.write(volume, 0, 2)
    here.write(root, 65536, 3)
    then = {one: here.of_volume(one) for one in (root, volume)}
    frozen = here.of_snapshot(snapshot)
    made = back_up(here.cloud, file)
    assert (made.instances, made.volumes, len(made.layers)) == (1, 2, 3)
    here.write(volume, 0, 4)
    here.write(root, 65536, 4)
    assert here.snapshots() == [snapshot]
    restore(there.cloud, file)
    there.open()
    there.know(image)
    assert {one: there.of_volume(one) for one in (root, volume)} == then
    assert there.of_snapshot(snapshot) == frozen
    assert there.state.instances.get(instance).wish == "running"
    there.write(volume, 0, 5)
    assert there.of_snapshot(snapshot) == frozen
    assert there.disks.list().keys() == set(made.layers)
    assert str(here.directory) not in "".join(there.disks.backing(one) or "" for one in there.disks.list())


def test_what_was_changed_meanwhile_is_not_in_it(here: Place, there: Place, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the snapshots and the copy of the state: a resized volume, a snapshot of the user's, a new volume."""
    volume, other = here.volume(Size=1), here.volume(Size=1)
    for one in (volume, other):
        here.write(one, 0, 1)
    then = here.of_volume(volume)
    late: list[str] = []
    freeze = backup_freeze.freeze

    def busy(*given: Any) -> None:
        freeze(*given)
        if not late:
            here.write(volume, 0, 2)
            late.extend([here.snapshot(volume), here.volume(Size=1)])
            here.ec2("ModifyVolume", VolumeId=other, Size=2)

    monkeypatch.setattr(backup_freeze, "freeze", busy)
    back_up(here.cloud, file)
    restore(there.cloud, file)
    there.open()
    there.look()
    layer_files.make(there.cloud, there.state.volumes.get(volume).layer_id)
    assert there.of_volume(volume) == then
    user, new = late
    assert there.of_snapshot(user) != then
    assert there.state.volumes.get(new).state == "available"
    there.write(other, SMALL, 7)
    assert there.state.volumes.get(other).size == 2


def test_merges_wait_while_layers_are_copied(here: Place, there: Place, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot that is deleted in the midst of it goes when the backup is done, and is in the backup."""
    volume = here.volume(Size=1)
    here.write(volume, 0, 1)
    snapshot = here.snapshot(volume)
    here.write(volume, 0, 2)
    frozen, settle, seen = here.of_snapshot(snapshot), backup_freeze.settle_jobs, list[set[str]]()

    def deleted(*given: Any) -> None:
        settle(*given)
        from minicloud.reconcile import backing_up

        write = backing_up._write

        def late(*all_: Any) -> None:
            here.ec2("DeleteSnapshot", SnapshotId=snapshot)
            here.look()
            seen.append(set(here.disks.list()))
            write(*all_)

        monkeypatch.setattr(backing_up, "_write", late)

    monkeypatch.setattr(backup_freeze, "settle_jobs", deleted)
    made = back_up(here.cloud, file)
    assert set(made.layers) <= seen[0]
    here.look()
    assert len(here.disks.list()) == 1
    restore(there.cloud, file)
    there.open()
    assert there.of_snapshot(snapshot) == frozen


@contextlib.contextmanager
def going_on(here: Place, *acts: Callable[[Ec2], None]) -> Iterator[None]:
    """Others that do something again and again, each with a cloud and a thread of its own. Fails if one of them fails."""
    stop, broken = threading.Event(), list[BaseException]()

    def again(act: Callable[[Ec2], None]) -> None:
        cloud = Cloud(here.cloud.settings, lambda *_: here.host)
        cloud.worker = worker_for(cloud)
        try:
            while not stop.is_set():
                act(Ec2(cloud))
        except BaseException as error:  # noqa: BLE001  the test tells it
            broken.append(error)
        finally:
            cloud.state.close()

    others = [threading.Thread(target=again, args=(act,)) for act in acts]
    for other in others:
        other.start()
    try:
        yield
    finally:
        stop.set()
        for other in others:
            other.join()
    assert broken == []


def test_while_a_daemon_merges_and_others_take_snapshots(here: Place, there: Place, file: Path) -> None:
    """Whatever goes on, the volumes in it are as they were, and nothing of it stays."""
    made = [here.volume(Size=1) for _ in range(3)]
    for number, one in enumerate(made):
        here.write(one, 0, number + 1)
    then = [here.of_volume(one) for one in made]

    def users(ec2: Ec2) -> None:
        try:
            taken = ec2("CreateSnapshot", VolumeId=made[0])["SnapshotId"]
        except ApiError as error:
            if error.code != "SnapshotCreationPerVolumeRateExceeded":  # that of the backup is just being taken
                raise
        else:
            ec2("DeleteSnapshot", SnapshotId=taken)

    with going_on(here, Ec2.look, users):
        back_up(here.cloud, file)
    restore(there.cloud, file)
    there.open()
    for volume in made:
        layer_files.make(there.cloud, there.state.volumes.get(volume).layer_id)
    assert [there.of_volume(one) for one in made] == then
    for _ in range(4):
        here.look()
    assert [here.of_volume(one) for one in made] == then
    assert len(here.disks.list()) == 3
    assert here.snapshots() == []


class TestFiles:
    def test_any_tar_lists_and_extracts_it(self, here: Place, file: Path, tmp_path: Path) -> None:
        volume = here.volume(Size=4)
        here.write(volume, SMALL, 1)
        back_up(here.cloud, file)
        with tarfile.open(file) as read:
            names = read.getnames()
        assert names[0] == "manifest.json"
        assert names[-1] == "sums.json"
        assert run(["tar", "tf", file]).text.split() == names
        run(["tar", "xf", file, "-C", tmp_path])
        (layer,) = (tmp_path / "volumes").glob("*.qcow2")
        run(["qemu-img", "check", "-f", "qcow2", layer])
        assert file.stat().st_size < SMALL

    def test_it_has_the_keys_and_is_roots_alone_whatever_the_umask(self, here: Place, there: Place, file: Path) -> None:
        here.volume(Size=1)
        key = master_key.load(here.home)
        for name in ("certificates/" + "a" * 32 + ".key", "nvram/i-0123456789abcdef0.fd", "endpoint.key", "endpoint.pem"):
            (here.home / name).parent.mkdir(exist_ok=True)
            (here.home / name).write_bytes(name.encode())
        before = os.umask(0)
        try:
            back_up(here.cloud, file)
            there.cloud.settings.run.mkdir()
            restore(there.cloud, file)
        finally:
            os.umask(before)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert master_key.load(there.home) == key
        for path in there.home.rglob("*"):
            allowed = {".pem": 0o644, ".qcow2": 0o660}.get(path.suffix, 0o751 if path.is_dir() else 0o640)
            assert not stat.S_IMODE(path.stat().st_mode) & ~allowed, path
        assert (there.home / "endpoint.pem").read_bytes() == b"endpoint.pem"

    def test_all_that_it_makes_has_a_name_of_ours(self, here: Place, there: Place, file: Path) -> None:
        here.volume(Size=1)
        back_up(here.cloud, file)
        restore(there.cloud, file)
        there.open()
        restore(there.cloud, file, replace=True)
        for place in (here, there):
            assert [path for path, ours in own_names.walk(place.home, own_names.HOME) if not ours] == []
        assert list((there.home / "replaced").rglob("state.sqlite"))

    def test_nothing_is_replaced(self, here: Place, file: Path) -> None:
        file.write_bytes(b"somebody's")
        with pytest.raises(UsageError, match="exists already"):
            back_up(here.cloud, file)
        assert file.read_bytes() == b"somebody's"
        with pytest.raises(UsageError, match="no directory"):
            back_up(here.cloud, file.parent / "none" / "b")

    def test_of_two_at_once_one_is_told(self, here: Place, file: Path) -> None:
        here.volume(Size=1)
        with locks.held(here.cloud.settings.run, backup_freeze.LOCK), pytest.raises(StateError, match="another minicloud backup"):
            back_up(here.cloud, file)
        assert not file.exists()

    @pytest.mark.parametrize("early", [True, False])
    def test_a_full_disk_leaves_nothing(self, here: Place, file: Path, early: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        import resource

        volume = here.volume(Size=4)
        here.write(volume, 0, 1, 2 * SMALL)
        if early:
            from minicloud.reconcile import backing_up

            monkeypatch.setattr(backing_up.shutil, "disk_usage", lambda _: os.statvfs("/") and _Usage())
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (before[0] if early else SMALL, before[1]))
        try:
            with pytest.raises(Permanent, match="the backup needs" if early else "no room is left"):
                back_up(here.cloud, file)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert list(file.parent.iterdir()) == []
        assert not (here.home / ".backup").exists()
        assert here.snapshots() == []


class _Usage:
    free = 1000


def test_a_volume_in_error_is_left_out_and_told(here: Place, there: Place, file: Path) -> None:
    good, bad = here.volume(Size=1), here.volume(Size=1)
    Path(here.top(bad)).unlink()
    here.state.volumes.change(bad, state="error", reason="gone")
    back_up(here.cloud, file)
    restore(there.cloud, file)
    there.open()
    assert there.state.volumes.get(bad).state == "error"
    assert "not in that" in there.state.volumes.get(bad).reason
    assert there.of_volume(good)


def test_the_command_says_what_is_in_it(here: Place, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here.volume(Size=1)
    session = Session(connect=lambda: here.cloud)
    assert execute(["backup", str(file), "--with-disks", "--output", "json"], session) == 0
    out, err = capsys.readouterr()
    assert err == ""
    told = json.loads(out)
    assert (told["WithDisks"], told["Volumes"], told["File"]) == (True, 1, str(file))
    assert told["FileSize"] == file.stat().st_size
    assert execute(["restore", str(file), "--replace", "--dry-run", "--output", "json"], session) == 0
    assert json.loads(capsys.readouterr().out) == told
    assert execute(["restore", str(file), "--dry-run", "--output", "json"], session) == 253
    out, err = capsys.readouterr()
    assert json.loads(out) == told
    assert "there is something here already" in err
    assert execute(["backup", str(file)], session) == 252
    assert execute(["restore", str(file)], session) == 253
    assert execute(["restore", str(file) + "x"], session) == 252
    record = backup_record.read(here.cloud.settings)
    assert record is not None
    assert (record.file, record.identity, record.disks) == (str(file), here.state.identity.id, True)
    (file.parent / "c").write_bytes(b"no archive" * 100)
    assert execute(["restore", str(file.parent / "c")], session) == 254


def test_merges_go_on_beside_one_another(here: Place) -> None:
    """The lock that a backup holds is shared by those who merge."""
    with (
        locks.held(here.cloud.settings.run, layers.MERGES, shared=True),
        locks.held(here.cloud.settings.run, layers.MERGES, shared=True),
        pytest.raises(locks.Busy),
        locks.held(here.cloud.settings.run, layers.MERGES),
    ):
        pass
    with (
        locks.held(here.cloud.settings.run, layers.MERGES),
        pytest.raises(locks.Busy),
        locks.held(here.cloud.settings.run, layers.MERGES, shared=True),
    ):
        pass
