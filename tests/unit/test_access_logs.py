"""The bound of access logs: turned, dropped when there are too many bytes, and nobody else's file touched."""

import os
import re
from pathlib import Path

import pytest

from minicloud.errors import Permanent
from minicloud.host import access_logs, log_writers, own_names

PLACE = "logs/bucket/prefix/AWSLogs/000000000000/elasticloadbalancing/us-east-1"
MOST = 4 << 20


def log(home: Path, name: str, size: int, age: float = 0.0) -> Path:
    path = home / PLACE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"y" * size)
    os.utime(path, (1e9 - age, 1e9 - age))
    return path


def test_a_small_log_is_left(tmp_path: Path) -> None:
    path = log(tmp_path, "app.a.log", 1000)
    assert access_logs.bound(tmp_path, MOST) == []
    assert path.stat().st_size == 1000
    assert access_logs.bound(tmp_path / "none", MOST) == []


def test_a_log_is_turned_for_one_that_holds_it_open(tmp_path: Path) -> None:
    path = log(tmp_path, "app.a.log", 1 << 20)
    with path.open("ab", buffering=0) as held:
        assert access_logs.bound(tmp_path, MOST) == []
        held.write(b"after\n")
    assert path.read_bytes() == b"after\n"
    assert path.with_name("app.a.log.1").stat().st_size == 1 << 20
    path.write_bytes(b"z" * (1 << 20))
    (told,) = access_logs.bound(tmp_path, MOST)
    assert "1048576 older bytes were dropped" in told
    assert path.with_name("app.a.log.1").read_bytes()[:1] == b"z"


def test_all_together_have_a_bound_and_the_oldest_go_first(tmp_path: Path) -> None:
    size = (1 << 19) - 1
    old = [log(tmp_path, f"app.{number}.log.1", 1 << 20, age=1000 - number) for number in range(4)]
    now = [log(tmp_path, f"app.{number}.log", size, age=number) for number in range(4)]
    strange = [log(tmp_path, "app.log.gz", MOST), tmp_path / "logs/mine.txt"]
    strange[1].write_bytes(b"x" * MOST)
    told = access_logs.bound(tmp_path, MOST)
    assert [path.exists() for path in old] == [False, False, True, True]
    assert all(path.stat().st_size == size for path in now)
    assert all(path.stat().st_size == MOST for path in strange)
    assert len(told) == 2
    told = access_logs.bound(tmp_path, 1 << 20)
    assert sum(path.stat().st_size for path in now) <= 1 << 20
    assert len(told) == 4


def test_on_a_full_disk_the_log_is_emptied_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = log(tmp_path, "app.a.log", 1 << 20)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(access_logs.shutil, "copyfileobj", full)
    (told,) = access_logs.bound(tmp_path, MOST)
    assert "No space left" in told
    assert [one.name for one in path.parent.iterdir()] == ["app.a.log"]
    assert path.stat().st_size == 0


class TestAFurtherName:
    """In a copy of the home that was made by hard links (cp -al) it is the same file."""

    def linked(self, path: Path, directory: Path) -> Path:
        copy = directory / path.name
        copy.hardlink_to(path)
        return copy

    @pytest.mark.parametrize("most", [MOST, 0], ids=["turned", "dropped"])
    def test_nothing_of_it_is_emptied(self, tmp_path: Path, most: int) -> None:
        home = tmp_path / "home"
        paths = [log(home, name, 1 << 20) for name in ("app.a.log", "app.a.log.1", "app.a.log.2")]
        copies = [self.linked(path, tmp_path) for path in paths]
        access_logs.bound(home, most)
        assert [path.exists() for path in paths] == [False, most == MOST, most == MOST]
        assert [copy.read_bytes() for copy in copies] == [b"y" * (1 << 20)] * 3
        assert own_names.is_log(paths[0].relative_to(home))

    def test_that_is_written_to_is_left_and_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """HAProxy has it open: another file in its place would have no more lines. Without the other name it is as any other."""
        home, monkey = tmp_path / "home", monkeypatch
        path, other = log(home, "app.a.log", 1 << 20), log(home, "app.b.log", 1 << 20)
        copy = self.linked(path, tmp_path)
        monkey.setattr(access_logs.log_writers, "is_held", lambda one: one == path)
        with pytest.raises(Permanent, match=rf"{path} has a further name"):
            access_logs.bound(home, MOST)
        assert (path.stat().st_size, other.stat().st_size, path.samefile(copy)) == (1 << 20, 0, True)
        copy.unlink()
        access_logs.bound(home, MOST)
        assert path.stat().st_size == 0

    def test_a_small_one_is_left(self, tmp_path: Path) -> None:
        path = log(tmp_path / "home", "app.a.log", 1000)
        copy = self.linked(path, tmp_path)
        assert access_logs.bound(tmp_path / "home", MOST) == []
        assert path.samefile(copy)

    def test_nobody_adds_lines_to_it(self, tmp_path: Path) -> None:
        path = log(tmp_path / "home", "app.a.log", 10)
        copy = self.linked(path, tmp_path)
        with open(log_writers.open_for(path), "wb", buffering=0) as file:
            file.write(b"a line")
        assert (path.stat().st_size, copy.stat().st_size) == (16, 10)

    def test_what_a_kill_leaves_is_ours(self) -> None:
        assert re.fullmatch("|".join(own_names.HOME), f"{PLACE}/.app.a.log.new")
        assert not own_names.is_log(Path(f"{PLACE}/.app.a.log.new"))
