"""Guests that are off and that somebody else starts, by what the hypervisor has kept of them: its definition, or saved memory.

Whatever was killed before, it writes into nothing that a snapshot, or another guest, has.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minicloud.cli import doctor_guests, status
from minicloud.cli.doctor_checks import OK, WARN
from minicloud.errors import Retry
from minicloud.host.contracts import Power
from minicloud.host.fake import FakeHost
from minicloud.reconcile import instance_plan, loop, off_guests

from ..cloud_fixtures import Ec2
from .test_kill_points import Killed, Killer, World, _delete, _detach_and_attach, _snapshot, _snapshots, _stop

Step = Callable[[World], None]


def runs(world: World) -> None:
    """Its definition is as an older minicloud left it, or one that was killed when it had just started the guest."""
    if not world.running():
        world.ec2("StartInstances", InstanceIds=[world.instance])
    world.host.unblock(world.instance)


def stopped(world: World) -> None:
    """The same of one that is off."""
    runs(world)
    world.ec2("StopInstances", InstanceIds=[world.instance])
    world.host.unblock(world.instance)


def saved(world: World) -> None:
    """With its memory; it is to run."""
    runs(world)
    world.host.save(world.instance)


def by_hand(world: World) -> bool:
    """The guest is off, somebody starts it, and it writes; whether it could be started."""
    if world.running():
        world.host.power_off_by_guest(world.instance)
    if not world.host.start_by_hand(world.instance):
        return False
    world.write()
    return True


def learn(world: World, before: dict[str, dict[int, str]]) -> None:
    """What is completed reads as it did when it was asked for, from now on."""
    for row in world.state.snapshots.query("state = 'completed' and volume_id like 'vol-%' and volume_id != 'vol-ffffffff'"):
        if row.id not in world.taken:
            world.taken[row.id] = world.host.read(world.host.disks.path(row.layer_id))
            assert world.taken[row.id] == before[row.volume_id]


def _detach(world: World) -> None:
    """The data volume goes, and a snapshot is taken of it."""
    volume = world.volumes["/dev/sdf"]
    if world.state.volumes.get(volume).instance_id:
        world.ec2("DetachVolume", VolumeId=volume)
    world.ec2("CreateSnapshot", VolumeId=volume)


def _grow(world: World) -> None:
    volume = world.volumes["/dev/sdf"]
    if not world.state.modifications.get(volume):
        world.ec2("ModifyVolume", VolumeId=volume, Size=world.state.volumes.get(volume).size + 1)


SCENARIOS: dict[str, tuple[Step, list[Step]]] = {
    "running": (runs, [_snapshot, _detach, _detach_and_attach, _grow]),
    "stopped": (stopped, [_snapshot, _snapshots, _delete(0), _delete(-1), _grow, _detach]),
    "saved": (saved, [_snapshot, _delete(0), _detach_and_attach, _grow, _stop]),
}


def play(world: World, name: str, killer: Killer, at: int, *, after: bool) -> None:
    """A scenario with a kill at one call; after each step, and after the kill, somebody starts the guest."""
    arrange, steps = SCENARIOS[name]
    killer.count, killer.at, killer.after = 0, at, after
    killed = False
    for step in steps:
        arrange(world)
        before = {volume: dict(blocks) for volume, blocks in world.model.items()}
        killer.armed = not killed
        try:
            step(world)
        except Killed:
            killed = True
        killer.armed = False
        world.ec2.cloud.state.close()
        learn(world, before)
        by_hand(world)
        for row in world.state.volumes.find(attachment="detaching"):  # as long ago as it takes until a guest is asked again
            world.state.volumes.change(row.id, detach_asked="2026-01-01T00:00:00.000Z" if row.detach_asked else "")
        world.look()
        for snapshot in set(world.taken) - {row.id for row in world.state.snapshots.query()}:
            del world.taken[snapshot]
        world.check(before)
    assert killed == (at > 0)


@pytest.mark.parametrize("name", SCENARIOS)
def test_whoever_starts_it_whatever_was_killed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killer = Killer(monkeypatch)
    play(World(tmp_path / "whole"), name, killer, -1, after=False)
    calls = killer.count
    assert calls >= 5
    for at in range(1, calls + 1):
        for after in (False, True):
            world = World(tmp_path / f"{at}-{after}")
            play(world, name, killer, at, after=after)
            world.state.close()


@pytest.fixture
def volume(ec2: Ec2) -> str:
    """The root of a running instance."""
    return str(ec2.cloud.state.volumes.find(instance_id=ec2.run())[0].id)


def instance_of(ec2: Ec2, volume: str) -> str:
    return str(ec2.cloud.state.volumes.find(id=volume)[0].instance_id)


def top(ec2: Ec2, volume: str) -> str:
    return ec2.cloud.host.disks.path(ec2.cloud.state.volumes.find(id=volume)[0].layer_id)


def life(host: FakeHost, instance: str) -> Any:
    """Another at each start that is not a going on."""
    with host.store.change() as held:
        return json.dumps(held["guests"][instance]["life"])


def test_a_stopped_guest_is_started_by_minicloud_only(ec2: Ec2, host: FakeHost, volume: str) -> None:
    ec2("StopInstances", InstanceIds=[instance_of(ec2, volume)])
    assert not host.start_by_hand(instance_of(ec2, volume))


class TestStartedThoughItIsStopped:
    """By a definition that is right still: an older minicloud's, of which nothing has changed since."""

    @pytest.fixture
    def instance(self, ec2: Ec2, host: FakeHost, volume: str) -> str:
        instance = instance_of(ec2, volume)
        ec2("StopInstances", InstanceIds=[instance])
        host.unblock(instance)
        assert host.start_by_hand(instance)
        return instance

    def test_it_is_shut_down_and_told(self, ec2: Ec2, host: FakeHost, instance: str) -> None:
        told = [one for one in doctor_guests.started_by_others(ec2.cloud) if one.status == WARN]
        assert [instance in one.found for one in told] == [True]
        ec2.look()
        assert (ec2.row(instance).state, host.guests.list()[instance].power) == ("stopped", Power.OFF_BY_GUEST)
        assert ec2.row(instance).reason_message == instance_plan.STARTED_BY_ANOTHER
        assert instance_plan.STARTED_BY_ANOTHER in str(status.problems([ec2.row(instance)]))
        assert ec2.row(instance).stop_began == ""
        assert not host.start_by_hand(instance)
        assert [one.status for one in doctor_guests.started_by_others(ec2.cloud)] == [OK]

    def test_it_may_be_started_instead(self, ec2: Ec2, host: FakeHost, instance: str) -> None:
        host.deafen(instance)
        ec2("StartInstances", InstanceIds=[instance])
        assert ec2.state(instance) == "running"
        assert ec2.row(instance).reason_message == ""

    def test_a_snapshot_is_of_the_running_guest(self, ec2: Ec2, host: FakeHost, volume: str, instance: str) -> None:
        host.deafen(instance)
        host.write(top(ec2, volume), 0, "1")
        taken = ec2("CreateSnapshot", VolumeId=volume)["SnapshotId"]
        assert host.blocks.chains(instance)[volume.replace("-", "")][0] == top(ec2, volume)
        host.write(top(ec2, volume), 0, "2")
        assert host.read(host.disks.path(ec2.cloud.state.snapshots.find(id=taken)[0].layer_id))[0] == "1"


class TestReconcile:
    """Once a minute definitions are looked at, whoever left them so."""

    def test_of_running_and_of_stopped_ones(self, ec2: Ec2, host: FakeHost, volume: str) -> None:
        runs, stopped = instance_of(ec2, volume), ec2.run()
        ec2("StopInstances", InstanceIds=[stopped])
        for instance in (runs, stopped):
            host.unblock(instance)
        off_guests.reconcile(ec2.cloud)
        host.guests.destroy(runs)
        assert [host.start_by_hand(instance) for instance in (runs, stopped)] == [False, False]

    def test_memory_of_one_that_is_to_run_stays(self, ec2: Ec2, host: FakeHost, volume: str) -> None:
        host.save(instance_of(ec2, volume))
        off_guests.reconcile(ec2.cloud)
        assert host.guests.has_save(instance_of(ec2, volume))

    def test_one_that_fails_keeps_no_other(self, ec2: Ec2, host: FakeHost, volume: str) -> None:
        for instance in (instance_of(ec2, volume), ec2.run()):
            host.unblock(instance)
        host.fail("guests.keep_off", Retry("libvirt is away"))
        off_guests.reconcile(ec2.cloud)
        assert [failure.part for failure in ec2.cloud.state.failures.query()] == [off_guests.PART]
        with host.store.change() as held:
            assert sorted(guest["blocked"] for guest in held["guests"].values()) == [False, True]

    def test_a_pass_does_it(self, ec2: Ec2, host: FakeHost, volume: str, monkeypatch: pytest.MonkeyPatch) -> None:
        host.unblock(instance_of(ec2, volume))
        monkeypatch.setattr("minicloud.reconcile.clock.follow", lambda _: True)
        loop.run_pass(ec2.cloud, look=True)
        host.guests.destroy(instance_of(ec2, volume))
        assert not host.start_by_hand(instance_of(ec2, volume))


class TestHostIsShutDown:
    """libvirt-guests ends the guests, and a command comes in that moment."""

    @pytest.mark.parametrize("behavior", ["stop", "terminate"])
    def test_what_it_ended_runs_in_the_next_life_of_the_host(self, ec2: Ec2, host: FakeHost, behavior: str) -> None:
        instance = ec2.run(InstanceInitiatedShutdownBehavior=behavior)
        host.end_machine()
        host.power_off_by_guest(instance)
        ec2.look()
        assert ec2.row(instance).state == "running"
        assert host.guests.list()[instance].power is Power.OFF_BY_GUEST
        host.restart_machine()
        ec2.look()
        assert (ec2.row(instance).state, host.guests.list()[instance].power) == ("running", Power.RUNNING)

    def test_what_it_saved_is_not_started_before(self, ec2: Ec2, host: FakeHost, volume: str) -> None:
        instance, before = instance_of(ec2, volume), life(host, instance_of(ec2, volume))
        host.end_machine()
        host.save(instance)
        ec2.look()
        assert host.guests.has_save(instance)
        host.restart_machine()
        ec2.look()
        assert (ec2.row(instance).state, life(host, instance)) == ("running", before)
