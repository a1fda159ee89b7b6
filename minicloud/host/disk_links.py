"""What of a home is a link to elsewhere, as who has moved it to another file system leaves it, or has a further name.

With its links a home may be copied, or by links (cp --link), and then both have the same file. Which of them it is tells a file
beside the disks: where they are, on which host. It is copied with them, and does not fit the copy. There, and in a home that was
moved, which looks the same, what is shared so is read and not written to, until somebody says which it is. Where nothing is
shared, the file is written anew: what becomes a link later is this home's.

Another host at the same path has its own file behind a link, or none, except where the file system may be mounted by several
hosts. So the host counts on these only: on a host whose machine-id is new at each boot, links to its own disks work.
"""

import contextlib
import json
import os
import re
import shlex
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from .. import files
from ..errors import Permanent
from . import durable

PLACE = "place.json"
"""Beside the disks."""
MACHINE_ID = Path("/etc/machine-id")
"""What names the host (machine-id(5)); one that has none is like any other that has none."""
MOUNTS = Path("/proc/self/mountinfo")
_OF_ONE_HOST = {"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "jfs", "reiserfs", "tmpfs", "overlay"}
"""File systems that no two hosts have mounted at a time."""
_Place = dict[str, str]


def outside(path: Path, home: Path) -> str:
    """The file, or directory, outside a home that a link leads to; empty where there is none, or it is no link.

    With its links, a home may have been copied: the file is another home's as well then.
    """
    file = os.path.realpath(path)
    return file if path.is_symlink() and not Path(file).is_relative_to(os.path.realpath(home)) else ""


def note(directory: Path) -> None:
    """Write where the disks of a directory are, if that is not written, or does not fit and nothing of the home is shared.

    One that is damaged stays. Raises OSError.
    """
    if must_note(directory):
        durable.replace(directory / PLACE, json.dumps(place_of(directory)) + "\n")


def must_note(directory: Path) -> bool:
    """Whether `note` has something to write. Raises OSError."""
    mark, here = directory / PLACE, place_of(directory)
    if not os.path.lexists(mark):
        return True
    try:
        before = _read(mark)
    except Permanent:  # whoever needs to know tells it
        return False
    return before != here and not any(_counts(path, before, here) for path in shared(directory))


def is_shared(path: Path, home: Path) -> bool:
    """Whether a file is a link out of its home, or a regular one with a further name. Raises OSError."""
    if path.is_symlink():
        return bool(outside(path, home))
    with contextlib.suppress(FileNotFoundError):
        there = path.lstat()
        return stat.S_ISREG(there.st_mode) and there.st_nlink > 1
    return False


def shared(directory: Path) -> Iterator[Path]:
    """All that is shared of the home whose disks are in a directory, but base images, of whose users each store has a list."""
    home = directory.parent
    for root in (home, *([directory] if directory.is_symlink() else [])):
        for place, below, names in os.walk(root, onerror=_raise):
            if Path(place) == home and "images" in below:
                below.remove("images")
            yield from (path for name in (*below, *names) if is_shared(path := Path(place, name), home))


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _counts(path: Path, before: _Place, here: _Place) -> bool:
    """Whether what is shared may be another home's where the disks were `before`."""
    return before["home"] != here["home"] or (before["host"] != here["host"] and not is_of_one_host(path))


def is_of_one_host(path: Path) -> bool:
    """Whether the file system that a file is on, or would be, is one that no other host has mounted."""
    file, found = os.path.realpath(path), ("", "")
    for line in MOUNTS.read_text(errors="surrogateescape").splitlines():
        fields, _, rest = line.partition(" - ")
        place = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields.split(" ")[4])
        if len(place) >= len(found[0]) and Path(file).is_relative_to(place):
            found = (place, rest.partition(" ")[0])
    return found[1] in _OF_ONE_HOST


def refuse_shared(path: Path, directory: Path) -> None:
    """Raise Permanent where a disk is a link out of its home, or has a further name, or `directory`, that of the disks, is such a
    link, and the disks were elsewhere first. Raises OSError.
    """
    refuse_shared_directory(directory)
    file = outside(path, directory.parent)
    if file or (path.is_file() and path.stat().st_nlink > 1):
        _refuse_elsewhere(path, directory, COPY_FILE)


def is_refused(path: Path, directory: Path) -> bool:
    """Whether `refuse_shared` would raise Permanent. Raises OSError."""
    try:
        refuse_shared(path, directory)
    except Permanent:
        return True
    return False


def refuse_shared_directory(directory: Path) -> None:
    """The same of the directory of the disks as a whole: one may not make disks in it or remove any."""
    if directory.exists() and outside(directory, directory.parent):
        _refuse_elsewhere(directory, directory, COPY_DIRECTORY)


COPY_FILE = "cp -p --sparse=always {0} {1} && mv {1} {0}"
"""Put a copy of a file, with its owner and mode, into its own place."""
COPY_DIRECTORY = "cp -a --sparse=always {0}/. {1} && rm {0} && mv {1} {0}"


def refuse_linked(path: Path, home: Path) -> None:
    """Raise Permanent where a directory of a home's, such as that of its keys, is a link out of it, and its disks were elsewhere
    first: nothing is made or removed there. Raises OSError.
    """
    if path.is_dir() and outside(path, home) and (home / "volumes").is_dir():
        _refuse_elsewhere(path, home / "volumes", COPY_DIRECTORY)


def is_anothers(path: Path, home: Path) -> bool:
    """Whether `refuse_linked` would raise Permanent. Raises OSError."""
    try:
        refuse_linked(path, home)
    except Permanent:
        return True
    return False


def was_elsewhere(path: Path, home: Path) -> bool:
    """Whether what is shared may be another home's, by where the disks were. Raises Permanent where that is damaged, OSError."""
    before, here = _read(home / "volumes" / PLACE), place_of(home / "volumes")
    return before != here and _counts(path, before, here)


def make_own(path: Path) -> None:
    """Let a file that has a further name be one of its own, with owner and mode, while nobody writes to it. Raises OSError."""
    there = path.lstat()
    if not stat.S_ISREG(there.st_mode) or there.st_nlink == 1:
        return
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    shutil.copy2(path, new)
    os.chown(new, there.st_uid, there.st_gid)
    durable.sync_file(new)
    new.rename(path)
    durable.sync(path.parent)


def _refuse_elsewhere(path: Path, directory: Path, copying: str) -> None:
    if not os.path.lexists(directory / PLACE):
        note(directory)
    before, here = _read(directory / PLACE), place_of(directory)
    if before == here or not _counts(path, before, here):
        return
    file = outside(path, directory.parent)
    how = f"is a link to {file}" if file else "has a further name (a hard link)"
    host = "" if before["host"] == here["host"] else f" of the host {before['host'] or 'without a name'}"
    commands = copying.format(shlex.quote(str(path)), shlex.quote(f"{path}.copy"))
    raise Permanent(
        f"{path} {how}, and the disks were in {before['home']}{host} before: this home may be a copy, and another home may have "
        f"what is there, so it is not written to. Put a copy into its place ({commands}); or, if no other home has it, delete "
        f"{directory / PLACE}"
    )


def place_of(directory: Path) -> _Place:
    """Where the disks of a directory are, and on which host."""
    host = ""
    with contextlib.suppress(OSError):
        host = MACHINE_ID.read_text().strip()
    return {"home": os.path.realpath(directory.parent), "host": host}


def _read(path: Path) -> _Place:
    try:
        said = json.loads(files.read(path))
        return {"home": _text(said["home"]), "host": _text(said["host"])}
    except (ValueError, KeyError, TypeError) as error:
        raise Permanent(
            f"{path} is damaged: it says whether this home is a copy, which may have the files that links lead to in common with "
            "another; if it is none, delete it (rm)"
        ) from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value
