"""A snapshot that could not be taken before its request was answered: what is written after the answer is never in it."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from minicloud.errors import Retry
from minicloud.host import fake
from minicloud.host.fake import FakeHost
from minicloud.reconcile import snapshots

from ..cloud_fixtures import IMAGE, Ec2, cloud_in


class World:
    """A guest that has written to its disk."""

    def __init__(self, directory: Path) -> None:
        self.host: FakeHost = fake.host()
        self.host.add_image(IMAGE)
        self.ec2 = Ec2(cloud_in(directory, self.host))
        self.instance = self.ec2.run()
        self.volume = self.ec2.cloud.state.volumes.find(instance_id=self.instance)[0].id
        self.write("before")

    def top(self) -> str:
        return self.host.blocks.chains(self.instance)[self.volume.replace("-", "")][0]

    def write(self, value: str) -> None:
        self.host.write(self.top(), 0, value)

    def away(self, *methods: str) -> None:
        """libvirt does not answer what is asked by these."""
        for method in methods:
            self.host.fail(method, Retry("libvirt does not answer", delay=0.1), times=1000)

    def back(self) -> None:
        with self.host.store.change() as held:
            held["failures"].clear()

    def look(self) -> None:
        for _ in range(3):
            self.ec2.look()

    def settled(self) -> Any:
        self.look()
        (row,) = self.ec2.cloud.state.snapshots.query("volume_id = ?", [self.volume])
        assert self.host.read(self.top())[0] == "after"
        return row


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


OPERATIONS = {
    "CreateSnapshot": lambda world: {"VolumeId": world.volume},
    "CreateSnapshots": lambda world: {"InstanceSpecification": {"InstanceId": world.instance}},
    "CreateImage": lambda world: {"InstanceId": world.instance, "Name": "an image", "NoReboot": True},
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_moment_that_was_missed_is_not_another_one(world: World, operation: str) -> None:
    world.away("guests.list", "blocks.chains")
    world.ec2(operation, **OPERATIONS[operation](world))
    world.back()
    world.write("after")
    row = world.settled()
    assert row.state == "error"
    assert "libvirt does not answer" in row.message
    image = world.ec2("DescribeImages", Owners=["self"])["Images"]
    assert [one["State"] for one in image if one["ImageId"] != IMAGE.image_id] == (
        ["failed"] if operation == "CreateImage" else []
    )
    world.ec2("CreateSnapshot", VolumeId=world.volume)


def test_what_the_guest_was_switched_to_in_time_is_taken(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        world.away("blocks.chains")
        raise Retry("in the midst")

    with monkeypatch.context() as patched:
        patched.setattr(snapshots, "_record", fails)
        world.ec2("CreateSnapshot", VolumeId=world.volume)
    world.back()
    world.write("after")
    row = world.settled()
    assert row.state == "completed"
    assert world.host.read(world.host.disks.path(row.layer_id))[0] == "before"


def test_where_that_cannot_be_noted_the_caller_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(snapshots, "_journal", full)
        patched.setattr(type(world.ec2.cloud.state.snapshots), "change", full)
        with pytest.raises(sqlite3.OperationalError, match="full"):
            world.ec2("CreateSnapshot", VolumeId=world.volume)


def test_a_disk_that_was_full_for_a_while_is_a_missed_moment_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(snapshots, "_journal", full)
        world.ec2("CreateSnapshot", VolumeId=world.volume)
    world.write("after")
    assert world.settled().state == "error"


@pytest.mark.parametrize("switched", [False, True])
def test_where_the_guest_is_off_when_one_can_look_nobody_knows_of_which_moment_it_is(
    world: World, switched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that the guest wrote is lost by that, whatever it wrote to."""

    def fails(*_: object) -> str:
        world.away("blocks.chains")
        raise Retry("in the midst")

    with monkeypatch.context() as patched:
        patched.setattr(snapshots, "_record" if switched else "_switch", fails)
        world.ec2("CreateSnapshot", VolumeId=world.volume)
    world.back()
    world.write("after")
    world.host.kill(world.instance)
    world.look()
    (row,) = world.ec2.cloud.state.snapshots.query("volume_id = ?", [world.volume])
    assert row.state == "error"
    (volume,) = world.ec2.cloud.state.volumes.find(id=world.volume)
    assert world.host.read(world.host.disks.path(volume.layer_id))[0] == "after"
    world.ec2("StartInstances", InstanceIds=[world.instance])
    assert world.host.read(world.top())[0] == "after"
    world.look()
    assert len(world.host.disks.list()) == 1
