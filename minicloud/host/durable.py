"""Small files that are replaced as a whole, and are on the disk itself before anything that follows from them is done."""

import os
from pathlib import Path

from .. import files


def replace(path: Path, text: str) -> None:
    """Write a file as a whole, on the disk itself when this returns. Raises NotRegular, OSError."""
    new = path.with_name(f".{path.name}.new")
    descriptor = files.draft(new, 0o640)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.rename(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync_file(path: Path) -> None:
    """Let what a file has be on the disk itself. Raises NotRegular, OSError."""
    descriptor = files.opened(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync(directory: Path) -> None:
    """Let the names in a directory be on the disk itself."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
