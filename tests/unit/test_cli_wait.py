"""Waiters, with a clock that needs no time."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.waiter import SingleWaiterConfig

from minicloud.aws import model
from minicloud.cli.errors import CallFailed, WaitFailed
from minicloud.cli.poll import Clock, matches, patience, poll, strict
from minicloud.errors import ApiError

RUNNING = model.service("ec2").waiters["InstanceRunning"]
GONE = CallFailed("ec2", "DescribeInstances", ApiError("InvalidInstanceID.NotFound", "no such"))


class Time:
    def __init__(self) -> None:
        self.seconds = 0.0
        self.pauses: list[float] = []

    def sleep(self, pause: float) -> None:
        self.pauses.append(pause)
        self.seconds += pause

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.seconds, self.sleep)


def states(*names: str) -> dict[str, Any]:
    return {"Reservations": [{"Instances": [{"State": {"Name": name}} for name in names]}]}


def asking(*answers: Any) -> Callable[[], Any]:
    left = list(answers)

    def ask() -> Any:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return ask


def test_it_ends_when_all_are_there_and_asks_quickly_at_first() -> None:
    time = Time()
    ask = asking(states("pending"), states("running", "pending"), states("running"))
    poll(RUNNING, ask, patience(RUNNING, None, None), time.clock)
    assert time.pauses == [0.25, 0.375]


def test_it_waits_as_long_as_aws_in_all_and_says_what_is_there() -> None:
    time = Time()
    with pytest.raises(WaitFailed, match=r"not within 600 s; now: pending"):
        poll(RUNNING, asking(states("pending")), patience(RUNNING, None, None), time.clock)
    assert 590 < time.seconds <= 600
    assert max(time.pauses) == 3.0


def test_a_delay_of_the_callers_is_kept() -> None:
    time = Time()
    with pytest.raises(WaitFailed, match=r"not within 20 s"):
        poll(RUNNING, asking(states("pending")), patience(RUNNING, 5.0, 4), time.clock)
    assert time.pauses == [5.0] * 4


def test_it_gives_up_at_once_when_it_cannot_come_any_more() -> None:
    time = Time()
    with pytest.raises(WaitFailed, match="will not come any more; after 0 s: terminated"):
        poll(RUNNING, asking(states("terminated")), patience(RUNNING, None, None), time.clock)
    assert time.pauses == []


def test_an_error_that_the_definition_retries_is_retried_only_where_something_may_come_to_be() -> None:
    poll(RUNNING, asking(GONE, states("running")), patience(RUNNING, None, None), Time().clock)
    with pytest.raises(CallFailed):
        poll(strict("InstanceRunning", RUNNING), asking(GONE), patience(RUNNING, None, None), Time().clock)
    exists = model.service("ec2").waiters["InstanceExists"]
    poll(strict("InstanceExists", exists), asking(GONE, states("pending")), patience(exists, None, None), Time().clock)


def test_an_error_may_be_what_is_waited_for() -> None:
    wanted = {"matcher": "error", "expected": "InvalidInstanceID.NotFound", "state": "success"}
    deleted = {"acceptors": [wanted], "delay": 1, "maxAttempts": 1}
    poll(deleted, asking(GONE), patience(deleted, None, None), Time().clock)


ANSWERS = [
    {"Reservations": []},
    states(),
    states("running"),
    states("running", "pending"),
    states("terminated"),
    {"Reservations": [], "A": True},
    GONE,
]
ACCEPTORS = [
    *(acceptor for waiter in model.service("ec2").waiters.values() if waiter["operation"] == "DescribeInstances"
      for acceptor in waiter["acceptors"]),
    {"matcher": "path", "argument": "A", "expected": True, "state": "success"},
    {"matcher": "error", "expected": True, "state": "success"},
    {"matcher": "error", "expected": False, "state": "success"},
    {"matcher": "status", "expected": 200, "state": "success"},
]  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS)
def test_acceptors_match_as_botocores_do(answer: Any) -> None:
    status = {"ResponseMetadata": {"HTTPStatusCode": 400 if answer is GONE else 200}}
    theirs = {"Error": {"Code": GONE.error.code}, **status} if answer is GONE else {**answer, **status}
    for acceptor in ACCEPTORS:
        config = {"operation": "x", "delay": 1, "maxAttempts": 1, "acceptors": [acceptor]}
        match = SingleWaiterConfig(config).acceptors[0].matcher_func
        assert matches(acceptor, answer) == bool(match(theirs)), acceptor
