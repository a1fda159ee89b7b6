"""Private keys of certificates: PEM files of mode 0600 in a directory of their own beside the database, never in it.

A file is written before the row that names it, under a name that was never used before, and goes when no row names it any
more (`sweep`): a crash between the two leaves a certificate without a key at no moment.
"""

import os
import secrets
from collections.abc import Collection
from pathlib import Path

NAME = "certificates"


def directory(home: Path) -> Path:
    """Where they are."""
    return home / NAME


def write(home: Path, pem: str) -> str:
    """Keep a private key; the name of its file."""
    there = directory(home)
    there.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = f"{secrets.token_hex(16)}.key"
    descriptor = os.open(there / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return name


def read(home: Path, name: str) -> str:
    """A private key as PEM. Raises FileNotFoundError."""
    return (directory(home) / name).read_text()


def strangers(home: Path, known: Collection[str]) -> list[str]:
    """The files that are not among the `known` ones."""
    try:
        return sorted(set(os.listdir(directory(home))) - set(known))
    except FileNotFoundError:
        return []


def sweep(home: Path, known: Collection[str]) -> None:
    """Remove the files that no row names. Inside a writing transaction, so that nobody is just about to name one."""
    for name in strangers(home, known):
        (directory(home) / name).unlink(missing_ok=True)
