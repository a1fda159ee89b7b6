"""Commands and QEMUs killed in the midst of snapshots, merges, attachments and images, with the real drivers.

What a guest would write is written by its QEMU itself, as the guest's, so nothing has to boot. A model says what the volume
and each of its snapshots have to read as.
"""

import functools
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from minicloud.host.contracts import Power
from minicloud.host.run import run
from minicloud.state import chains

from ..cloud_fixtures import Ec2
from ..crashes import COMMITTED, Point, both, crash, orphans
from ..real_cloud import cloud_at, launch, take_away
from ..waits import until

pytestmark = pytest.mark.lab
MIB = 1 << 20
NAME = "crashes-of-storage"

OF_LIVE_SNAPSHOT = [
    COMMITTED,
    *both("minicloud.reconcile.snapshots:_journal", "disks.create", "blocks.freeze", "minicloud.reconcile.snapshots:_record"),
    Point("minicloud.host.account:share", "before"),
]
OF_SNAPSHOT = [
    Point("minicloud.reconcile.snapshots:_journal", "after"),
    Point("disks.create", "after"),
    *both("minicloud.reconcile.snapshots:_record"),
]
OF_IMAGE = [COMMITTED, *both("blocks.freeze"), Point("disks.create", "after", 2)]
OF_LIVE_MERGE = [COMMITTED, *both("blocks.commit")]
OF_MERGE = [
    COMMITTED,
    Point("disks.commit", "before"),
    Point("minicloud.host.qemu_img:commit", "after"),
    *both("disks.repoint", "disks.remove"),
    Point("minicloud.reconcile.layers:_replace", "after"),
]
OF_ATTACH = [COMMITTED, *both("blocks.attach")]


def pid_of(guest: str) -> int:
    """The process of a guest's QEMU."""
    for process in Path("/proc").glob("[0-9]*"):
        words = (process / "cmdline").read_bytes().split(b"\0")
        if any(word.startswith(f"guest={guest},".encode()) for word in words):
            return int(process.name)
    raise AssertionError("no process of QEMU")


class World:
    """An instance with a volume, and what the volume and its snapshots have to read as: a byte for each MiB."""

    def __init__(self) -> None:
        self.make = lambda: cloud_at(NAME)
        self.ec2 = Ec2(self.make())
        self.instance = str(self.ec2("RunInstances", **launch("tiny"))["Instances"][0]["InstanceId"])
        zone = self.ec2.instance(self.instance)["Placement"]["AvailabilityZone"]
        self.volume = str(self.ec2("CreateVolume", AvailabilityZone=zone, Size=1, VolumeType="gp3")["VolumeId"])
        self.ec2("AttachVolume", VolumeId=self.volume, InstanceId=self.instance, Device="/dev/sdf")
        self.now: dict[int, int] = {}
        self.taken: dict[str, dict[int, int]] = {}
        self.count = 0

    @property
    def state(self) -> Any:
        return self.ec2.cloud.state

    def path(self, layer_id: str) -> str:
        return self.ec2.cloud.host.disks.path(layer_id)

    def on(self) -> bool:
        return self.ec2.cloud.host.guests.list()[self.instance].power is Power.RUNNING

    def write(self) -> None:
        """Another byte into the first MiB, and into one of its own."""
        self.count += 1
        for place in (0, self.count):
            self.now[place] = self.count
            words = f"write -P {self.count} {place * MIB} {MIB}"
            if self.volume.replace("-", "") in self.ec2.cloud.host.blocks.chains(self.instance):
                said = run(
                    ["virsh", "-q", "qemu-monitor-command", "--hmp", self.instance, f'qemu-io -d {self._qdev()} "{words}"']
                )
                assert said.text.strip() == "", said.text
            else:
                run(["qemu-io", "-f", "qcow2", "-c", words, self.path(self.state.volumes.get(self.volume).layer_id)])
        if self.on():
            run(
                ["virsh", "-q", "qemu-monitor-command", "--hmp", self.instance, f'qemu-io -d {self._qdev()} "flush"'], check=False
            )

    def _qdev(self) -> str:
        xml, serial = run(["virsh", "-q", "dumpxml", self.instance]).text, self.volume.replace("-", "")
        found = re.search(rf"<serial>{serial}</serial>.*?<alias name='([^']+)'/>", xml, re.DOTALL)
        assert found is not None, "the guest does not have the volume"
        return f"/machine/peripheral/{found[1]}/virtio-backend"

    def reads(self, layer_id: str, wanted: dict[int, int]) -> None:
        """Fails where a layer does not read so."""
        places = range(self.count + 2)
        words = [word for place in places for word in ("-c", f"read -P {wanted.get(place, 0)} {place * MIB} {MIB}")]
        said = run(["qemu-io", "-U", "-r", "-f", "qcow2", *words, self.path(layer_id)])
        assert "verification failed" not in said.text, said.text

    def look(self) -> None:
        """Passes as a daemon makes them, until what guests copy has come to its end."""
        self.ec2 = Ec2(self.make())
        for _ in range(3):
            self.ec2.look()
            until("the jobs are over", lambda: not self.ec2.cloud.host.blocks.jobs(self.instance))

    def check(self) -> None:
        """All reads as it should, nothing is left over, and no layer that nobody needs."""
        rows = self.state.snapshots.find(volume_id=self.volume)
        for row in rows:
            assert row.state == "completed", row
            self.reads(row.layer_id, self.taken.setdefault(row.id, dict(self.now)))
        if self.on():
            chain = self.ec2.cloud.host.blocks.chains(self.instance).get(self.volume.replace("-", ""))
            assert chain is None or chain[0] == self.path(self.state.volumes.get(self.volume).layer_id)
        self.reads(self.state.volumes.get(self.volume).layer_id, self.now)
        assert [left for left in orphans(self.make) if not left.startswith("volumes:")] == []

    def snapshot(self) -> str:
        made = str(self.ec2("CreateSnapshot", VolumeId=self.volume)["SnapshotId"])
        self.taken[made] = dict(self.now)
        self.write()
        return made

    def delete(self, snapshot: str) -> dict[str, str]:
        """The parameters of its deletion; from now on it is not expected any more."""
        self.taken.pop(snapshot)
        return {"SnapshotId": snapshot}

    def power(self, *, on: bool) -> None:
        if on != self.on():
            name, more = ("StartInstances", {}) if on else ("StopInstances", {"Force": True})
            self.ec2(name, InstanceIds=[self.instance], **more)
            wanted = "running" if on else "stopped"
            until(f"it is {wanted}", lambda: self.ec2.state(self.instance) == wanted)

    def clear(self) -> None:
        for image in self.state.images.find(instance_id=self.instance, state="available"):
            self.ec2("DeregisterImage", ImageId=image.id, DeleteAssociatedSnapshots=True)
        for row in self.state.snapshots.find(volume_id=self.volume):
            self.ec2("DeleteSnapshot", SnapshotId=row.id)
        self.taken.clear()
        self.look()


@pytest.fixture(scope="module")
def only_world() -> Iterator[World]:
    made = World()
    yield made
    made.ec2("TerminateInstances", InstanceIds=[made.instance])
    take_away(made.ec2.cloud.host)
    shutil.rmtree(made.ec2.cloud.settings.home, ignore_errors=True)


@pytest.fixture
def world(only_world: World) -> World:
    """With a running guest that has the volume, and no snapshots."""
    only_world.clear()
    only_world.power(on=True)
    if not only_world.state.volumes.get(only_world.volume).instance_id:
        only_world.ec2("AttachVolume", VolumeId=only_world.volume, InstanceId=only_world.instance, Device="/dev/sdf")
    only_world.write()
    return only_world


def with_and_without(running: list[Point], stopped: list[Point]) -> pytest.MarkDecorator:
    """Points of a running and of a stopped instance."""
    cases = [pytest.param(point, True, id=f"running, {point}") for point in running]
    return pytest.mark.parametrize(
        ("point", "running"), cases + [pytest.param(point, False, id=f"stopped, {point}") for point in stopped]
    )


@with_and_without(OF_LIVE_SNAPSHOT, OF_SNAPSHOT)
def test_a_snapshot(world: World, point: Point, running: bool) -> None:
    world.power(on=running)
    crash(world.make, point, "CreateSnapshot", {"VolumeId": world.volume})
    world.look()
    world.check()
    assert len(world.taken) == 1
    world.write()
    world.check()


@pytest.mark.parametrize("point", OF_IMAGE, ids=str)
def test_an_image(world: World, point: Point) -> None:
    crash(world.make, point, "CreateImage", {"InstanceId": world.instance, "Name": "killed", "NoReboot": True})
    world.look()
    world.check()
    (image,) = world.state.images.find(instance_id=world.instance, name="killed", state="available")
    assert {device["Ebs"]["SnapshotId"] for device in image.devices} >= set(world.taken)


@with_and_without(OF_LIVE_MERGE, OF_MERGE)
def test_a_merge(world: World, point: Point, running: bool) -> None:
    oldest = world.snapshot()
    world.snapshot()
    world.power(on=running)
    crash(world.make, point, "DeleteSnapshot", world.delete(oldest))
    world.look()
    world.check()
    assert len(world.taken) == 1
    assert len(world.ec2.cloud.host.disks.list()) == 3, "the root, the volume and one snapshot"


@pytest.mark.parametrize("point", OF_ATTACH, ids=str)
def test_an_attachment(world: World, point: Point) -> None:
    world.power(on=False)
    world.ec2("DetachVolume", VolumeId=world.volume)
    world.power(on=True)
    crash(world.make, point, "AttachVolume", {"VolumeId": world.volume, "InstanceId": world.instance, "Device": "/dev/sdf"})
    world.look()
    assert world.state.volumes.get(world.volume).attachment == "attached"
    world.write()
    world.check()


def killing(guest: str, point: Point, monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    """Have the guest's QEMU killed at a point; the command goes on."""
    driver, _, attribute = point.where.partition(".")
    kind = type(getattr(world.ec2.cloud.host, driver))
    real: Callable[..., Any] = getattr(kind, attribute)
    left = [1]

    @functools.wraps(real)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] == 0 and point.when == "before":
            end(guest)
        answer = real(*args, **kwargs)
        if left[0] == 0 and point.when == "after":
            end(guest)
        return answer

    monkeypatch.setattr(kind, attribute, wrapper)


def end(guest: str) -> None:
    pid = pid_of(guest)
    os.kill(pid, signal.SIGKILL)
    until("libvirt has seen it", lambda: guest not in run(["virsh", "-q", "list", "--name"]).text.split())


@pytest.mark.parametrize("point", both("blocks.freeze"), ids=str)
def test_qemu_killed_at_a_snapshot(world: World, point: Point, monkeypatch: pytest.MonkeyPatch) -> None:
    killing(world.instance, point, monkeypatch, world)
    world.ec2("CreateSnapshot", VolumeId=world.volume)
    monkeypatch.undo()
    world.look()
    world.check()
    world.power(on=True)
    world.write()
    world.check()
    assert len(world.taken) == 1


def goes_on(world: World, *, disks: int) -> None:
    """All reads as it should, also after another start and more writing, and the layers are merged in the end."""
    world.check()
    world.power(on=True)
    world.write()
    world.look()
    world.check()
    assert len(world.ec2.cloud.host.disks.list()) == disks


@pytest.mark.parametrize("newest", [False, True], ids=["commit", "pull"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_qemu_killed_at_a_merge(world: World, when: str, newest: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    both_taken = [world.snapshot(), world.snapshot()]
    killing(world.instance, Point("blocks.pull" if newest else "blocks.commit", when), monkeypatch, world)
    world.ec2("DeleteSnapshot", **world.delete(both_taken[newest]))
    monkeypatch.undo()
    world.look()
    goes_on(world, disks=3)


def test_qemu_killed_when_it_has_pulled(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its header says that the top stands on nothing before what was copied into it is on the disk."""
    taken = world.snapshot()
    world.ec2("DeleteSnapshot", **world.delete(taken))
    until("the jobs are over", lambda: not world.ec2.cloud.host.blocks.jobs(world.instance))
    killing(world.instance, Point("blocks.flush", "before"), monkeypatch, world)
    world.look()
    monkeypatch.undo()
    goes_on(world, disks=2)


@pytest.mark.parametrize("newest", [False, True], ids=["commit", "pull"])
def test_another_merge_is_due_than_the_one_that_has_ended(world: World, newest: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The top stands on nothing in its guest, and its row does not know: what the next merge needs is not below it any more."""
    taken = [world.snapshot() for _ in range(3)]
    with monkeypatch.context() as early:
        early.setattr(chains, "MOST_DEPTH", 2)
        world.ec2.look()
        until("the jobs are over", lambda: not world.ec2.cloud.host.blocks.jobs(world.instance))
    assert len(world.ec2.cloud.host.blocks.chains(world.instance)[world.volume.replace("-", "")]) == 1, "it was not flattened"
    world.ec2("DeleteSnapshot", **world.delete(taken[2 if newest else 1]))
    world.look()
    assert world.state.failures.query() == []
    world.check()
    assert len(world.ec2.cloud.host.disks.list()) == 4
    world.power(on=False)
    world.check()
    world.power(on=True)


@pytest.mark.parametrize("point", both("blocks.attach"), ids=str)
def test_qemu_killed_at_an_attachment(world: World, point: Point, monkeypatch: pytest.MonkeyPatch) -> None:
    world.power(on=False)
    world.ec2("DetachVolume", VolumeId=world.volume)
    world.power(on=True)
    killing(world.instance, point, monkeypatch, world)
    world.ec2("AttachVolume", VolumeId=world.volume, InstanceId=world.instance, Device="/dev/sdf")
    monkeypatch.undo()
    world.look()
    world.power(on=True)
    world.look()
    assert world.state.volumes.get(world.volume).attachment == "attached"
    world.write()
    world.check()
