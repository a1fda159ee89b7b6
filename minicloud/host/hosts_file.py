"""Names in the host's own hosts file, so that its users reach load balancers by name: lines that end with a mark of ours.

- The file is bytes. All other lines stay as they are, whatever their encoding and their line ends, a missing last one too: when
  the last line of ours goes, the file is what it was. A line is ours only if it has exactly the form of those that are written.
- A link is followed, and what it leads to is replaced as a whole, with its owner, mode and extended attributes.
- Where that cannot be (a mount of its own, as in a container; a second hard link; a service that may write nothing else of
  /etc; attributes that cannot be carried over) it is written in its place, so that a crash loses no byte of anybody's.
"""

import contextlib
import errno
import fcntl
import os
import re
import stat
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address
from pathlib import Path

from .. import files

_OURS = re.compile(rb"[0-9.]+ [A-Za-z0-9.-]+ # minicloud ([^\s]+)\r?\n?")
_IN_PLACE = (errno.EBUSY, errno.EROFS, errno.EACCES, errno.EPERM, errno.EXDEV, errno.ENOTSUP)
_MOST_TRIES = 5


def lines(owner: str, names: Iterable[tuple[str, IPv4Address]]) -> list[str]:
    """The lines of an owner."""
    return [f"{address} {name} # minicloud {owner}" for name, address in names]


def _owner(line: bytes) -> str:
    """Whose a line is; empty for one that is not ours."""
    found = _OURS.fullmatch(line)
    return found[1].decode(errors="replace") if found else ""


def _split(data: bytes) -> list[bytes]:
    """The lines with their ends. Only a newline ends a line: anything else may be part of a character."""
    return re.findall(rb"[^\n]*\n|[^\n]+", data)


def of(data: bytes, owner: str) -> list[str]:
    """The lines that an owner has in a file."""
    return [line.rstrip(b"\r\n").decode() for line in _split(data) if _owner(line) == owner]


def owners(data: bytes) -> set[str]:
    """All who have lines."""
    return {_owner(line) for line in _split(data)} - {""}


def changed(data: bytes, owner: str, wanted: list[str]) -> bytes:
    """The file with exactly these lines of an owner; before a last line that does not end."""
    if of(data, owner) == wanted:
        return data
    kept = b"".join(line for line in _split(data) if _owner(line) != owner)
    end = kept.rfind(b"\n") + 1
    return kept[:end] + b"".join(f"{line}\n".encode() for line in wanted) + kept[end:]


def read(path: Path) -> bytes:
    """What is in the file; nothing where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def put(path: Path, lock: Path, owner: str, wanted: list[str]) -> None:
    """Let an owner have exactly these lines. What somebody else writes meanwhile is seen, and begun from. Raises OSError."""
    if not path.is_file():
        return
    with _locked(lock):
        for _ in range(_MOST_TRIES):
            real = path.resolve(strict=True)
            there = real.stat()
            before = real.read_bytes()
            after = changed(before, owner, wanted)
            if after == before or _write(real, there, before, after):
                return
    raise OSError(errno.EAGAIN, "somebody writes to it all the time", str(path))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    files.directory(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _same(path: Path, there: os.stat_result) -> bool:
    now = path.stat()
    return (now.st_ino, now.st_size, now.st_mtime_ns) == (there.st_ino, there.st_size, there.st_mtime_ns)


def _write(path: Path, there: os.stat_result, before: bytes, after: bytes) -> bool:
    """False where the file is not what it was `there` any more."""
    if there.st_nlink == 1:
        try:
            return _replace(path, there, after)
        except OSError as error:
            if error.errno not in _IN_PLACE:
                raise
    if not _same(path, there):
        return False
    _overwrite(path, before, after)
    return True


def _replace(path: Path, there: os.stat_result, after: bytes) -> bool:
    new = path.with_name(f".{path.name}.minicloud")
    try:
        new.unlink(missing_ok=True)
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(after)
            os.fchown(file.fileno(), there.st_uid, there.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(there.st_mode))
            for name in os.listxattr(path):
                os.setxattr(file.fileno(), name, os.getxattr(path, name))
            file.flush()
            os.fsync(file.fileno())
        if same := _same(path, there):
            new.rename(path)
        return same
    finally:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)


def _overwrite(path: Path, before: bytes, after: bytes) -> None:
    """Write the lines that differ: what moves to the back first, so that every byte of others is there at each moment."""
    same = next(
        (at for at, (old, new) in enumerate(zip(before, after, strict=False)) if old != new), min(len(before), len(after))
    )
    first = after.rfind(b"\n", 0, same) + 1
    last = len(after) - (after.rfind(b"\n") + 1)
    last = last if first + last <= len(before) and before[len(before) - last :] == after[len(after) - last :] else 0
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        if len(after) > len(before):
            _at(descriptor, after[len(after) - last :], len(after) - last)
            _at(descriptor, after[first : len(after) - last], first)
        else:
            _at(descriptor, after[first:], first)
            os.ftruncate(descriptor, len(after))
        os.fsync(descriptor)
    except OSError:
        _at(descriptor, before[first:], first)
        os.ftruncate(descriptor, len(before))
        raise
    finally:
        os.close(descriptor)


def _at(descriptor: int, data: bytes, offset: int) -> None:
    while data:
        count = os.pwrite(descriptor, data, offset)
        data, offset = data[count:], offset + count
