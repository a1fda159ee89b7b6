"""The key from which all access keys are derived: 32 random bytes in a file of mode 0600 beside the database.

It is not in the database, so that a copy of the state (a backup, a bug report) betrays no secret.
"""

import contextlib
import os
import secrets
from pathlib import Path

from .. import files
from ..errors import UsageError

NAME = "credentials.key"
_SIZE = 32


def load(home: Path) -> bytes:
    """The key, made now if there is none. Raises UsageError for a file that others may read or that is damaged."""
    path = home / NAME
    if not os.path.lexists(path):
        _make(path)
    if path.stat().st_mode & 0o077:
        raise UsageError(f"{path} may be read by others; chmod 600 it, or delete it (all access keys then end)")
    key = files.read(path)
    if len(key) != _SIZE:
        raise UsageError(f"{path} is damaged; delete it, and make new access keys")
    return key


def _make(path: Path) -> None:
    """Write it whole or not at all; of two that try at the same time one wins, and both use that one's."""
    files.directory(path.parent, 0o711)
    draft = path.with_name(f".{NAME}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_SIZE))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
