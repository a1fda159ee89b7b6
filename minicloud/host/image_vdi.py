"""The header of an untrusted VDI file (VirtualBox's), read before qemu-img opens it.

Accepted: dynamic and fixed disks. Refused: differencing and undo images, which stand on another file, and whatever has a link to
one. Numbers as QEMU's `block/vdi.c` has them: all little-endian.
"""

from .image_bytes import Reader, invalid

MAGIC = b"\x7f\x10\xda\xbe"
MAGIC_AT = 64

_VERSION = 0x00010001
_DYNAMIC, _FIXED = 1, 2
_SECTOR, _BLOCK = 512, 1 << 20
_NOBODY = bytes(16)
_NOT_IN_FILE = 0xFFFFFFFE  # this and the next: a block that was discarded, one that was never written
_AT_ONCE = 1 << 16


def check(reader: Reader) -> int:
    """The virtual size in bytes of a VDI that stands on its own. Raises ApiError (InvalidFormat) for any other."""
    version, _, kind = reader.unpack("<III", 68)
    if version != _VERSION:
        raise invalid(f"It is a VDI of version {version >> 16}.{version & 0xFFFF}; version 1.1 is understood.")
    link, parent = reader.unpack("<16s16s", 424)
    if kind not in (_DYNAMIC, _FIXED) or link != _NOBODY or parent != _NOBODY:
        raise invalid("It is a VDI that stands on another one (a snapshot or a clone); merge it first.")
    table, data = reader.unpack("<II", 340)
    sector, _, size, block, _, blocks = reader.unpack("<IIQIII", 360)
    if size == 0:
        raise invalid("It is a disk of 0 bytes.")
    if sector != _SECTOR or block != _BLOCK or blocks * block < size or data % _SECTOR or table % _SECTOR:
        raise invalid("Its header contradicts itself.")
    reader.require_inside("block table", table, blocks * 4)
    return int(size)


def check_blocks(reader: Reader) -> None:
    """Refuse a VDI that `check` accepted where its table names blocks beyond the end of the file, of which QEMU reads zeros.

    It reads 4 bytes for each MiB of the disk; the caller has limited its size.
    """
    table, data = reader.unpack("<II", 340)
    (size,) = reader.unpack("<Q", 368)
    count = -(-size // _BLOCK)
    for first in range(0, count, _AT_ONCE):
        held = min(_AT_ONCE, count - first)
        for number, place in enumerate(reader.unpack(f"<{held}I", table + 4 * first), first):
            if place < _NOT_IN_FILE and data + place * _BLOCK + min(_BLOCK, size - number * _BLOCK) > reader.size:
                raise invalid("It is damaged, or cut off: its block table names blocks beyond the end of the file.")
