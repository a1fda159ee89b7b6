"""Files of minicloud's, opened without waiting: a FIFO, socket or device that bears a file's name would keep its reader for ever.

A link to a regular file is that file, as an administrator leaves one.
"""

import errno
import os
import stat
from pathlib import Path

from .errors import Permanent

_STRANGE = {errno.ENXIO, errno.ENODEV, errno.EISDIR, errno.ELOOP}


class NotRegular(Permanent, ValueError):
    """What has the name of a file of minicloud's is none; what reads a file may take that for its being damaged."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is no regular file, as minicloud's is: move it away")


def opened(path: Path, flags: int, mode: int = 0o600) -> int:
    """A descriptor of a regular file, which the caller closes. Raises NotRegular, OSError."""
    try:
        descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY, mode)
    except OSError as error:
        if error.errno in _STRANGE:
            raise NotRegular(path) from error
        raise
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise NotRegular(path)


def read(path: Path) -> bytes:
    """All that is in a file. Raises NotRegular, OSError."""
    with open(opened(path, os.O_RDONLY), "rb") as file:
        return file.read()


def directory(path: Path, mode: int = 0o755) -> None:
    """Make a directory of at most this mode, and those that it is in (0755), where they are not there, whatever the umask is.

    Path.mkdir(parents=True) gives those that it is in all that the umask leaves. Raises OSError.
    """
    for parent in reversed([parent for parent in path.parents if not parent.exists()]):
        parent.mkdir(mode=0o755, exist_ok=True)
    path.mkdir(mode=mode, exist_ok=True)


def draft(path: Path, mode: int) -> int:
    """A descriptor to write a new file with, over what somebody was killed in; a link is refused. Raises NotRegular, OSError."""
    descriptor = opened(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, mode)
    os.truncate(descriptor, 0)
    return descriptor
