"""Cron expressions of scheduled actions, in their time zones."""

from datetime import UTC, datetime

import pytest

from minicloud.aws import scheduled, times
from minicloud.aws.cron import Cron
from minicloud.errors import ApiError


@pytest.mark.parametrize(
    ("expression", "zone", "after", "due"),
    [
        ("30 6 * * *", "UTC", "2026-03-01T06:30:00", "2026-03-02T06:30:00"),
        ("*/15 * * * *", "UTC", "2026-03-01T06:31:00", "2026-03-01T06:45:00"),
        ("0 9 * * MON-FRI", "UTC", "2026-03-06T10:00:00", "2026-03-09T09:00:00"),
        ("0 0 29 2 *", "UTC", "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
        ("0 12 13 * 5", "UTC", "2026-03-07T00:00:00", "2026-03-13T12:00:00"),
        ("0 12 1 * 7", "UTC", "2026-03-02T00:00:00", "2026-03-08T12:00:00"),
        ("0 8 * * *", "Europe/Berlin", "2026-03-28T12:00:00", "2026-03-29T06:00:00"),
        ("0 8 * * *", "Europe/Berlin", "2026-03-27T12:00:00", "2026-03-28T07:00:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00", "2026-03-29T01:30:00"),
        ("0 22 * jan,jul *", "America/New_York", "2026-03-01T00:00:00", "2026-07-02T02:00:00"),
    ],
)
def test_the_next_time(expression: str, zone: str, after: str, due: str) -> None:
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert Cron(expression, zone).after(moment) == datetime.fromisoformat(due).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "expression", ["", "* * * *", "60 * * * *", "* * 0 * *", "*/0 * * * *", "a * * * *", "0 0 31 2 *", "1-70 * * * *"]
)
def test_what_is_none(expression: str) -> None:
    with pytest.raises(ApiError, match="ValidationError"):
        Cron(expression)


@pytest.mark.parametrize("zone", ["Nowhere/Land", "../../etc/passwd", ""])
def test_time_zones_that_are_none(zone: str) -> None:
    with pytest.raises(ApiError, match="Invalid time zone"):
        Cron("* * * * *", zone)


def test_start_and_end_bound_what_recurs() -> None:
    settings = {"Recurrence": "0 * * * *", "StartTime": "2026-03-01T12:00:00.000Z", "EndTime": "2026-03-01T13:30:00.000Z"}
    assert scheduled.next_due(settings, times.seconds("2026-03-01T01:00:00Z")) == "2026-03-01T12:00:00.000Z"
    assert scheduled.next_due(settings, times.seconds("2026-03-01T12:00:00Z")) == "2026-03-01T13:00:00.000Z"
    assert scheduled.next_due(settings, times.seconds("2026-03-01T13:00:00Z")) == ""
    assert scheduled.next_due({"StartTime": "2026-03-01T12:00:00.000Z"}, times.seconds("2026-03-01T12:00:00Z")) == ""
