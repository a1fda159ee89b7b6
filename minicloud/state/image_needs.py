"""The base images that a database counts on, read without becoming its user: it may be another minicloud's, and of any version.

A copy of it and of its log is read, in which no file changed meanwhile: SQLite locks what it reads, waits for locks, and makes
files beside it. What cannot be read is raised, never taken for nothing.
"""

import contextlib
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from .. import files

_LOGS = ("-wal", "-journal")
_ATTEMPTS, _PAUSE = 20, 0.05
_NEEDS = """
with recursive above(id, base) as (
    select id, base from layers where base != ''
    union select layers.id, above.base from layers join above on layers.parent = above.id
)
select above.base, 1, volumes.id || case when volumes.instance_id = '' then '' else ' (of ' || volumes.instance_id || ')' end
    from volumes join above on volumes.layer_id = above.id
union select images.base, 2, instances.id
    from instances join images on images.id = instances.image_id where instances.state != 'terminated'
union select base, 3, id from images where state in ('available', 'pending', 'disabled')
union select above.base, 4, snapshots.id from snapshots join above on snapshots.layer_id = above.id
union select base, 5, 'the layer ' || id from layers
order by 1, 2, 3
"""
"""Volumes, instances that are not terminated (they may start with the image's kernel), AMIs, snapshots, layers."""


def of(database: Path) -> dict[str, list[str]]:
    """The ids of base images, each with what counts on it: the first of these kinds of which there is any. None without a state.

    Raises sqlite3.Error, OSError.
    """
    try:
        if not database.stat().st_size:
            return {}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    with _copy(database) as copy:
        return _read(copy)


@contextlib.contextmanager
def _copy(database: Path) -> Iterator[Path]:
    """A copy as of one moment. The log comes last: what was written into the database meanwhile is in it."""
    with tempfile.TemporaryDirectory(prefix="minicloud-") as directory:
        for _ in range(_ATTEMPTS):
            before, copy = _seen(database), Path(directory) / "state.sqlite"
            for end in ("", *_LOGS):
                _copy_file(Path(f"{database}{end}"), Path(f"{copy}{end}"))
            if _seen(database) == before:
                yield copy
                return
            time.sleep(_PAUSE)
    raise sqlite3.OperationalError("it changes all the time")


def _seen(database: Path) -> list[tuple[int, int, int] | None]:
    found = list[tuple[int, int, int] | None]()
    for end in ("", *_LOGS):
        try:
            there = os.stat(f"{database}{end}")
            found.append((there.st_ino, there.st_size, there.st_mtime_ns))
        except FileNotFoundError:
            found.append(None)
    return found


def _copy_file(path: Path, to: Path) -> None:
    to.unlink(missing_ok=True)
    try:
        with open(files.opened(path, os.O_RDONLY), "rb") as source, to.open("wb") as copy:
            shutil.copyfileobj(source, copy)
    except FileNotFoundError as error:
        if not str(path).endswith(_LOGS):
            raise sqlite3.OperationalError("it has just gone") from error
    except files.NotRegular as error:
        raise sqlite3.OperationalError(error.message) from error


def _read(database: Path) -> dict[str, list[str]]:
    found: dict[str, tuple[int, list[str]]] = {}
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA query_only=ON")
        connection.execute("PRAGMA trusted_schema=OFF")
        for base, kind, what in connection.execute(_NEEDS):
            first, those = found.setdefault(base, (kind, []))
            if kind == first:
                those.append(what)
    return {base: those for base, (_, those) in found.items() if base}
