"""The tables of an untrusted VHDX file (Hyper-V's), read before qemu-img opens it.

Accepted: fixed and dynamic disks. Refused: differencing disks, which name a parent file. A disk whose log is not empty was not
closed in order; qemu-img, which reads it only, refuses it. The layout is that of Microsoft's MS-VHDX: a table of regions, one of
which holds a table of metadata. QEMU reads the first of the two copies of the region table, and so does this.
"""

import uuid

from .image_bytes import Reader, invalid

MAGIC = b"vhdxfile"

_REGIONS_AT = 192 << 10
_MOST_ENTRIES = 2047
_BAT = uuid.UUID("2dc27766-f623-4200-9d64-115e9bfd4a08").bytes_le
_METADATA = uuid.UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e").bytes_le
_PARAMETERS = uuid.UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b").bytes_le
_SIZE = uuid.UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8").bytes_le
_PARENT = uuid.UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c").bytes_le
_HAS_PARENT = 2
_MIB = 1 << 20

Places = dict[bytes, tuple[int, int]]
"""Where each thing of a table is: offset and length in bytes, by its identifier."""


def check(reader: Reader) -> int:
    """The virtual size in bytes of a VHDX that stands on its own. Raises ApiError (InvalidFormat) for any other."""
    regions = _regions(reader)
    for name, region in (("block table", _BAT), ("metadata", _METADATA)):
        if region not in regions:
            raise invalid(f"Its {name} is missing.")
        reader.require_inside(name, *regions[region])
    items = _items(reader, *regions[_METADATA])
    block, flags = reader.unpack("<II", _place(items, _PARAMETERS))
    if flags & _HAS_PARENT or _PARENT in items:
        raise invalid("It is a differencing VHDX, which names a parent file; merge it first.")
    if not _MIB <= block <= 256 * _MIB or block & (block - 1):
        raise invalid("Its header contradicts itself.")
    (size,) = reader.unpack("<Q", _place(items, _SIZE))
    if size == 0:
        raise invalid("It is a disk of 0 bytes.")
    if -(-size // block) * 8 > regions[_BAT][1]:
        raise invalid("Its header contradicts itself.")
    return int(size)


def _regions(reader: Reader) -> Places:
    signature, _, count = reader.unpack("<4sII", _REGIONS_AT)
    if signature != b"regi" or count > _MOST_ENTRIES:
        raise invalid("Its table of regions is missing.")
    entries = [reader.unpack("<16sQII", _REGIONS_AT + 16 + 32 * number) for number in range(count)]
    return _places([(name, offset, length) for name, offset, length, _ in entries])


def _items(reader: Reader, start: int, length: int) -> Places:
    signature, _, count = reader.unpack("<8sHH", start)
    if signature != b"metadata" or count > _MOST_ENTRIES or 32 * (count + 1) > length:
        raise invalid("Its metadata is missing.")
    entries = [reader.unpack("<16sII", start + 32 * (number + 1)) for number in range(count)]
    return _places([(name, start + offset, size) for name, offset, size in entries])


def _places(entries: list[tuple[bytes, int, int]]) -> Places:
    places = {name: (offset, length) for name, offset, length in entries}
    if len(places) != len(entries):
        raise invalid("Its tables name the same thing twice.")
    return places


def _place(items: Places, name: bytes) -> int:
    if name not in items:
        raise invalid("Its metadata is incomplete.")
    return items[name][0]
