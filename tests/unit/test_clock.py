"""Clocks that are set: what is noted of them, and what waits meanwhile. Over a fake host whose wall and uptime a test moves."""

import time

import pytest

from minicloud import api
from minicloud.aws import times
from minicloud.cli import doctor_upkeep, status, storage
from minicloud.errors import ApiError
from minicloud.host.fake import FakeHost
from minicloud.http import metadata_tokens
from minicloud.reconcile import clock as clocks
from minicloud.reconcile import instance_plan, loop
from minicloud.services.sts import sessions
from minicloud.state.rows_clock import HostClock

from ..clocks import Clock
from ..cloud_fixtures import Ec2

YEAR, DAY, HOUR = 365 * 86400.0, 86400.0, 3600.0
START = HostClock("a", 1000.0 * DAY, 5000.0, 1000.0 * DAY)


def look(before: HostClock, boot: str, wall: float, uptime: float, *, sure: bool = False) -> HostClock:
    """What is noted `wall` seconds later by the wall, at an uptime."""
    return clocks.looked(before, boot, before.wall + wall, uptime, lambda: sure)[0]


@pytest.mark.parametrize("jump", [YEAR, -YEAR, HOUR, -HOUR, 31.0])
def test_of_one_boot_a_jump_is_no_time_that_passed(jump: float) -> None:
    after = look(START, "a", 10.0 + jump, 5010.0)
    assert (after.steady, after.jump, after.gap) == (START.steady + 10.0, jump, 0.0)
    back = look(after, "a", 10.0 - jump, 5020.0)
    assert (back.steady, back.jump) == (START.steady + 20.0, 0.0)
    later = look(after, "a", 1.1 * DAY, 5010.0 + 1.1 * DAY)
    assert (later.steady, later.jump, later.doubted) == (START.steady + 10.0 + 1.1 * DAY, 0.0, -1.0)


def test_a_clock_that_is_disciplined_is_not_noticed() -> None:
    after = look(START, "a", 10.0 + 29.0, 5010.0)
    assert (after.steady, after.jump, after.doubted) == (START.steady + 10.0, 0.0, -1.0)


def test_a_short_time_off_is_believed() -> None:
    after = look(START, "b", 600.0, 60.0)
    assert (after.steady, after.gap, after.doubted) == (START.steady + 600.0, 0.0, -1.0)


@pytest.mark.parametrize("how", ["synchronised", "a day later"])
def test_a_month_off_counts_in_the_end(how: str) -> None:
    """At once where NTP says that the clock is right, else when the host has been up for a day."""
    after = look(START, "b", 30 * DAY, 60.0)
    assert (after.steady, after.gap) == (START.steady + 60.0, 30 * DAY - 60.0)
    if how == "synchronised":
        assert look(START, "b", 30 * DAY, 60.0, sure=True).steady == START.steady + 30 * DAY
        assert look(after, "b", 10.0, 70.0, sure=True).steady == START.steady + 30 * DAY + 10.0
        return
    assert look(after, "b", 0.9 * DAY, 60.0 + 0.9 * DAY).steady == START.steady + 60.0 + 0.9 * DAY
    late = look(after, "b", 1.1 * DAY, 60.0 + 1.1 * DAY)
    assert (late.steady, late.gap, late.doubted) == (START.steady + 31.1 * DAY, 0.0, -1.0)


def test_a_board_without_a_battery_that_asks_for_the_time() -> None:
    """It begins in 1970, or where it was put off, and is set right when there is a network: three days later than it went off."""
    for begins in (-1000.0 * DAY, 0.0):
        booted = look(START, "b", begins + 20.0, 20.0)
        assert booted.steady == START.steady + 20.0
        right = look(booted, "b", 3 * DAY - begins, 30.0, sure=True)
        assert START.steady + 30.0 <= right.steady <= START.steady + 3 * DAY + 30.0
        assert right.gap == 0.0
    # Of one whose clock stood still nobody can tell how long it was off; of the other it is known.
    assert look(look(START, "b", 20.0 - DAY, 20.0), "b", 4 * DAY, 30.0, sure=True).steady == START.steady + 3 * DAY + 20.0


def test_the_wrong_year_at_boot_that_is_put_right_is_never_counted() -> None:
    booted = look(START, "b", YEAR, 60.0)
    right = look(booted, "b", 60.0 - YEAR + 2 * HOUR, 120.0)
    later = look(right, "b", 2 * DAY, 120.0 + 2 * DAY)
    assert START.steady + 2 * DAY <= later.steady <= START.steady + 2 * DAY + 3 * HOUR


@pytest.mark.parametrize("jump", [10 * YEAR, -10 * YEAR, DAY])
def test_a_jump_neither_ends_nor_prolongs_patience(
    jump: float, ec2: Ec2, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, instance_id = Clock(monkeypatch), ec2.run()
    host.deafen(instance_id)
    ec2("StopInstances", InstanceIds=[instance_id])
    clock.set(jump)
    ec2.look()
    assert ec2.state(instance_id) == "stopping", "its power was not cut because the clock was set"
    clock.pass_(instance_plan.STOP_PATIENCE - 10)
    ec2.look()
    assert ec2.state(instance_id) == "stopping"
    clock.pass_(20)
    ec2.look()
    assert ec2.state(instance_id) == "stopped"


def test_what_lies_further_ahead_than_its_patience_is_over(ec2: Ec2, host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a restart nobody knows by how much the clock was set; no deadline may be a year away."""
    clock, instance_id = Clock(monkeypatch), ec2.run()
    ahead = times.text(times.seconds(times.now()) + 10 * YEAR)
    ec2.cloud.state.instances.change(instance_id, retry_at=ahead)
    host.restart_machine()
    clock.set(-3 * YEAR)
    ec2.look()
    assert ec2.state(instance_id) == "running"
    assert len(host.guests.list()) == 1


def test_a_terminated_instance_is_shown_for_an_hour_whatever_the_clock_does(ec2: Ec2, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, instance_id = Clock(monkeypatch), ec2.run()
    ec2("TerminateInstances", InstanceIds=[instance_id])
    clock.set(YEAR)
    loop.run_pass(ec2.cloud)
    assert ec2.state(instance_id) == "terminated"
    clock.set(-2 * YEAR)
    loop.run_pass(ec2.cloud)
    assert ec2.state(instance_id) == "terminated"
    clock.pass_(HOUR + 1)
    loop.run_pass(ec2.cloud)
    assert ec2.refused("DescribeInstances", InstanceIds=[instance_id]).code == "InvalidInstanceID.NotFound"


def test_every_wait_is_a_column_of_its_table(ec2: Ec2) -> None:
    for name, columns in clocks.WAITS.items():
        assert set(columns) <= set(getattr(ec2.cloud.state, name).columns)


@pytest.mark.parametrize("jump", [YEAR, -YEAR])
def test_what_is_sealed_with_its_end_is_over_when_the_clock_was_set(
    jump: float, ec2: Ec2, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sessions and tokens carry their end with them: a clock that was set back prolongs none."""
    clock, home = Clock(monkeypatch), ec2.cloud.settings.home
    key, secret = str(api.call(ec2.cloud, "iam", "CreateAccessKey", {})["AccessKey"]["AccessKeyId"]), metadata_tokens.key(home)
    given = api.call(ec2.cloud, "sts", "GetSessionToken", {}, caller=sessions.root(ec2.cloud, key))["Credentials"]
    token = metadata_tokens.make(secret, "i-1", 21600)
    assert metadata_tokens.valid(secret, "i-1", token)
    assert sessions.recognize(ec2.cloud, given["AccessKeyId"], given["SessionToken"], time.time())
    clock.set(jump)
    assert not metadata_tokens.valid(secret, "i-1", token)
    with pytest.raises(ApiError, match="expired"):
        sessions.recognize(ec2.cloud, given["AccessKeyId"], given["SessionToken"], time.time())


def test_the_doctor_and_storage_tell_of_it(ec2: Ec2, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    loop.run_pass(ec2.cloud)
    assert [check.status for check in doctor_upkeep.checks(ec2.cloud)] == ["ok"]
    clock.set(2 * YEAR)
    loop.run_pass(ec2.cloud)
    (check,) = doctor_upkeep.checks(ec2.cloud)
    assert (check.status, "set forward by 2.0 years" in check.found) == ("warn", True)
    assert storage.report(storage.gather(ec2.cloud))["Clock"] == check.found
    assert status.table_of(status.status(status.gather(ec2.cloud)))["Clock"] == check.found
    clock.pass_(25 * HOUR)
    loop.run_pass(ec2.cloud)
    assert [check.status for check in doctor_upkeep.checks(ec2.cloud)] == ["ok"]


def test_over_and_due() -> None:
    now = 1_000_000.0
    since, later = times.text(now - 50), times.text(now + 50)
    assert [times.over(since, patience, now) for patience in (49.0, 50.0, 51.0)] == [True, True, False]
    assert times.over(times.text(now + YEAR), 50.0, now)
    assert not times.over(times.text(now + 1), 50.0, now)
    assert [times.due(later, 60.0, moment) for moment in (now, now + 49, now + 50, now - YEAR)] == [False, False, True, True]
