"""The plan as a pure function: views made by hand, no cloud at all."""

import dataclasses
from typing import Any

import pytest

from minicloud.aws import times
from minicloud.aws.group_launches import Place
from minicloud.metadata.tree import target_state
from minicloud.reconcile import autoscaling_capacity
from minicloud.reconcile.autoscaling_actions import Launch, Move, SetGroup
from minicloud.reconcile.autoscaling_health import pause
from minicloud.reconcile.autoscaling_plan import plan
from minicloud.reconcile.autoscaling_view import Sight, View
from minicloud.state.rows_autoscaling import LifecycleHook, ScalingGroup, ScalingMember

NOW = 1_800_000_000.0
PLACES = [Place("subnet-a", "a"), Place("subnet-b", "b")]
SOURCE = {"Identifier": "arn:tg", "Type": "elbv2", "State": "Added"}


def group(desired: int, **fields: Any) -> ScalingGroup:
    settings = {"HealthCheckType": "EC2", "HealthCheckGracePeriod": 0, "TerminationPolicies": ["Default"],
                **fields.pop("settings", {})}  # fmt: skip
    return ScalingGroup("g", "arn:g", 0, 10, desired, settings, times.text(NOW), **fields)


def member(name: str, zone: str = "a", *, age: float = 1000.0, state: str = "InService", **fields: Any) -> ScalingMember:
    at = times.text(NOW - age)
    return ScalingMember(
        name, "g", state, zone, f"subnet-{zone}", "t3.nano", "ami-1", at, at,
        **{"in_service": at if state == "InService" else "", "launch_template": {"LaunchTemplateId": "lt-1", "Version": "1"},
           **fields},
    )  # fmt: skip


def view(row: ScalingGroup, *members: ScalingMember, sights: dict[str, Sight] | None = None, **fields: Any) -> View:
    seen = {one.instance_id: Sight("running") for one in members} | (sights or {})
    return View(row, list(members), seen, fields.pop("hooks", []), PLACES, NOW, **fields)


def test_at_rest_there_is_nothing_to_do() -> None:
    assert plan(view(group(2), member("i-1"), member("i-2", "b"))) == []


def test_launches_are_spread() -> None:
    actions = plan(view(group(4), member("i-1")))
    assert {action.place.zone: len(action.causes) for action in actions if isinstance(action, Launch)} == {"a": 1, "b": 2}


def test_nothing_is_launched_before_the_time_is_come() -> None:
    later = times.text(NOW + 10)
    assert plan(view(group(1, failures=2, retry_at=later))) == []
    assert plan(view(group(1, suspended={"Launch": "User suspended"}))) == []


@pytest.mark.parametrize(
    ("policy", "victim"),
    [
        ("OldestInstance", "i-old"), ("NewestInstance", "i-new"), ("OldestLaunchTemplate", "i-v1"),
        ("ClosestToNextInstanceHour", "i-hour"), ("Default", "i-v1"), ("AllocationStrategy", "i-old"),
    ],
)  # fmt: skip
def test_termination_policies(policy: str, victim: str) -> None:
    newer = {"launch_template": {"LaunchTemplateId": "lt-1", "Version": "2"}}
    rows = [
        member("i-old", age=9000, **newer), member("i-new", age=100, **newer), member("i-v1", age=5000),
        member("i-hour", age=3590, **newer), member("i-other", "b", age=99_999, **newer),
    ]  # fmt: skip
    settings = {"TerminationPolicies": [policy], "LaunchTemplate": {"LaunchTemplateId": "lt-1"}}
    (chosen,) = autoscaling_capacity.victims(view(group(4, settings=settings), *rows), 1, rows)
    assert chosen.instance_id == victim


def test_the_oldest_launch_configuration_goes_first_and_the_groups_own_last() -> None:
    rows = [
        member("i-own", launch_template={}, launch_configuration="own", age=9000),
        member("i-mid", launch_template={}, launch_configuration="mid", age=500),
        member("i-old", launch_template={}, launch_configuration="old", age=700),
    ]
    settings = {"TerminationPolicies": ["OldestLaunchConfiguration"], "LaunchConfigurationName": "own"}
    found = autoscaling_capacity.victims(view(group(0, settings=settings), *rows), 3, rows)
    assert [row.instance_id for row in found] == ["i-old", "i-mid", "i-own"]


def test_what_is_unhealthy_goes_before_sizes_are_looked_at() -> None:
    rows = [member("i-1"), member("i-2", "b"), member("i-3")]
    (action,) = plan(view(group(2), *rows, sights={"i-2": Sight("stopped")}))
    assert isinstance(action, Move)
    assert (action.row.instance_id, action.fields["state"]) == ("i-2", "Terminating")


def test_a_grace_period_covers_checks_and_not_an_instance_that_is_off() -> None:
    row = group(1, settings={"HealthCheckGracePeriod": 300, "HealthCheckType": "ELB"}, sources=[SOURCE])
    young = member("i-1", age=100)
    ill = Sight("running", impaired=True, traffic={"arn:tg": "unhealthy"})
    assert plan(view(row, young, sights={"i-1": ill})) == []
    assert plan(view(row, young, sights={"i-1": Sight("stopped", traffic={"arn:tg": "unused"})})) != []
    assert plan(view(row, member("i-1", age=301), sights={"i-1": ill})) != []


def test_an_instance_registers_waits_for_health_and_serves() -> None:
    row = group(1, settings={"HealthCheckGracePeriod": 300, "HealthCheckType": "ELB"}, sources=[SOURCE])
    coming = member("i-1", state="Pending", age=5)
    (asked,) = plan(view(row, coming))
    assert isinstance(asked, Move)
    assert [ask.operation for ask in asked.asks] == ["RegisterTargets"]
    assert asked.fields["state"] == "Pending:Proceed"
    waiting = dataclasses.replace(coming, state="Pending:Proceed")
    assert plan(view(row, waiting, sights={"i-1": Sight("running", traffic={"arn:tg": "initial"})})) == []
    served, _ = plan(view(row, waiting, sights={"i-1": Sight("running", traffic={"arn:tg": "healthy"})}))
    assert isinstance(served, Move)
    assert served.fields["state"] == "InService"


def test_one_that_leaves_drains_then_waits_for_its_hook_then_ends() -> None:
    row = group(0, sources=[SOURCE])
    hook = LifecycleHook("g", "h", "autoscaling:EC2_INSTANCE_TERMINATING", {"HeartbeatTimeout": 60, "DefaultResult": "CONTINUE"})
    leaving = member("i-1", state="Terminating")

    def step(state: ScalingMember, traffic: dict[str, str]) -> Any:
        found = plan(view(row, state, sights={"i-1": Sight("running", traffic=traffic)}, hooks=[hook]))
        return found[0] if found else None

    assert [ask.operation for ask in step(leaving, {"arn:tg": "healthy"}).asks] == ["DeregisterTargets"]
    assert step(leaving, {"arn:tg": "draining"}) is None
    assert step(leaving, {}).fields["state"] == "Terminating:Wait"
    waits = {"name": "h", "token": "t", "deadline": times.text(NOW + 1), "limit": times.text(NOW + 9), "result": "",
             "default": "CONTINUE"}  # fmt: skip
    waiting = dataclasses.replace(leaving, state="Terminating:Wait", hooks=[waits])
    assert step(waiting, {}) is None
    answered = dataclasses.replace(waiting, hooks=[{**waits, "result": "CONTINUE"}])
    assert [ask.operation for ask in step(answered, {}).asks] == ["TerminateInstances"]


def test_a_surplus_waits_until_what_shall_replace_it_serves() -> None:
    rows = [member("i-1"), member("i-2"), member("i-3", "b", state="Pending", surge=True)]
    asked = view(group(2), *rows, sights={"i-3": Sight("pending")})
    assert plan(asked) == []
    served = dataclasses.replace(rows[2], state="InService", in_service=times.text(NOW))
    (action,) = plan(view(group(2), *rows[:2], served))
    assert isinstance(action, Move)
    assert action.row.zone == "a"


def test_a_cause_is_forgotten_once_the_size_agrees() -> None:
    row = group(1, cause="At ... somebody asked.")
    assert plan(view(row, member("i-1"))) == [SetGroup(row, {"cause": ""})]


def test_pauses_grow_and_have_an_end() -> None:
    assert [pause(number) for number in (0, 1, 2, 3, 4)] == [0.0, 0.0, 15.0, 30.0, 60.0]
    assert pause(1000) == 600.0


def test_a_guest_is_told_where_it_goes() -> None:
    states = ("Pending:Wait", "InService", "Terminating:Wait", "Standby", "Warmed:Pending", "Detaching")
    assert [target_state(state) for state in states] == [
        "InService", "InService", "Terminated", "Standby", "Warmed:Stopped", "Detached",
    ]  # fmt: skip
