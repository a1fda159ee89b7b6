"""A backup, and a restoration, killed at each step: nothing is lost, nothing is left, and the next one does it."""

import contextlib
import functools
import sqlite3
from pathlib import Path

import pytest

from minicloud.errors import StateError

from ..crashes import Point, arm, both
from ..processes import killed
from .backups import Place, back_up, restore, small

__all__ = ["small"]

_OF = "minicloud.reconcile."
OF_BACKUP = [
    *both(f"{_OF}backup_freeze:snapshots.take", f"{_OF}backing_up:copies.write", f"{_OF}backing_up:backup_sources.copy_keys"),
    *both(f"{_OF}backing_up:backup_copy.settle", "minicloud.host.archive:Writer.finish", f"{_OF}backing_up:_name"),
    Point(f"{_OF}backup_freeze:snapshots.take", "after", 2), Point("minicloud.host.archive:Writer.add_file", "before", 2),
    Point(f"{_OF}backing_up:Path.unlink", "after", 2), Point(f"{_OF}backup_freeze:release", "before"),
]  # fmt: skip
_SYNCS = 40
"""More than there are in a restoration."""


def scene(directory: Path) -> tuple[Place, list[str]]:
    """Two volumes, one of them with a snapshot."""
    place = Place(directory)
    made = [place.volume(Size=1) for _ in range(2)]
    for volume in made:
        place.write(volume, 0, 1)
    place.snapshot(made[0])
    place.write(made[0], 0, 2)
    return place, made


@pytest.mark.parametrize("point", OF_BACKUP, ids=str)
def test_a_backup_that_is_killed(tmp_path: Path, point: Point) -> None:
    place, made = scene(tmp_path / "here")
    (tmp_path / "to").mkdir()
    file = tmp_path / "to" / "b.tar"
    then, kept = [place.of_volume(one) for one in made], place.snapshots()
    place.cloud.state.close()

    def command() -> None:
        arm(place.cloud, point)
        back_up(place.cloud, file)

    assert killed(command)
    place.open()
    for _ in range(3):
        place.look()
    assert [place.of_volume(one) for one in made] == then
    assert place.snapshots() == kept
    assert len(place.disks.list()) == 3
    assert not (place.home / ".backup").exists()
    assert [path.name for path in file.parent.iterdir()] in ([], [file.name])
    if not file.exists():
        back_up(place.cloud, file)
    there = Place(tmp_path / "there")
    restore(there.cloud, file)
    there.open()
    assert [there.of_volume(one) for one in made] == then


def _before_the_nth(place: Place, file: Path, where: str, nth: int) -> None:
    arm(place.cloud, Point(where, "before", nth))
    restore(place.cloud, file, replace=True)


def attempt(place: Place, file: Path, nth: int) -> bool:
    """Whether a restoration gets as far as its nth step, where it is killed."""
    place.cloud.state.close()
    return killed(functools.partial(_before_the_nth, place, file, f"{_OF}restore_install:restore_stage.sync", nth))


def measured(place: Place, value: str) -> str:
    """What was in the file of the metrics; another value afterwards."""
    with contextlib.closing(sqlite3.connect(place.home / "metrics.sqlite", isolation_level=None)) as connection:
        connection.execute("pragma journal_mode=wal")
        connection.execute("create table if not exists t (value)")
        before = connection.execute("select value from t").fetchall()
        connection.execute("delete from t")
        connection.execute("insert into t values (?)", [value])
    return str(before[0][0]) if before else ""


def found(place: Place, made: list[str]) -> list[str] | None:
    """What volumes read as; None where every command says that a restoration is to be finished."""
    place.open()
    try:
        return [place.of_volume(one) for one in made]
    except StateError as error:
        if "restoration was begun and not finished" not in str(error):
            raise
        return None


def test_a_restoration_that_is_killed_is_finished_by_the_next(tmp_path: Path) -> None:
    place, made = scene(tmp_path / "here")
    file = tmp_path / "b.tar"
    then = [place.of_volume(one) for one in made]
    measured(place, "older")
    back_up(place.cloud, file)
    measured(place, "newer")
    seen = set[str]()
    for nth in range(1, _SYNCS):
        place.open()
        place.snapshot(made[0])
        place.write(made[0], 0, 3)
        newer = [place.of_volume(one) for one in made]
        came, now = attempt(place, file, nth), found(place, made)
        assert now in (None, newer, then)
        seen.add("refused" if now is None else "before" if now == newer else "after")
        if now != then:
            restore(place.cloud, file, replace=now is not None)
            assert found(place, made) == then
        assert measured(place, "newer") == "older"
        place.look()
        assert not (place.home / ".restore").exists()
        assert not (place.home / "volumes" / ".restore").exists()
        if not came:
            break
    else:
        pytest.fail("a restoration has more steps than are tried")
    assert seen == {"before", "refused", "after"}


@pytest.mark.parametrize(
    ("where", "replace"),
    [("archive.Reader.extract", True), ("archive.Reader.extract", False), ("qemu_img.repoint", False), ("copies.check", True)],
)
def test_one_that_is_killed_before_anything_is_changed(tmp_path: Path, where: str, replace: bool) -> None:
    place, made = scene(tmp_path / "here")
    file = tmp_path / "b.tar"
    back_up(place.cloud, file)
    place.write(made[0], 0, 3)
    newer = place.of_volume(made[0])
    one = place if replace else Place(tmp_path / "there")
    one.cloud.state.close()

    def command() -> None:
        arm(one.cloud, Point(f"{_OF}restore_stage:{where}", "before"))
        restore(one.cloud, file, replace=replace)

    assert killed(command)
    one.open()
    one.look()
    assert not (one.home / ".restore").exists()
    assert not list((one.home / "volumes").glob(".restore"))
    assert place.of_volume(made[0]) == newer


@pytest.mark.parametrize("swept_by", ["a pass", "a restoration"])
def test_images_that_a_killed_one_laid_out_are_swept(tmp_path: Path, swept_by: str) -> None:
    place, one = Place(tmp_path / "here"), Place(tmp_path / "there")
    file = tmp_path / "b.tar"
    place.ec2.run(ImageId=place.image())
    back_up(place.cloud, file)
    if swept_by == "a pass":
        one.volume(Size=1)
    one.cloud.state.close()

    def command() -> None:
        arm(one.cloud, Point(f"{_OF}restore_stage:copies.check", "before"))
        restore(one.cloud, file, replace=True)

    assert killed(command)
    left = [*(one.directory / "images").glob(".partial-restore-*")]
    assert len(left) == 1
    one.open()
    if swept_by == "a pass":
        one.look()
    else:
        restore(one.cloud, file)
    assert [path.exists() for path in left] == [False]
    assert not (one.home / ".restore").exists()
