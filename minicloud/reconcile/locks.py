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

_PAUSE = 0.02


class Busy(Exception):
    """Somebody else holds the lock."""


def _flock(name: str) -> bytes:
    offset = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7])
    # struct flock of the C library: type, whence, start, length, process (which must be 0 here)
    return struct.pack("@hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, offset, 1, 0)


@contextlib.contextmanager
def held(directory: Path, name: str, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock `name`. Raises Busy if somebody has it for longer than `wait` seconds."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o755)
    descriptor = os.open(directory / "locks", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _acquire(descriptor, name, time.monotonic() + wait)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, name: str, deadline: float) -> None:
    while True:
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _flock(name))
        except (BlockingIOError, PermissionError) as error:
            if time.monotonic() >= deadline:
                raise Busy(name) from error
            time.sleep(_PAUSE)
        else:
            return
