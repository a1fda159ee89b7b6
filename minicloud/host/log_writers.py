"""Log files that HAProxy holds open, and how lines are added to them.

HAProxy 2.6 clears O_APPEND of a log that it was given as a descriptor when it writes its first line, by
`fcntl(F_SETFL, O_NONBLOCK)` (findings/haproxy-log-fd-append.sh); from then on it writes where it stands. Another process with
an open file of its own would write over its lines, and one that stands beyond the end of a file that was emptied leaves a hole
in it. So all processes of a balancer share one open file, and with it one place to write at, and O_APPEND is set again before
a file is emptied.
"""

import contextlib
import ctypes
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from . import disk_links

_PIDFD_GETFD = 438
"""pidfd_getfd(2), Linux 5.6: one number on all architectures."""


def open_for(path: Path) -> int:
    """A descriptor for HAProxy to add lines with: that of the process which does so now, or a new one. Raises OSError.

    A new one is of no file that has a further name: that may be another home's.
    """
    with _held(path) as held:
        if held:
            return os.dup(held[0])
    if path.exists():
        disk_links.make_own(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    os.lseek(descriptor, 0, os.SEEK_END)
    return descriptor


def is_held(path: Path) -> bool:
    """Whether HAProxy has a file open. Raises OSError."""
    return any(True for _ in _writers(path))


@contextlib.contextmanager
def emptied(path: Path) -> Iterator[None]:
    """Drop what is in a file, as the last thing of the block; who writes to it goes on at its beginning. Raises OSError.

    Whoever wants what is in it copies the last of it within the block: the writers have been looked for by then, so that little
    comes between the copy and the end.
    """
    with _held(path) as held:
        for descriptor in held:
            fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_APPEND)
        yield
        os.truncate(path, 0)
        for descriptor in held:
            os.lseek(descriptor, 0, os.SEEK_END)


@contextlib.contextmanager
def _held(path: Path) -> Iterator[list[int]]:
    """The open files of HAProxy's processes that are this one, as descriptors of ours."""
    with contextlib.ExitStack() as stack:
        held = []
        for pid, number in _writers(path):
            with contextlib.suppress(OSError):  # it has ended, or the kernel lets nobody have what is another's
                held.append(_taken(pid, number))
                stack.callback(os.close, held[-1])
        yield held


def _writers(path: Path) -> Iterator[tuple[int, int]]:
    """Processes named haproxy that have the file open, and the number under which they have it."""
    wanted = os.path.realpath(path)
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        with contextlib.suppress(OSError):
            if (process / "comm").read_bytes() != b"haproxy\n":
                continue
            yield from ((int(process.name), int(each.name)) for each in (process / "fd").iterdir() if _leads_to(each) == wanted)


def _leads_to(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""


def _taken(pid: int, number: int) -> int:
    """A descriptor of the same open file. Raises OSError."""
    process = os.pidfd_open(pid)
    try:
        taken = ctypes.CDLL(None, use_errno=True).syscall(_PIDFD_GETFD, process, number, 0)
    finally:
        os.close(process)
    if taken < 0:
        raise OSError(ctypes.get_errno(), f"pidfd_getfd of process {pid}")
    return int(taken)
