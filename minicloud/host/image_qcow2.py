"""The header of an untrusted qcow2 file, read before qemu-img opens it.

Refused: whatever makes QEMU open another file (a backing file, an external data file), whatever needs a secret (encryption), and
tables that cannot be right. The layout is the one in QEMU's docs/interop/qcow2 document.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from .image_bytes import Reader, invalid

MAGIC = b"QFI\xfb"

_HEADER = ">QIIQIIQQIIQ"  # from offset 8, the fields of version 2
_DIRTY, _CORRUPT, _EXTERNAL_DATA, _COMPRESSION, _EXTENDED_L2 = 1, 2, 4, 8, 16
_KNOWN_FEATURES = _DIRTY | _COMPRESSION | _EXTENDED_L2
_EXTENSION_END = 0
_BACKING_FORMAT = 0xE2792ACA
_REFUSED_EXTENSIONS = {
    _BACKING_FORMAT: "the format of a backing file",
    0x44415441: "an external data file",
    0x0537BE77: "encryption",
}
_REFUSED_OF_LAYERS = {kind: what for kind, what in _REFUSED_EXTENSIONS.items() if kind != _BACKING_FORMAT}
_MAX_L1_BYTES = 32 << 20
_MAX_REFTABLE_BYTES = 8 << 20
_MAX_SNAPSHOTS = 256
_MAX_EXTENSIONS = 64


@dataclass(frozen=True)
class _Header:
    version: int
    backing_offset: int
    backing_size: int
    cluster_bits: int
    size: int
    encryption: int
    l1_entries: int
    l1_offset: int
    reftable_offset: int
    reftable_clusters: int
    snapshots: int
    snapshots_offset: int

    @property
    def cluster(self) -> int:
        """Bytes of one cluster."""
        return 1 << self.cluster_bits


def check(reader: Reader, *, alone: bool = True) -> int:
    """The virtual size in bytes of a qcow2 that stands on its own. Raises ApiError (InvalidFormat) for any other.

    With `alone=False` it may name a backing file, whatever that is, and be marked as corrupt: the caller replaces the name.
    """
    (version,) = reader.unpack(">I", 4)
    if version not in (2, 3):
        raise invalid(f"It is a qcow image of version {version}; versions 2 and 3 are understood.")
    header = _Header(version, *reader.unpack(_HEADER, 8))
    _check_standing_alone(header, alone=alone)
    extended, extensions = _check_features(reader, header, alone=alone)
    _check_extensions(reader, header, extensions, _REFUSED_EXTENSIONS if alone else _REFUSED_OF_LAYERS)
    _check_tables(reader, header, extended)
    return header.size


def _check_standing_alone(header: _Header, *, alone: bool) -> None:
    if alone and (header.backing_offset or header.backing_size):
        raise invalid("It names a backing file, which could be any file of this host; flatten it first (`qemu-img convert`).")
    if header.encryption:
        raise invalid("It is encrypted.")
    if not 9 <= header.cluster_bits <= 21:
        raise invalid(f"Its clusters have 2^{header.cluster_bits} bytes; 2^9 to 2^21 are possible.")
    if header.size == 0:
        raise invalid("It is a disk of 0 bytes.")


def _check_features(reader: Reader, header: _Header, *, alone: bool) -> tuple[bool, int]:
    """Whether entries of the second-level tables take 16 bytes instead of 8, and where the header's extensions start."""
    if header.version == 2:
        return False, 72
    incompatible, _, _, refcount_order, length = reader.unpack(">QQQII", 72)
    if incompatible & _EXTERNAL_DATA:
        raise invalid("It keeps its data in another file (data-file), which could be any file of this host.")
    if incompatible & _CORRUPT and alone:
        raise invalid("It is marked as corrupt; repair it first (`qemu-img check -r all`).")
    if incompatible & ~(_KNOWN_FEATURES | _CORRUPT):
        raise invalid(f"It needs features that are not known here ({incompatible & ~_KNOWN_FEATURES:#x}).")
    if refcount_order > 6 or length < 104 or length % 8 or length > header.cluster:
        raise invalid("Its header contradicts itself.")
    if incompatible & _COMPRESSION and reader.unpack(">B", 104)[0] not in (0, 1):
        raise invalid("It is compressed in a way that is not known here.")
    return bool(incompatible & _EXTENDED_L2), length


def _check_extensions(reader: Reader, header: _Header, offset: int, refused: Mapping[int, str]) -> None:
    for _ in range(_MAX_EXTENSIONS):
        if offset + 8 > header.cluster:
            return
        kind, length = reader.unpack(">II", offset)
        if kind == _EXTENSION_END:
            return
        if kind in refused:
            raise invalid(f"Its header announces {refused[kind]}.")
        offset += 8 + (length + 7) // 8 * 8
        if offset > header.cluster:
            raise invalid("An extension of its header is longer than the header.")
    raise invalid("Its header has too many extensions.")


def _check_tables(reader: Reader, header: _Header, extended: bool) -> None:
    covered = header.cluster * (header.cluster // (16 if extended else 8))  # bytes of disk behind one first-level entry
    if header.l1_entries * 8 > _MAX_L1_BYTES or header.l1_entries < -(-header.size // covered):
        raise invalid("Its first-level table does not fit its size.")
    if header.l1_offset % header.cluster or header.reftable_offset % header.cluster or not header.reftable_offset:
        raise invalid("A table of its header is not aligned.")
    if header.reftable_clusters * header.cluster > _MAX_REFTABLE_BYTES:
        raise invalid("Its table of reference counts is too large.")
    reader.require_inside("first-level table", header.l1_offset, header.l1_entries * 8)
    reader.require_inside("table of reference counts", header.reftable_offset, header.reftable_clusters * header.cluster)
    if header.snapshots > _MAX_SNAPSHOTS:
        raise invalid(f"It holds {header.snapshots} internal snapshots; {_MAX_SNAPSHOTS} are allowed.")
    reader.require_inside("table of snapshots", header.snapshots_offset, header.snapshots * 40)
