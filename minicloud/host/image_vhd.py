"""The footer of an untrusted VHD file (QEMU's `vpc`), read before qemu-img opens it.

Accepted: fixed and dynamic disks. Refused: differencing disks, which name a parent file. A fixed VHD is a raw disk with a
footer; a dynamic one has a copy of the footer at its start. The size is the one in the footer, not that of the geometry
beside it, which is smaller than the disk with many writers.
"""

from .image_bytes import Reader, invalid

MAGIC = b"conectix"
FOOTER = 512

_FIXED, _DYNAMIC, _DIFFERENCING = 2, 3, 4
_SECTOR = 512
_NO_MORE_HEADERS = (1 << 64) - 1


def check_dynamic(reader: Reader) -> int:
    """The virtual size in bytes of a dynamic VHD. Raises ApiError (InvalidFormat) for any other."""
    size = _check_footer(reader, 0, _DYNAMIC)
    (offset,) = reader.unpack(">Q", 16)
    cookie, _, table, _, entries, block = reader.unpack(">8sQQIII", offset)
    if cookie != b"cxsparse":
        raise invalid("Its header is missing.")
    if block < _SECTOR or block & (block - 1) or entries * block < size:
        raise invalid("Its header contradicts itself.")
    reader.require_inside("block table", table, entries * 4)
    return size


def check_fixed(reader: Reader) -> int:
    """The virtual size in bytes of a fixed VHD: the disk is what stands before the footer."""
    size = _check_footer(reader, reader.size - FOOTER, _FIXED)
    (data_offset,) = reader.unpack(">Q", reader.size - FOOTER + 16)
    if data_offset != _NO_MORE_HEADERS or size != reader.size - FOOTER:
        raise invalid("Its footer does not fit its size.")
    return size


def _check_footer(reader: Reader, offset: int, kind: int) -> int:
    footer = reader.bytes_at(offset, FOOTER)
    size, _, found, checksum = reader.unpack(">QIII", offset + 48)
    if found == _DIFFERENCING:
        raise invalid("It is a differencing VHD, which names a parent file; merge it first.")
    if found != kind:
        raise invalid(f"It is a VHD of an unknown type ({found}).")
    if checksum != ~(sum(footer) - sum(footer[64:68])) & 0xFFFFFFFF:
        raise invalid("The checksum of its footer is wrong.")
    if size == 0:
        raise invalid("It is a disk of 0 bytes.")
    return int(size)
