"""A backup has all keys, those that are links too; what cannot be copied is told by name, and all else is in it."""

import contextlib
import errno
import os
import shutil
import sqlite3
import tarfile
from pathlib import Path
from typing import Any

import pytest

from minicloud import config, files
from minicloud.cli.backup import LEFT_OUT
from minicloud.errors import Retry, StateError, UsageError
from minicloud.host import archive, disk_links
from minicloud.reconcile import backing_up, backup_freeze, backup_record, backup_sources, locks

from .backups import Place, back_up, file, here, member, restore, small, there
from .test_backup_told import minicloud

__all__ = ["file", "here", "small", "there"]

NAMES = ["credentials.key", f"certificates/{'a' * 32}.key", "nvram/i-0123456789abcdef0.fd", "identity.key", "endpoint.key"]


def key(place: Place, name: str) -> Path:
    place.volume(Size=1)
    path = place.home / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"s" * 32)
    return path


def left_out(place: Place, file: Path, name: str) -> None:
    """The backup is made, with all else, and says that this is not in it."""
    assert minicloud(place, "backup", str(file), "--with-disks") == LEFT_OUT
    with tarfile.open(file) as read:
        names = read.getnames()
    assert name not in names
    assert "state.sqlite" in names
    assert [one for one in names if one.startswith("volumes/")]
    record = backup_record.read(place.cloud.settings)
    assert record is not None
    assert tuple(record.left_out) == (name,)
    assert f"{name} is not in the backup: " in member(file, "manifest.json").decode()


@pytest.mark.parametrize("name", NAMES)
def test_a_link_is_what_it_leads_to(here: Place, there: Place, file: Path, tmp_path: Path, name: str) -> None:
    path = key(here, name)
    path.rename(tmp_path / "safe")
    path.symlink_to(tmp_path / "safe")
    assert minicloud(here, "backup", str(file), "--with-disks") == 0
    restore(there.cloud, file)
    assert (there.home / name).read_bytes() == b"s" * 32
    assert not (there.home / name).is_symlink()


@pytest.mark.parametrize("how", ["dangling", "looping", "directory", "fifo"])
@pytest.mark.parametrize("name", NAMES[:3])
def test_what_is_no_file(here: Place, file: Path, name: str, how: str) -> None:
    path = key(here, name)
    path.unlink()
    if how in ("dangling", "looping"):
        path.symlink_to("gone" if how == "dangling" else path.name)
    elif how == "directory":
        path.mkdir()
    else:
        os.mkfifo(path)
    left_out(here, file, name)


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_be_read(here: Place, file: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    bad, genuine = key(here, name), files.read

    def read(path: Path) -> bytes:
        if path == bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return genuine(path)

    monkeypatch.setattr(files, "read", read)
    left_out(here, file, name)


def test_what_may_pass_ends_it(here: Place, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, genuine = key(here, NAMES[0]), files.read

    def read(path: Path) -> bytes:
        if path == bad:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))
        return genuine(path)

    monkeypatch.setattr(files, "read", read)
    with pytest.raises(Retry, match=r"credentials\.key"):
        back_up(here.cloud, file)
    assert not file.exists()


@pytest.mark.parametrize("how", ["dangling", "looping", "file"])
@pytest.mark.parametrize("name", ["certificates", "nvram"])
def test_a_directory_of_keys_that_is_none(here: Place, file: Path, name: str, how: str) -> None:
    here.volume(Size=1)
    if how == "file":
        (here.home / name).write_text("x")
    else:
        (here.home / name).symlink_to("gone" if how == "dangling" else name)
    left_out(here, file, name)


@pytest.mark.parametrize("disks", [True, False])
@pytest.mark.parametrize("how", ["garbage", "torn", "directory", "dangling", "fifo"])
def test_metrics_that_are_damaged(here: Place, there: Place, file: Path, *, how: str, disks: bool) -> None:
    volume, metrics = here.volume(Size=1), here.cloud.settings.metrics_database
    if how == "garbage":
        metrics.write_bytes(b"garbage" * 1000)
    elif how == "torn":
        connection = sqlite3.connect(metrics)
        connection.execute("create table a(b)")
        connection.executemany("insert into a values(?)", [("x" * 500,)] * 2000)
        connection.commit()
        connection.close()
        os.truncate(metrics, metrics.stat().st_size // 2)
    elif how == "directory":
        metrics.mkdir()
    elif how == "dangling":
        metrics.symlink_to("gone")
    else:
        os.mkfifo(metrics)
    made = back_up(here.cloud, file, disks=disks)
    assert [said.startswith("metrics.sqlite is not in the backup: ") for said in made.messages] == [True]
    if disks:
        restore(there.cloud, file)
        there.open()
        assert there.state.volumes.get(volume) is not None


def test_a_state_that_is_damaged_ends_it(here: Place, file: Path) -> None:
    """It would be refused by a restoration."""
    here.volume(Size=1)
    here.cloud.state.close()
    database = here.cloud.settings.database
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute("select rootpage from sqlite_master where name = 'dashboards'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with database.open("r+b") as torn:
        torn.seek((page - 1) * size)
        torn.write(b"\xff" * size)
    here.open()
    with pytest.raises(StateError, match=r"state\.sqlite"):
        back_up(here.cloud, file, disks=False)
    assert not file.exists()


def test_a_link_that_loops_with_a_layers_name(here: Place, file: Path) -> None:
    here.volume(Size=1)
    (here.home / "volumes/layer-0123456789abcdef0.qcow2").symlink_to("layer-0123456789abcdef0.qcow2")
    assert minicloud(here, "backup", str(file), "--with-disks") == 0


def test_a_backup_that_cannot_be_noted_is_told(here: Place, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here.volume(Size=1)
    (here.home / "backup.json").mkdir()
    assert minicloud(here, "backup", str(file), "--with-disks") == LEFT_OUT
    assert "minicloud doctor does not know of it" in capsys.readouterr().out
    assert file.stat().st_size > 0
    assert not (here.home / "backup.json.new").exists()


@pytest.mark.parametrize("readable", [True, False])
def test_settings_that_are_a_link(
    here: Place, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, readable: bool
) -> None:
    here.volume(Size=1)
    (tmp_path / "settings").write_text("# mine\n")
    (tmp_path / "config.toml").symlink_to("settings")
    monkeypatch.setattr(config, "file", lambda: tmp_path / "config.toml")
    if readable:
        back_up(here.cloud, file)
        assert member(file, "settings/config.toml") == b"# mine\n"
        return
    genuine = archive.Writer.add_file

    def add_file(self: archive.Writer, name: str, path: Path, **given: Any) -> None:
        if name == backup_sources.SETTINGS:
            raise archive.Unreadable(path, OSError(errno.EIO, os.strerror(errno.EIO)))
        genuine(self, name, path, **given)

    monkeypatch.setattr(archive.Writer, "add_file", add_file)
    left_out(here, file, backup_sources.SETTINGS)


@pytest.mark.parametrize("where", [".backup", ".restore", "volumes/.restore", ".restore/below"])
@pytest.mark.parametrize("linked", [True, False])
def test_where_leftovers_are_removed_none_is_made(here: Place, tmp_path: Path, where: str, *, linked: bool) -> None:
    here.volume(Size=1)
    (here.home / where).mkdir(parents=True)
    (tmp_path / "link").symlink_to(here.home / where)
    place = tmp_path / "link" if linked else here.home / where
    with pytest.raises(UsageError, match="let it be in another directory"):
        back_up(here.cloud, place / "b.tar")


@pytest.mark.parametrize("how", ["another path", "another host"])
def test_a_copy_of_the_home_leaves_the_file_that_is_written(
    here: Place, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    here.volume(Size=1)
    genuine, seen = backing_up._name, list[bool]()

    def name(partial: Path, target: Path) -> None:
        if how == "another host":
            (tmp_path / "machine-id").write_text("another\n")
            with monkeypatch.context() as patch:
                patch.setattr(disk_links, "MACHINE_ID", tmp_path / "machine-id")
                backup_freeze.clear(here.home)
        else:
            shutil.copytree(here.directory, tmp_path / "new", symlinks=True)
            copy = Place(tmp_path / "new")
            assert backup_freeze.sweep(copy.cloud)
            copy.cloud.state.close()
        seen.append(partial.exists())
        genuine(partial, target)

    monkeypatch.setattr(backing_up, "_name", name)
    back_up(here.cloud, file)
    assert seen == [True]
    assert file.exists()


def test_what_a_killed_one_left_goes_all_the_same(here: Place, file: Path) -> None:
    partial = file.with_name(f".minicloud-0.{backup_freeze.PARTIAL}")
    here.volume(Size=1)
    (here.home / backup_freeze.STAGE).mkdir()
    backup_freeze.note_partial(here.home, partial)
    partial.write_text("x")
    assert backup_freeze.sweep(here.cloud)
    assert not partial.exists()
    assert not (here.home / backup_freeze.STAGE).exists()


def test_a_strange_stage_is_named(here: Place, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here.volume(Size=1)
    (here.home / backup_freeze.STAGE).write_text("x")
    assert minicloud(here, "backup", str(file)) == 1
    assert f"{here.home / backup_freeze.STAGE} is no directory" in capsys.readouterr().err


def test_data_stays_while_a_backup_is_made(here: Place, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here.volume(Size=1)
    before, run = here.files(), here.cloud.settings.run
    with locks.held(run, backup_freeze.LOCK):
        assert minicloud(here, "uninstall", "--data", "--yes") == 253
        assert "a backup is being made" in capsys.readouterr().err
        assert here.files() == before
    assert minicloud(here, "uninstall", "--data", "--yes") == 0
    assert not here.home.exists()
    assert not run.exists()
