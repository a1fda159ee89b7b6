"""Snapshots that are taken together, of volumes that are attached to different instances before they are taken."""

from pathlib import Path
from typing import Any

import pytest

from minicloud.cloud import Idle
from minicloud.errors import Retry
from minicloud.host import fake
from minicloud.host.fake import FakeHost
from minicloud.reconcile import snapshots

from ..cloud_fixtures import IMAGE, Ec2, cloud_in

EXTRA = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1, "DeleteOnTermination": False}}]
OPERATIONS: dict[str, Any] = {
    "CreateSnapshots": lambda instance: {"InstanceSpecification": {"InstanceId": instance}},
    "CreateImage": lambda instance: {"InstanceId": instance, "Name": "an image"},
    "CreateImage without a restart": lambda instance: {"InstanceId": instance, "Name": "an image", "NoReboot": True},
}


class World:
    """An instance with two volumes, and another."""

    def __init__(self, directory: Path) -> None:
        self.host: FakeHost = fake.host()
        self.host.add_image(IMAGE)
        self.ec2 = Ec2(cloud_in(directory, self.host))
        self.first = self.ec2.run(BlockDeviceMappings=EXTRA)
        self.second = self.ec2.run()
        self.state = self.ec2.cloud.state
        (self.root,) = [row.id for row in self.state.volumes.find(instance_id=self.first) if row.device != "/dev/sdf"]
        (self.data,) = [row.id for row in self.state.volumes.find(instance_id=self.first) if row.device == "/dev/sdf"]

    def ask(self, operation: str) -> None:
        """It is asked for, and nobody is there to do it."""
        worker, self.ec2.cloud.worker = self.ec2.cloud.worker, Idle()
        self.ec2(operation.partition(" ")[0], **OPERATIONS[operation](self.first))
        self.ec2.cloud.worker = worker

    def unplug(self, volume_id: str) -> None:
        """As it is when it was detached."""
        with self.host.store.change() as held:
            held["guests"][self.first]["disks"].pop(volume_id.replace("-", ""))
        free = {"state": "available", "instance_id": "", "attachment": "", "device": ""}
        self.state.volumes.change(volume_id, **free)

    def move(self, volume_id: str, *, attached: bool = True) -> None:
        """It is detached, and attached to the other; `attached`: before anybody came to take snapshots."""
        self.unplug(volume_id)
        (row,) = self.state.volumes.find(id=volume_id)
        wish = {"state": "in-use", "instance_id": self.second, "device": "/dev/sdf"}
        self.state.volumes.change(volume_id, **wish, attachment="attached" if attached else "attaching")
        if attached:
            with self.host.store.change() as held:
                path = self.host.disks.path(row.layer_id)
                held["guests"][self.second]["disks"][volume_id.replace("-", "")] = {
                    **next(iter(held["guests"][self.second]["disks"].values())), "path": path, "device": "/dev/sdf",
                }  # fmt: skip

    def look(self) -> None:
        for _ in range(4):
            self.ec2.look()

    def taken(self) -> dict[str, Any]:
        return {row.volume_id: row for row in self.state.snapshots.query("volume_id != 'vol-ffffffff'")}

    def top(self, volume_id: str) -> str:
        (row,) = self.state.volumes.find(id=volume_id)
        return self.host.disks.path(row.layer_id)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("attached", [True, False])
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("moved", ["root", "data"])
def test_it_ends_in_error_and_says_why(world: World, operation: str, moved: str, attached: bool) -> None:
    world.ask(operation)
    volume_id = getattr(world, moved)
    world.move(volume_id, attached=attached)
    world.look()
    taken = world.taken()
    assert {row.state for row in taken.values()} == {"error"}
    assert all(f"{volume_id} is attached to {world.second}" in row.message for row in taken.values())
    assert {(row.next_layer, row.layer_id) for row in taken.values()} == {("", "")}
    assert not world.state.failures.query()
    assert [row.attachment for row in world.state.volumes.find(id=volume_id)] == ["attached"]
    if "CreateImage" in operation:
        (image,) = [one for one in world.ec2("DescribeImages", Owners=["self"])["Images"] if one["ImageId"] != IMAGE.image_id]
        assert image["State"] == "failed"
        assert volume_id in image["StateReason"]["Message"]
    assert world.ec2.state(world.first) == world.ec2.state(world.second) == "running"
    for each in (world.root, world.data):
        world.ec2("CreateSnapshot", VolumeId=each)
    assert [row.state for row in world.taken().values()].count("completed") == 2


def test_an_image_of_one_volume_that_is_elsewhere_does_not_wait_for_the_other_instance(world: World) -> None:
    world.unplug(world.data)
    world.ask("CreateImage")
    world.move(world.root)
    world.look()
    assert [row.state for row in world.taken().values()] == ["error"]
    assert world.ec2.state(world.second) == "running"


def test_both_elsewhere_together_are_still_of_one_instance(world: World) -> None:
    world.ask("CreateSnapshots")
    world.move(world.root)
    world.move(world.data)
    world.look()
    assert {row.state for row in world.taken().values()} == {"completed"}


@pytest.mark.parametrize("running", [True, False])
def test_what_a_guest_was_switched_to_and_wrote_to_is_not_lost(
    world: World, running: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal was written and the guest switched; then the process was killed, and the volume moved."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(snapshots, "_record", killed)
        with pytest.raises(KeyboardInterrupt):
            world.ec2("CreateSnapshots", InstanceSpecification={"InstanceId": world.first})
    for volume_id in (world.root, world.data):
        world.host.write(world.host.blocks.chains(world.first)[volume_id.replace("-", "")][0], 0, "after")
    world.move(world.data, attached=False)
    if not running:
        world.host.kill(world.second)
    world.look()
    if not running:
        world.ec2("StartInstances", InstanceIds=[world.second])
        world.look()
    assert not world.state.snapshots.find(state="pending")
    assert [row.attachment for row in world.state.volumes.find(id=world.data)] == ["attached"]
    for instance_id, volume_id in ((world.first, world.root), (world.second, world.data)):
        assert world.host.blocks.chains(instance_id)[volume_id.replace("-", "")][0] == world.top(volume_id)
        assert world.host.read(world.top(volume_id))[0] == "after"


def test_what_was_written_is_not_lost_where_the_volume_is_detached_only(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was switched, nobody could tell until it was taken from its guest, and its moment is over."""

    def fails(*_: object) -> None:
        world.host.fail("blocks.chains", Retry("libvirt does not answer", delay=0.1), times=1000)
        raise Retry("in the midst")

    with monkeypatch.context() as patched:
        patched.setattr(snapshots, "_record", fails)
        world.ec2("CreateSnapshot", VolumeId=world.data)
    with world.host.store.change() as held:
        held["failures"].clear()
    world.host.write(world.host.blocks.chains(world.first)[world.data.replace("-", "")][0], 0, "after")
    world.unplug(world.data)
    world.look()
    (row,) = world.taken().values()
    assert row.state == "error"
    assert world.host.read(world.top(world.data))[0] == "after"
