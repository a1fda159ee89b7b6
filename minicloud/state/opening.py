"""What must not be taken for a state: a file that was lost, one of another program, one that cannot be read.

Where a state was lost and what it described is still there (disks, keys), a new one would take them for nobody's. So an empty
database is made or filled only where there is nothing else.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from ..errors import StateError

_WHAT_NOW = "restore it from a backup; or, to start anew knowingly, minicloud adopt, which puts aside what is there"


def refuse_lost(path: Path, kept: Callable[[], str]) -> None:
    """Raise StateError where there is no state, or an empty file, and `kept` tells of what one has left."""
    if path.is_dir():
        raise StateError(f"{path} is a directory, where the state should be a file: move it away, and restore the state")
    # Whoever makes a state makes its file before anything else: one that is still not there after `kept` is lost.
    if _is_missing(path) and (found := kept()) and _is_missing(path):
        raise StateError(f"the state {path} is {'empty' if path.exists() else 'not there'}, but {found}: {_WHAT_NOW}")


def _is_missing(path: Path) -> bool:
    try:
        return path.stat().st_size == 0
    except FileNotFoundError:
        return True


def version(connection: sqlite3.Connection, path: Path) -> int:
    """The number of a database's version. Raises StateError for a file that is no database."""
    try:
        found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        raise StateError(
            f"the state {path} cannot be read ({error}): restore it from a backup; what can be read: sqlite3 {path} .recover"
        ) from error
    return found


def refuse_strange(connection: sqlite3.Connection, path: Path, kept: Callable[[], str]) -> None:
    """Before it is migrated: raise StateError for a database of another program, and for one that has lost its tables."""
    tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
    if tables and "_sqlite_migrations" not in tables:
        raise StateError(f"{path} is the database of another program (a table is {min(tables)}): set MINICLOUD_HOME elsewhere")
    if not tables and (found := kept()):
        raise StateError(f"the state {path} has no tables, but {found}: {_WHAT_NOW}")
