"""Private keys on disk: written once, for their owner only, and remembered by the name of their key pair.

`~/.config/minicloud/keys.json` (0600) is {key pair name: absolute path}. A file that exists is never written to, and is found
out before a key pair is made.
"""

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .. import files
from ..errors import UsageError


class NewFile:
    """A file that did not exist before."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def write(self, content: bytes) -> None:
        """Write all of the content, to the disk."""
        with open(self._descriptor, "wb", closefd=False) as file:
            file.write(content)
        os.fsync(self._descriptor)


@contextlib.contextmanager
def new_file(path: str) -> Iterator[NewFile]:
    """A new file of mode 0600, and its directory; what was made is gone again if the block fails.

    Raises UsageError if there is one or none can be made.
    """
    where = Path(path).expanduser().absolute()
    made = _directories(where.parent)
    try:
        descriptor = os.open(where, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise UsageError(f"--save: {where} exists and is not overwritten; no key pair was made") from error
    except OSError as error:
        raise UsageError(f"--save: cannot write {where}: {error.strerror}; no key pair was made") from error
    try:
        yield NewFile(where, descriptor)
    except BaseException:
        where.unlink(missing_ok=True)
        for directory in reversed(made):
            with contextlib.suppress(OSError):
                directory.rmdir()
        raise
    finally:
        os.close(descriptor)


def _directories(wanted: Path) -> list[Path]:
    """Make the directories that are not there, for their owner only, as ssh-keygen makes ~/.ssh; those that were made."""
    made = []
    for directory in reversed([wanted, *wanted.parents]):
        with contextlib.suppress(OSError):  # there already; or the file cannot be made either, which says why
            directory.mkdir(mode=0o700)
            made.append(directory)
    return made


def _register() -> Path:
    return Path.home() / ".config" / "minicloud" / "keys.json"


def known() -> dict[str, str]:
    """The private key files by key pair name; empty if none was saved. Raises UsageError for a damaged register."""
    try:
        found = json.loads(files.read(_register()))
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise UsageError(f"{_register()} cannot be read ({error}); move it away") from error
    if not isinstance(found, dict):
        raise UsageError(f"{_register()} does not hold names and paths; move it away")
    return {str(name): str(path) for name, path in found.items()}


def remember(name: str, path: Path) -> None:
    """Note where the private key of a key pair is, in place of an older note. Commands at the same time take turns."""
    register = _register()
    files.directory(register.parent, 0o700)
    directory = os.open(register.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        notes = {**known(), name: str(path)}
        descriptor, beside = tempfile.mkstemp(dir=register.parent)  # 0600
        with os.fdopen(descriptor, "w") as file:
            json.dump(notes, file, indent=4)
        os.replace(beside, register)
    finally:
        os.close(directory)
