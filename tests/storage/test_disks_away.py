"""A single disk that is a link to a file system which is not mounted: it is waited for, and nothing takes it for lost."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minicloud.errors import Away, Permanent

from .backups import Place, back_up, file, here, small
from .test_linked_disks import link
from .test_moved_homes import A
from .test_older_in_use import Scene, scene

__all__ = ["file", "here", "scene", "small"]


class Linked:
    """A volume that an instance uses. While it is away, the fake host says of it what a real one says of a link to nothing."""

    def __init__(self, scene: Scene, patch: pytest.MonkeyPatch) -> None:
        self.scene, self.is_away, disks = scene, False, type(scene.host.disks)
        self.layer = scene.top(scene.volume)
        for name in ("size", "backing", "damage"):
            patch.setattr(disks, name, self._asked(getattr(disks, name)))

    def _asked(self, genuine: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
        def ask(disks: Any, disk_id: str) -> Any:
            if self.is_away and disk_id == self.layer:
                raise Away(f"{disk_id} is a link to nothing")
            return genuine(disks, disk_id)

        return ask

    @property
    def row(self) -> Any:
        return self.scene.state.volumes.get(self.scene.volume)

    def tried(self, times: int = 8) -> None:
        """So many passes, each when whatever waits is due."""
        for _ in range(times):
            for row in self.scene.state.instances.query():
                self.scene.state.instances.change(row.id, retry_at="")
            for failure in self.scene.state.failures.query():
                self.scene.state.failures.change(failure.part, failure.subject, retry_at="")
            self.scene.ec2.look()

    def found(self) -> None:
        """It is mounted, and all is as it was, by itself."""
        self.is_away = False
        self.tried(2)
        assert self.scene.ec2.state(self.scene.instance) == "running"
        assert (self.row.state, self.row.attachment, self.row.reason) == ("in-use", "attached", "")
        assert self.scene.state.failures.query() == []


@pytest.fixture
def linked(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Linked:
    return Linked(scene, monkeypatch)


def test_an_instance_starts_when_its_disk_is_mounted(linked: Linked) -> None:
    linked.scene.host.restart_machine()
    linked.is_away = True
    linked.tried()
    assert linked.row.state == "in-use"
    instance = linked.scene.state.instances.get(linked.scene.instance)
    assert (instance.wish, "is a link to nothing" in instance.reason_message) == ("running", True)
    linked.found()


def test_a_disk_of_an_instance_that_is_off_is_in_no_error(linked: Linked) -> None:
    linked.scene.power("StopInstances")
    linked.is_away = True
    linked.tried()
    assert linked.row.state == "in-use"
    assert "is a link to nothing" in linked.scene.state.failures.query()[0].message
    linked.scene.ec2("StartInstances", InstanceIds=[linked.scene.instance])
    linked.tried()
    linked.found()


def test_one_that_is_plugged_in_waits(linked: Linked) -> None:
    scene = linked.scene
    scene.ec2("DetachVolume", VolumeId=scene.volume)
    scene.rest()
    linked.is_away = True
    scene.plug(scene.volume, "/dev/sdf")
    linked.tried()
    assert (linked.row.state, linked.row.attachment) == ("in-use", "attaching")
    assert "is a link to nothing" in linked.row.reason
    linked.found()


def test_it_is_left_out_of_a_backup(here: Place, file: Path) -> None:
    volume, other = here.volume(Size=1), here.volume(Size=1)
    link(here, here.state.volumes.get(volume).layer_id, here.directory / "big")
    (here.directory / "big").rename(here.directory / "away")
    made = str(back_up(here.cloud, file))
    assert f"{volume}" in made
    assert "is a link to" in made
    assert {here.state.volumes.get(one).state for one in (volume, other)} == {"available"}


def test_a_link_that_leads_nowhere_is_neither_replaced_nor_forgotten(here: Place) -> None:
    path = Path(here.disks.path(A))
    path.parent.mkdir(parents=True)
    path.symlink_to(here.directory / "away" / path.name)
    for act in (lambda: here.disks.create(A, 1 << 20, None), lambda: here.disks.remove(A), lambda: here.disks.damage(A)):
        with pytest.raises(Away, match=r"is a link to .*, which is not there"):
            act()
    assert os.readlink(path) == str(here.directory / "away" / path.name)
    path.unlink()
    path.symlink_to(path.name)
    with pytest.raises(Permanent):
        here.disks.size(A)
