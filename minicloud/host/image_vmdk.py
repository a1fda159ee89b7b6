"""The header of an untrusted VMDK file, read before qemu-img opens it.

Accepted: one file that holds all of its disk (monolithicSparse, streamOptimized), with its descriptor inside. Refused:
descriptors that name other files, as extents or as a parent. QEMU looks for a parent's name in the bytes from 512 on, wherever
the header says that the descriptor is; so the start of the file is searched as well as the descriptor.
"""

import re
from dataclasses import dataclass

from .image_bytes import Reader, invalid

MAGIC = b"KDMV"
OLD_MAGIC = b"COWD"
TEXT_MAGIC = b"# Disk Descriptor"

_SECTOR = 512
_HEADER = "<4sIIQQQQIQQQB4sH"
_AT_END = (1 << 64) - 1
_DESCRIPTOR_LIMIT = 1 << 20
_SEARCHED_START = 64 << 10
_TYPES = ("monolithicsparse", "streamoptimized")
_EXTENT = re.compile(r'^\s*(RW|RDONLY|NOACCESS)\s+(\d+)\s+(\S+)(?:\s+"([^"]*)")?', re.IGNORECASE | re.MULTILINE)
_SETTING = re.compile(r'^\s*([A-Za-z.]+)\s*=\s*"?([^"\r\n]*)"?\s*$', re.MULTILINE)


@dataclass(frozen=True)
class _Header:
    magic: bytes
    version: int
    flags: int
    capacity: int
    grain: int
    descriptor_offset: int
    descriptor_sectors: int
    entries: int
    redundant_offset: int
    directory_offset: int
    overhead: int
    unclean: int
    line_ends: bytes
    compression: int


def check(reader: Reader) -> int:
    """The virtual size in bytes of a VMDK that stands on its own. Raises ApiError (InvalidFormat) for any other."""
    header = _Header(*reader.unpack(_HEADER, 0))
    _check_numbers(reader, header)
    if header.directory_offset == _AT_END:
        _check_footer(reader, header)
    _check_descriptor(_descriptor(reader, header))
    if b"parentfilenamehint" in reader.bytes_at(0, _SEARCHED_START).lower():
        raise invalid("It names a parent file, which could be any file of this host.")
    return header.capacity * _SECTOR


def _check_numbers(reader: Reader, header: _Header) -> None:
    if header.version not in (1, 2, 3):
        raise invalid(f"It is a VMDK of version {header.version}; versions 1 to 3 are understood.")
    if header.capacity == 0:
        raise invalid("It is a disk of 0 bytes.")
    if not 8 <= header.grain <= 1 << 16 or header.grain & (header.grain - 1) or not 1 <= header.entries <= 512:
        raise invalid("Its header contradicts itself.")
    if header.compression not in (0, 1):
        raise invalid("It is compressed in a way that is not known here.")
    if header.directory_offset != _AT_END:
        reader.require_inside("grain directory", header.directory_offset * _SECTOR, _SECTOR)


def _check_footer(reader: Reader, header: _Header) -> None:
    """QEMU uses the copy of the header at the end of a stream; it must be the same disk."""
    footer = _Header(*reader.unpack(_HEADER, reader.size - 2 * _SECTOR))
    if footer.magic != MAGIC or footer.directory_offset == _AT_END:
        raise invalid("It is cut off: the footer at its end is missing.")
    _check_numbers(reader, footer)
    fields = ("capacity", "grain", "entries", "descriptor_offset", "descriptor_sectors")
    if any(getattr(footer, name) != getattr(header, name) for name in fields):
        raise invalid("Its header and its footer describe different disks.")


def _descriptor(reader: Reader, header: _Header) -> str:
    offset, length = header.descriptor_offset * _SECTOR, header.descriptor_sectors * _SECTOR
    if not offset or not 0 < length <= _DESCRIPTOR_LIMIT:
        raise invalid(
            "It has no descriptor inside: it is one part of a VMDK that is split over several files; if you trust them, join "
            "them first (`qemu-img convert -f vmdk -O qcow2`, with the file that describes them)."
        )
    reader.require_inside("descriptor", offset, length)
    return reader.bytes_at(offset, length).split(b"\0", 1)[0].decode("latin-1")


def _check_descriptor(text: str) -> None:
    settings = {name.lower(): value.strip().lower() for name, value in _SETTING.findall(text)}
    if settings.get("createtype") not in _TYPES:
        raise invalid(
            f"It is a VMDK of the type {settings.get('createtype', 'unknown')!r}; only those that are one file "
            "(monolithicSparse, streamOptimized) are taken."
        )
    if settings.get("parentcid", "ffffffff") != "ffffffff" or "parentfilenamehint" in text.lower():
        raise invalid("It names a parent file, which could be any file of this host.")
    extents = _EXTENT.findall(text)
    if len(extents) != 1:
        raise invalid(f"Its descriptor names {len(extents)} extents; the file itself must be the only one.")
    _, _, kind, name = extents[0]
    if kind.upper() != "SPARSE" or not name or "/" in name or "\\" in name or ":" in name:
        raise invalid("Its descriptor names another file as an extent.")
