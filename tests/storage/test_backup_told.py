"""What `backup` and `restore` say: who is in the way, what an interruption left, and which command goes on."""

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from minicloud.cli.backup import answer
from minicloud.cli.main import execute
from minicloud.cli.session import Session
from minicloud.host import archive
from minicloud.reconcile import alone, backup_freeze, locks, restore_install

from .backups import Place, back_up, file, here, restore, small, there

__all__ = ["file", "here", "small", "there"]


def minicloud(place: Place, *words: str) -> int:
    return execute(words, Session(connect=lambda: place.cloud))


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def backing_up(run: Path) -> Iterator[None]:
    with locks.held(run, backup_freeze.LOCK):
        yield


def by(command: str) -> Callable[[Path], contextlib.AbstractContextManager[None]]:
    return lambda run: alone.held(run, command)


@contextlib.contextmanager
def restoring(run: Path) -> Iterator[None]:
    with alone.held(run, "restore"), locks.held(run, backup_freeze.LOCK):
        yield


def serving(run: Path) -> contextlib.AbstractContextManager[None]:
    return locks.held(run, alone.DAEMON)


@pytest.mark.parametrize(
    ("who", "said"),
    [
        (serving, "minicloud serve runs; end it first"), (restoring, "minicloud restore, is at work"),
        (by("adopt"), "minicloud adopt, is at work"), (by("uninstall"), "minicloud uninstall, is at work"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("words", [["restore", "FILE"], ["adopt", "--yes"], ["uninstall", "--yes"]], ids=lambda words: words[0])
def test_who_is_in_the_way_is_told(
    here: Place, there: Place, file: Path, *, who: Any, said: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    back_up(here.cloud, file)
    with who(there.cloud.settings.run):
        assert minicloud(there, *[str(file) if word == "FILE" else word for word in words]) == 253
    assert said in capsys.readouterr().err


def test_so_it_is_to_a_backup_and_by_one(here: Place, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    back_up(here.cloud, file)
    other = file.with_name("other.tar")
    with restoring(here.cloud.settings.run):
        assert minicloud(here, "backup", str(other)) == 253
        assert "minicloud restore, is at work" in capsys.readouterr().err
        assert minicloud(here, "serve") == 253
        assert "minicloud restore, is at work" in capsys.readouterr().err
    with backing_up(here.cloud.settings.run):
        assert minicloud(here, "backup", str(other)) == 253
        assert "another minicloud backup is being made" in capsys.readouterr().err
        assert minicloud(here, "restore", str(file), "--replace") == 253
        assert "a backup is being made" in capsys.readouterr().err
    assert not other.exists()


@pytest.mark.parametrize("name", ["", "-"])
@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_name_that_is_none(
    here: Place, tmp_path: Path, *, name: str, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = os.listdir()
    assert minicloud(here, command, name) == 252
    assert "has to be the name of a file" in capsys.readouterr().err
    assert os.listdir() == before


def test_a_backup_that_is_interrupted(
    here: Place, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here.volume(Size=1)
    monkeypatch.setattr(archive.Writer, "finish", interrupt)
    assert minicloud(here, "backup", str(file), "--with-disks") == 130
    assert f"interrupted: nothing was written, there is no {file}" in capsys.readouterr().err
    assert list(file.parent.iterdir()) == []


def test_a_restoration_that_is_interrupted(
    here: Place, there: Place, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    volume = here.volume(Size=1)
    back_up(here.cloud, file)
    with monkeypatch.context() as patch:
        patch.setattr(archive.Reader, "extract", interrupt)
        assert minicloud(there, "restore", str(file)) == 130
    assert "interrupted: nothing was changed" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        patch.setattr(restore_install, "_put_files", interrupt)
        assert minicloud(there, "restore", str(file)) == 130
    fact, remedy = "a restoration was begun and not finished", f"minicloud restore {file} finishes it"
    said = capsys.readouterr().err
    assert f"interrupted: {fact}" in said
    assert remedy in said
    there.open()
    assert minicloud(there, "describe-volumes") == 253
    said = capsys.readouterr().err
    assert said.startswith(f"minicloud: {fact}")
    assert remedy in said
    assert minicloud(there, "restore", str(file)) == 0
    there.open()
    assert there.state.volumes.get(volume) is not None


def test_of_an_image_that_nothing_stands_on_there_is_only_the_name(here: Place, there: Place, file: Path) -> None:
    used, unused = here.image(), here.image(2)
    instance = here.ec2.run(ImageId=used)
    here.ec2("DescribeImages")
    made = back_up(here.cloud, file)
    assert {name.split("/")[1] for name in made.members if name.startswith("images/")} == {used}
    assert [(one["ImageId"], one["Included"]) for one in answer(made, file)["Images"]] == sorted([(used, True), (unused, False)])
    assert [f"the base image {unused} (small) is in the backup by reference only" in said for said in made.messages] == [True]
    told = restore(there.cloud, file)
    assert [f"the base image {unused} " in said for said in told] == [True]
    there.open()
    assert [path.name for path in (there.directory / "images").glob("ami-*")] == [used]
    assert there.state.instances.get(instance) is not None


def test_a_file_may_have_the_longest_name_that_there_is(here: Place, file: Path) -> None:
    here.volume(Size=1)
    longest = file.with_name("x" * 255)
    assert minicloud(here, "backup", str(longest)) == 0
    assert longest.stat().st_size > 0


@pytest.mark.parametrize("number", [errno.EROFS, errno.ESTALE, errno.EIO, errno.ENAMETOOLONG])
def test_what_an_unfinished_one_lies_on_may_be_gone(
    here: Place, file: Path, number: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    here.volume(Size=1)
    away = file.parent / "away"
    stage = here.cloud.settings.home / backup_freeze.STAGE
    stage.mkdir()
    backup_freeze.note_partial(stage.parent, away / f".minicloud-0.{backup_freeze.PARTIAL}")
    unlink = Path.unlink

    def gone(self: Path, *, missing_ok: bool = False) -> None:
        if self.parent == away:
            raise OSError(number, os.strerror(number), str(self))
        unlink(self, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", gone)
    back_up(here.cloud, file)
    assert "stays where it is" in caplog.text
    assert file.stat().st_size > 0
    assert not stage.exists()
