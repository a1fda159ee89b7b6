"""Cron expressions as Auto Scaling's scheduled actions have them: five fields, in a time zone.

    minute hour day-of-month month day-of-week

with `*`, `a-b`, `a,b`, `*/n`, `a-b/n`, and names of months and days; Sunday is 0 or 7. Where days of the month and of the
week are both given, either is enough, as cron has it. A local time that a change of clocks leaves out is taken an hour later;
one that comes twice is taken once.
"""

import calendar
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..errors import ApiError

_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))}
_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_NAMES: tuple[dict[str, int], ...] = ({}, {}, {}, _MONTHS, _DAYS)
_FURTHEST = 366 * 8 + 1
"""Days that are looked through: the 29th of February may be eight years away."""


def zone(name: str) -> ZoneInfo:
    """A time zone by its IANA name. Raises ApiError (ValidationError)."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ApiError("ValidationError", f"Invalid time zone: {name}") from error


class Cron:
    """A cron expression. Raises ApiError (ValidationError) for one that is none."""

    def __init__(self, expression: str, time_zone: str = "UTC") -> None:
        fields = expression.upper().split()
        if len(fields) != 5:
            raise _wrong(expression, "it has five fields: minute, hour, day of month, month, day of week")
        try:
            minutes, hours, days, months, weekdays = (_values(field, at) for at, field in enumerate(fields))
        except ValueError as error:
            raise _wrong(expression, str(error)) from error
        self._times = [(hour, minute) for hour in sorted(hours) for minute in sorted(minutes)]
        self._days, self._months, self._weekdays = days, months, {day % 7 for day in weekdays}
        self._either = not fields[2].startswith("*") and not fields[4].startswith("*")
        self._zone = zone(time_zone)
        if self.after(datetime.now(UTC)) is None:
            raise _wrong(expression, "no day is so")

    def after(self, moment: datetime) -> datetime | None:
        """The first time that matches after a moment, in UTC; None if there is none for years."""
        day = moment.astimezone(self._zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        for _ in range(_FURTHEST):
            if self._day(day):
                for hour, minute in self._times:
                    found = day.replace(hour=hour, minute=minute, tzinfo=self._zone).astimezone(UTC)
                    if found > moment:
                        return found
            day += timedelta(days=1)
        return None

    def _day(self, day: datetime) -> bool:
        if day.month not in self._months:
            return False
        of_month, of_week = day.day in self._days, day.isoweekday() % 7 in self._weekdays
        return of_month or of_week if self._either else of_month and of_week


def _wrong(expression: str, why: str) -> ApiError:
    return ApiError("ValidationError", f"Given recurrence string: {expression} is invalid: {why}")


def _number(text: str, at: int) -> int:
    low, high = _BOUNDS[at]
    value = _NAMES[at].get(text, int(text) if text.isascii() and text.isdigit() and len(text) < 5 else None)
    if value is None or not low <= value <= high:
        raise ValueError(f"{text!r} is none of {low} to {high}")
    return value


def _values(field: str, at: int) -> set[int]:
    low, high = _BOUNDS[at]
    found: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        if span == "*":
            first, last = low, high
        elif "-" in span:
            first, last = (_number(end, at) for end in span.split("-", 1))
        else:
            first = _number(span, at)
            last = high if slash else first
        if slash and not (step.isascii() and step.isdigit() and 0 < int(step) <= 60):
            raise ValueError(f"{step!r} is no step")
        found.update(range(first, last + 1, int(step or 1)))
    if not found:
        raise ValueError(f"{field!r} names no time")
    return found
