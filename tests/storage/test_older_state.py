"""A state that is older than the disks, or not theirs: nothing is changed with it, all is told, and one may go on knowingly."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minicloud.cli import adoption, doctor
from minicloud.cli.main import execute
from minicloud.cli.session import Session
from minicloud.errors import ApiError, Retry, StateError
from minicloud.host import fake
from minicloud.host.contracts import Power
from minicloud.host.contracts_storage import Stamp
from minicloud.host.fake import FakeHost
from minicloud.host.fake_store import Store
from minicloud.host.run import run
from minicloud.reconcile import generations, loop

from ..cloud_fixtures import IMAGE, RUN, Ec2, cloud_in
from .older import keep, restore
from .real_disks import Real, real
from .test_kill_points import CHANGING

__all__ = ["real"]


class World:
    """A cloud with a volume in use, of whose state there is a copy."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.host: FakeHost = fake.host()
        self.host.add_image(IMAGE)
        self.ec2 = Ec2(cloud_in(directory, self.host))
        self.instance = self.ec2.run()
        self.volume = self.ec2.cloud.state.volumes.find(instance_id=self.instance)[0].id
        self.copy = directory / "copy.sqlite"
        keep(self.ec2.cloud, self.copy)

    def layer(self) -> str:
        row = self.ec2.cloud.state.volumes.get(self.volume)
        assert row is not None
        return row.layer_id

    def write(self, value: str) -> None:
        self.host.write(self.host.disks.path(self.layer()), 0, value)

    def stop(self) -> None:
        self.ec2("StopInstances", InstanceIds=[self.instance])

    def restore(self) -> None:
        restore(self.ec2.cloud, self.copy)
        self.ec2 = Ec2(cloud_in(self.directory, self.host))

    def changed(self) -> list[list[str]]:
        """The host, but for what was asked of it."""
        with self.host.store.change() as held:
            return [[name, repr(part)] for name, part in sorted(held.items())]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_an_older_state_changes_nothing_and_answers(world: World) -> None:
    newer = world.ec2.run()
    snapshot = world.ec2("CreateSnapshot", VolumeId=world.volume)["SnapshotId"]
    world.restore()
    before = world.changed()
    assert world.ec2.state(world.instance) == "running"
    assert world.ec2("DescribeSnapshots", OwnerIds=["self"], SnapshotIds=[])["Snapshots"]
    loop.run_pass(world.ec2.cloud, look=True)
    assert world.changed() == before
    assert {world.instance, newer} <= world.host.guests.list().keys()
    refused = world.ec2.refused("RunInstances", **RUN)
    assert refused.code == "OperationNotPermitted"
    assert "is older than the disks" in refused.message
    assert "minicloud adopt" in refused.message
    assert world.changed() == before
    assert snapshot not in str(world.ec2.cloud.state.snapshots.query())


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("StopInstances", {"InstanceIds": ["i"]}),
        ("TerminateInstances", {"InstanceIds": ["i"]}),
        ("CreateVolume", {"AvailabilityZone": "us-east-1a", "Size": 1}),
        ("CreateSecurityGroup", {"GroupName": "g", "Description": "d"}),
    ],
)
def test_everything_that_changes_something_is_refused(world: World, operation: str, params: dict[str, Any]) -> None:
    world.ec2.run()
    world.restore()
    given = {**params, **({"InstanceIds": [world.instance]} if "InstanceIds" in params else {})}
    assert "is older than the disks" in world.ec2.refused(operation, **given).message


def test_a_copy_as_new_as_the_disks_is_no_older_state(world: World) -> None:
    """Nothing of layers was changed since: it goes on as if nothing had been."""
    world.ec2("CreateSecurityGroup", GroupName="g", Description="d")
    world.restore()
    assert world.ec2.run()


def test_doctor_and_status_tell_it_and_nothing_is_offered_to_be_deleted(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.ec2.run()
    world.restore()
    session = Session(connect=lambda: world.ec2.cloud)
    monkeypatch.setattr(doctor.config, "load", lambda: world.ec2.cloud.settings)
    checks = doctor._state(session, world.ec2.cloud.settings)
    assert [(check.name, check.status) for check in checks] == [("state", "fail")]
    assert "older than the disks" in checks[0].found
    assert "minicloud adopt" in checks[0].remedy
    assert execute(["status", "--output", "json"], session) == 0
    assert "older than the disks" in capsys.readouterr().out


def test_an_older_state_that_goes_on_loses_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """What was written since stands on a layer that the older state writes to: that layer stays as it is."""
    world.write("old")
    snapshot = world.ec2("CreateSnapshot", VolumeId=world.volume)["SnapshotId"]
    world.write("new")
    newer, frozen = world.layer(), world.ec2.cloud.state.snapshots.get(snapshot)
    assert frozen is not None
    world.stop()
    world.restore()
    session = Session(connect=lambda: world.ec2.cloud)
    world.ec2.cloud.settings.run.mkdir(exist_ok=True)
    assert execute(["adopt", "--yes"], session) == 0
    assert "disks aside" in capsys.readouterr().out
    aside = world.host.store._memory["aside"]
    assert aside[newer]["blocks"] == {"0": "new"}
    world.ec2.look()
    world.ec2("StartInstances", InstanceIds=[world.instance])
    assert world.ec2.state(world.instance) == "running"
    world.write("after")
    assert world.layer() != frozen.layer_id
    assert world.host.read(world.host.disks.path(frozen.layer_id))[0] == "old"
    told = [one["Description"] for one in world.ec2("DescribeSnapshots", OwnerIds=["self"])["Snapshots"]]
    assert adoption.DESCRIPTION in told
    assert execute(["adopt", "--yes"], session) == 0
    assert "nothing to adopt" in capsys.readouterr().out


@pytest.mark.parametrize("method", ["disks.set_aside", "disks.put_stamp", "disks.create"])
def test_an_adoption_that_was_cut_short_is_finished_by_the_next(world: World, method: str) -> None:
    world.ec2("CreateSnapshot", VolumeId=world.volume)
    world.write("new")
    world.stop()
    old = world.ec2.cloud.state.snapshots.query("volume_id = ?", [world.volume])[0].layer_id
    world.restore()
    world.host.fail(method, Retry("in the midst"))
    with contextlib.suppress(Retry):
        adoption.adopt(world.ec2.cloud)
    adoption.adopt(world.ec2.cloud)
    world.ec2.look()
    assert generations.refusal(world.ec2.cloud) == ""
    assert world.layer() != old
    assert len(world.host.store._memory["aside"]) == 1


def test_real_disks_of_an_older_state(real: Real, tmp_path: Path) -> None:
    """What was frozen when the newer state was in force reads the same after the older one went on and wrote."""
    volume = real.volume(Size=1)
    real.write(volume, 0, 1)
    copy = tmp_path / "copy.sqlite"
    keep(real.ec2.cloud, copy)
    snapshot = real.snapshot(volume)
    frozen, newer = real.state.snapshots.get(snapshot).layer_id, real.top(volume)
    real.write(volume, 0, 2)
    before = real.digest(frozen)
    restore(real.ec2.cloud, copy)
    real.ec2 = Ec2(cloud_in(tmp_path, real.host))
    assert "older than the disks" in real.ec2.refused("CreateSnapshot", VolumeId=volume).message
    assert Path(newer).exists()
    adoption.adopt(real.ec2.cloud)
    (aside,) = (tmp_path / "home" / "volumes" / "quarantine").rglob("*.qcow2")
    assert aside.name == Path(newer).name
    assert real.top(volume) not in (real.disks.path(frozen), newer)
    real.write(volume, 0, 3)
    assert real.digest(frozen) == before
    run(["qemu-io", "-r", "-f", "qcow2", "-c", "read -q -P 2 0 65536", aside])


def test_guests_that_write_to_what_is_not_known_come_first(world: World) -> None:
    world.ec2("CreateSnapshot", VolumeId=world.volume)
    world.restore()
    with pytest.raises(StateError, match=f"{world.instance}; shut them down first"):
        adoption.adopt(world.ec2.cloud)


@pytest.mark.parametrize("stop", [True, False])
def test_a_layer_on_which_something_stands_is_not_started_from(world: World, stop: bool) -> None:
    """Whatever rows say, and whoever made what stands there."""
    if stop:
        world.stop()
    host, layer = world.host, world.layer()
    host.disks.create("layer-0000000000000000f", 1 << 30, host.disks.path(layer))
    if stop:
        world.ec2("StartInstances", InstanceIds=[world.instance])
        assert world.ec2.state(world.instance) in ("stopping", "stopped")
        assert host.guests.list()[world.instance].power is not Power.RUNNING
        row = world.ec2.cloud.state.volumes.get(world.volume)
        assert row is not None
        assert "stands on" in row.reason
        return
    host.kill(world.instance)
    world.ec2("DescribeInstances")
    world.ec2("DetachVolume", VolumeId=world.volume)
    other = world.ec2.run()
    world.ec2("AttachVolume", VolumeId=world.volume, InstanceId=other, Device="/dev/sdf")
    assert world.ec2.cloud.state.volumes.find(id=world.volume)[0].attachment != "attached"
    assert layer not in str(host.blocks.chains(other))


def test_the_only_copy_of_something_is_never_offered_with_rm(world: World) -> None:
    from minicloud.cli import doctor_leftovers

    host, layer = world.host, world.layer()
    host.disks.create("layer-0000000000000000e", 1 << 30, host.disks.path(layer))
    host.disks.create("layer-0000000000000000f", 1 << 30, host.disks.path("layer-0000000000000000e"))
    found = doctor_leftovers.judge(doctor_leftovers.gather(world.ec2.cloud), "qemu:///system", world.directory)
    assert len(found) == 2
    assert not [check for check in found if "rm " in check.remedy]
    assert "leave it where it is: layer-0000000000000000f stands on it" in found[0].remedy


class TestGenerations:
    def test_every_change_of_layers_is_counted_before_it_is_made(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of whatever copy was made before a change, the stamp says so before the layers are touched."""
        world, real, counted = World(tmp_path), Store.call, {"at": 0}
        layers = {name for name in CHANGING if name.startswith("disks.")} | {"blocks.freeze", "blocks.pull", "blocks.commit"}
        seen: set[str] = set()

        @contextlib.contextmanager
        def call(store: Store, method: str, *subjects: str) -> Iterator[dict[str, Any]]:
            with real(store, method, *subjects) as held:
                if method in layers:
                    seen.add(method)
                    assert held["stamp"][1] > counted["at"], method
                    if method != "disks.repoint":  # all that stand on one layer are one change
                        counted["at"] = held["stamp"][1]
                yield held

        monkeypatch.setattr(Store, "call", call)
        ec2 = world.ec2
        first = ec2("CreateSnapshot", VolumeId=world.volume)["SnapshotId"]
        second = ec2("CreateSnapshot", VolumeId=world.volume)["SnapshotId"]
        ec2("DeleteSnapshot", SnapshotId=second)
        for _ in range(3):
            loop.run_pass(ec2.cloud, look=True)
            world.host.finish_jobs(world.instance)
        world.stop()
        ec2("ModifyVolume", VolumeId=world.volume, Size=9)
        third = ec2("CreateSnapshot", VolumeId=world.volume)["SnapshotId"]
        ec2("DeleteSnapshot", SnapshotId=first)
        ec2("DeleteSnapshot", SnapshotId=third)
        ec2.look()
        ec2("TerminateInstances", InstanceIds=[world.instance])
        ec2.look()
        assert {"disks.create", "disks.remove", "disks.commit", "disks.resize", "blocks.freeze"} <= seen
        assert world.host.disks.list() == {}

    def test_a_stamp_that_is_behind_is_a_kill_between_the_two(self, world: World) -> None:
        own = world.ec2.cloud.state.advance()
        stamp = world.host.disks.stamp()
        assert stamp is not None
        assert stamp.generation < own.generation
        assert generations.refusal(world.ec2.cloud) == ""
        assert world.ec2.run()

    def test_many_that_count_at_once_leave_the_largest(self, tmp_path: Path) -> None:
        from ..processes import together, values

        fake.host(tmp_path / "host").add_image(IMAGE)

        def count() -> None:
            cloud = cloud_in(tmp_path)
            for _ in range(5):
                generations.count(cloud)

        cloud_in(tmp_path).state.identity  # noqa: B018  it is made
        values(together(count, count, count, count))
        cloud = cloud_in(tmp_path)
        assert cloud.host.disks.stamp() == Stamp(cloud.state.identity.id, 20)


class TestAnotherState:
    def test_the_disks_of_another_are_refused_for_every_operation(self, world: World, tmp_path: Path) -> None:
        other = Ec2(cloud_in(tmp_path / "elsewhere", world.host))
        before = world.changed()
        for operation in ("DescribeInstances", "RunInstances"):
            with pytest.raises(ApiError, match="disks belong to the state"):
                other(operation, **(RUN if operation == "RunInstances" else {}))
        loop.run_pass(other.cloud)
        assert world.changed() == before

    @pytest.mark.parametrize("command", ["storage", "status", "top", "network", "lb"])
    def test_and_for_every_command(self, world: World, tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
        other = cloud_in(tmp_path / "elsewhere", world.host)
        assert execute([command, "--output", "json"], Session(connect=lambda: other)) in (253, 254)
        out, err = capsys.readouterr()
        assert out == ""
        assert "disks belong to the state" in err

    def test_disks_from_before_there_were_stamps(self, world: World, tmp_path: Path) -> None:
        """They are those of the state that knows one of them, and of no other."""
        with world.host.store.change() as held:
            del held["stamp"]
        with world.ec2.cloud.state.transaction():
            world.ec2.cloud.state._connection().execute("update identity set generation = 0")
        other = Ec2(cloud_in(tmp_path / "elsewhere", world.host))
        assert "knows none of the disks" in other.refused("DescribeInstances").message
        assert world.ec2.run()
        stamp = world.host.disks.stamp()
        assert stamp is not None
        assert stamp.identity == world.ec2.cloud.state.identity.id
