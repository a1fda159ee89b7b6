"""When scheduled actions are due. Pure functions; times are ISO 8601 text, empty for never."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from . import times
from .cron import Cron


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def next_due(settings: Mapping[str, Any], after: float) -> str:
    """The first time after a moment (seconds since 1970) at which an action is due."""
    start = times.seconds(settings["StartTime"]) if settings.get("StartTime") else None
    end = times.seconds(settings["EndTime"]) if settings.get("EndTime") else None
    if not settings.get("Recurrence"):
        return times.text(start) if start is not None and start > after else ""
    # The start itself may be a time that recurs.
    since = after if start is None else max(after, start - 1.0)
    found = Cron(settings["Recurrence"], settings.get("TimeZone") or "UTC").after(_moment(since))
    if found is None or (end is not None and found.timestamp() > end):
        return ""
    return times.text(found.timestamp())
