"""File systems are quiesced for a snapshot where an agent does that, and never stay frozen; what an agent does delays nobody."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minicloud.aws import times
from minicloud.errors import Retry
from minicloud.host.contracts_storage import AgentAnswer, Said
from minicloud.host.fake import FakeHost
from minicloud.host.fake_blocks import FakeBlocks
from minicloud.reconcile import actions, ending, instances, loop, quiesce
from minicloud.reconcile.monitor import Monitor
from minicloud.reconcile.worker import InDaemon

from ..cloud_fixtures import Ec2, cloud_in
from ..waits import until


@pytest.fixture
def instance(ec2: Ec2) -> str:
    return ec2.run()


def snapshot(ec2: Ec2, instance: str) -> dict[str, Any]:
    """A snapshot of the instance's only volume, as it is shown then."""
    (volume,) = ec2.cloud.state.volumes.find(instance_id=instance)
    made = ec2("CreateSnapshot", VolumeId=volume.id)["SnapshotId"]
    shown: dict[str, Any] = ec2("DescribeSnapshots", SnapshotIds=[made])["Snapshots"][0]
    assert shown["State"] == "completed"
    return shown


def asked(host: FakeHost) -> list[str]:
    return [call[0] for call in host.calls() if call[0] in ("blocks.quiesce", "blocks.freeze", "blocks.thaw")]


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    now = time.time() + seconds
    monkeypatch.setattr(quiesce.time, "time", lambda: now)  # type: ignore[attr-defined]


def test_the_disks_are_switched_while_the_file_systems_are_frozen(ec2: Ec2, host: FakeHost, instance: str) -> None:
    assert "StateMessage" not in snapshot(ec2, instance)
    assert asked(host) == ["blocks.quiesce", "blocks.freeze", "blocks.thaw"]
    assert not host.frozen(instance)
    assert ec2.cloud.state.thaws.query() == []


@pytest.mark.parametrize("thaw", [Said.DONE, Said.REFUSED])
def test_an_agent_that_refuses_costs_the_quiescing_only(ec2: Ec2, host: FakeHost, instance: str, thaw: Said) -> None:
    host.agent(instance, freeze=Said.REFUSED, thaw=thaw)
    message = snapshot(ec2, instance)["StateMessage"]
    assert message == "taken without quiescing the guest's file systems: the guest agent does not answer"
    assert ec2.cloud.state.thaws.query() == []


def test_a_guest_without_an_agent_is_not_asked_to_thaw(ec2: Ec2, host: FakeHost, instance: str) -> None:
    host.agent(instance, freeze=Said.NO_AGENT, thaw=Said.NO_AGENT)
    assert "without quiescing the guest's file systems: the guest runs no" in snapshot(ec2, instance)["StateMessage"]
    assert asked(host) == ["blocks.freeze"]


@pytest.mark.parametrize("said", [Said.NOTHING_ASKED, Said.NO_AGENT])
def test_one_that_was_not_asked_to_freeze_is_not_asked_to_thaw(ec2: Ec2, host: FakeHost, instance: str, said: Said) -> None:
    host.agent(instance, freeze=said)
    assert "without quiescing" in snapshot(ec2, instance)["StateMessage"]
    assert asked(host) == ["blocks.quiesce", "blocks.freeze"]
    assert ec2.cloud.state.thaws.query() == []


def test_a_host_that_cannot_tell_whether_there_is_an_agent_asks_none(ec2: Ec2, host: FakeHost, instance: str) -> None:
    host.fail("blocks.has_agent", Retry("libvirtd is busy"))
    assert snapshot(ec2, instance)["StateMessage"].endswith("quiescing the guest's file systems: libvirtd is busy")
    assert asked(host) == ["blocks.freeze"]
    assert ec2.cloud.state.thaws.query() == []


def test_an_agent_that_was_asked_and_is_gone_may_have_frozen_them(
    ec2: Ec2, host: FakeHost, instance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.agent(instance, freeze=Said.NOTHING, thaw=Said.NOTHING, late=True)
    snapshot(ec2, instance)
    host.agent(instance, freeze=Said.NO_AGENT, thaw=Said.NO_AGENT)
    for number in range(2, 5):
        later(monkeypatch, quiesce.FIRST * 2**number)
        loop.run_pass(ec2.cloud)
        assert "does not answer" in ec2.cloud.state.thaws.query()[0].message
    host.agent(instance)
    later(monkeypatch, quiesce.LONGEST)
    loop.run_pass(ec2.cloud)
    assert not host.frozen(instance)
    assert ec2.cloud.state.thaws.query() == []


@pytest.mark.parametrize("how", ["it ends when it has frozen them", "the command is killed before the thaw"])
def test_one_that_froze_them_and_is_gone_is_asked_when_it_is_back(
    ec2: Ec2, host: FakeHost, instance: str, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def killed(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if how.startswith("it ends"):
            freeze = host.blocks.freeze

            def leaving(*given: Any) -> None:
                freeze(*given)
                host.agent(instance, freeze=Said.NO_AGENT, thaw=Said.NO_AGENT)

            patch.setattr(host.blocks, "freeze", leaving)
            snapshot(ec2, instance)
        else:
            patch.setattr(quiesce, "_thaw", killed)
            with pytest.raises(KeyboardInterrupt):
                snapshot(ec2, instance)
            host.agent(instance, freeze=Said.NO_AGENT, thaw=Said.NO_AGENT)
    assert host.frozen(instance)
    for number in range(2, 6):
        later(monkeypatch, quiesce.FIRST * 2**number)
        loop.run_pass(ec2.cloud)
        assert len(ec2.cloud.state.thaws.query()) == 1
    host.agent(instance)
    later(monkeypatch, quiesce.LONGEST)
    loop.run_pass(ec2.cloud)
    assert not host.frozen(instance)
    assert ec2.cloud.state.thaws.query() == []


@pytest.mark.parametrize("how", ["power", "reset"])
def test_nothing_is_frozen_in_a_guest_that_was_started_anew(ec2: Ec2, host: FakeHost, instance: str, how: str) -> None:
    """Also where the row comes with a restored state, and is not due yet."""
    host.agent(instance, freeze=Said.NOTHING, thaw=Said.NOTHING)
    snapshot(ec2, instance)
    if how == "power":
        host.restart_machine()
        loop.run_pass(ec2.cloud)
    else:
        row = ec2.row(instance)
        instances._EXECUTORS[actions.ResetGuest](ec2.cloud, row, actions.ResetGuest())
    assert host.guests.list()[instance].power.value == "running"
    assert ec2.cloud.state.thaws.query() == []


def test_one_that_froze_late_is_asked_to_thaw_until_it_has(
    ec2: Ec2, host: FakeHost, instance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.agent(instance, freeze=Said.NOTHING, thaw=Said.NOTHING, late=True)
    message = snapshot(ec2, instance)["StateMessage"]
    assert "without quiescing" in message
    assert "it is asked again to thaw them" in message
    assert host.frozen(instance)
    loop.run_pass(ec2.cloud)
    assert asked(host).count("blocks.thaw") == 1, "it is not asked again at once"
    later(monkeypatch, quiesce.FIRST * 2 + 1)
    loop.run_pass(ec2.cloud)
    assert host.frozen(instance)
    host.agent(instance)
    later(monkeypatch, quiesce.FIRST * 4 + 1)
    loop.run_pass(ec2.cloud)
    assert not host.frozen(instance)
    assert ec2.cloud.state.thaws.query() == []


def test_it_is_not_asked_to_freeze_meanwhile(ec2: Ec2, host: FakeHost, instance: str) -> None:
    host.agent(instance, freeze=Said.NOTHING, thaw=Said.NOTHING)
    snapshot(ec2, instance)
    assert "has not thawed them since an earlier snapshot" in snapshot(ec2, instance)["StateMessage"]
    assert asked(host).count("blocks.quiesce") == 1


def test_it_is_asked_ever_more_seldom_but_always_again(
    ec2: Ec2, host: FakeHost, instance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.agent(instance, freeze=Said.NOTHING, thaw=Said.NOTHING)
    snapshot(ec2, instance)
    now, pauses = time.time(), []
    monkeypatch.setattr(quiesce.time, "time", lambda: now)  # type: ignore[attr-defined]
    for _ in range(15):
        (row,) = ec2.cloud.state.thaws.query()
        pauses.append(times.seconds(row.due) - now)
        now = times.seconds(row.due) + 1
        quiesce.reconcile(ec2.cloud)
    assert pauses[1:] == sorted(pauses[1:])
    assert max(pauses) <= quiesce.LONGEST
    now -= 10 * 365 * 86400  # the clock was wrong
    host.agent(instance)
    assert quiesce.reconcile(ec2.cloud)


def test_a_guest_that_is_off_has_nothing_frozen(ec2: Ec2, host: FakeHost, instance: str, monkeypatch: pytest.MonkeyPatch) -> None:
    host.agent(instance, freeze=Said.NOTHING, thaw=Said.NOTHING)
    snapshot(ec2, instance)
    ec2("StopInstances", InstanceIds=[instance], Force=True)
    later(monkeypatch, quiesce.LONGEST)
    loop.run_pass(ec2.cloud)
    assert ec2.cloud.state.thaws.query() == []


def test_a_switch_that_fails_is_thawed_after_too(ec2: Ec2, host: FakeHost, instance: str) -> None:
    host.fail("blocks.freeze", Retry("the host's disk is full"))
    snapshot(ec2, instance)
    assert asked(host)[:3] == ["blocks.quiesce", "blocks.freeze", "blocks.thaw"]
    assert not host.frozen(instance)


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("at", ["blocks.freeze", "blocks.thaw"])
def test_after_a_crash_in_between_the_next_pass_thaws(
    ec2: Ec2, instance: str, at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = ec2.cloud.host
    assert isinstance(host, FakeHost)

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, contextlib.suppress(Killed):
        patch.setattr(FakeBlocks, "thaw", die)
        patch.setattr(FakeBlocks, at.removeprefix("blocks."), die)
        snapshot(ec2, instance)
    assert host.frozen(instance)
    loop.run_pass(cloud_in(tmp_path, host))
    assert not host.frozen(instance)
    assert ec2.cloud.state.thaws.query() == []
    assert {row.state for row in ec2.cloud.state.snapshots.query("volume_id != 'vol-ffffffff'")} == {"completed"}


@pytest.fixture
def waiting(ec2: Ec2, instance: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Somebody takes a snapshot of the instance, and waits for its agent under the instance's lock, until this is set."""
    begun, over = threading.Event(), threading.Event()

    def quiesce_(*_: object) -> AgentAnswer:
        begun.set()
        assert over.wait(60)
        return AgentAnswer(Said.NOTHING, "silence")

    monkeypatch.setattr(FakeBlocks, "quiesce", quiesce_)
    (volume,) = ec2.cloud.state.volumes.find(instance_id=instance)
    taker = threading.Thread(target=lambda: ec2("CreateSnapshot", VolumeId=volume.id))
    taker.start()
    assert begun.wait(60)
    yield over
    over.set()
    taker.join(60)


@pytest.mark.usefixtures("waiting")
@pytest.mark.parametrize("operation", ["TerminateInstances", "StopInstances"])
def test_what_ends_a_guest_waits_for_no_agent(ec2: Ec2, host: FakeHost, instance: str, operation: str) -> None:
    ec2.cloud.worker = InDaemon(ec2.cloud)
    ec2(operation, InstanceIds=[instance], **({"Force": True} if operation == "StopInstances" else {}))
    assert not _on(host, instance)


@pytest.mark.usefixtures("waiting")
def test_a_stop_that_takes_too_long_ends_all_the_same(ec2: Ec2, host: FakeHost, instance: str) -> None:
    long_ago = times.text(time.time() - 1000)
    ec2.cloud.state.instances.change(instance, wish="stopped", state="stopping", stop_began=long_ago, stop_asked=long_ago)
    assert ending.reconcile(ec2.cloud)
    assert not _on(host, instance)


@pytest.mark.usefixtures("waiting")
def test_the_daemon_ends_guests_beside_its_loop(ec2: Ec2, host: FakeHost, instance: str) -> None:
    monitor = Monitor(ec2.cloud)
    monitor.start()
    try:
        ec2.cloud.state.instances.change(instance, wish="terminated", state="shutting-down")
        until("its power is cut", lambda: not _on(host, instance))
    finally:
        monitor.stop()


@pytest.mark.usefixtures("waiting")
def test_other_instances_live_and_end_meanwhile(ec2: Ec2, host: FakeHost) -> None:
    other = ec2.run()
    assert ec2.state(other) == "running"
    assert _on(host, other)
    ec2("TerminateInstances", InstanceIds=[other])
    assert ec2.state(other) == "terminated"


def test_the_rest_of_the_end_follows_when_the_wait_is_over(
    ec2: Ec2, host: FakeHost, instance: str, waiting: threading.Event
) -> None:
    ec2.cloud.worker = InDaemon(ec2.cloud)
    ec2("TerminateInstances", InstanceIds=[instance])
    assert ec2.row(instance).state == "shutting-down"
    waiting.set()

    def ended() -> bool:
        loop.run_pass(ec2.cloud)
        return ec2.row(instance).state == "terminated"

    until("the instance has ended", ended)
    assert instance not in host.guests.list()
    assert not ec2.cloud.state.volumes.query()


def test_a_guest_that_is_to_run_is_not_cut_off(ec2: Ec2, host: FakeHost, instance: str) -> None:
    assert not ending.reconcile(ec2.cloud)
    assert _on(host, instance)


def test_a_start_that_was_overtaken_by_a_termination_starts_nothing(
    ec2: Ec2, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    from minicloud.reconcile import instances

    real = instances.guest_spec.guest

    def overtaken(given: Any, *rest: Any) -> Any:
        (row,) = ec2.cloud.state.instances.query()
        ec2.cloud.state.instances.change(row.id, wish="terminated", state="shutting-down")
        return real(given, *rest)

    monkeypatch.setattr(instances.guest_spec, "guest", overtaken)
    instance = ec2.run()
    assert ["guests.start", instance] not in host.calls()
    assert ec2.row(instance).state == "terminated"


def _on(host: FakeHost, instance: str) -> bool:
    return instance in host.guests.list() and host.guests.list()[instance].power.value == "running"
