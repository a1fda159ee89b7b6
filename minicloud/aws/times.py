"""Times as AWS writes them. Inside minicloud a time is always this text: ISO 8601, UTC, milliseconds, `Z`."""

import time
from datetime import UTC, datetime
from email.utils import formatdate


def text(seconds: float) -> str:
    """Seconds since 1970 as 2026-01-02T03:04:05.678Z."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now() -> str:
    """The present time."""
    return text(time.time())


def seconds(value: str) -> float:
    """Seconds since 1970 of any ISO 8601 text; without an offset it is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(value)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def written(value: str, form: str) -> str | float:
    """A time in one of the forms that AWS's models name: iso8601, rfc822, or unixTimestamp, which is a number of seconds."""
    if form == "unixTimestamp":
        number = seconds(value)
        return int(number) if number.is_integer() else number
    return formatdate(seconds(value), usegmt=True) if form == "rfc822" else value


SLACK = 30.0
"""Seconds by which a clock may be set without anything noticing: clocks are disciplined all the time."""


def over(since: str, patience: float, now: float) -> bool:
    """Whether a wait of `patience` seconds that began at a time is over. One that begins later than now is: a clock was set."""
    return not -SLACK <= now - seconds(since) < patience


def due(at: str, patience: float, now: float) -> bool:
    """Whether a time has come that lies `patience` seconds ahead at most. One further ahead is over: a clock was set."""
    return not 0 < seconds(at) - now <= patience + SLACK


def whole(value: str) -> str:
    """The same time without its milliseconds, as the metadata service writes it."""
    return value[:19] + "Z"
