"""How failures of rows and stages are kept, told, tried again and forgotten."""

import logging
import os
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from minicloud.aws import times
from minicloud.cli import doctor, status
from minicloud.cloud import Cloud
from minicloud.errors import Permanent, Retry
from minicloud.host.fake import FakeHost
from minicloud.reconcile import daemon, isolation, locks, loop, monitor
from minicloud.reconcile.monitor import Steps
from minicloud.state.rows_failures import Failure

from ..cloud_fixtures import Ec2
from ..injection import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def broken(_: object) -> bool:
    raise ValueError("not what was thought of")


def failures(cloud: Cloud) -> dict[str, Failure]:
    return {row.subject: row for row in cloud.state.failures.query()}


def see_to(cloud: Cloud, act: Callable[[str], object], *names: str, **more: Any) -> bool:
    return isolation.each(cloud, "things", [(name, name) for name in names or ("one",)], act, **more)


def test_a_row_that_fails_keeps_no_other_from_its_work(cloud: Cloud, clock: Clock) -> None:
    done: list[str] = []

    def act(name: str) -> bool:
        done.append(name)
        return broken(name) if name == "b" else True

    assert see_to(cloud, act, "a", "b", "c")
    assert done == ["a", "b", "c"]
    (row,) = cloud.state.failures.query()
    assert (row.part, row.subject, row.code, row.count) == ("things", "b", "Server.InternalError", 1)
    assert row.message == "ValueError: not what was thought of"
    assert row.since == row.latest == times.text(clock.now)


@pytest.mark.parametrize("kind", [OSError, Permanent, Retry])
def test_a_message_that_is_no_unicode_is_recorded(cloud: Cloud, kind: type[Exception]) -> None:
    """As the system has it where the name of a file is not UTF-8."""
    done: list[str] = []
    said = os.fsdecode(b"/pools/caf\xe9.iso is not there")

    def act(name: str) -> bool:
        done.append(name)
        raise kind(said)

    see_to(cloud, act, "a", "b")
    assert done == ["a", "b"]
    assert [row.message.endswith("/pools/caf\\udce9.iso is not there") for row in cloud.state.failures.query()] == [True, True]


def test_it_is_tried_again_after_a_delay_that_doubles(cloud: Cloud, clock: Clock) -> None:
    began, tried = clock.now, list[float]()

    def act(name: str) -> bool:
        tried.append(clock.now - began)
        return broken(name)

    while clock.now < began + 300:
        see_to(cloud, act)
        clock.now += 2.0
    assert tried == [0, 2, 6, 14, 30, 62, 122, 182, 242]
    assert (failures(cloud)["one"].count, failures(cloud)["one"].since) == (9, times.text(began))


def test_what_works_again_is_forgotten_and_so_is_what_needs_nothing_any_more(cloud: Cloud, clock: Clock) -> None:
    see_to(cloud, broken, "a", "b", "c")
    clock.now += 2.0
    see_to(cloud, lambda _: None, "a", keep=["c"])
    assert set(failures(cloud)) == {"c"}
    isolation.each(cloud, "other things", (), broken)
    assert set(failures(cloud)) == {"c"}


def test_somebody_who_touches_a_row_does_not_wait(cloud: Cloud, clock: Clock) -> None:
    see_to(cloud, broken, "a", "b 1")
    isolation.hasten(cloud, {"b"})
    tried: list[str] = []
    see_to(cloud, tried.append, "a", "b 1")
    assert tried == ["b 1"]


def test_a_clock_that_was_ahead_keeps_nobody_waiting(cloud: Cloud, clock: Clock) -> None:
    see_to(cloud, broken)
    clock.now -= 86400.0
    tried: list[str] = []
    see_to(cloud, tried.append)
    assert tried == ["one"]


def test_it_is_logged_once_with_its_traceback_and_when_it_is_over(
    cloud: Cloud, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(9):
        see_to(cloud, broken)
        clock.now += 60.0
    (record,) = caplog.records
    assert record.exc_info is not None
    assert "not what was thought of" in record.getMessage()
    see_to(cloud, lambda _: None)
    see_to(cloud, lambda _: None)
    assert [record.getMessage() for record in caplog.records[1:]] == ["things: one: works again"]


def test_what_was_foreseen_is_logged_in_words(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(_: str) -> None:
        raise Permanent("this host has no room")

    see_to(cloud, refuse)
    assert [(record.getMessage(), record.exc_info) for record in caplog.records] == [("things: one: this host has no room", None)]


def test_the_last_load_balancer_and_group_take_their_failures_along(cloud: Cloud) -> None:
    for part in ("load balancers", "targets", "groups", "actions of groups"):
        isolation.each(cloud, part, [("one", "one")], broken)
    loop.run_pass(cloud)
    assert failures(cloud) == {}


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_what_ends_a_process_passes(cloud: Cloud, end: type[BaseException]) -> None:
    def act(_: object) -> None:
        raise end

    with pytest.raises(end):
        isolation.stage(cloud, "things", lambda: see_to(cloud, act))
    assert failures(cloud) == {}


def test_a_lock_that_is_held_is_no_failure_but_one_that_was_waited_for_is(cloud: Cloud, clock: Clock) -> None:
    def waits(seconds: float) -> Callable[[str], None]:
        def act(name: str) -> None:
            with locks.held(cloud.settings.run, name, seconds):
                raise AssertionError("it is held")

        return act

    with locks.held(cloud.settings.run, "one"):
        see_to(cloud, waits(0.0))
        assert failures(cloud) == {}
        see_to(cloud, waits(0.01))
    assert "another process holds the lock 'one'" in failures(cloud)["one"].message


def test_a_row_that_is_given_up_is_not_tried_again(cloud: Cloud) -> None:
    def act(_: str) -> None:
        with isolation.recorded(lambda error: error.message == "for good"):
            raise Permanent("for good")

    assert see_to(cloud, act)
    assert failures(cloud) == {}


def test_a_full_disk_keeps_nothing_from_being_tried(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    """The state's file may not grow: the failure can't be kept, and the others are seen to all the same."""
    connection = cloud.state._connection()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute(f"PRAGMA max_page_count={connection.execute('PRAGMA page_count').fetchone()[0]}")
    done: list[str] = []

    def act(name: str) -> None:
        done.append(name)
        if name < "c":
            raise Retry(name * 100_000)

    see_to(cloud, act, "a", "b", "c")
    assert done == ["a", "b", "c"]
    assert failures(cloud) == {}
    assert "make room where it lies" in caplog.text
    assert not connection.in_transaction


def test_a_state_that_cannot_be_used_ends_a_pass_and_nothing_else(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def malformed(*_: object, **__: object) -> None:
        raise sqlite3.DatabaseError("database disk image is malformed")

    monkeypatch.setattr(cloud.state.failures, "query", malformed)
    assert loop.run_pass(cloud) is None
    assert daemon.turn(cloud) is None
    assert caplog.text.count("malformed") == 1


def turn(cloud: Cloud) -> None:
    """What `minicloud serve` does in a while."""
    daemon.turn(cloud)
    for name in monitor.BESIDE:
        monitor.carry_out(cloud, name)


def test_each_stage_that_fails_keeps_the_others_going(
    ec2: Ec2, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ec2.run()
    named = ("images", "snapshots", "volumes", "networks", "firewall", "cards", "instances", "halted", "layers", "certificates")
    for name in named:
        monkeypatch.setattr(getattr(loop, name), "reconcile", broken)
    monkeypatch.setattr(loop.volumes, "watch", broken)
    monkeypatch.setattr(loop.reachability, "reconcile", broken)
    for name in ("ends", "thaws", "lifecycle policies"):
        monkeypatch.setitem(monitor.BESIDE, name, broken)
    turn(ec2.cloud)
    assert len(failures(ec2.cloud)) == len(named) + 5
    assert ec2("DescribeInstances")["Reservations"]
    monkeypatch.undo()
    for row in ec2.cloud.state.failures.query():
        ec2.cloud.state.failures.change(row.part, row.subject, retry_at="")
    turn(ec2.cloud)
    assert failures(ec2.cloud) == {}


def test_each_step_of_the_monitor_is_a_stage(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Steps(cloud)
    monkeypatch.setattr(steps.sampler, "look", lambda *_: broken(0))
    monkeypatch.setattr(steps.evaluator, "step", broken)
    aged: list[int] = []
    monkeypatch.setattr(cloud.metrics, "age", aged.append)
    steps.step(6000.0, 6000.0)
    assert set(failures(cloud)) == {"metrics", "alarms"}
    assert aged == [6000]


class TestRowsThatMakeNoSense:
    """Somebody has edited the state, or a version of minicloud had a fault: others live on."""

    def two(self, ec2: Ec2) -> tuple[str, str]:
        return ec2.run(Placement={"AvailabilityZone": "us-east-1a"}), ec2.run(Placement={"AvailabilityZone": "us-east-1b"})

    def test_an_interface(self, ec2: Ec2) -> None:
        bad, good = self.two(ec2)
        ec2("StopInstances", InstanceIds=[bad, good])
        (card,) = ec2.cloud.state.interfaces.find(instance_id=bad)
        ec2.cloud.state.interfaces.change(card.id, address="rubbish")
        ec2("StartInstances", InstanceIds=[good])
        assert ec2.row(good).state == "running"
        assert {"rows of the firewall", "networks"} <= {row.part for row in ec2.cloud.state.failures.query()}
        ec2("StartInstances", InstanceIds=[bad])
        assert ec2.row(bad).state == "pending"
        assert "rubbish" in ec2.row(bad).reason_message
        ec2.cloud.state.interfaces.change(card.id, address=card.address)
        ec2("StopInstances", InstanceIds=[bad])
        ec2("StartInstances", InstanceIds=[bad])
        assert ec2.row(bad).state == "running"
        assert ec2.cloud.state.failures.query() == []

    def test_an_interface_of_a_guest_that_runs(self, ec2: Ec2) -> None:
        bad, good = self.two(ec2)
        (card,) = ec2.cloud.state.interfaces.find(instance_id=bad)
        ec2.cloud.state.interfaces.change(card.id, address="rubbish")
        ec2.look()
        assert (ec2.row(bad).reachable, ec2.row(good).reachable) == ("", "passed")
        assert bad in failures(ec2.cloud)
        ec2("TerminateInstances", InstanceIds=[bad])
        assert ec2.row(bad).state == "terminated"
        ec2.look()
        assert failures(ec2.cloud) == {}

    def test_a_rule_of_a_group(self, ec2: Ec2, host: FakeHost) -> None:
        bad, _ = self.two(ec2)
        group = ec2.instance(bad)["SecurityGroups"][0]["GroupId"]
        params = {"GroupId": group, "IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "CidrIp": "192.0.2.0/24"}
        ec2("AuthorizeSecurityGroupIngress", **params)
        (rule,) = ec2.cloud.state.security_group_rules.find(cidr="192.0.2.0/24")
        ec2.cloud.state.security_group_rules.change(rule.id, cidr="192.0.2.1/24")
        ec2("AuthorizeSecurityGroupIngress", **{**params, "CidrIp": "203.0.113.0/24"})
        with host.store.change() as held:
            assert "203.0.113.0/24" in held["firewall"]
            assert "192.0.2." not in held["firewall"]
        assert set(failures(ec2.cloud)) == {rule.id}
        ec2("StopInstances", InstanceIds=[bad])
        ec2("StartInstances", InstanceIds=[bad])
        assert ec2.row(bad).state == "running"


class TestTold:
    def test_by_describe_instances(self, ec2: Ec2, host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of a failure that its own row does not speak of."""
        instance = ec2.run()
        host.deafen(instance)
        ec2("RebootInstances", InstanceIds=[instance])
        monkeypatch.setattr(host.guests, "rebooting", broken)
        ec2.look()
        code = "Server.InternalError"
        message = f"{code}: ValueError: not what was thought of"
        assert ec2.instance(instance)["StateReason"] == {"Code": code, "Message": message}

    def test_by_describe_volume_status_and_modifications(self, ec2: Ec2, host: FakeHost) -> None:
        instance = ec2.run()
        volume = ec2.cloud.state.volumes.find(instance_id=instance)[0]
        host.fail("blocks.resize", Retry("the guest is busy"))
        ec2("ModifyVolume", VolumeId=volume.id, Size=volume.size + 1)
        (shown,) = ec2("DescribeVolumeStatus", VolumeIds=[volume.id])["VolumeStatuses"]
        assert (shown["VolumeStatus"]["Status"], shown["Events"][0]["Description"]) == ("ok", "the guest is busy")
        (modification,) = ec2("DescribeVolumesModifications")["VolumesModifications"]
        assert (modification["ModificationState"], modification["StatusMessage"]) == ("modifying", "the guest is busy")
        ec2.look()
        (modification,) = ec2("DescribeVolumesModifications")["VolumesModifications"]
        assert "StatusMessage" not in modification

    def test_by_status_and_doctor(self, ec2: Ec2, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ec2.cloud.host.images, "list", lambda: broken(0))
        ec2.look()
        (told,) = status.status(status.gather(ec2.cloud))["Problems"]
        assert (told["Resource"], told["Tried"]) == ("images", 1)
        (check,) = doctor.failing(ec2.cloud.state.failures.query())
        assert (check.status, check.name) == ("warn", "failures")
        assert "images: ValueError: not what was thought of (since 2" in check.found
        assert doctor.failing([])[0].status == "ok"

    @pytest.mark.parametrize("method", ["guests.list", "networks.list", "disks.list", "machine.capacity"])
    def test_status_is_shown_whatever_a_driver_raises(self, ec2: Ec2, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
        ec2.run()
        driver, name = method.split(".")
        monkeypatch.setattr(getattr(ec2.cloud.host, driver), name, lambda: broken(0))
        answer = status.status(status.gather(ec2.cloud))
        assert answer["Instances"] == {"running": 1}
        assert "not what was thought of" in answer["Hypervisor"] + str(answer["Problems"])
        status.table_of(answer)
