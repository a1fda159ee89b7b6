"""The plan of an instance, case by case: wish, state, power, the host's boot, times."""

import dataclasses
import itertools
from typing import Any

import pytest

from minicloud.aws import times
from minicloud.host.contracts import Power
from minicloud.reconcile import instance_plan
from minicloud.reconcile.actions import (
    AskToShutDown,
    CutPower,
    DropScratchDisks,
    Forget,
    KeepOff,
    MakeDisks,
    RebootGuest,
    Record,
    Release,
    RemoveDisks,
    RemoveGuest,
    RemoveSeed,
    ResetGuest,
    StartGuest,
    WriteSeed,
)
from minicloud.reconcile.instance_plan import Seen, after_failure, plan, waits_until
from minicloud.state.rows import Instance

NOW = 1_800_000_000.0
BEFORE = times.text(NOW - 1)
LONG_AGO = times.text(NOW - 10_000)
START = [MakeDisks, WriteSeed, StartGuest, Record]
END = [RemoveGuest, RemoveSeed, RemoveDisks, Release, Record]
OFF = (None, Power.OFF, Power.OFF_BY_GUEST, Power.OFF_BY_FAILURE)
ON = (Power.RUNNING, Power.PAUSED)


def row(**fields: Any) -> Instance:
    made = Instance("i-1", "r-1", 0, "ami-1", "t3.nano", "", "", b"", "us-east-1a", "stop", LONG_AGO, LONG_AGO)
    return dataclasses.replace(made, **fields)


def kinds(row_: Instance, power: Power | None, boot: str = "b1") -> list[type]:
    return [type(action) for action in plan(row_, Seen(power, boot), NOW)]


def recorded(row_: Instance, power: Power | None, boot: str = "b1") -> dict[str, Any]:
    last = plan(row_, Seen(power, boot), NOW)[-1]
    assert isinstance(last, Record)
    return last.fields


@pytest.mark.parametrize("power", OFF)
def test_what_never_ran_is_started(power: Power | None) -> None:
    assert kinds(row(), power) == START
    assert recorded(row(), power).items() >= {"state": "running", "started_boot": "b1", "failures": 0, "retry_at": ""}.items()


@pytest.mark.parametrize("power", ON)
def test_a_guest_that_runs_before_its_row_says_so_is_not_started_twice(power: Power) -> None:
    assert kinds(row(), power) == [Record]
    assert recorded(row(), power)["state"] == "running"


@pytest.mark.parametrize("power", ON)
def test_what_runs_is_left_alone(power: Power) -> None:
    assert plan(row(state="running", started_boot="b1"), Seen(power, "b1"), NOW) == []


def test_success_forgets_why_it_failed_before() -> None:
    failed = row(failures=2, reason_code="Server.InternalError", reason_message="no space", retry_at=BEFORE)
    assert recorded(failed, None).items() >= {"reason_code": "", "reason_message": "", "transition_reason": ""}.items()


@pytest.mark.parametrize(
    ("behavior", "wish", "state"), [("stop", "stopped", "stopping"), ("terminate", "terminated", "shutting-down")]
)
def test_a_guest_that_powers_itself_off(behavior: str, wish: str, state: str) -> None:
    ran = row(state="running", started_boot="b1", shutdown_behavior=behavior)
    fields = recorded(ran, Power.OFF_BY_GUEST)
    assert (fields["wish"], fields["state"]) == (wish, state)
    assert fields["reason_code"] == "Client.InstanceInitiatedShutdown"


def test_a_guest_whose_process_died_is_stopped_with_a_reason() -> None:
    fields = recorded(row(state="running", started_boot="b1", shutdown_behavior="terminate"), Power.OFF_BY_FAILURE)
    assert (fields["wish"], fields["state"], fields["reason_code"]) == ("stopped", "stopping", "Server.InternalError")


@pytest.mark.parametrize("power", [None, Power.OFF])
def test_a_guest_that_somebody_took_away_is_started_again(power: Power | None) -> None:
    assert kinds(row(state="running", started_boot="b1"), power) == START


@pytest.mark.parametrize("power", OFF)
def test_after_a_restart_of_the_host_what_ran_runs_again(power: Power | None) -> None:
    assert kinds(row(state="running", started_boot="b1"), power, boot="b2") == START


@pytest.mark.parametrize("power", OFF)
def test_after_a_restart_of_the_host_what_was_stopped_stays_so(power: Power | None) -> None:
    assert plan(row(wish="stopped", state="stopped", started_boot="b1"), Seen(power, "b2"), NOW) == []


class TestReboot:
    def test_once_for_what_was_asked(self) -> None:
        asked = row(state="running", started_boot="b1", reboots_asked=3, reboots_done=1)
        assert kinds(asked, Power.RUNNING) == [RebootGuest, Record]
        assert recorded(asked, Power.RUNNING)["reboots_done"] == 3

    BEGAN = row(state="running", started_boot="b1", reboot_began=BEFORE, stop_asked=BEFORE)
    WAITED_FOR = Seen(Power.RUNNING, "b1", rebooting=True)

    def test_it_is_over_when_the_guest_has_restarted(self) -> None:
        assert recorded(self.BEGAN, Power.RUNNING) == {"reboot_began": ""}

    def test_a_guest_that_takes_its_time_is_waited_for_and_asked_again(self) -> None:
        assert plan(self.BEGAN, self.WAITED_FOR, NOW) == []
        later = plan(self.BEGAN, self.WAITED_FOR, NOW + instance_plan.ASK_AGAIN)
        assert later == [RebootGuest(), Record({"stop_asked": times.text(NOW + instance_plan.ASK_AGAIN)})]

    def test_a_guest_that_does_not_listen_is_reset_in_the_end(self) -> None:
        last = plan(self.BEGAN, self.WAITED_FOR, NOW + instance_plan.REBOOT_PATIENCE)
        assert last == [ResetGuest(), Record({"reboot_began": "", "reachable": "", "reachable_since": ""})]

    def test_a_guest_that_powered_off_for_it_is_started(self) -> None:
        assert kinds(self.BEGAN, Power.OFF_BY_GUEST) == START
        assert recorded(self.BEGAN, Power.OFF_BY_GUEST)["reboot_began"] == ""

    def test_a_guest_that_powers_off_long_after_one_did_so_by_itself(self) -> None:
        old = dataclasses.replace(self.BEGAN, reboot_began=LONG_AGO)
        assert recorded(old, Power.OFF_BY_GUEST)["state"] == "stopping"

    def test_somebody_looks_again_until_it_is_over(self) -> None:
        assert waits_until(self.BEGAN, NOW) == NOW + 1.0

    def test_a_start_counts_as_one(self) -> None:
        assert recorded(row(started_boot="b0", reboots_asked=3, reboots_done=1), Power.OFF)["reboots_done"] == 3


class TestStop:
    ASKED = row(wish="stopped", state="stopping", started_boot="b1", stop_asked=BEFORE, stop_began=BEFORE)

    @pytest.mark.parametrize("power", ON)
    def test_first_it_is_asked(self, power: Power) -> None:
        fresh = row(wish="stopped", state="stopping", started_boot="b1")
        assert kinds(fresh, power) == [AskToShutDown, Record]
        assert recorded(fresh, power) == {"stop_asked": times.text(NOW), "stop_began": times.text(NOW)}

    def test_then_there_is_waiting(self) -> None:
        assert kinds(self.ASKED, Power.RUNNING) == []

    def test_then_it_is_asked_again(self) -> None:
        again = dataclasses.replace(self.ASKED, stop_asked=times.text(NOW - instance_plan.ASK_AGAIN - 1))
        assert kinds(again, Power.RUNNING) == [AskToShutDown, Record]
        assert recorded(again, Power.RUNNING) == {"stop_asked": times.text(NOW)}

    def test_then_its_power_is_cut(self) -> None:
        late = dataclasses.replace(self.ASKED, stop_began=times.text(NOW - instance_plan.STOP_PATIENCE - 1))
        assert kinds(late, Power.RUNNING) == [CutPower]

    @pytest.mark.parametrize("power", ON)
    def test_by_force_at_once(self, power: Power) -> None:
        assert kinds(dataclasses.replace(self.ASKED, stop_forced=True), power) == [CutPower]

    @pytest.mark.parametrize("power", OFF)
    def test_off_is_stopped(self, power: Power | None) -> None:
        assert kinds(self.ASKED, power) == [KeepOff, DropScratchDisks, Record]
        assert recorded(self.ASKED, power).items() >= {"state": "stopped", "stop_asked": "", "stop_began": ""}.items()

    @pytest.mark.parametrize("power", OFF)
    def test_stopped_is_at_rest(self, power: Power | None) -> None:
        assert plan(row(wish="stopped", state="stopped"), Seen(power, "b1"), NOW) == []


class TestStartedBySomebodyElse:
    """The row says stopped, and the guest is on."""

    STOPPED = row(wish="stopped", state="stopped", started_boot="b1", stop_forced=True)
    BEGAN = dataclasses.replace(STOPPED, stop_asked=BEFORE, stop_began=BEFORE)

    @pytest.mark.parametrize("power", ON)
    def test_it_is_asked_to_power_off_whatever_its_last_stop_was_and_that_is_told(self, power: Power) -> None:
        assert kinds(self.STOPPED, power) == [AskToShutDown, Record]
        told = {"reason_code": "Server.InternalError", "reason_message": instance_plan.STARTED_BY_ANOTHER}
        assert recorded(self.STOPPED, power) == {"stop_asked": times.text(NOW), "stop_began": times.text(NOW), **told}

    def test_then_it_is_waited_for_and_cut_off_in_the_end(self) -> None:
        assert kinds(self.BEGAN, Power.RUNNING) == []
        assert waits_until(self.BEGAN, NOW) == NOW + 1
        late = dataclasses.replace(self.BEGAN, stop_began=times.text(NOW - instance_plan.STOP_PATIENCE - 1))
        assert kinds(late, Power.RUNNING) == [CutPower]

    @pytest.mark.parametrize("power", OFF)
    def test_then_it_is_at_rest_again(self, power: Power | None) -> None:
        assert kinds(self.BEGAN, power) == [KeepOff, DropScratchDisks, Record]
        assert recorded(self.BEGAN, power).items() >= {"state": "stopped", "stop_asked": "", "stop_began": ""}.items()


class TestHostIsShutDown:
    @pytest.mark.parametrize("behavior", ["stop", "terminate"])
    @pytest.mark.parametrize("power", OFF)
    def test_a_guest_that_ends_with_it_is_neither_stopped_nor_terminated_nor_started(self, power: Power, behavior: str) -> None:
        ran = row(state="running", started_boot="b1", shutdown_behavior=behavior)
        assert plan(ran, Seen(power, "b1", ending=True), NOW) == []
        assert kinds(ran, power, boot="b2") == START

    def test_what_runs_on_is_left_alone(self) -> None:
        assert plan(row(state="running", started_boot="b1"), Seen(Power.RUNNING, "b1", ending=True), NOW) == []


class TestTerminate:
    @pytest.mark.parametrize("power", [*OFF, *ON])
    def test_everything_goes_and_the_row_last(self, power: Power | None) -> None:
        ending = row(wish="terminated", state="shutting-down")
        assert kinds(ending, power) == END
        assert recorded(ending, power).items() >= {"state": "terminated", "terminated": times.text(NOW)}.items()

    @pytest.mark.parametrize(("ago", "expected"), [(1.0, []), (3599.0, []), (3601.0, [Forget])])
    def test_for_an_hour_it_can_be_seen(self, ago: float, expected: list[type]) -> None:
        assert kinds(row(wish="terminated", state="terminated", terminated=times.text(NOW - ago)), None) == expected


@pytest.mark.parametrize("wish", ["running", "stopped", "terminated"])
def test_nothing_is_tried_before_its_time(wish: str) -> None:
    states = {"running": "pending", "stopped": "stopping", "terminated": "shutting-down"}
    assert plan(row(wish=wish, state=states[wish], retry_at=times.text(NOW + 1)), Seen(None, "b1"), NOW) == []
    assert plan(row(wish=wish, state=states[wish], retry_at=BEFORE), Seen(None, "b1"), NOW) != []


class TestFailures:
    def fail(self, row_: Instance, *, permanent: bool = False) -> dict[str, Any]:
        return after_failure(row_, "no space", "Server.Full", permanent=permanent, delay=2.0, now=NOW).fields

    def test_another_try_later_and_later(self) -> None:
        waits = [times.seconds(self.fail(row(failures=count, wish="stopped"))["retry_at"]) - NOW for count in range(12)]
        assert waits == sorted(waits)
        assert waits[0] == pytest.approx(2.0, abs=0.01)
        assert waits[-1] == pytest.approx(60.0, abs=0.01)

    def test_a_launch_that_fails_for_good_ends_terminated(self) -> None:
        fields = self.fail(row(), permanent=True)
        assert (fields["wish"], fields["state"]) == ("terminated", "shutting-down")
        assert (fields["reason_code"], fields["reason_message"]) == ("Server.Full", "no space")

    def test_a_start_that_fails_for_good_ends_stopped(self) -> None:
        fields = self.fail(row(started_boot="b1"), permanent=True)
        assert (fields["wish"], fields["state"]) == ("stopped", "stopping")

    def test_what_fails_too_often_has_failed(self) -> None:
        assert "wish" not in self.fail(row(failures=instance_plan.MOST_FAILURES - 2))
        assert self.fail(row(failures=instance_plan.MOST_FAILURES - 1))["wish"] == "terminated"

    def test_a_reboot_that_cannot_be_stops_nothing(self) -> None:
        fields = self.fail(row(state="running", started_boot="b1", reboots_asked=2, reboots_done=1), permanent=True)
        told = {"reason_code": "Server.Full", "reason_message": "It was not rebooted: no space"}
        assert fields == {"reboots_done": 2, "failures": 0, "retry_at": "", **told}

    @pytest.mark.parametrize("wish", ["stopped", "terminated"])
    def test_an_end_is_never_given_up(self, wish: str) -> None:
        assert "wish" not in self.fail(row(wish=wish, failures=1000), permanent=True)


def test_when_something_is_due() -> None:
    assert waits_until(row(state="running"), NOW) is None
    assert waits_until(row(state="stopped"), NOW) is None
    assert waits_until(row(state="stopping"), NOW) == NOW + 1
    assert waits_until(row(state="pending", retry_at=times.text(NOW + 7)), NOW) == pytest.approx(NOW + 7, abs=0.01)
    assert waits_until(row(state="pending", retry_at=LONG_AGO), NOW) == NOW
    assert waits_until(row(state="terminated", terminated=times.text(NOW)), NOW) == pytest.approx(NOW + 3600, abs=0.01)


STATES = [
    ("running", "pending"),
    ("running", "running"),
    ("stopped", "stopping"),
    ("stopped", "stopped"),
    ("terminated", "shutting-down"),
]


@pytest.mark.parametrize(("wished", "power", "boot"), list(itertools.product(STATES, (*OFF, *ON), ("", "b0", "b1"))))
def test_every_case_has_a_plan_that_ends_with_what_is_recorded(wished: tuple[str, str], power: Power | None, boot: str) -> None:
    """A Record comes after the actions that it speaks of, never before: a crash in between repeats them."""
    made = plan(row(wish=wished[0], state=wished[1], started_boot=boot), Seen(power, "b1"), NOW)
    assert [isinstance(action, Record) for action in made[:-1]] == [False] * len(made[:-1])
