"""Names in the host's own hosts file, so that its users reach load balancers by name: lines that end with a mark of ours.

All other lines stay as they are, to the byte. The file is replaced as a whole where that can be; where it is a mount of its
own, as in a container or a service that may write nothing else of /etc, it is written so that a crash leaves our lines at worst.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address
from pathlib import Path

_MARK = "# minicloud"


def lines(owner: str, names: Iterable[tuple[str, IPv4Address]]) -> list[str]:
    """The lines of an owner."""
    return [f"{address} {name} {_MARK} {owner}" for name, address in names]


def of(text: str, owner: str) -> list[str]:
    """The lines that an owner has in a file's text."""
    return [line for line in text.splitlines() if line.endswith(f"{_MARK} {owner}")]


def owners(text: str) -> set[str]:
    """All who have lines."""
    return {line.rpartition(f"{_MARK} ")[2] for line in text.splitlines() if f" {_MARK} " in line}


def changed(text: str, owner: str, wanted: list[str]) -> str:
    """The text with exactly these lines of an owner."""
    if of(text, owner) == wanted:
        return text
    kept = "".join(line for line in text.splitlines(keepends=True) if not line.rstrip("\n").endswith(f"{_MARK} {owner}"))
    if kept and not kept.endswith("\n"):
        kept += "\n"
    return kept + "".join(f"{line}\n" for line in wanted)


def read(path: Path) -> str:
    """The file's text; empty where there is none."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def put(path: Path, lock: Path, owner: str, wanted: list[str]) -> None:
    """Let an owner have exactly these lines."""
    if not path.is_file():
        return
    with _locked(lock):
        before = read(path)
        after = changed(before, owner, wanted)
        if after != before:
            _write(path, after)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}.minicloud")
    try:
        there = path.stat()
        new.write_text(text)
        new.chmod(there.st_mode & 0o777)
        os.chown(new, there.st_uid, there.st_gid)
        new.rename(path)
    except OSError as error:
        new.unlink(missing_ok=True) if os.access(path.parent, os.W_OK) else None
        if error.errno not in (errno.EBUSY, errno.EROFS, errno.EACCES, errno.EXDEV):
            raise
        with path.open("r+") as file:
            file.write(text)
            file.truncate()
