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

from . import image_qcow2, image_vhd, image_vmdk
from .image_bytes import Reader, invalid, too_large

COMPRESSED = ("gzip", "bzip2", "xz", "zstd")

_COMPRESSED_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_DISK_MAGIC = {image_qcow2.MAGIC: "qcow2", image_vmdk.MAGIC: "vmdk", image_vhd.MAGIC: "vhd-dynamic"}
_REFUSED_MAGIC = {
    image_vmdk.OLD_MAGIC: "It is a VMDK of an old kind that can name other files.",
    image_vmdk.TEXT_MAGIC: "It is a VMDK descriptor, which names other files; give the one file that holds the disk.",
    b"vhdxfile": "It is a VHDX; convert it first (`qemu-img convert -f vhdx -O qcow2`).",
    b"QED\0": "It is a QED image; convert it first (`qemu-img convert -f qed -O qcow2`).",
    b"LUKS\xba\xbe": "It is encrypted (LUKS).",
    b"PK\x03\x04": "It is a ZIP archive; unpack it and give the disk image inside.",
    b"7z\xbc\xaf\x27\x1c": "It is a 7z archive; unpack it and give the disk image inside.",
    b"\x7fELF": "It is a program.",
    b"WithoutFreeSpace": "It is a Parallels image; convert it first.",
    b"WithouFreSpacExt": "It is a Parallels image; convert it first.",
    b"Bochs Virtual HD Image": "It is a Bochs image; convert it first.",
}
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
    """What a file is. `format` is `qcow2`, `vmdk`, `vhd-fixed`, `vhd-dynamic`, `raw` or one of COMPRESSED; sizes in bytes."""

    format: str
    virtual_size: int | None
    """None for a compressed file: it is known only once it is decompressed."""

    @property
    def qemu_format(self) -> str:
        """The name that qemu-img gives the format."""
        return "vpc" if self.format.startswith("vhd") else self.format


def check(file: BinaryIO, *, max_bytes: int, claimed: str | None = None) -> Found:
    """Say what an open file is, having refused what is hostile, unknown or larger than `max_bytes`.

    `claimed` is what somebody says that it is, in qemu-img's words or one of COMPRESSED; another truth is refused.
    """
    reader = Reader(file)
    found = _inspect(reader)
    if claimed is not None and claimed not in (found.format, found.qemu_format):
        raise invalid(f"It is said to be {claimed} and is {found.qemu_format}: it may be posing as something else.")
    if found.virtual_size is not None and found.virtual_size > max_bytes:
        raise too_large(found.virtual_size, max_bytes)
    return found


def check_clean(path: Path, *, max_bytes: int = 1 << 62) -> int:
    """The virtual size in bytes of a qcow2 that names no other file; refuses all else."""
    with open_regular(path) as file:
        size = check(file, max_bytes=max_bytes, claimed="qcow2").virtual_size
    assert size is not None  # noqa: S101 -- a qcow2 has a size; this is for the type checker
    return size


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading; refuses links, devices, pipes and directories, and does not wait on any of them."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink():
            raise invalid(f"{path} is a symbolic link; give the file that it points to.") from error
        raise invalid(f"{path} can't be read: {error.strerror}.") from error
    except ValueError as error:  # a NUL in the name
        raise invalid("The name of the file is not valid.") from error
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
    if reader.bytes_at(64, 4) == b"\x7f\x10\xda\xbe":
        raise invalid("It is a VDI; convert it first (`qemu-img convert -f vdi -O qcow2`).")
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
    if reader.bytes_at(257, 5) == b"ustar":
        raise invalid("It is a tar archive; unpack it and give the disk image inside.")
    if reader.bytes_at(32769, 5) == b"CD001":
        raise invalid("It is a CD image (ISO 9660); an installed disk is needed.")
    if not any(reader.bytes_at(offset, len(magic)) == magic for offset, magic in _RAW_MAGIC):
        raise invalid("It is no disk image that is known here, and holds neither partitions nor a file system.")
    return Found("raw", reader.size)


_CHECKS = {"qcow2": image_qcow2.check, "vmdk": image_vmdk.check, "vhd-dynamic": image_vhd.check_dynamic}
