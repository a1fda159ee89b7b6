"""What an untrusted file really is, found in plain Python before qemu-img opens it.

The format is read from the bytes, never believed. Formats that are not known here are refused, and so is every image that names
another file, as a backing file, data file, extent or parent. Whatever the bytes, nothing is raised but ApiError (InvalidFormat,
DiskImageSizeTooLarge). The caller keeps the file from changing between this check and its use.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from . import image_partitions, image_qcow2, image_tar, image_vdi, image_vhd, image_vhdx, image_vmdk
from .image_bytes import Reader, invalid, too_large

COMPRESSED = ("gzip", "bzip2", "xz", "zstd")
ARCHIVE = "tar"
WRAPPERS = (*COMPRESSED, ARCHIVE)
"""What is no disk and holds one."""

_COMPRESSED_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_DISK_MAGIC = {
    image_qcow2.MAGIC: "qcow2",
    image_vmdk.MAGIC: "vmdk",
    image_vhd.MAGIC: "vhd-dynamic",
    image_vhdx.MAGIC: "vhdx",
}
_REFUSED_MAGIC = {
    image_vmdk.OLD_MAGIC: "It is a VMDK of an old kind that can name other files.",
    image_vmdk.TEXT_MAGIC: "It is the descriptor of a VMDK whose disk is in other files; if you trust them, join them first "
    "(`qemu-img convert -f vmdk -O qcow2`).",
    b"QED\0": "It is a QED image; convert it first (`qemu-img convert -f qed -O qcow2`).",
    b"LUKS\xba\xbe": "It is encrypted (LUKS).",
    b"PK\x03\x04": "It is a ZIP archive; unpack it and give the disk image inside.",
    b"7z\xbc\xaf\x27\x1c": "It is a 7z archive; unpack it and give the disk image inside.",
    b"\x7fELF": "It is a program.",
    b"WithoutFreeSpace": "It is a Parallels image; convert it first.",
    b"WithouFreSpacExt": "It is a Parallels image; convert it first.",
    b"Bochs Virtual HD Image": "It is a Bochs image; convert it first.",
}
_PLAIN = ("raw", "vhd-fixed")
"""Formats in which the disk itself begins with the file."""
# Bytes that a disk without any container carries, by their offset.
_RAW_MAGIC = (
    (510, b"\x55\xaa"),  # MBR, and the boot sector of FAT and NTFS
    (512, b"EFI PART"),  # GPT, sectors of 512 bytes
    (4096, b"EFI PART"),  # GPT, sectors of 4096 bytes
    (1080, b"\x53\xef"),  # ext2, ext3, ext4
    (0, b"XFSB"),
    (0x10040, b"_BHRfS_M"),  # btrfs
)


@dataclass(frozen=True)
class Found:
    """What a file is. `format` is `qcow2`, `vmdk`, `vhd-fixed`, `vhd-dynamic`, `vhdx`, `vdi`, `raw` or one of WRAPPERS; sizes in
    bytes.
    """

    format: str
    virtual_size: int | None
    """None for a wrapper: it is known only once the disk is out of it."""

    @property
    def qemu_format(self) -> str:
        """The name that qemu-img gives the format."""
        return "vpc" if self.format.startswith("vhd-") else self.format


def check(file: BinaryIO, *, max_bytes: int, claimed: str | None = None) -> Found:
    """Say what an open file is, having refused what is hostile, unknown or larger than `max_bytes`.

    `claimed` is what somebody says that it is, in qemu-img's words, `ova`, or one of WRAPPERS; another truth is refused.
    """
    reader = Reader(file)
    found = _inspect(reader)
    if claimed == "ova":
        claimed = ARCHIVE
    if claimed is not None and claimed not in (found.format, found.qemu_format):
        raise invalid(f"It is said to be {claimed} and is {found.qemu_format}: it may be posing as something else.")
    if found.virtual_size is not None and found.virtual_size > max_bytes:
        raise too_large(found.virtual_size, max_bytes)
    if found.format == "vdi":
        image_vdi.check_blocks(reader)
    if found.format in _PLAIN and found.virtual_size is not None:
        image_partitions.require_whole(reader, found.virtual_size)
    return found


def check_clean(path: Path, *, max_bytes: int = 1 << 62) -> int:
    """The virtual size in bytes of a qcow2 that names no other file; refuses all else."""
    with open_regular(path) as file:
        size = check(file, max_bytes=max_bytes, claimed="qcow2").virtual_size
    assert size is not None  # noqa: S101 -- a qcow2 has a size; this is for the type checker
    return size


def check_layer(path: Path, *, alone: bool) -> None:
    """Refuse what is no qcow2, or makes QEMU open another file; not `alone`, it may stand on one, whose name is not looked at.

    Raises ApiError (InvalidFormat), OSError.
    """
    with _open_regular(path) as file:
        if file.read(len(image_qcow2.MAGIC)) != image_qcow2.MAGIC:
            raise invalid(f"{path.name} is no qcow2.")
        image_qcow2.check(Reader(file), alone=alone)


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading; refuses links, devices, pipes and directories, and does not wait on any of them."""
    try:
        return _open_regular(path)
    except OSError as error:
        if path.is_symlink():
            raise invalid(f"{path} is a symbolic link; give the file that it points to.") from error
        raise invalid(f"{path} can't be read: {error.strerror}.") from error
    except ValueError as error:  # a NUL in the name
        raise invalid("The name of the file is not valid.") from error


def _open_regular(path: Path) -> BinaryIO:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise invalid(f"{path} is not a regular file.")
    return os.fdopen(descriptor, "rb")


def _inspect(reader: Reader) -> Found:
    start = reader.bytes_at(0, 64)
    if reader.size == 0:
        raise invalid("The file is empty.")
    for magic, why in _REFUSED_MAGIC.items():
        if start.startswith(magic):
            raise invalid(why)
    if reader.bytes_at(image_vdi.MAGIC_AT, 4) == image_vdi.MAGIC:
        return Found("vdi", image_vdi.check(reader))
    for magic, name in _COMPRESSED_MAGIC.items():
        if start.startswith(magic):
            return Found(name, None)
    for magic, name in _DISK_MAGIC.items():
        if start.startswith(magic):
            return Found(name, _CHECKS[name](reader))
    return _inspect_raw(reader)


def _inspect_raw(reader: Reader) -> Found:
    if reader.size >= image_vhd.FOOTER and reader.bytes_at(reader.size - image_vhd.FOOTER, 8) == image_vhd.MAGIC:
        return Found("vhd-fixed", image_vhd.check_fixed(reader))
    if image_tar.is_tar(reader):
        return Found(ARCHIVE, None)
    if reader.bytes_at(32769, 5) == b"CD001":
        raise invalid("It is a CD image (ISO 9660); an installed disk is needed.")
    if not any(reader.bytes_at(offset, len(magic)) == magic for offset, magic in _RAW_MAGIC):
        if _old_lzma(reader):
            raise invalid("It is compressed in the old .lzma format; decompress it first (`unlzma`), or pack it with xz.")
        raise invalid("It is no disk image that is known here, and holds neither partitions nor a file system.")
    return Found("raw", reader.size)


def _old_lzma(reader: Reader) -> bool:
    """Whether it looks like an .lzma file, which has no mark: usual settings, and a size that is not known or makes sense."""
    start = reader.bytes_at(0, 13)
    size = start[5:]
    return start[:3] == b"\x5d\0\0" and (size == b"\xff" * 8 or size[6:] == b"\0\0")


_CHECKS = {
    "qcow2": image_qcow2.check,
    "vmdk": image_vmdk.check,
    "vhd-dynamic": image_vhd.check_dynamic,
    "vhdx": image_vhdx.check,
}
