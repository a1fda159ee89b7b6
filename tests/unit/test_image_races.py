"""Two homes that share an image store, at once, and killed: a disk that is made has its image."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minicloud.errors import Permanent
from minicloud.host import durable, image_users, own_names
from minicloud.host.disks import LocalDisks
from minicloud.host.qemu_img import backing
from minicloud.reconcile import image_needs, loop

from ..homes import ZONE, Home, homes, own_group
from ..processes import die, killed, together

__all__ = ["homes", "own_group"]


def killed_at(module: Any, name: str, task: Callable[[], object]) -> None:
    """Run a task in a process that is killed when it comes to a function."""

    def dying() -> None:
        setattr(module, name, lambda *_, **__: die())
        task()

    assert killed(dying)


def test_who_builds_on_an_image_while_it_is_removed_finds_it_gone(homes: tuple[Home, Home]) -> None:
    """The other one has looked and found that nobody needs it: from there on until it is gone nothing is built on it."""
    first, second = homes
    image = first.image()
    loop.run_pass(first.cloud)
    snapshot = first.row(image).snapshot_id
    made = threading.Thread(target=lambda: (first("CreateVolume", SnapshotId=snapshot, **ZONE), first.cloud.state.close()))
    locked = threading.Event()
    held = image_users.held

    def refuse(_: str) -> None:
        made.start()
        assert locked.wait(60.0)
        assert first.disks.list() == {}

    def noticing(store: Path, wait: float) -> Any:
        if threading.current_thread() is made:
            locked.set()
        return held(store, wait)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minicloud.reconcile.images.reconcile", lambda _: False)  # it would have to wait, too
        patch.setattr(image_users, "held", noticing)
        second.store.remove(image, refuse)
    made.join()
    assert first.disks.list() == {}
    assert [(row.state, "is gone" in row.reason) for row in first.cloud.state.volumes.query()] == [("error", True)]


def test_whoever_removes_sees_what_is_about_to_be_built(homes: tuple[Home, Home], monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = homes
    image = first.image()
    loop.run_pass(first.cloud)
    loop.run_pass(second.cloud)
    first("DeregisterImage", ImageId=image)
    make, refused = LocalDisks.create, list[str]()

    def create(*words: Any) -> None:
        with pytest.raises(Permanent, match="vol-") as caught:
            second.store.remove(image, lambda one: image_needs.refuse(second.cloud.settings, one))
        refused.append(str(caught.value))
        make(*words)

    monkeypatch.setattr(LocalDisks, "create", create)
    volume = first.volume(image)
    assert len(refused) == 1
    assert backing(first.file(volume)) == str(second.store.path(image))


def test_many_times_whoever_is_first(homes: tuple[Home, Home]) -> None:
    """Processes of two homes, of which one comes to know an image and builds on it, and the other removes it."""
    first, second = homes
    for number in range(8):
        image = second.image(f"image {number}")
        loop.run_pass(second.cloud)
        for home in homes:
            home.cloud.state.close()
        together(lambda: first.volume(image), lambda: second.rm(image))  # noqa: B023  both have ended when it goes on
        for disk in first.disks.list():
            below = backing(Path(first.disks.path(disk)))
            assert below is not None
            assert Path(below).exists()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_while_it_is_said(homes: tuple[Home, Home], moment: str) -> None:
    first, second = homes
    image = first.image()
    store, home = first.cloud.settings.images, first.cloud.settings.home
    killed_at(durable, "replace" if moment == "before" else "sync", lambda: loop.run_pass(first.cloud))
    assert image_users.mark(store, home).exists() == (moment == "after")
    first.volume(image)
    with pytest.raises(Permanent, match="needs it"):
        second.rm(image)


def test_killed_while_an_image_is_removed(homes: tuple[Home, Home]) -> None:
    first, second = homes
    image = first.image()
    killed_at(shutil, "rmtree", lambda: second.rm(image))
    assert first.store.list() == []
    assert [own_names.is_work(path.name) for path in first.store.sweep()] == [True]
