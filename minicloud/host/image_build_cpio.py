"""cpio archives of the "newc" kind, which the kernel unpacks as its first file system: reading and writing.

Writing is deterministic: no times, no inode numbers of the host, no owners but root. Reading takes what update-initramfs
makes: uncompressed archives, and at the end at most one that is compressed.
"""

import gzip
import lzma
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..errors import Permanent
from .run import run

_HEADER = 110
_MAGIC = (b"070701", b"070702")
_END = "TRAILER!!!"


@dataclass(frozen=True)
class Entry:
    """A file, directory or symbolic link. `mode` has the kind in it (stat.S_IFREG ...); `data` is the content or the target."""

    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def directory() -> Entry:
    """An entry for a directory that everybody may read."""
    return Entry(stat.S_IFDIR | 0o755)


def program(data: bytes) -> Entry:
    """An entry for a file that may be run."""
    return Entry(stat.S_IFREG | 0o755, data)


def file(data: bytes) -> Entry:
    """An entry for a plain file."""
    return Entry(stat.S_IFREG | 0o644, data)


def link(target: str) -> Entry:
    """An entry for a symbolic link."""
    return Entry(stat.S_IFLNK | 0o777, target.encode())


def character_device(major: int, minor: int) -> Entry:
    """An entry for a device node that only root may use."""
    return Entry(stat.S_IFCHR | 0o600, device=(major, minor))


def pack(entries: Mapping[str, Entry]) -> bytes:
    """The archive with these entries by path (no leading slash), parents before what is in them."""
    parts = [_record(number, path, entries[path]) for number, path in enumerate(sorted(entries), start=1)]
    return b"".join(parts) + _record(0, _END, Entry(0))


def _record(inode: int, path: str, entry: Entry) -> bytes:
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (inode, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0, *entry.device, len(name), 0)
    head = _MAGIC[0] + b"".join(b"%08X" % field for field in fields) + name
    return _padded(head) + _padded(entry.data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def unpack(image: bytes) -> dict[str, Entry]:
    """All entries of an initramfs file, by path. Raises Permanent for what is none."""
    entries: dict[str, Entry] = {}
    rest = image
    while rest:
        if not rest.startswith(_MAGIC):
            rest = _decompressed(rest)
        position = 0
        for path, entry, after in _records(rest):
            position = after
            if path != _END:
                entries[path] = entry
        rest = rest[position:].lstrip(b"\0")
    return entries


def _records(archive: bytes) -> Iterator[tuple[str, Entry, int]]:
    position, path = 0, ""
    while path != _END:
        head = archive[position : position + _HEADER]
        if len(head) < _HEADER or not head.startswith(_MAGIC):
            raise Permanent("the initrd is damaged: an entry is not where it should be")
        field = [int(head[start : start + 8], 16) for start in range(6, _HEADER, 8)]
        mode, size, device, length = field[1], field[6], (field[9], field[10]), field[11]
        begin = position + _HEADER + length
        path = archive[position + _HEADER : begin - 1].decode().removeprefix("./")
        begin += -begin % 4
        position = begin + size + (-size % 4)
        if begin + size > len(archive):
            raise Permanent("the initrd is damaged: it ends within a file")
        yield path, Entry(mode, archive[begin : begin + size], device), position


def _decompressed(data: bytes) -> bytes:
    if data.startswith(b"\x1f\x8b"):
        return gzip.decompress(data)
    if data.startswith(b"\xfd7zXZ"):
        return lzma.decompress(data)
    for magic, tool in ((b"\x02\x21\x4c\x18", "lz4"), (b"\x28\xb5\x2f\xfd", "zstd")):
        if data.startswith(magic):
            return run([tool, "-d", "-c"], input=data, timeout=120).stdout
    raise Permanent("the initrd is neither a cpio archive nor compressed in a known way")
