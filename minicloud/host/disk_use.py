"""Whether QEMU has a file open: it locks bytes of it (block/file-posix.c), also of one that it only reads.

So it does with disks, with the seeds that guests start with, and with the variables of their firmware.
"""

import errno
import fcntl
import os
import stat
import struct
from pathlib import Path

_FIRST, _COUNT = 100, 200
"""The bytes: a hundred for what is done to the file, a hundred for what others may not do."""
_KINDS = (".qcow2", ".iso", ".fd")
_FLOCK = "@hhqqi4x"
"""struct flock of the C library: type, whence, start, length, process."""


def is_open(path: Path) -> bool:
    """Ask without taking a lock; what is not there, or is neither a regular file with such a name nor a link to one, is not open.
    Raises OSError.

    Databases are not looked at: SQLite's locks are of another kind, which a process loses when it closes any descriptor.
    """
    if path.suffix not in _KINDS:
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO):
            return False
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return False
        wanted = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, _FIRST, _COUNT, 0)
        found = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, wanted)
        return bool(struct.unpack(_FLOCK, found)[0] != fcntl.F_UNLCK)
    finally:
        os.close(descriptor)
