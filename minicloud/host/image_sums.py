"""Checksum files as distributions publish them, and the comparison with a file.

Four forms are read: GNU (`hash  name`, `hash *name`), BSD (`SHA256 (name) = hash`), a file that is one hash, and any of these
between comments or inside a PGP clear-signed text. The signature is not checked: the file comes over https from the distribution.
"""

import fnmatch
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..errors import Permanent
from .image_store import digest

_LENGTHS = {64: "sha256", 96: "sha384", 128: "sha512"}
_HASH = r"([0-9A-Fa-f]{128}|[0-9A-Fa-f]{96}|[0-9A-Fa-f]{64})"
_GNU = re.compile(rf"^\\?{_HASH}[ \t]+\*?(\S.*?)\s*$")
_BSD = re.compile(rf"^SHA-?(?:256|384|512) ?\((.+)\) ?= ?{_HASH}\s*$", re.IGNORECASE)
_ALONE = re.compile(rf"^{_HASH}\s*$")


@dataclass(frozen=True)
class Checksum:
    """What a file's checksum must be: `sha256`, `sha384` or `sha512`, and the value in lower-case hexadecimal."""

    algorithm: str
    value: str

    @classmethod
    def of(cls, value: str) -> "Checksum":
        """The checksum with this value; its length says which. Raises ValueError when it is none."""
        if not _ALONE.match(value):
            raise ValueError(f"{value!r} is not a SHA-256, SHA-384 or SHA-512 checksum in hexadecimal")
        return cls(_LENGTHS[len(value.strip())], value.strip().lower())


def parse(text: str) -> dict[str, Checksum]:
    """The checksums of a text by file name (without directories); a hash that stands alone has the name ""."""
    found: dict[str, Checksum] = {}
    for line in text.splitlines():
        plain = line.removeprefix("- ").strip()  # PGP writes "- " before lines that start with a dash
        if match := _BSD.match(plain):
            name, value = match.groups()
        elif match := _GNU.match(plain):
            value, name = match.groups()
        elif match := _ALONE.match(plain):
            name, value = "", match.group(1)
        else:
            continue
        found[PurePosixPath(name).name if name else ""] = Checksum.of(value)
    return found


def find(text: str, pattern: str, *, beside: bool) -> tuple[str, Checksum]:
    """The name and checksum of the file that a shell pattern describes: the newest by its numbers, if there are several.

    `beside`: the text is published beside one file and for it alone, so that its only checksum counts whatever name it has.
    Raises Permanent when there is none.
    """
    sums = parse(text)
    names = [name for name in sums if name and fnmatch.fnmatchcase(name, pattern)]
    if names:
        newest = max(names, key=_by_numbers)
        return newest, sums[newest]
    if beside and len(sums) == 1:
        return pattern, next(iter(sums.values()))
    raise Permanent(f"the checksum file has no checksum for {pattern}")


def _by_numbers(name: str) -> list[tuple[int, int | str]]:
    return [(1, int(part)) if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def verify(path: Path, checksum: Checksum, what: str) -> None:
    """Compare a file with its checksum; raises Permanent, with both values, when they differ."""
    actual = digest(path, checksum.algorithm)
    if actual != checksum.value:
        raise Permanent(
            f"the {checksum.algorithm} checksum of {what} is {actual} and should be {checksum.value}; nothing of it was used. "
            "It was altered, damaged, or replaced while it was being fetched: try again"
        )
