"""Copies of a state, and putting one back: what a backup and its restoration are to minicloud."""

import contextlib
import sqlite3
from pathlib import Path

from minicloud.cloud import Cloud


def keep(cloud: Cloud, copy: Path) -> None:
    """Copy the state as it is now."""
    with contextlib.closing(sqlite3.connect(cloud.settings.database)) as source, contextlib.closing(sqlite3.connect(copy)) as to:
        source.backup(to)


def restore(cloud: Cloud, copy: Path) -> None:
    """Put a copy where the state is. A new Cloud must be made then."""
    cloud.state.close()
    database = cloud.settings.database
    for path in database.parent.glob("state.sqlite*"):
        path.unlink(missing_ok=True)
    database.write_bytes(copy.read_bytes())
