"""Backups that somebody has changed, with sums that fit: nothing is changed by them, and QEMU opens no file that they name."""

import contextlib
import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from minicloud.errors import ApiError, HostError, StateError
from minicloud.host.qemu_img import create, create_overlay

from .backups import Place, back_up, forge, member, restore, small
from .real_disks import SMALL

__all__ = ["small"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A backup of a volume that was made of an image, and of one that stands on nothing."""
    here = Place(tmp_path / "here")
    here.ec2.run(ImageId=here.image())
    here.volume(Size=1)
    back_up(here.cloud, tmp_path / "b.tar")
    return tmp_path / "b.tar"


def disk(directory: Path, base: Path | None = None) -> bytes:
    path = directory / "hostile.qcow2"
    if base is None:
        create(path, SMALL)
    else:
        create(base, SMALL)
        create_overlay(path, base)
    return path.read_bytes()


def names(file: Path, image: bool) -> str:
    """The name of the disk that stands on an image, or on nothing."""

    with tarfile.open(file) as read:
        found = {info.name: read.extractfile(info).read(4096) for info in read if info.name.startswith("volumes/")}  # type: ignore[union-attr]
    return next(name for name, data in found.items() if (b"image.qcow2" in data) is image)


def state(file: Path, directory: Path, *statements: str) -> bytes:
    """The state of a backup, changed."""
    path = directory / "changed.sqlite"
    path.write_bytes(member(file, "state.sqlite"))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("pragma journal_mode=delete")
        for statement in statements:
            connection.execute(statement)
        connection.execute("pragma journal_mode=wal")
    return path.read_bytes()


Change = Callable[[Path, Path], Path]


def _state(*statements: str) -> Change:
    return lambda file, directory: forge(file, members={"state.sqlite": state(file, directory, *statements)})


def _alone_on_another(file: Path, directory: Path) -> Path:
    return forge(file, members={names(file, image=False): disk(directory, directory / "shadow")})


def _text(file: Path, directory: Path) -> Path:
    return forge(file, members={names(file, image=True): b'{"file.filename": "/etc/shadow"}'})


def _data_file(file: Path, directory: Path) -> Path:
    data = bytearray(disk(directory))
    data[79] |= 4
    return forge(file, members={names(file, image=True): bytes(data)})


def _unknown(file: Path, directory: Path) -> Path:
    return forge(file, members={"volumes/layer-0000000000000000f.qcow2": disk(directory)})


def _image(file: Path, directory: Path) -> Path:
    (name,) = [name for name in _names(file) if name.endswith("image.qcow2")]
    return forge(file, members={name: disk(directory, directory / "shadow")})


def _other_image(file: Path, directory: Path) -> Path:
    (name,) = [name for name in _names(file) if name.endswith("image.qcow2")]
    return forge(file, members={name: disk(directory)})


def _names(file: Path) -> list[str]:

    with tarfile.open(file) as read:
        return read.getnames()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_state("create trigger t after insert on tags begin delete from volumes; end"), "trigger t"),
        (_state("create view v as select 1"), "trigger v"),
        (
            _state(
                "insert into _sqlite_migrations (migration_set, name, applied_at) values ('minicloud', 'm999', '')",
                "pragma user_version=0",
            ),
            "newer minicloud",
        ),
        (_state("update identity set generation = 77"), "is not the one that it tells of"),
        (lambda file, _: forge(file, members={"state.sqlite": b"no database" * 100}), "cannot be read"),
        (lambda file, _: forge(file, manifest={"database": 9999}), "newer minicloud"),
        (_alone_on_another, "names a backing file"),
        (_text, "is no qcow2"),
        (_data_file, "in another file"),
        (_unknown, "knows nothing of the disk"),
        (_image, "names a backing file"),
        (_other_image, "is not the one that its manifest"),
        (lambda file, _: forge(file, manifest={"size": 1 << 60}), "left"),
    ],
)
def test_it_is_refused_and_nothing_is_changed(tmp_path: Path, file: Path, change: Change, said: str) -> None:

    there = Place(tmp_path / "there")
    kept = there.volume(Size=1)
    there.write(kept, 0, 1)
    before, then = there.files(), there.of_volume(kept)
    with pytest.raises((ApiError, StateError, HostError), match=said):
        restore(there.cloud, change(file, tmp_path), replace=True)
    there.open()
    assert there.of_volume(kept) == then
    assert there.files() == before
    assert not list((there.directory / "images").glob("*/*.qcow2"))


def test_what_a_layer_says_it_stands_on_is_not_looked_at(tmp_path: Path, file: Path) -> None:
    """Rows say it."""
    there, name = Place(tmp_path / "there"), names(file, image=True)
    restore(there.cloud, forge(file, members={name: disk(tmp_path, tmp_path / "shadow")}))
    backing = there.disks.backing(Path(name).stem)
    assert backing is not None
    assert Path(backing).is_relative_to(there.directory / "images")
