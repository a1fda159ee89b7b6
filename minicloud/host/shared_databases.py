"""Databases of a home that another home may have as well: by links out of it, with which it was copied, or by hard links.

SQLite keeps the log of a database beside the name by which it was opened. Two names of one file have a log each, and writers
that do not see one another: both databases are damaged.
"""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from ..errors import Permanent, StateError
from . import disk_links

_DATABASES = ("state.sqlite", "metrics.sqlite")
_LOGS = ("", "-wal", "-shm", "-journal")


def refuse(home: Path) -> None:
    """Raise StateError where a database of a home is not to be opened, with the commands that make it a file of its own.

    What says that this home is no copy (`disk_links`) lets links be, and further names. Raises OSError.
    """
    paths = [home / f"{name}{log}" for name in _DATABASES for log in _LOGS]
    shared = [path for path in paths if disk_links.is_shared(path, home)]
    if not shared:
        return
    mark = home / "volumes" / disk_links.PLACE
    known = os.path.lexists(mark)
    try:
        found = [path for path in shared if (disk_links.was_elsewhere(path, home) if known else not path.is_symlink())]
    except Permanent as error:
        raise StateError(error.message) from error
    if found:
        raise StateError(_told(found, home, mark if known and all(path.is_symlink() for path in found) else None))


def _told(paths: list[Path], home: Path, mark: Path | None) -> str:
    file = disk_links.outside(paths[0], home)
    how = f"is a link to {file}" if file else "has a further name (a hard link)"
    commands = " && ".join(command for path in paths for command in _own(path))
    return (
        f"{paths[0]} {how}: another home may have that database, and two that write to it damage it, so it is not opened. Where "
        f"no minicloud runs with it (systemctl stop minicloud), put a copy into its place ({commands})"
        + (f"; or, if no other home has it, delete {mark}" if mark else "")
    )


def _own(path: Path) -> Iterator[str]:
    """The commands that make a file one of its home's own. The log of one that is a link is beside what that leads to."""
    if path.is_symlink():
        logs = {log: f"{os.path.realpath(path)}{log}" for log in ("-wal", "-journal")}
        yield from (
            f"cp -p {shlex.quote(there)} {shlex.quote(f'{path}{log}')}" for log, there in logs.items() if os.path.exists(there)
        )
    yield disk_links.COPY_FILE.format(shlex.quote(str(path)), shlex.quote(f"{path}.copy"))
