"""A state that was lost is not taken for a new cloud: not by any command, and nothing is made in its place."""

import contextlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from minicloud.cli.main import execute
from minicloud.cli.session import Session, open_cloud
from minicloud.cloud import Cloud
from minicloud.config import Settings
from minicloud.errors import StateError
from minicloud.host import fake
from minicloud.state.store import State

DISK = "layer-0123456789abcdef0.qcow2"


def _missing(database: Path) -> None:
    database.unlink()


def _empty(database: Path) -> None:
    database.write_bytes(b"")


def _without_its_log(database: Path) -> None:
    """A copy of the one file, made while all was still in the write-ahead log."""
    database.unlink()
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("pragma journal_mode=wal")


def _directory(database: Path) -> None:
    database.unlink()
    database.mkdir()


def _text(database: Path) -> None:
    database.write_bytes(b"not a database at all, whatever its name says\n" * 100)


def _foreign(database: Path) -> None:
    database.unlink()
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("create table songs (title)")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home with a state and a disk."""
    made = Settings(home=tmp_path / "home", run=tmp_path / "run", images=tmp_path / "images")
    state = State(made.database)
    state.key_pairs.query()
    state.close()
    (made.home / "volumes").mkdir()
    (made.home / "volumes" / DISK).write_bytes(b"")
    return made


@pytest.mark.parametrize("command", [["describe-instances"], ["status"], ["storage"], ["describe-vpcs"], ["serve"], ["top"]])
@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_missing, "is not there, but there are disks"), (_empty, "is empty, but there are disks"),
        (_without_its_log, "has no tables, but there are disks"), (_directory, "is a directory"), (_text, "cannot be read"),
        (_foreign, "is the database of another program"),
    ],
)  # fmt: skip
def test_it_is_refused_by_name(
    settings: Settings, harm: Callable[[Path], None], said: str, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    harm(settings.database)
    before = sorted(path.name for path in settings.home.rglob("*"))
    assert execute(command, Session(connect=lambda: Cloud(settings, lambda *_: fake.host()))) == 253
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert str(settings.database) in err
    left = {name for name in (path.name for path in settings.home.rglob("*")) if not name.endswith(("-wal", "-shm"))}
    assert left == {name for name in before if not name.endswith(("-wal", "-shm"))}


@pytest.mark.parametrize("left", ["volumes/minicloud.json", "certificates/" + "0" * 32 + ".key", "seeds/i-0123456789abcdef0.iso"])
def test_all_that_only_a_state_leaves_counts(tmp_path: Path, left: str) -> None:
    (tmp_path / left).parent.mkdir()
    (tmp_path / left).write_bytes(b"")
    with pytest.raises(StateError, match="is not there, but"):
        open_cloud(Settings(home=tmp_path)).state.key_pairs.query()


def test_what_others_keep_there_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "volumes" / "lost+found").mkdir(parents=True)
    (tmp_path / "volumes" / "backup-2024.qcow2").write_bytes(b"")
    assert open_cloud(Settings(home=tmp_path)).state.key_pairs.query() == []


def test_one_starts_anew_knowingly(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    import dataclasses

    from minicloud.host.disks import LocalDisks

    _empty(settings.database)
    shutil.rmtree(settings.run, ignore_errors=True)
    disks = LocalDisks(settings.home / "volumes")
    host = dataclasses.replace(fake.host(), disks=disks)
    session = Session(connect=lambda: Cloud(settings, lambda *_: host))
    assert execute(["adopt", "--yes"], session) == 0
    assert "put 1 disks aside" in capsys.readouterr().out
    assert disks.list() == {}
    assert [path.name for path in (settings.home / "volumes" / "quarantine").rglob("*.qcow2")] == [DISK]
    assert execute(["describe-instances"], Session(connect=lambda: Cloud(settings, lambda *_: host))) == 0
