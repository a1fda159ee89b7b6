"""A command killed at each of its changes to the host, before and after: the next pass mends it, and no block is lost.

The fake host's disks hold what is written to them. A model says what each volume and snapshot has to read as.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from minicloud.host import fake
from minicloud.host.contracts import Power
from minicloud.host.fake import FakeHost
from minicloud.host.fake_store import Store
from minicloud.reconcile import loop

from ..cloud_fixtures import IMAGE, Ec2, cloud_in


class Killed(BaseException):
    """The process is gone."""


CHANGING = {
    "disks.create", "disks.remove", "disks.resize", "disks.commit", "disks.rebase", "disks.repoint", "blocks.attach",
    "blocks.detach", "blocks.freeze", "blocks.pull", "blocks.commit", "guests.start", "guests.shutdown", "guests.destroy",
    "guests.keep_off", "disks.seal", "disks.unseal",
}  # fmt: skip
"""A kill at a call that only looks is a kill after the change before it, or before the one after it."""


class Killer:
    """Kills at the changing call with a number, before or after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.at, self.after, self.armed = 0, -1, False, False
        real = Store.call

        @contextlib.contextmanager
        def call(store: Store, method: str, *subjects: str) -> Iterator[dict[str, Any]]:
            counts = self.armed and method in CHANGING
            self.count += counts
            mine = counts and self.count == self.at
            if mine and not self.after:
                raise Killed
            with real(store, method, *subjects) as held:
                yield held
            if mine:
                raise Killed

        monkeypatch.setattr(Store, "call", call)


class World:
    """A cloud, and what its volumes and snapshots have to read as."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.host: FakeHost = fake.host()
        self.host.add_image(IMAGE)
        self.ec2 = Ec2(cloud_in(directory, self.host))
        self.instance = self.ec2.run(BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 4}}])
        self.volumes = {row.device: row.id for row in self.state.volumes.query()}
        self.model: dict[str, dict[int, str]] = {volume: self.reads(volume) for volume in self.volumes.values()}
        self.taken: dict[str, dict[int, str]] = {}
        self.writes = 0

    @property
    def state(self) -> Any:
        return self.ec2.cloud.state

    def top(self, volume: str) -> str:
        chain = self.host.blocks.chains(self.instance).get(volume.replace("-", ""))
        return chain[0] if chain else self.host.disks.path(self.state.volumes.get(volume).layer_id)

    def reads(self, volume: str) -> dict[int, str]:
        return self.host.read(self.top(volume))

    def running(self) -> bool:
        return self.host.guests.list()[self.instance].power is Power.RUNNING

    def write(self) -> None:
        """The guest writes to the same block of every volume, and to one that it never wrote to."""
        if not self.running():
            return
        for volume in self.volumes.values():
            self.writes += 1
            for block in (0, self.writes):
                self.host.write(self.top(volume), block, f"w{self.writes}")
                self.model[volume][block] = f"w{self.writes}"

    def look(self) -> None:
        """Passes, with everything that guests copy coming to its end, until nothing happens."""
        self.ec2 = Ec2(cloud_in(self.directory, self.host))
        for _ in range(4):
            loop.run_pass(self.ec2.cloud, look=True)
            if self.running():
                self.host.finish_jobs(self.instance)

    def check(self, before: dict[str, dict[int, str]]) -> None:
        """New snapshots read as the volumes did, before or after what was written meanwhile; all else as the model says."""
        for row in self.state.snapshots.query("volume_id like 'vol-%' and volume_id != 'vol-ffffffff'"):
            assert row.state == "completed", row
            read = self.host.read(self.host.disks.path(row.layer_id))
            if row.id not in self.taken:
                assert read in (before[row.volume_id], self.model[row.volume_id])
                self.taken[row.id] = read
            assert read == self.taken[row.id]
        for volume in self.volumes.values():
            assert self.reads(volume) == self.model[volume]
        named = {row.layer_id for row in [*self.state.volumes.query(), *self.state.snapshots.query()]}
        files = {layer.id for layer in self.state.layers.query("base = ''")}
        assert set(self.host.disks.list()) == files
        children = [layer.parent for layer in self.state.layers.query()]
        assert all(layer in named or children.count(layer) > 1 for layer in files), "a layer that nobody needs"


def _snapshot(world: World) -> None:
    world.ec2("CreateSnapshot", VolumeId=world.volumes["/dev/sdf"])


def _snapshots(world: World) -> None:
    world.ec2("CreateSnapshots", InstanceSpecification={"InstanceId": world.instance})


def _image(world: World) -> None:
    world.ec2("CreateImage", InstanceId=world.instance, Name=f"image {world.writes}", NoReboot=True)


def _image_with_reboot(world: World) -> None:
    world.ec2("CreateImage", InstanceId=world.instance, Name=f"image {world.writes}")


def _delete(number: int) -> Callable[[World], None]:
    def delete(world: World) -> None:
        left = list(world.taken)
        if left and not [image for image in world.state.images.query() if left[number % len(left)] in str(image.devices)]:
            world.ec2("DeleteSnapshot", SnapshotId=left[number % len(left)])

    return delete


def _delete_and(number: int, then: Callable[[World], None]) -> Callable[[World], None]:
    """A deletion, and something else before the next pass."""

    def delete(world: World) -> None:
        _delete(number)(world)
        if world.running():
            then(world)

    return delete


def _write(world: World) -> None:
    world.write()


def _detach_and_attach(world: World) -> None:
    """The data volume goes from the instance, which is off, and comes back."""
    volume = world.volumes["/dev/sdf"]
    if world.state.volumes.get(volume).instance_id:
        world.ec2("DetachVolume", VolumeId=volume)
    world.ec2("AttachVolume", VolumeId=volume, InstanceId=world.instance, Device="/dev/sdf")


def _stop(world: World) -> None:
    world.ec2("StopInstances", InstanceIds=[world.instance])


def _start(world: World) -> None:
    world.ec2("StartInstances", InstanceIds=[world.instance])


def _pass(world: World) -> None:
    loop.run_pass(world.ec2.cloud, look=True)
    if world.running():
        world.host.finish_jobs(world.instance)
    loop.run_pass(world.ec2.cloud, look=True)


def _merge_and_die(world: World) -> None:
    """What the guest copies comes to its end, and then its process dies before anybody has looked."""
    world.host.finish_jobs(world.instance)
    world.host.kill(world.instance)


SCENARIOS: dict[str, list[Callable[[World], None]]] = {
    "snapshots of a running guest": [_snapshot, _snapshots, _snapshot, _delete(1), _pass, _delete(0), _pass, _delete(-1), _pass],
    "snapshots of a stopped instance": [_stop, _snapshot, _snapshots, _snapshot, _delete(1), _pass, _delete(0), _pass],
    "stopped between": [_snapshot, _snapshots, _delete(0), _stop, _pass, _delete(0), _start, _pass, _delete(0), _pass],
    "QEMU dies after a merge": [
        *[_snapshot, _snapshot, _write, _delete_and(-1, _merge_and_die), _detach_and_attach, _start],
        *[_snapshot, _delete_and(-1, _merge_and_die), _snapshot, _start, _delete_and(0, _merge_and_die), _start, _pass],
    ],
    "images": [_image, _snapshot, _image_with_reboot, _pass, _delete(1), _pass],
}


def play(world: World, steps: list[Callable[[World], None]], killer: Killer, at: int, *, after: bool) -> bool:
    """Play a scenario with a kill at one call; whether it came to that call."""
    killer.count, killer.at, killer.after = 0, at, after
    killed = False
    for step in steps:
        before = {volume: dict(blocks) for volume, blocks in world.model.items()}
        killer.armed = not killed
        try:
            step(world)
        except Killed:
            killed = True
        killer.armed = False
        if killed:
            world.write()
        world.look()
        for snapshot in set(world.taken) - {row.id for row in world.state.snapshots.query()}:
            del world.taken[snapshot]
        world.check(before)
        world.write()
    return killed


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_every_call(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killer = Killer(monkeypatch)
    play(World(tmp_path / "whole"), SCENARIOS[name], killer, -1, after=False)
    calls = killer.count
    assert calls >= 8
    for at in range(1, calls + 1):
        for after in (False, True):
            world = World(tmp_path / f"{at}-{after}")
            assert play(world, SCENARIOS[name], killer, at, after=after)
            world.state.close()
