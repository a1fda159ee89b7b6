"""Whether an untrusted raw disk is whole: partitions that end beyond the end of the file were cut off with it.

Read are the MBR (512 bytes) and, behind a protective MBR or none, the GPT at sector 1: at most 1 MiB of it. Its checksums are
not looked at: who has cut a disk off has not changed them. A disk without a partition table is whole, as far as can be told
here; so is one that begins with the boot sector of FAT, exFAT or NTFS, which ends with the same mark as an MBR.
"""

import struct
from collections.abc import Iterator

from .image_bytes import Reader, invalid

_SECTOR = 512
_TABLE, _ENTRY = 446, struct.Struct("<B3sB3sII")
_PROTECTIVE = 0xEE
_GPT = b"EFI PART"
_HEADER = struct.Struct("<8s64xQII")
"""Mark, the first sector of the table, how many entries it has, and the bytes of each."""
_PARTITION = struct.Struct("<16s16sQQ")
_MOST, _LARGEST = 1 << 20, 4096
"""Bytes of the table that are read, and of an entry that makes sense."""
_FILE_SYSTEMS = ((3, b"NTFS    "), (3, b"EXFAT   "), (54, b"FAT"), (82, b"FAT32"))

_Partition = tuple[int, int]
"""Number, and the byte after the last."""


def require_whole(reader: Reader, size: int) -> None:
    """Refuse a disk of `size` bytes that begins at the reader's first byte and has less than its partitions need."""
    for number, end in sorted(_partitions(reader, size)):
        if end > size:
            raise invalid(f"It is truncated: its partition {number} ends at byte {end}, the file has {size}.")


def _partitions(reader: Reader, size: int) -> Iterator[_Partition]:
    entries = _mbr(reader)
    protective = [entry for entry in entries if entry[1] == _PROTECTIVE]
    sector = _gpt_at(reader) if protective or not entries else 0
    if sector:
        yield from _gpt(reader, sector, size)
        return
    for number, _, start, count in entries:
        yield number, (start + count) * _SECTOR


def _mbr(reader: Reader) -> list[tuple[int, int, int, int]]:
    """The entries that are used, as number, type, first sector and count of sectors; none where that is no MBR."""
    data = reader.bytes_at(0, _SECTOR)
    if len(data) < _SECTOR or data[510:] != b"\x55\xaa" or any(data[at:].startswith(mark) for at, mark in _FILE_SYSTEMS):
        return []
    found = list(_ENTRY.iter_unpack(data[_TABLE:510]))
    if any(active not in (0, 0x80) for active, *_ in found):
        return []
    used = enumerate(found, 1)
    return [(number, kind, start, count) for number, (_, _, kind, _, start, count) in used if kind and start and count]


def _gpt_at(reader: Reader) -> int:
    """The bytes of a sector by where the GPT begins; 0 where there is none."""
    return next((sector for sector in (512, 4096) if reader.bytes_at(sector, len(_GPT)) == _GPT), 0)


def _gpt(reader: Reader, sector: int, size: int) -> Iterator[_Partition]:
    header = reader.bytes_at(sector, _HEADER.size)
    if len(header) < _HEADER.size:
        raise invalid(f"It is truncated: the header of its partition table ends beyond the file, which has {size} bytes.")
    _, first, count, each = _HEADER.unpack(header)
    if each < _PARTITION.size or each > _LARGEST:
        return
    length = min(count * each, _MOST // each * each)
    table = reader.bytes_at(first * sector, length)
    for number in range(1, len(table) // each + 1):
        kind, _, start, last = _PARTITION.unpack_from(table, (number - 1) * each)
        if any(kind) and start <= last:
            yield number, (last + 1) * sector
    if len(table) < length:
        end = first * sector + length
        raise invalid(f"It is truncated: its partition table ends at byte {end}, the file has {size}.")
