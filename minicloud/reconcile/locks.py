"""Locks that any number of commands and the daemon share: one file, a byte for each name.

Open-file-description locks: the kernel drops them when the holder ends in any way, and two threads of one process exclude
each other as two processes do. Two names may fall on the same byte; then they only wait for one another.
"""

import contextlib
import fcntl
import hashlib
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from .. import files

FILE = "locks"
_PAUSE = 0.02


class Busy(Exception):
    """Somebody else holds the lock `name`, after `waited` seconds still."""

    def __init__(self, name: str, waited: float = 0.0) -> None:
        super().__init__(f"another process holds the lock {name!r}" + (f", for {waited:.0f} s at least" if waited else ""))
        self.waited = waited


def _flock(name: str, kind: int) -> bytes:
    return _lock(kind, int.from_bytes(hashlib.sha256(name.encode()).digest()[:7]), 1)


def _lock(kind: int, offset: int, length: int) -> bytes:
    """struct flock of the C library: type, whence, start, length (0 for all that follows), process (which must be 0 here)."""
    return struct.pack("@hhqqi4x", kind, os.SEEK_SET, offset, length, 0)


@contextlib.contextmanager
def held(directory: Path, name: str, wait: float = 0.0, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock `name`, or share it with others who do. Raises Busy if somebody has it for longer than `wait` seconds,
    NotRegular.
    """
    deadline = time.monotonic() + wait
    while True:
        descriptor = _open(directory)
        try:
            _acquire(descriptor, _flock(name, fcntl.F_RDLCK if shared else fcntl.F_WRLCK), deadline, Busy(name, wait))
            if _is_still(directory, descriptor):  # else it was cleared away meanwhile, and who comes next has another
                yield
                return
        finally:
            os.close(descriptor)


def clear(directory: Path) -> None:
    """Remove the file, if nobody holds a lock in it, and the directory if there is nothing else in it."""
    with contextlib.suppress(FileNotFoundError, files.NotRegular):
        descriptor = files.opened(directory / FILE, os.O_RDWR)
        try:
            with contextlib.suppress(Busy):
                _acquire(descriptor, _lock(fcntl.F_WRLCK, 0, 0), 0.0, Busy("any"))
                if _is_still(directory, descriptor):
                    (directory / FILE).unlink()
        finally:
            os.close(descriptor)
    with contextlib.suppress(OSError):
        directory.rmdir()


def _open(directory: Path) -> int:
    while True:
        files.directory(directory)
        with contextlib.suppress(FileNotFoundError):  # the directory, cleared away between these two
            return files.opened(directory / FILE, os.O_RDWR | os.O_CREAT)


def _is_still(directory: Path, descriptor: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat((directory / FILE).stat(), os.fstat(descriptor))
    return False


def _acquire(descriptor: int, wanted: bytes, deadline: float, busy: Busy) -> None:
    while True:
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, wanted)
        except (BlockingIOError, PermissionError) as error:
            if time.monotonic() >= deadline:
                raise busy from error
            time.sleep(_PAUSE)
        else:
            return
