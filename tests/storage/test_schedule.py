"""When schedules are due."""

from datetime import UTC, datetime, timedelta

import pytest

from minicloud.aws.schedule import Cron, every
from minicloud.errors import ApiError
from minicloud.reconcile.lifecycle import last_due, step_of


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "after", "due"),
    [
        ("cron(0 9 * * ? *)", "2026-01-01 08:59", "2026-01-01 09:00"),
        ("cron(0 9 * * ? *)", "2026-01-01 09:00", "2026-01-02 09:00"),
        ("cron(0/15 * * * ? *)", "2026-01-01 09:46", "2026-01-01 10:00"),
        ("cron(* * * * ? *)", "2026-12-31 23:59", "2027-01-01 00:00"),
        ("cron(30 6 ? * MON-FRI *)", "2026-01-02 07:00", "2026-01-05 06:30"),
        ("cron(0 0 ? * 1 *)", "2026-01-01 00:00", "2026-01-04 00:00"),  # 1 is Sunday
        ("cron(0 12 1,15 * ? *)", "2026-01-01 12:00", "2026-01-15 12:00"),
        ("cron(0 0 L * ? *)", "2026-02-01 00:00", "2026-02-28 00:00"),
        ("cron(0 0 29 2 ? *)", "2026-01-01 00:00", "2028-02-29 00:00"),
        ("cron(0 8 ? * 2#1 *)", "2026-01-01 00:00", "2026-01-05 08:00"),  # the first Monday
        ("cron(0 8 ? * FRIL *)", "2026-01-01 00:00", "2026-01-30 08:00"),  # the last Friday
        ("cron(0 8 1W * ? *)", "2026-02-01 00:00", "2026-02-02 08:00"),  # the 1st is a Sunday
        ("cron(0 0 1 JAN ? 2030)", "2026-01-01 00:00", "2030-01-01 00:00"),
    ],
)
def test_cron(expression: str, after: str, due: str) -> None:
    assert Cron(expression).after(at(after)) == at(due)


def test_a_cron_that_is_over() -> None:
    assert Cron("cron(0 0 1 1 ? 2020)").after(at("2026-01-01")) is None


@pytest.mark.parametrize(
    "expression",
    ["", "0 9 * * ? *", "cron(0 9 * * *)", "cron(60 9 * * ? *)", "cron(0 9 * * * *)", "cron(0 9 ? * ? *)", "cron(0 9 32 * ? *)",
     "cron(0 9 * FOO ? *)", "cron(0/0 9 * * ? *)", "cron(x 9 * * ? *)", "cron(0 9 5-1 * ? *)"],
)  # fmt: skip
def test_crons_that_are_none(expression: str) -> None:
    with pytest.raises(ApiError, match="InvalidRequestException"):
        Cron(expression)


@pytest.mark.parametrize(
    ("hours", "time", "after", "due"),
    [
        (24, "09:00", "2026-01-01 09:00", "2026-01-02 09:00"),
        (12, "09:30", "2026-01-01 10:00", "2026-01-01 21:30"),
        (1, "00:15", "2026-01-01 23:15", "2026-01-02 00:15"),
        (8, "23:00", "2026-01-01 00:00", "2026-01-01 07:00"),
    ],
)
def test_intervals(hours: int, time: str, after: str, due: str) -> None:
    assert every(hours, time, at(after)) == at(due)


def test_of_many_missed_times_the_latest_counts() -> None:
    rule = {"Interval": 1, "IntervalUnit": "HOURS", "Times": ["00:30"]}
    now = at("2026-01-10 12:00")
    assert last_due(step_of(rule), now - timedelta(days=5), now) == at("2026-01-10 11:30")
    assert last_due(step_of(rule), at("2026-01-10 11:30"), now) is None
    assert last_due(step_of({"CronExpression": "cron(0 0 1 1 ? *)"}), at("2020-06-01"), now) == at("2026-01-01")
