"""Homes of an image store that are not there just now, and stores that cannot be locked or written to."""

import errno
import fcntl
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minicloud.errors import Permanent, Retry
from minicloud.host import durable, image_users
from minicloud.reconcile import backing_up, loop, restore_stage, restoring

from ..homes import ZONE, Home, homes, own_group
from .test_image_users import unwritable

__all__ = ["homes", "own_group"]


def mark(home: Home) -> Path:
    return image_users.mark(home.cloud.settings.images, home.cloud.settings.home)


def moved(home: Home) -> None:
    home.cloud.settings.home.rename(home.cloud.settings.home.with_name("elsewhere"))


def unmounted(home: Home) -> None:
    moved(home)
    home.cloud.settings.home.mkdir()


def replaced(home: Home) -> None:
    """A restoration with --replace that was killed: there were no disks."""
    aside = home.cloud.settings.home / "replaced" / "20260101T000000Z"
    aside.mkdir(parents=True)
    home.cloud.settings.database.rename(aside / "state.sqlite")


def away(homes: tuple[Home, Home], how: Callable[[Home], None] = unmounted) -> str:
    """An image that the first home needs, which is not there any more."""
    first, _ = homes
    image = first.image()
    if how is not replaced:
        first.volume(image)
    for home in homes:
        loop.run_pass(home.cloud)
    first.cloud.state.close()
    how(first)
    return image


@pytest.mark.parametrize("how", [moved, unmounted, replaced])
def test_a_home_that_is_not_there_may_need_all(homes: tuple[Home, Home], how: Callable[[Home], None]) -> None:
    first, second = homes
    image, home, path = away(homes, how), first.cloud.settings.home, mark(first)
    with pytest.raises(Permanent, match=rf"the minicloud of {home} is not there .* if it is gone for good, delete {path}"):
        second.rm(image)
    assert second.row(image).state == "available"
    ((found, remedy),) = second.told()
    assert f"the minicloud of {home} is not there" in found
    assert f"delete {path}" in remedy
    assert f"delete {path}" in second.uninstall()
    assert first.store.path(image).exists()
    assert path.exists()
    assert not mark(second).exists()


def test_a_home_that_is_gone_for_good_needs_nothing(homes: tuple[Home, Home]) -> None:
    first, second = homes
    image = away(homes)
    mark(first).unlink()
    assert second.told() == []
    second.rm(image)
    assert second.store.list() == []


def test_uninstall_leaves_no_word_of_its_home(homes: tuple[Home, Home]) -> None:
    first, second = homes
    image = first.image()
    first.volume(image)
    loop.run_pass(second.cloud)
    second.volume(image)
    first.uninstall()
    assert not mark(first).exists()
    second.forget(image)
    second.rm(image)
    assert second.store.list() == []


def test_a_home_that_was_moved_takes_its_word_along(homes: tuple[Home, Home], tmp_path: Path) -> None:
    first, second = homes
    image = away(homes, moved)
    (tmp_path / "new").mkdir()
    first.cloud.settings.home.with_name("elsewhere").rename(tmp_path / "new" / "home")
    new = Home(tmp_path / "new", tmp_path / "images")
    loop.run_pass(new.cloud)
    assert {path.name for path in mark(first).parent.iterdir()} == {mark(new).name, mark(second).name}
    with pytest.raises(Permanent, match=f"the minicloud of {new.cloud.settings.home} needs it"):
        second.rm(image)
    new.forget(image)
    second.rm(image)


def test_a_copy_leaves_the_word_of_a_home_that_is_there(homes: tuple[Home, Home], tmp_path: Path) -> None:
    first, _ = homes
    away(homes, lambda _: None)
    shutil.copytree(first.cloud.settings.home, tmp_path / "copy" / "home")
    copy = Home(tmp_path / "copy", tmp_path / "images")
    loop.run_pass(copy.cloud)
    assert mark(first).exists()
    assert mark(copy).exists()


def test_a_word_without_the_state_gets_it(homes: tuple[Home, Home]) -> None:
    first, second = homes
    away(homes, lambda _: None)
    mark(first).write_text(json.dumps({"home": str(first.cloud.settings.home)}))
    loop.run_pass(first.cloud)
    assert json.loads(mark(first).read_bytes())["identity"] == first.cloud.state.identity.id
    assert mark(second).exists()


def backed_up(home: Home, file: Path) -> str:
    """A backup of a home that is gone after it, and an image that it counts on."""
    image = home.image()
    home.volume(image)
    backing_up.make(home.cloud, file, disks=True, say=lambda _: None, progress=lambda *_: None)
    home.cloud.state.close()
    shutil.rmtree(home.cloud.settings.home)
    mark(home).unlink()
    return image


def restore(home: Home, file: Path) -> None:
    restoring.restore(home.cloud, file, replace=False, anyway=False, progress=lambda *_: None)


@pytest.mark.parametrize("where", [(restore_stage, "_extract"), (restoring, "_prepare")])
@pytest.mark.parametrize("before", [True, False])
def test_a_restoration_that_fails_leaves_no_word_that_it_gave(
    homes: tuple[Home, Home], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool, where: tuple[Any, str]
) -> None:
    """One that was there is that of a home which is not mounted, maybe."""
    first, _ = homes
    backed_up(first, tmp_path / "backup.tar")
    new = Home(tmp_path / "new", tmp_path / "images")
    if before:
        image_users.join(new.cloud.settings.images, new.cloud.settings.home)
    said = list[bool]()

    def failing(*_: object, **__: object) -> None:
        said.append(mark(new).exists())
        raise Permanent("no")

    monkeypatch.setattr(*where, failing)
    with pytest.raises(Permanent, match="no"):
        restore(new, tmp_path / "backup.tar")
    assert said == [True]
    assert mark(new).exists() == before


def test_no_image_goes_while_a_restoration_counts_on_it(
    homes: tuple[Home, Home], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = homes
    image = backed_up(first, tmp_path / "backup.tar")
    new = Home(tmp_path / "new", tmp_path / "images")
    loop.run_pass(second.cloud)
    extract = restore_stage._extract

    def extracting(*words: Any) -> None:
        with pytest.raises(Permanent, match="may need any"):
            second.rm(image)
        extract(*words)

    monkeypatch.setattr(restore_stage, "_extract", extracting)
    restore(new, tmp_path / "backup.tar")
    with pytest.raises(Permanent, match="needs it"):
        second.rm(image)


def other_version(home: Home) -> None:
    with sqlite3.connect(home.cloud.settings.database) as database:
        database.execute("alter table layers rename to strata")
    database.close()


def damaged(home: Home) -> None:
    home.cloud.settings.database.write_bytes(b"this is no database" * 1000)


@pytest.mark.parametrize("how", [other_version, damaged])
def test_the_remedy_for_a_state_that_cannot_be_read_works(homes: tuple[Home, Home], how: Callable[[Home], None]) -> None:
    first, second = homes
    image, database, path = first.image(), first.cloud.settings.database, mark(first)
    for home in homes:
        loop.run_pass(home.cloud)
    first.cloud.state.close()
    how(first)
    with pytest.raises(Permanent, match=f"move {database} away, and delete {path}"):
        second.rm(image)
    ((found, remedy),) = second.told()
    assert "cannot be read" in found
    assert f"move {database} away" in remedy
    database.rename(database.with_name("away"))
    path.unlink()
    second.rm(image)
    assert second.store.list() == []


@pytest.mark.parametrize("below", ["images", "deep/images"])
@pytest.mark.parametrize("linked", [True, False])
def test_the_home_that_the_store_is_in_is_found_by_all_ways(tmp_path: Path, below: str, linked: bool) -> None:
    first = Home(tmp_path / "first", tmp_path / "first" / "home" / below)
    image = first.image()
    first.volume(image)
    shutil.rmtree(first.cloud.settings.images / ".homes")
    store = tmp_path / "second" / "home" / "images" if linked else first.cloud.settings.images
    if linked:
        store.parent.mkdir(parents=True)
        store.symlink_to(first.cloud.settings.images)
    second = Home(tmp_path / "second", store)
    loop.run_pass(second.cloud)
    with pytest.raises(Permanent, match=f"the minicloud of {first.cloud.settings.home} needs it"):
        second.rm(image)
    second.uninstall()
    assert first.store.path(image).exists()


@pytest.fixture
def locked(homes: tuple[Home, Home], monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Hold the store's lock as somebody who hangs does; nobody has patience."""
    for name in ("_JOINING", "REMOVING"):
        monkeypatch.setattr(image_users, name, 0.0, raising=False)

    def lock() -> int:
        descriptor = os.open(homes[0].cloud.settings.images, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return descriptor

    return lock


@pytest.mark.timeout(60)
def test_who_holds_the_store_stops_only_what_is_built_on_images(homes: tuple[Home, Home], locked: Callable[[], int]) -> None:
    first, second = homes
    image = first.image()
    for home in homes:
        loop.run_pass(home.cloud)
    descriptor = locked()
    assert first("DescribeVolumes")["Volumes"] == []
    first("CreateVolume", Size=1, **ZONE)
    assert len(first.disks.list()) == 1
    assert first.cloud.state.failures.query() == []
    waits = first("CreateVolume", SnapshotId=first.row(image).snapshot_id, **ZONE)["VolumeId"]
    assert len(first.disks.list()) == 1
    (failure,) = first.cloud.state.failures.query()
    used = f"the image store {first.cloud.settings.images} is in use by the process {os.getpid()}"
    assert used in failure.message
    for act in (lambda: second.store.remove(image), second.uninstall):
        with pytest.raises(Retry, match=used):
            act()
    os.close(descriptor)
    first.look()
    assert first.file(waits).exists()


@pytest.mark.timeout(60)
def test_a_pass_that_cannot_say_its_word_says_who_holds_the_store(homes: tuple[Home, Home], locked: Callable[[], int]) -> None:
    first, _ = homes
    image = first.image()
    descriptor = locked()
    loop.run_pass(first.cloud)
    assert first.cloud.state.images.get(image) is None
    assert ["is in use by" in failure.message for failure in first.cloud.state.failures.query()] == [True]
    os.close(descriptor)
    first.look()
    assert mark(first).exists()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_store_that_may_not_be_written_to_is_used(
    homes: tuple[Home, Home], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    first, _ = homes
    image = first.image()
    monkeypatch.setattr(durable, "replace", unwritable(number))
    assert first.file(first.volume(image)).exists()
    assert first.cloud.state.failures.query() == []


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_words_that_may_not_be_read_keep_nobody_from_a_store(
    homes: tuple[Home, Home], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Those of the administrator of a file server are not shown to others' root."""
    first, _ = homes
    image = first.image()
    read = Path.read_bytes

    def refused(path: Path) -> bytes:
        if path.parent.name == image_users.HOMES:
            raise OSError(number, os.strerror(number))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refused)
    assert first.file(first.volume(image)).exists()
