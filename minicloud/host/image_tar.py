"""The one disk in an untrusted tar archive: an OVA, or a disk that was packed with tar.

Only headers are read, and nothing is unpacked by its name: the disk is a range of bytes of the archive. The layout is that of
POSIX's ustar, which the OVF standard asks for; longer names of GNU tar and pax are passed over, except that a size in them is
refused, as are sparse members, because then the bytes of the archive are not the disk's.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath

from .image_bytes import Reader, invalid

DISKS = (".vmdk", ".vhd", ".vhdx", ".vdi", ".vpc", ".qcow2", ".img", ".raw")
PACKED = (".gz", ".xz", ".bz2", ".zst")

_BLOCK = 512
_MOST_MEMBERS = 1000
_MOST_NOTE = 64 << 10
_FILE, _SPARSE, _NOTES = b"0\0", b"S", b"xgLK"


@dataclass(frozen=True)
class Member:
    """A file in an archive: its name without directories, and where its bytes are."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True)
class Archive:
    """What is in it: the disk, and the list of checksums (an OVF manifest) if there is one."""

    disk: Member
    manifest: Member | None


def is_tar(reader: Reader) -> bool:
    """Whether a file begins with the header of a tar archive."""
    return reader.bytes_at(257, 5) == b"ustar"


def read(reader: Reader) -> Archive:
    """The disk in an archive. Raises ApiError (InvalidFormat) where there is none, or more than one."""
    members = _members(reader)
    disks = [member for member in members if _is_disk(member.name)]
    if not disks:
        raise invalid("It is a tar archive without a disk image inside.")
    if len(disks) > 1:
        names = ", ".join(member.name for member in disks[:8])
        raise invalid(f"It is a tar archive with {len(disks)} disks ({names}); unpack it and give each of them.")
    manifests = [member for member in members if member.name.lower().endswith(".mf") and member.size <= _MOST_NOTE]
    return Archive(disks[0], manifests[0] if manifests else None)


def _is_disk(name: str) -> bool:
    path = PurePosixPath(name.lower())
    return (PurePosixPath(path.stem) if path.suffix in PACKED else path).suffix in DISKS and not name.startswith(".")


def _members(reader: Reader) -> list[Member]:
    """The regular files, in their order."""
    found: list[Member] = []
    offset = 0
    for _ in range(_MOST_MEMBERS):
        header = reader.bytes_at(offset, _BLOCK)
        if not header.strip(b"\0"):
            return found
        _check_header(header)
        kind, size = header[156:157], _number(header[124:136])
        reader.require_inside("member", offset + _BLOCK, size)
        if kind in _SPARSE:
            raise invalid("It is a tar archive with a sparse file; unpack it and give the disk image inside.")
        if kind in _NOTES:
            _check_note(reader, offset + _BLOCK, size)
        elif kind in _FILE:
            found.append(Member(_name(header), offset + _BLOCK, size))
        offset += _BLOCK + -(-size // _BLOCK) * _BLOCK
    raise invalid(f"It is a tar archive with more than {_MOST_MEMBERS} files.")


def _check_header(header: bytes) -> None:
    counted = sum(header) - sum(header[148:156]) + 8 * ord(" ")
    if len(header) < _BLOCK or header[257:262] != b"ustar" or _number(header[148:156]) != counted:
        raise invalid("It is a tar archive that is damaged or cut off.")


def _check_note(reader: Reader, offset: int, size: int) -> None:
    """What stands before a member about it: a longer name does no harm, another size would."""
    if size > _MOST_NOTE:
        raise invalid("It is a tar archive with notes about a file that are too long.")
    note = reader.bytes_at(offset, size)
    if b" size=" in note or b" GNU.sparse" in note:
        raise invalid("It is a tar archive with a sparse or a very large file; unpack it and give the disk image inside.")


def _number(field: bytes) -> int:
    """Octal digits, or, where the first bit is set, a binary number."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:])
    try:
        return int(field.strip(b" \0") or b"0", 8)
    except ValueError as error:
        raise invalid("It is a tar archive that is damaged or cut off.") from error


def _name(header: bytes) -> str:
    return PurePosixPath(header[:100].split(b"\0", 1)[0].decode(errors="replace")).name
