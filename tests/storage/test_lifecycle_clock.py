"""Lifecycle policies and a clock that is set: nothing is deleted for an age that did not pass, and backups go on."""

from typing import Any

import pytest

from minicloud.host.fake import FakeHost
from minicloud.reconcile import lifecycle, loop

from ..clocks import Clock
from ..cloud_fixtures import Ec2
from .dlm_client import DAY, HOUR, ROLE, Dlm, dlm, tagged

__all__ = ["dlm"]

YEAR = 365 * DAY
BY_AGE = {"Interval": 7, "IntervalUnit": "DAYS"}


class Home:
    """A host with the daemon's two passes, and a policy of a volume that is due each hour."""

    def __init__(self, dlm: Dlm, ec2: Ec2, host: FakeHost, clock: Clock, retain: dict[str, Any]) -> None:
        self.ec2, self.host, self.clock, self._dlm = ec2, host, clock, dlm
        tagged(ec2)
        details = {
            "ResourceTypes": ["VOLUME"], "TargetTags": [{"Key": "backup", "Value": "yes"}],
            "Schedules": [{"Name": "hourly", "CreateRule": {"Interval": 1, "IntervalUnit": "HOURS"}, "RetainRule": retain}],
        }  # fmt: skip
        dlm("CreateLifecyclePolicy", ExecutionRoleArn=ROLE, Description="d", State="ENABLED", PolicyDetails=details)

    def runs(self, hours: float = 1.0) -> None:
        """Time passes, while the daemon looks."""
        self.clock.pass_(hours * HOUR)
        self.look()

    def look(self) -> None:
        """One turn of the daemon."""
        loop.run_pass(self.ec2.cloud)
        lifecycle.reconcile(self.ec2.cloud)

    @property
    def snapshots(self) -> list[str]:
        """The policy's, in the order in which they were made."""
        there = {one["SnapshotId"] for one in self._dlm.snapshots()}
        return [row.id for row in self.ec2.cloud.state.snapshots.query() if row.id in there]


@pytest.fixture
def home(request: pytest.FixtureRequest, dlm: Dlm, ec2: Ec2, host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> Home:
    return Home(dlm, ec2, host, Clock(monkeypatch), getattr(request, "param", BY_AGE))


@pytest.mark.parametrize("jump", [10 * YEAR, -10 * YEAR, 8 * DAY])
def test_no_jump_makes_anything_old(home: Home, jump: float) -> None:
    for _ in range(3):
        home.runs()
    first = home.snapshots
    assert len(first) == 3
    home.clock.set(jump)
    home.look()
    assert home.snapshots[:3] == first
    assert len(home.snapshots) <= 4, "a jump makes one backup at most"
    home.runs(24 * 5)
    assert home.snapshots[:3] == first
    home.runs(24 * 3)
    assert not set(home.snapshots) & set(first), "a week has passed"
    home.clock.set(-jump)
    before = home.snapshots
    home.look()
    assert home.snapshots[: len(before)] == before


@pytest.mark.parametrize("jump", [-10 * YEAR, -DAY, 10 * YEAR])
def test_backups_go_on_after_a_jump(home: Home, jump: float) -> None:
    home.runs()
    home.clock.set(jump)
    home.look()
    count = len(home.snapshots)
    for number in range(1, 4):
        home.runs()
        assert len(home.snapshots) == count + number


@pytest.mark.parametrize("home", [{"Count": 2}], indirect=True)
def test_by_number_the_newest_stay_whatever_their_times_say(home: Home) -> None:
    """What was made while the clock was ahead is no reason to delete what is made now."""
    home.clock.set(10 * YEAR)
    home.runs()
    home.clock.set(-10 * YEAR)
    made = []
    for _ in range(3):
        home.runs()
        made.append(home.snapshots[-1])
    assert home.snapshots == made[-2:]


def test_a_host_that_was_off_for_a_month_prunes_in_the_end(home: Home) -> None:
    for _ in range(2):
        home.runs()
    first = home.snapshots
    home.host.restart_machine()
    home.clock.walled += 30 * DAY
    home.look()
    home.runs(12)
    assert home.snapshots[:2] == first, "nobody knows yet whether it was a month"
    home.runs(13)
    home.runs()
    assert not set(home.snapshots) & set(first)


def test_a_synchronised_clock_is_believed_at_once(home: Home) -> None:
    home.runs()
    first = home.snapshots
    home.host.synchronise(True)
    home.host.restart_machine()
    home.clock.walled += 30 * DAY
    home.look()
    home.runs()
    assert not set(home.snapshots) & set(first)


def test_a_wrong_clock_at_boot_deletes_nothing(home: Home) -> None:
    """A board whose clock says another year until NTP has put it right."""
    home.runs()
    first = home.snapshots
    for wrong in (-50 * YEAR, 5 * YEAR):
        home.host.restart_machine()
        home.clock.walled += 600 + wrong
        for _ in range(3):
            home.runs()
        home.clock.set(-wrong)
        home.host.synchronise(True)
        home.look()
        home.runs()
        home.host.synchronise(False)
        assert home.snapshots[:1] == first


def test_a_default_policy_does_not_take_backups_from_the_future_for_recent_ones(
    dlm: Dlm, ec2: Ec2, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, volume = Clock(monkeypatch), ec2("CreateVolume", AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
    common = {"ExecutionRoleArn": ROLE, "Description": "default", "State": "ENABLED"}
    dlm("CreateLifecyclePolicy", **common, DefaultPolicy="VOLUME", CreateInterval=1, RetainInterval=7)
    clock.set(YEAR)
    ec2("CreateSnapshot", VolumeId=volume)
    clock.set(-YEAR)
    loop.run_pass(ec2.cloud)
    clock.pass_(120)
    loop.run_pass(ec2.cloud)
    lifecycle.reconcile(ec2.cloud)
    assert [one["VolumeId"] for one in dlm.snapshots()] == [volume]
