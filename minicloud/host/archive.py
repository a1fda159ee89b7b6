"""Archives of backups: tar (PAX) of regular files, with GNU's sparse format 1.0 for files that have holes.

Any tar lists and extracts them. What is read is believed in nothing: only what `Writer` writes is taken, names are those that
the reader's caller allows, sizes have bounds, and what follows from an archive being cut short or changed is an error. The last
member, `sums.json`, has the SHA-256 of each other member's bytes as they stand in the archive.

Whatever the bytes, a reader raises nothing but ApiError (InvalidFormat), and OSError where files cannot be read or written.
"""

import errno
import functools
import hashlib
import itertools
import json
import os
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn, TypeVar

from ..errors import ApiError, Permanent
from ..errors import Unreadable as UnreadableFile

SUMS = "sums.json"
_BLOCK, _CHUNK = 512, 1 << 20
_MOST_EXTENDED, _MOST_SEGMENTS, _MOST_SUMS = 8192, 1 << 19, 1 << 24
_MOST_NUMBERS = 2 * _MOST_SEGMENTS + 3
_PAX = {"size", "GNU.sparse.major", "GNU.sparse.minor", "GNU.sparse.name", "GNU.sparse.realsize"}
_ATTEMPTS = 3
Segments = Sequence[tuple[int, int]]
Read = TypeVar("Read")


@dataclass(frozen=True)
class Entry:
    """A member: `size` is that of the file with its holes, `segments` where it has data (offset, length)."""

    name: str
    size: int
    segments: Segments


class Unreadable(UnreadableFile):
    """A file that was to become a member cannot be read, each time, or is gone."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"{path} cannot be read: {error.strerror or error}")
        self.path = path


def refuse(why: str) -> NoReturn:
    """Raise ApiError for what is no archive of ours."""
    raise ApiError("InvalidFormat", f"The file is no backup of minicloud's, or is damaged: {why}.")


def segments_of(descriptor: int) -> Segments:
    """Where an open file has data, as its file system tells. Raises OSError."""
    size, at, found = os.fstat(descriptor).st_size, 0, list[tuple[int, int]]()
    while at < size:
        try:
            start = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break  # there is none from here on
        at = os.lseek(descriptor, start, os.SEEK_HOLE)
        found.append((start, at - start))
    gap = 4096
    while len(found) > _MOST_SEGMENTS:
        gap *= 2
        found = _closed(found, gap)
    return found


def _closed(segments: Segments, gap: int) -> list[tuple[int, int]]:
    """Without the holes that are smaller than `gap`."""
    found = [segments[0]]
    for start, length in segments[1:]:
        before, size = found[-1]
        if start - before - size < gap:
            found[-1] = (before, start + length - before)
        else:
            found.append((start, length))
    return found


class Writer:
    """Writes an archive into a file that is open; `told` is called with the bytes of each piece that was written."""

    def __init__(self, file: BinaryIO, told: Callable[[int], None] = lambda _: None) -> None:
        self._file = file
        self._told = told
        self._sums: dict[str, str] = {}

    def add_bytes(self, name: str, data: bytes) -> None:
        """A member that is in memory."""
        self._header(name, len(data), {})
        self._body(name, [data])

    def add_file(self, name: str, path: Path, *, linked: bool = False) -> None:
        """A file, or what a link to one leads to where it may be `linked`. It must not change meanwhile. Raises Permanent where
        it does, Unreadable.
        """
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if linked else os.O_NOFOLLOW)
        descriptor = _again(path, lambda: os.open(path, flags))
        try:
            size, segments = os.fstat(descriptor).st_size, _again(path, lambda: segments_of(descriptor))
            if segments == [(0, size)] or size == 0:
                self._header(name, size, {})
                self._body(name, _pieces(descriptor, segments, path))
                return
            end = segments[-1][0] + segments[-1][1] if segments else 0
            listed = segments if end == size else [*segments, (size, 0)]  # so that tar makes the hole at the end
            known = _map(listed)
            holes = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": name, "GNU.sparse.realsize": str(size)}
            self._header(_sparse_name(name), len(known) + sum(length for _, length in segments), holes)
            self._body(name, itertools.chain([known], _pieces(descriptor, segments, path)))
        finally:
            os.close(descriptor)

    def finish(self) -> None:
        """Write the sums and the end."""
        data = json.dumps(self._sums, indent=1).encode()
        self._header(SUMS, len(data), {})
        self._body(SUMS, [data])
        self._file.write(b"\0" * 2 * _BLOCK)

    def _header(self, name: str, size: int, extended: dict[str, str]) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.pax_headers = size, 0o600, extended
        self._file.write(info.tobuf(tarfile.PAX_FORMAT, "ascii", "strict"))

    def _body(self, name: str, pieces: Iterable[bytes]) -> None:
        digest, total = hashlib.sha256(), 0
        for piece in pieces:
            digest.update(piece)
            self._file.write(piece)
            total += len(piece)
            self._told(len(piece))
        self._file.write(b"\0" * (-total % _BLOCK))
        self._sums[name] = digest.hexdigest()


def _sparse_name(name: str) -> str:
    above, _, last = name.rpartition("/")
    return f"{above or '.'}/GNUSparseFile.0/{last}"


def _map(segments: Segments) -> bytes:
    numbers = [len(segments), *(number for segment in segments for number in segment)]
    text = "".join(f"{number}\n" for number in numbers).encode()
    return text + b"\0" * (-len(text) % _BLOCK)


def _again(path: Path, read: Callable[[], Read]) -> Read:
    """Read, some times if need be: an error of a disk may be there once. Raises Unreadable, OSError for what says nothing of the
    file.
    """
    for left in reversed(range(_ATTEMPTS)):
        try:
            return read()
        except OSError as error:
            if error.errno not in (errno.EIO, errno.ENOENT):
                raise
            if not left:
                raise Unreadable(path, error) from error
    raise AssertionError


def _pieces(descriptor: int, segments: Segments, path: Path) -> Iterator[bytes]:
    for offset, length in segments:
        at, end = offset, offset + length
        while at < end:
            piece = _again(path, functools.partial(os.pread, descriptor, min(_CHUNK, end - at), at))
            if not piece:
                raise Permanent(f"{path} became shorter while it was copied")
            at += len(piece)
            yield piece


class Reader:
    """Reads an archive from a file that is open. `allowed` says whether a member may have a name."""

    def __init__(self, file: BinaryIO, allowed: Callable[[str], bool], told: Callable[[int], None] = lambda _: None) -> None:
        self._file = file
        self._allowed = allowed
        self._told = told
        self._sums: dict[str, str] = {}
        self._left = 0
        self._padding = 0
        self._digest = hashlib.sha256()

    def entries(self) -> Iterator[Entry]:
        """The members in their order. Each is read before the next is asked for; at the end the sums are compared."""
        while True:
            entry = self._next()
            if entry.name == SUMS:
                self._finish(entry)
                return
            if entry.name in self._sums:
                refuse(f"{entry.name} is in it twice")
            if not self._allowed(entry.name):
                refuse(f"it has a member {entry.name[:200]!r}")
            yield entry
            if self._left:
                refuse(f"{entry.name} was not read to its end")
            self._sums[entry.name] = self._digest.hexdigest()
            self._exactly(self._padding)

    def read(self, entry: Entry, most: int) -> bytes:
        """The whole of a small member without holes."""
        if entry.size > most or entry.segments != [(0, entry.size)]:
            refuse(f"{entry.name} is too large")
        return b"".join(self._data(entry.size))

    def skip(self, entry: Entry) -> None:
        """Read a member for its sum only."""
        for _, length in entry.segments:
            for _piece in self._data(length):
                pass

    def extract(self, entry: Entry, path: Path) -> None:
        """Write a member into a new file of mode 0600, with its holes; it is on the disk itself when this returns."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        try:
            os.ftruncate(descriptor, entry.size)
            for offset, length in entry.segments:
                at = offset
                for piece in self._data(length):
                    _write(descriptor, piece, at)
                    at += len(piece)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _data(self, length: int) -> Iterator[bytes]:
        while length:
            piece = self._exactly(min(_CHUNK, length))
            length -= len(piece)
            self._left -= len(piece)
            self._digest.update(piece)
            yield piece

    def _exactly(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) != size:
            refuse("it ends too early")
        self._told(size)
        return data

    def _next(self) -> Entry:
        kind, name, size = _header(self._exactly(_BLOCK))
        extended: dict[str, str] = {}
        if kind == b"x":
            if size > _MOST_EXTENDED:
                refuse("a header is too large")
            extended = _extended(self._exactly(size + -size % _BLOCK)[:size])
            kind, name, size = _header(self._exactly(_BLOCK))
        if kind != b"0":
            refuse(f"{name[:200]!r} is no regular file")
        size = _number(extended.get("size", str(size)))
        self._left, self._padding, self._digest = size, -size % _BLOCK, hashlib.sha256()
        if "GNU.sparse.name" not in extended:
            return Entry(name, size, [(0, size)])
        return self._sparse(extended)

    def _sparse(self, extended: dict[str, str]) -> Entry:
        if (extended.get("GNU.sparse.major"), extended.get("GNU.sparse.minor")) != ("1", "0"):
            refuse("it has a file with holes of a kind that is not known")
        name, size = extended["GNU.sparse.name"], _number(extended.get("GNU.sparse.realsize", ""))
        numbers = self._numbers()
        segments = list(zip(numbers[::2], numbers[1::2], strict=True))
        end = 0
        for offset, length in segments:
            if offset < end:
                refuse(f"the holes of {name[:200]!r} are wrong")
            end = offset + length
        if end > size or sum(length for _, length in segments) != self._left:
            refuse(f"the holes of {name[:200]!r} are wrong")
        return Entry(name, size, segments)

    def _numbers(self) -> list[int]:
        """The map of a sparse file's data: decimal numbers, one a line, the first says how many pairs there are."""
        text, wanted = b"", -1
        while wanted < 0 or text.count(b"\n") < wanted:
            if self._left < _BLOCK or len(text) > _MOST_NUMBERS * 20:
                refuse("the map of a file with holes does not end")
            blocks = _BLOCK if wanted < 0 else min(_CHUNK, self._left // _BLOCK * _BLOCK, _more(text, wanted))
            text += b"".join(self._data(blocks))
            if wanted < 0 and b"\n" in text:
                wanted = 1 + 2 * _number(text.partition(b"\n")[0].decode("ascii", "replace"))
                if wanted > _MOST_NUMBERS:
                    refuse("a file has too many holes")
        lines = text.split(b"\n")
        return [_number(line.decode("ascii", "replace")) for line in lines[1:wanted]]

    def _finish(self, entry: Entry) -> None:
        said = self.read(entry, _MOST_SUMS)
        self._exactly(self._padding)
        try:
            sums = json.loads(said)
        except ValueError:
            refuse("its sums cannot be read")
        if sums != self._sums:
            wrong = [name for name, value in self._sums.items() if not isinstance(sums, dict) or sums.get(name) != value]
            refuse(f"the sum of {wrong[0]} is not right" if wrong else "members are missing")
        if self._exactly(2 * _BLOCK).strip(b"\0") or self._file.read(1):
            refuse("something follows its end")


def _more(text: bytes, wanted: int) -> int:
    """Bytes of the map that are there at least, as whole blocks: a number and its line end have two."""
    missing = 2 * (wanted - text.count(b"\n")) - (len(text) - text.rfind(b"\n") - 1)
    return max(_BLOCK, missing // _BLOCK * _BLOCK)


def _write(descriptor: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(descriptor, view, at)
        view, at = view[done:], at + done


def _number(text: str) -> int:
    if not re.fullmatch("[0-9]{1,19}", text):
        refuse("a number in it is wrong")
    return int(text)


def _octal(field: bytes) -> int:
    text = field.strip(b" \0")
    if not re.fullmatch(b"[0-7]+", text):
        refuse("a number in a header is wrong")
    return int(text, 8)


def _header(block: bytes) -> tuple[bytes, str, int]:
    """The type, name and size of a header of ustar's format (POSIX.1-2001, pax)."""
    if not block.strip(b"\0"):
        refuse("it has no sums, so it was cut short")
    if block[257:265] != b"ustar\x0000":
        refuse("it is no tar archive of the right format")
    if _octal(block[148:156]) != sum(block[:148]) + sum(block[156:]) + 8 * ord(" "):
        refuse("the sum of a header is wrong")
    prefix, name = block[345:500].partition(b"\0")[0], block[:100].partition(b"\0")[0]
    try:
        text = (prefix + b"/" + name if prefix else name).decode("ascii")
    except UnicodeDecodeError:
        refuse("a name in it is wrong")
    return block[156:157], text, _octal(block[124:136])


def _extended(data: bytes) -> dict[str, str]:
    """The records of a pax header: `LENGTH KEY=VALUE`, each with a line end."""
    found: dict[str, str] = {}
    while data:
        length, _, _ = data.partition(b" ")
        size = _number(length[:5].decode("ascii", "replace"))
        record, data = data[:size], data[size:]
        try:
            key, equals, value = record[len(length) + 1 : -1].decode("ascii").partition("=")
        except UnicodeDecodeError:
            refuse("a header in it is wrong")
        if len(record) != size or size <= len(length) or not record.endswith(b"\n") or not equals or key not in _PAX:
            refuse("a header in it is wrong")
        found[key] = value
    return found
