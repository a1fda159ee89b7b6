"""Copies of databases: made while they are used, and looked at before one takes the place of another."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from ..errors import Damaged, StateError

_PAGES, _PATIENCE = 4096, 5.0
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_UNREADABLE = {sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS}


def write(source: Path, to: Path) -> None:
    """Copy a database as it is at one moment into a new file of mode 0600, whoever writes to it meanwhile. Raises Damaged where
    it is none or cannot be read, sqlite3.Error.
    """
    os.close(os.open(to, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    with contextlib.closing(sqlite3.connect(source, timeout=30.0)) as read, contextlib.closing(sqlite3.connect(to)) as written:
        try:
            read.backup(written, pages=_PAGES)
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF in _DAMAGED or error.sqlite_errorcode in _UNREADABLE:
                raise Damaged(f"{source} cannot be read: {error}") from error
            raise


def check(path: Path, what: str = "the state in the backup") -> None:
    """Raise StateError for a copy that is damaged, or that does more than keep rows; `what` it is, for a message."""
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA trusted_schema=OFF")
            active = connection.execute("select name from sqlite_master where type in ('trigger', 'view')").fetchall()
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        raise StateError(f"{what} cannot be read: {error}") from error
    if active or found != "ok":
        raise StateError(f"{what} is damaged: {found if not active else f'it has the trigger {active[0][0]}'}")


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep everybody else from a database, whose log is written into it before. Raises StateError where somebody has it open.

    A file that is no database is nobody's.
    """
    connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
    try:
        try:
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise StateError(f"another command uses {path}; try again when it has ended") from error
        except sqlite3.DatabaseError:
            pass
        yield
    finally:
        connection.close()
