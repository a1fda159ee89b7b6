"""Which homes use an image store: `.homes` in it has a file for each (its mark), named after the home's path.

A home says so before anything of it comes to stand on an image (`join`), on the disk itself. What it needs is asked of its own
rows and of the headers of its disks, by whoever is about to remove an image (`reconcile.image_needs`). He holds the store's
lock, and a home that is about to build takes it once its rows are there: so either the one who removes sees them, or the one
who builds on the image finds it gone.

A home that has a mark and is not found may only not be mounted, or have been moved: it may need any image until somebody
deletes the mark, or the same state is found to have joined under another path.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .. import files
from ..errors import Permanent, Retry
from . import disk_stamp, durable, own_names, remains

HOMES = ".homes"
REMOVING = 60.0
"""Seconds for which one who removes images waits for the store's lock."""
_JOINING = 3.0
"""Seconds for which a pass or a launch does."""
_PAUSE = 0.02
_STATE = "state.sqlite"
_UNWRITABLE = {errno.EROFS, errno.EACCES, errno.EPERM}


@dataclass(frozen=True)
class User:
    """A home that uses a store, and the mark that says so, if it has one."""

    home: Path
    mark: Path | None


@contextlib.contextmanager
def held(store: Path, wait: float) -> Iterator[bool]:
    """Hold the lock of a store, which is its directory's own (flock); False, and nothing is held, where there is no store.

    Raises Retry if somebody has it for longer than `wait` seconds, OSError.
    """
    deadline = time.monotonic() + wait
    while True:
        try:
            descriptor = os.open(store, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            yield False
            return
        try:
            while not _is_locked(descriptor):
                if time.monotonic() >= deadline:
                    raise Retry(f"the image store {store} is in use by {_holder(descriptor)}, for {wait:.0f} s at least")
                time.sleep(_PAUSE)
            if _is_still(store, descriptor):  # whoever had it before may have taken the directory away
                yield True
                return
        finally:
            os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> str:
    """Who has the lock, in words: one line of proc_locks(5) is `1: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE 0 EOF`."""
    inode = str(os.fstat(descriptor).st_ino)
    with contextlib.suppress(OSError):
        for words in map(str.split, Path("/proc/locks").read_text().splitlines()):
            if words[1] == "FLOCK" and words[5].rpartition(":")[2] == inode and Path("/proc", words[4]).exists():
                return f"the process {words[4]}"
    return "another process"


def _is_still(store: Path, descriptor: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(store.stat(), os.fstat(descriptor))
    return False


def mark(store: Path, home: Path) -> Path:
    """The file that says that a home uses a store."""
    return store / HOMES / f"{hashlib.sha256(os.fsencode(home.absolute())).hexdigest()[:16]}.json"


def join(store: Path, home: Path, identity: str = "", *, build: bool = False) -> bool:
    """Say, where it lasts, that a home uses a store, with the state that it has; whether there was no such mark before.

    Raises Retry where the store is in use, OSError.

    To `build` on an image it is waited for whoever removes one. Where there is no store, or nobody may write to it, nothing is
    said: nothing is removed from it.
    """
    path = mark(store, home)
    try:
        if not build and _is_said(path, home, identity):
            return False
        with held(store, _JOINING) as there:
            if not there or _is_said(path, home, identity):
                return False
            new = not path.exists()
            path.parent.mkdir(mode=0o700, exist_ok=True)
            durable.replace(path, json.dumps({"home": str(home.absolute()), "identity": identity}) + "\n")
            durable.sync(store)
            _forget_moved(store, home, identity)
            return new
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
    return False


def _forget_moved(store: Path, home: Path, identity: str) -> None:
    """Remove what a state that is in `home`, and has said so, said where it was before."""
    for path in _marks(store):
        with contextlib.suppress(Permanent, OSError):
            before, said = _read(path)
            if identity and said == identity and not _is_same(before, home) and not is_there(before):
                path.unlink()


def _is_said(path: Path, home: Path, identity: str) -> bool:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, Permanent):
        said = _read(path)
        return said[0] == home.absolute() and identity in ("", said[1])
    return False


def _read(path: Path) -> tuple[Path, str]:
    """The home that a mark is of, and its state's identity, which may be unknown. Raises Permanent, OSError."""
    try:
        said = json.loads(files.read(path))
        return Path(said["home"]), str(said.get("identity", ""))
    except (ValueError, KeyError, TypeError) as error:
        raise Permanent(
            f"{path} is damaged: it says which home uses the images here; until it is mended or deleted none of them is removed"
        ) from error


def _marks(store: Path) -> list[Path]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return [path for path in sorted((store / HOMES).iterdir()) if own_names.is_home_mark(path.name)]
    return []


def others(store: Path, home: Path) -> list[User]:
    """The other homes that use a store, there or not; also those that the store is in, whatever they have said.

    Raises Permanent where that cannot be told, OSError.
    """
    found = [User(_read(path)[0], path) for path in _marks(store)]
    noted = {user.home for user in found}
    above = dict.fromkeys([*store.absolute().parents, *store.resolve().parents])
    found += [User(one, None) for one in above if one not in noted and is_there(one)]
    return [user for user in found if not _is_same(user.home, home)]


def is_there(home: Path) -> bool:
    """Whether a home has a state, or one that is being restored, or disks. Raises OSError."""
    states = (home / _STATE, home / remains.RESTORING / _STATE)
    places = (".", disk_stamp.RESTORING, f"{disk_stamp.ASIDE}/*")
    disks = (path for place in places for path in (home / "volumes").glob(f"{place}/*.qcow2"))
    return any(path.exists() for path in states) or any(own_names.is_disk(path.stem) for path in disks)


def _is_same(home: Path, other: Path) -> bool:
    with contextlib.suppress(OSError):
        return home.samefile(other)
    return home.absolute() == other.absolute()
