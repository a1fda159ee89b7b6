"""When the schedules of lifecycle policies are due: intervals of hours from a time of day, and AWS's cron expressions. UTC.
And how long they keep things.

    cron(minutes hours day-of-month month day-of-week year)

with `*`, `?`, `a-b`, `a,b`, `a/n`, names of months and days (1 is Sunday), `L` for the last day of a month, `W` for the
weekday nearest to a day, and `d#n` for the n-th of a day of the week.
"""

import calendar
import functools
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ..errors import ApiError

_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (1, 7), (1970, 2199))
_NAMES: tuple[dict[str, int], ...] = ({}, {}, {}, _MONTHS, _DAYS, {})
_FURTHEST = 366 * 8
"""Days that are looked through for a time that matches: the 29th of February may be eight years away."""

_UNITS = {"DAYS": 1, "WEEKS": 7, "MONTHS": 30, "YEARS": 365}

DayTest = Callable[[datetime], bool]


class Cron:
    """A cron expression. Raises ApiError (InvalidRequestException) for one that AWS does not take."""

    def __init__(self, expression: str) -> None:
        found = re.fullmatch(r"cron\((.*)\)", expression.strip())
        fields = found[1].upper().split() if found else []
        if len(fields) != 6:
            raise _wrong(expression, "it has six fields: minutes, hours, day of month, month, day of week, year")
        if (fields[2] == "?") == (fields[4] == "?"):
            raise _wrong(expression, "exactly one of day of month and day of week is ?")
        try:
            self._minutes, self._hours = (sorted(_values(fields[at], at)) for at in (0, 1))
            self._months, self._years = _values(fields[3], 3), _values(fields[5], 5)
            self._day = _day_of_month(fields[2]) if fields[4] == "?" else _day_of_week(fields[4])
        except ValueError as error:
            raise _wrong(expression, str(error)) from error

    def after(self, moment: datetime) -> datetime | None:
        """The first time that matches after a moment; None if there is none for years."""
        day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        for _ in range(_FURTHEST):
            if day.year in self._years and day.month in self._months and self._day(day):
                for hour in self._hours:
                    for minute in self._minutes:
                        found = day.replace(hour=hour, minute=minute)
                        if found > moment:
                            return found
            day += timedelta(days=1)
        return None


def _wrong(expression: str, why: str) -> ApiError:
    return ApiError("InvalidRequestException", f"The cron expression {expression!r} is not valid: {why}.")


def _number(text: str, at: int) -> int:
    low, high = _BOUNDS[at]
    value = _NAMES[at].get(text) or (int(text) if text.isdigit() else None)
    if value is None or not low <= value <= high:
        raise ValueError(f"{text!r} is none of {low} to {high}")
    return value


def _values(field: str, at: int) -> set[int]:
    found: set[int] = set()
    low, high = _BOUNDS[at]
    for part in field.split(","):
        span, _, step = part.partition("/")
        if span in ("*", "?"):
            first, last = low, high
        elif "-" in span:
            first, last = (_number(end, at) for end in span.split("-", 1))
        else:
            first = _number(span, at)
            last = high if step else first
        if step and (not step.isdigit() or int(step) == 0):
            raise ValueError(f"{step!r} is no step")
        found.update(range(first, last + 1, int(step or 1)))
    if not found:
        raise ValueError(f"{field!r} names no time")
    return found


def _last(day: datetime) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _day_of_month(field: str) -> DayTest:
    if field == "L":
        return lambda day: day.day == _last(day)
    if found := re.fullmatch(r"(\d+)W", field):
        return functools.partial(_nearest_weekday, _number(found[1], 2))
    numbers = _values(field, 2)
    return lambda day: day.day in numbers


def _nearest_weekday(number: int, day: datetime) -> bool:
    target = day.replace(day=min(number, _last(day)))
    shift = {5: -1 if target.day > 1 else 2, 6: 1 if target.day < _last(day) else -2}.get(target.weekday(), 0)
    return day == target + timedelta(days=shift)


def _weekday(day: datetime) -> int:
    """As AWS counts: Sunday is 1."""
    return (day.weekday() + 1) % 7 + 1


def _day_of_week(field: str) -> DayTest:
    if found := re.fullmatch(r"(\w+)#([1-5])", field):
        wanted, nth = _number(found[1], 4), int(found[2])
        return lambda day: _weekday(day) == wanted and (day.day - 1) // 7 + 1 == nth
    if (found := re.fullmatch(r"(\w+)L", field)) and len(found[1]) in (1, 3):
        last = _number(found[1], 4)
        return lambda day: _weekday(day) == last and day.day + 7 > _last(day)
    numbers = _values(field, 4)
    return lambda day: _weekday(day) in numbers


def every(hours: int, time_of_day: str, after: datetime) -> datetime:
    """The first time after a moment that lies a whole number of intervals from a time of day, such as 09:00.

    Intervals are counted from that time of each day, as AWS does, so that they come at the same times every day.
    """
    hour, _, minute = time_of_day.partition(":")
    start = after.astimezone(UTC).replace(hour=int(hour), minute=int(minute), second=0, microsecond=0) - timedelta(days=1)
    while start <= after:
        start += timedelta(hours=hours)
    return start


def days(interval: int, unit: str) -> int:
    """The days that something is kept for; months have 30 days and years 365, as in AWS's limits."""
    return interval * _UNITS[unit]
