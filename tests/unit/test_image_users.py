"""Homes that share an image store: none of them loses an image that its disks, AMIs or snapshots need by what another does."""

import contextlib
import errno
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from minicloud.errors import Permanent, Retry
from minicloud.host import disk_stamp, durable, image_users, own_names
from minicloud.host.disks import LocalDisks
from minicloud.host.qemu_img import backing
from minicloud.reconcile import loop
from minicloud.state import image_needs

from ..homes import ZONE, Home, homes, own_group

__all__ = ["homes", "own_group"]


def unwritable(number: int) -> Callable[[Path, str], None]:
    """`durable.replace` where the store, and nothing else, cannot be written to."""
    write = durable.replace

    def replace(path: Path, text: str) -> None:
        if path.parent.name == image_users.HOMES:
            raise OSError(number, os.strerror(number))
        write(path, text)

    return replace


def needs_disk(home: Home, image_id: str) -> str:
    return home.volume(image_id)


def needs_ami(home: Home, image_id: str) -> str:
    loop.run_pass(home.cloud)
    return image_id


def needs_snapshot(home: Home, image_id: str) -> str:
    loop.run_pass(home.cloud)
    home("DeregisterImage", ImageId=image_id)
    return home.row(image_id).snapshot_id


@pytest.mark.parametrize("need", [needs_disk, needs_ami, needs_snapshot])
def test_images_rm_of_one_is_refused_for_what_the_other_needs(homes: tuple[Home, Home], need: Callable[[Home, str], str]) -> None:
    first, second = homes
    image = first.image()
    what = need(first, image)
    loop.run_pass(second.cloud)
    with pytest.raises(Permanent, match=f"the minicloud of {first.cloud.settings.home} needs it: {what}"):
        second.rm(image)
    assert first.store.get(image)
    assert second.row(image).state == "available"
    if second.row(image).state == "available":
        second("DeregisterImage", ImageId=image, DeleteAssociatedSnapshots=True)
    second.look()
    assert first.store.get(image)


def test_it_goes_when_the_other_needs_it_no_more(homes: tuple[Home, Home]) -> None:
    first, second = homes
    image = first.image()
    first.volume(image)
    loop.run_pass(second.cloud)
    first("DeleteVolume", VolumeId=first.cloud.state.volumes.query()[0].id)
    first("DeregisterImage", ImageId=image, DeleteAssociatedSnapshots=True)
    first.look()
    second.rm(image)
    assert first.store.list() == []


@pytest.mark.parametrize("need", [needs_disk, needs_ami, needs_snapshot])
def test_uninstall_leaves_what_the_other_needs_and_says_so(homes: tuple[Home, Home], need: Callable[[Home, str], str]) -> None:
    first, second = homes
    image, other = first.image(), first.image("other")
    what = need(first, image)
    first("DeregisterImage", ImageId=other, DeleteAssociatedSnapshots=True)
    first.look()
    loop.run_pass(second.cloud)
    said = second.uninstall()
    store = first.cloud.settings.images
    assert f"left {store / image}: the minicloud of {first.cloud.settings.home} needs it: {what}" in said
    assert "Nothing of this state's is left" in said
    assert [known.image_id for known in first.store.list()] == [image]
    assert not second.cloud.settings.home.exists()
    assert {path.name for path in (store / ".homes").iterdir()} == {image_users.mark(store, first.cloud.settings.home).name}
    assert first.uninstall()
    assert not store.exists()


@pytest.mark.parametrize("link", ["certificates", f"certificates/{'a' * 32}.key"])
def test_uninstall_leaves_what_links_of_the_other_lead_to(homes: tuple[Home, Home], link: str) -> None:
    """The other home is a copy by links (cp -as), or has but its keys there."""
    first, second = (home.cloud.settings.home for home in homes)
    key = first / f"certificates/{'a' * 32}.key"
    key.parent.mkdir(parents=True)
    key.touch()
    homes[1].image()
    homes[1].volume(homes[1].image("other"))
    (second / link).parent.mkdir(parents=True, exist_ok=True)
    (second / link).symlink_to(first / link)
    said = homes[0].uninstall()
    assert key.exists()
    assert f"left {first / link}: {second / link} is a link to it" in said


def test_deregistering_in_one_takes_nothing_from_the_other(homes: tuple[Home, Home]) -> None:
    first, second = homes
    image = first.image()
    volume = first.volume(image)
    loop.run_pass(second.cloud)
    second.forget(image)
    assert first.store.path(image).exists()
    assert backing(first.file(volume)) == str(first.store.path(image))
    assert first.told() == []


def test_a_state_that_cannot_be_read_may_need_all(homes: tuple[Home, Home]) -> None:
    first, second = homes
    image = first.image()
    loop.run_pass(first.cloud)
    loop.run_pass(second.cloud)
    first.cloud.state.close()
    first.cloud.settings.database.write_bytes(b"this is no database" * 1000)
    with pytest.raises(Permanent, match="cannot be read"):
        second.rm(image)
    assert "cannot be read" in second.uninstall()
    assert second.store.get(image)


@pytest.mark.parametrize("how", ["closed", "open", "left by a kill", "without its index", "locked", "kept by one"])
def test_the_state_of_another_is_only_read(homes: tuple[Home, Home], how: str, tmp_path: Path) -> None:
    """Nothing comes to be beside it, nobody is waited for, and what was committed last is seen."""
    first, second = homes
    image = first.image()
    first.volume(image)
    database, kept = first.cloud.settings.database, tmp_path / "kept"
    kept.mkdir()
    if how in ("closed", "kept by one"):
        first.cloud.state.close()
    elif how in ("left by a kill", "without its index"):
        for path in database.parent.glob("state.sqlite*"):
            shutil.copy(path, kept)
        first.cloud.state.close()
        for path in kept.iterdir():
            if how == "left by a kill" or not path.name.endswith("-shm"):
                shutil.copy(path, database.parent)
    with (
        contextlib.closing(sqlite3.connect(database, isolation_level=None)) if how in LOCKED else contextlib.nullcontext() as one
    ):
        for words in LOCKED.get(how, ()):
            one.execute(words)
        before = {path: path.read_bytes() for path in database.parent.glob("state.sqlite*")}
        times = database.parent.stat().st_mtime_ns
        assert list(image_needs.of(database)) == [image]
        assert {path: path.read_bytes() for path in database.parent.glob("state.sqlite*")} == before
        assert database.parent.stat().st_mtime_ns == times, "a file came and went"
        with pytest.raises(Permanent, match=f"{image} cannot go: the minicloud of .* needs it"):
            second.rm(image)


def test_where_no_copy_can_be_made_nobody_knows(homes: tuple[Home, Home], monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = homes
    image = first.image()
    first.volume(image)
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    with pytest.raises(Retry, match="/nowhere"):
        second.rm(image)


LOCKED = {
    "locked": ("begin immediate", "delete from volumes"),
    "kept by one": ("pragma locking_mode=exclusive", "begin exclusive", "delete from volumes"),
}


@pytest.mark.parametrize("place", ["", disk_stamp.RESTORING, f"{disk_stamp.ASIDE}/20260101T000000Z"])
@pytest.mark.parametrize("state", ["lost", "empty"])
def test_disks_need_what_they_stand_on_where_the_state_is_lost(homes: tuple[Home, Home], place: str, state: str) -> None:
    first, second = homes
    image, other = first.image(), first.image("other")
    file = first.file(first.volume(image))
    first.cloud.state.close()
    first.cloud.settings.database.unlink()
    if state == "empty":
        first.cloud.settings.database.touch()
    (file.parent / place).mkdir(parents=True, exist_ok=True)
    file.rename(file.parent / place / file.name)
    with pytest.raises(Permanent, match=f"{file.name} is built on it"):
        second.rm(image)
    second.rm(other)
    assert [known.image_id for known in second.store.list()] == [image]


def test_the_home_that_the_store_is_in_needs_no_word(tmp_path: Path) -> None:
    """One of before there were words, that no command has been given to since."""
    first = Home(tmp_path / "first", tmp_path / "first" / "home" / "images")
    second = Home(tmp_path / "second", first.cloud.settings.images)
    image = first.image()
    first.volume(image)
    shutil.rmtree(first.cloud.settings.images / ".homes")
    with pytest.raises(Permanent, match=str(first.cloud.settings.home)):
        second.rm(image)
    assert image in second.uninstall()
    assert first.store.get(image)


def test_a_state_from_before_says_so_at_its_next_pass_and_once(homes: tuple[Home, Home]) -> None:
    first, second = homes
    image = first.image()
    first.volume(image)
    path = image_users.mark(first.cloud.settings.images, first.cloud.settings.home)
    shutil.rmtree(path.parent)
    loop.run_pass(first.cloud)
    before = path.stat()
    loop.run_pass(first.cloud)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o640, 0o700)
    with pytest.raises(Permanent, match="needs it"):
        second.rm(image)


def test_a_home_that_was_moved_says_so_again(homes: tuple[Home, Home], tmp_path: Path) -> None:
    first, second = homes
    image = first.image()
    first.volume(image)
    first.cloud.state.close()
    shutil.move(tmp_path / "first", tmp_path / "moved")
    moved = Home(tmp_path / "moved", tmp_path / "images")
    loop.run_pass(moved.cloud)
    with pytest.raises(Permanent, match=str(tmp_path / "moved")):
        second.rm(image)


def test_it_is_said_before_anything_is_built_on_an_image(homes: tuple[Home, Home], monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = homes
    image = first.image()
    loop.run_pass(first.cloud)
    path = image_users.mark(first.cloud.settings.images, first.cloud.settings.home)
    shutil.rmtree(path.parent)
    said = list[bool]()
    make = LocalDisks.create
    monkeypatch.setattr(LocalDisks, "create", lambda *words: (said.append(path.exists()), make(*words))[1])
    monkeypatch.setattr("minicloud.reconcile.images.reconcile", lambda _: False)  # the pass says it otherwise
    first("CreateVolume", SnapshotId=first.row(image).snapshot_id, **ZONE)
    assert said == [True]


def test_what_cannot_be_said_keeps_a_disk_from_being_made(homes: tuple[Home, Home], monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = homes
    image = first.image()
    loop.run_pass(first.cloud)
    shutil.rmtree(first.cloud.settings.images / ".homes")
    with monkeypatch.context() as patch:
        patch.setattr(durable, "replace", unwritable(errno.ENOSPC))
        volume = first("CreateVolume", SnapshotId=first.row(image).snapshot_id, **ZONE)["VolumeId"]
        assert first.disks.list() == {}
    first.look()
    assert first.file(volume).exists()


def test_a_store_that_nobody_can_write_to_is_used_as_it_is(homes: tuple[Home, Home], monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = homes
    image = first.image()
    monkeypatch.setattr(durable, "replace", unwritable(errno.EROFS))
    assert first.file(first.volume(image)).exists()


def test_the_shared_store_is_not_written_to(tmp_path: Path) -> None:
    owner = Home(tmp_path / "owner", tmp_path / "shared")
    image = owner.image()
    reader = Home(tmp_path / "reader", tmp_path / "images", shared_images=tmp_path / "shared")
    reader.volume(image)
    assert [path.name for path in (tmp_path / "shared").iterdir()] == [image]
    assert not (tmp_path / "images").exists()


def test_a_damaged_word_keeps_all_and_says_what_to_do(homes: tuple[Home, Home]) -> None:
    first, second = homes
    image = first.image()
    first.volume(image)
    path = image_users.mark(first.cloud.settings.images, first.cloud.settings.home)
    path.write_text("{")
    for act in (lambda: second.rm(image), second.uninstall):
        with pytest.raises(Permanent, match=f"{path} is damaged"):
            act()
    assert second.store.get(image)
    loop.run_pass(first.cloud)
    with pytest.raises(Permanent, match="needs it"):
        second.rm(image)


def test_words_are_in_no_backup_and_are_minicloud_s() -> None:
    name = image_users.mark(Path(), Path("/var/lib/minicloud"))
    assert not own_names.is_in_backup(f"images/{name}")
    assert own_names.is_home_mark(name.name)


@pytest.mark.parametrize("harm", ["gone", "damaged"])
def test_the_doctor_tells_of_images_that_are_needed_and_gone(homes: tuple[Home, Home], harm: str) -> None:
    first, second = homes
    image = first.image()
    volume = first.volume(image)
    loop.run_pass(second.cloud)
    place = first.store.path(image).parent
    shutil.rmtree(place) if harm == "gone" else (place / "image.qcow2").unlink()
    ((found, remedy),) = first.told()
    assert f"the base image {place} {'is gone' if harm == 'gone' else 'cannot be used'}" in found
    assert f"{volume} (of no instance)" in found
    assert "images rm" not in remedy
    assert f"images/{image}" in remedy
    ((found, remedy),) = second.told()
    assert f"the AMI {image} (small)" in found
    assert f"minicloud deregister-image --image-id {image}" in remedy
    second("DeregisterImage", ImageId=image)
    assert [remedy for _, remedy in second.told()] == ([] if harm == "gone" else [f"minicloud images rm {image}"])
