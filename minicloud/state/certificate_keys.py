"""Private keys of certificates: PEM files of mode 0600 in a directory of their own beside the database, never in it.

A file is written before the row that names it, under a name that was never used before, as `.new`; it gets its name when the row
is there. So a crash between the two leaves a certificate without a key at no moment, and what such a crash leaves can be told
from the key of a certificate that this state does not know: one that was restored from a backup may lie beside newer keys.
"""

import os
import re
import secrets
from collections.abc import Collection
from pathlib import Path

from .. import files

NAME = "certificates"
_OURS = re.compile(r"[0-9a-f]{32}\.key")
_NEW = ".new"


def directory(home: Path) -> Path:
    """Where they are."""
    return home / NAME


def _draft(home: Path, name: str) -> Path:
    return (directory(home) / name).with_suffix(_NEW)


def write(home: Path, pem: str) -> str:
    """Keep a private key, inside the writing transaction that adds its row; the name of its file."""
    files.directory(directory(home), 0o700)
    name = f"{secrets.token_hex(16)}.key"
    descriptor = os.open(_draft(home, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return name


def read(home: Path, name: str) -> str:
    """A private key as PEM. Raises FileNotFoundError."""
    try:
        return files.read(_draft(home, name)).decode()
    except FileNotFoundError:
        return files.read(directory(home) / name).decode()


def _there(home: Path) -> set[str]:
    try:
        return set(os.listdir(directory(home)))
    except FileNotFoundError:
        return set()


def drafts(home: Path) -> set[str]:
    """The names of keys that do not have them yet."""
    found = {Path(name).with_suffix(".key").name for name in _there(home) if name.endswith(_NEW)}
    return {name for name in found if _OURS.fullmatch(name)}


def strangers(home: Path, known: Collection[str]) -> list[str]:
    """The files that are not among the `known` ones: somebody else's, or keys that only another state knows."""
    return sorted(_there(home) - set(known) - {Path(name).with_suffix(_NEW).name for name in drafts(home)})


def settle(home: Path, known: Collection[str]) -> None:
    """Give the drafts that rows name their names, and remove the others.

    Inside a writing transaction: whoever is just about to name one holds another.
    """
    for name in drafts(home):
        if name in known:
            _draft(home, name).rename(directory(home) / name)
        else:
            _draft(home, name).unlink(missing_ok=True)


def remove(home: Path, name: str) -> None:
    """Remove the key of a certificate that is gone. Raises ValueError for a name that is none of ours."""
    if not _OURS.fullmatch(name):
        raise ValueError(f"not the name of a key: {name!r}")
    for path in (_draft(home, name), directory(home) / name):
        path.unlink(missing_ok=True)
