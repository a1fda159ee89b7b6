"""Times as AWS writes them. Inside minicloud a time is always this text: ISO 8601, UTC, milliseconds, `Z`."""

import time
from datetime import UTC, datetime


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


def whole(value: str) -> str:
    """The same time without its milliseconds, as the metadata service writes it."""
    return value[:19] + "Z"
