"""Access logs of load balancers: how large they may grow, and what goes when they do.

HAProxy holds its log open, and adds to it whole lines (`log_writers`). A log that has grown to its share is copied to
`.1`, in whose place it stood, and emptied: HAProxy goes on at its beginning. Between two looks a log grows by no more than the
kernel lets it (`most_of_one`, RLIMIT_FSIZE); lines beyond that are dropped by HAProxy, which counts them.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ..errors import Permanent
from . import disk_links, log_writers, own_names

_PIECE = 1 << 20


def most_of_one(most: int) -> int:
    """The bytes that one log may have at any moment, where all together may have `most`."""
    return max(_PIECE, most // 4)


def _logs(home: Path) -> Iterator[Path]:
    for directory, _, names in os.walk(home / "logs"):
        for name in names:
            path = Path(directory, name)
            if own_names.is_log(path.relative_to(home)) and not path.is_symlink():
                yield path


def bound(home: Path, most: int) -> list[str]:
    """Keep all logs of a home within `most` bytes: what went, in words. Raises OSError.

    In a copied home, a link leads to logs that are another's. A log with a further name, as in a copy of the home by hard
    links, is not emptied: this name of it goes, or, while HAProxy has it open, Permanent is raised when all others were seen to.
    """
    if disk_links.is_anothers(home / "logs", home):
        return []
    told = list[str]()
    shared = [path for path in _logs(home) if path.name.endswith(".log") and _is_shared(path) and log_writers.is_held(path)]
    for path in (path for path in _logs(home) if path not in shared):
        if path.name.endswith(".log") and path.stat().st_size >= most_of_one(most) // 2:
            told += _turn(path)
    there = {path: path.stat() for path in _logs(home) if path not in shared}
    total = sum(about.st_size for about in there.values())
    # Those that are written to come last, and are emptied, not removed.
    for path in sorted(there, key=lambda one: (one.name.endswith(".log"), there[one].st_mtime)):
        if total <= most:
            break
        total -= there[path].st_size
        told.append(
            f"{path}: its {there[path].st_size} bytes were dropped, because all access logs together have more than {most}"
        )
        if path.name.endswith(".log") and not _is_shared(path):
            with log_writers.emptied(path):
                pass
        else:
            path.unlink()
    if over := [path for path in shared if path.stat().st_size >= most_of_one(most) // 2]:
        what = f"{over[0]} has a further name (a hard link), such as in a copy of the home, and is written to"
        raise Permanent("; ".join([*told, f"{what}: it is not emptied until the other name is a file of its own, or gone"]))
    return told


def _is_shared(path: Path) -> bool:
    return path.stat().st_nlink > 1


def _turn(path: Path) -> list[str]:
    """Put a log's lines into the place of the older ones; what of these went."""
    old, new = path.with_name(f"{path.name}.1"), path.with_name(f"{path.name}.2")
    gone = old.stat().st_size if old.exists() else 0
    if _is_shared(path):  # and nobody has it open
        path.rename(old)
        return [f"{path}: {gone} older bytes were dropped"] if gone else []
    try:
        new.unlink(missing_ok=True)  # it may have a further name
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        with path.open("rb") as source, open(descriptor, "wb") as copy:
            shutil.copyfileobj(source, copy, _PIECE)
            new.rename(old)
            with log_writers.emptied(path):
                while piece := source.read(_PIECE):  # what came meanwhile
                    copy.write(piece)
    except OSError as error:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        with log_writers.emptied(path):
            gone = path.stat().st_size
        return [f"{path}: its {gone} bytes were dropped, because they could not be put aside: {error}"]
    return [f"{path}: {gone} older bytes were dropped"] if gone else []
