"""From any file that somebody offers as a disk to a clean qcow2 of our own.

copy, decompress or take out of an archive into a private directory -> check -> have qemu-img check its tables -> convert with
limits -> check again. The file is opened once, and what is checked is the private copy, so nobody can exchange it in between. The
result is always written anew: nothing of the foreign header survives.
"""

import os
import urllib.parse
from pathlib import Path
from typing import BinaryIO

from ..errors import ApiError, Permanent
from . import image_check, image_fetch, image_sums, image_tar, qemu_img
from .image_bytes import Reader, invalid
from .image_store import ImageStore, Manifest
from .image_sums import Checksum, verify
from .image_unpack import Progress, cut_out, room, unpack

_OVERHEAD = 64 << 20  # bytes that qcow2's own tables may take beside the data, and then some
_CHECKED = ("qcow2", "vmdk")
"""Formats of which `qemu-img convert` reads zeros where a table points beyond the end of a file that was cut off. It refuses such
a VHD or VHDX itself, and of a VDI `image_vdi` has read the table.
"""
_SUFFIXES = (*image_tar.PACKED, *image_tar.DISKS, ".ova", ".tar", ".tgz")


def silent(_done: int, _size: int) -> None:
    """A Progress that says nothing."""


def prepare(source: Path, workdir: Path, *, max_bytes: int, claimed: str | None = None, progress: Progress = silent) -> Path:
    """Make a clean qcow2 in `workdir` (private, and held by the caller: ImageStore.scratch) of the file `source`.

    `max_bytes` bounds the decompressed and the virtual size; `claimed` is the format that the file is said to have. A source
    that lies in `workdir` already is used up; any other stays as it is. Raises ApiError (InvalidFormat,
    DiskImageSizeTooLarge), or Retry when the disk is full.
    """
    disk, found = _unwrapped(source, workdir, max_bytes, claimed, progress)
    qemu_format = found.qemu_format
    if found.format == "vhd-fixed":  # a raw disk once its footer is cut off; QEMU would round its size down to a geometry
        os.truncate(disk, found.virtual_size or 0)
        qemu_format = "raw"
    clean = _rewrite(disk, qemu_format, found.virtual_size or 0)
    disk.unlink()
    image_check.check_clean(clean, max_bytes=max_bytes * 2)  # sizes are rounded up to whole sectors, or to a geometry
    return clean


def _unwrapped(
    source: Path, workdir: Path, max_bytes: int, claimed: str | None, progress: Progress
) -> tuple[Path, image_check.Found]:
    """The disk as a file of its own in `workdir`, and what it is. It may be compressed once and archived once, in any order."""
    path, seen = source, set[str]()
    while True:
        with image_check.open_regular(path) as file:
            found = image_check.check(file, max_bytes=max_bytes, claimed=None if seen else claimed)
            wrapped = found.format in image_check.WRAPPERS
            if path.parent == workdir and not wrapped:
                return path, found
            kind = "compressed" if found.format in image_check.COMPRESSED else found.format
            if kind in seen:
                raise invalid("It is an archive in an archive." if kind == image_check.ARCHIVE else "It is compressed twice.")
            target = workdir / f"source-{len(seen)}.disk"
            _take_out(file, found, target, max_bytes, progress)
            seen.add(kind)
        if path.parent == workdir:
            path.unlink()
        path = target


def _take_out(file: BinaryIO, found: image_check.Found, target: Path, max_bytes: int, progress: Progress) -> None:
    """Decompress, cut out of an archive, or copy."""
    if found.format == image_check.ARCHIVE:
        _from_archive(file, target, max_bytes, progress)
        return
    compressed = found.format in image_check.COMPRESSED
    limit = max_bytes if compressed else os.fstat(file.fileno()).st_size
    unpack(file, found.format if compressed else "raw", target, max_bytes=limit, progress=progress)


def _from_archive(file: BinaryIO, target: Path, max_bytes: int, progress: Progress) -> None:
    """The disk of an archive, compared with the archive's own list of checksums. SHA-1 in a list says too little to be read."""
    reader = Reader(file)
    archive = image_tar.read(reader)
    disk = archive.disk
    cut_out(file, disk.offset, disk.size, target, max_bytes=max_bytes, progress=progress)
    if archive.manifest is not None:
        text = reader.bytes_at(archive.manifest.offset, archive.manifest.size).decode(errors="replace")
        if (wanted := image_sums.parse(text).get(disk.name)) is not None:
            verify(target, wanted, f"{disk.name} in the archive")


def _require_whole(disk: Path, qemu_format: str) -> None:
    """Refuse a disk whose tables are damaged, or point to what is not in the file."""
    try:
        qemu_img.check(disk, qemu_format)
    except Permanent as error:
        last = error.message.rpartition(" / ")[2]  # of many that say the same of one cluster after the other
        raise invalid(f"It is damaged, or cut off; the last of what qemu-img check says: {last}.") from error


def _rewrite(disk: Path, qemu_format: str, size: int) -> Path:
    if qemu_format in _CHECKED:
        _require_whole(disk, qemu_format)
    clean = disk.with_name("clean.qcow2")
    most = size + size // 512 + _OVERHEAD
    bound = room(disk.parent, most)
    try:
        qemu_img.convert(disk, qemu_format, clean, max_bytes=bound)
    except Permanent as error:
        if bound < most and clean.exists() and clean.stat().st_size > bound - _OVERHEAD:
            raise qemu_img.out_of_space(clean) from error
        raise invalid(f"qemu-img can't read it: {error.message}.") from error
    return clean


def import_image(
    source: str,
    store: ImageStore,
    *,
    name: str = "",
    description: str = "",
    boot_mode: str = "legacy-bios",
    default_user: str = "",
    root_device_name: str = "/dev/sda1",
    max_bytes: int,
    claimed: str | None = None,
    checksum: Checksum | None = None,
    allow_private: bool = False,
    progress: Progress = silent,
) -> Manifest:
    """Make an image of a file or of an http(s) URL. Raises as `prepare` and `image_fetch.download` do."""
    with store.scratch() as workdir:
        if is_url(source):
            path = workdir / "download"
            image_fetch.download(
                source,
                path,
                partial=store.downloads,
                max_bytes=max_bytes,
                checksum=checksum,
                allow_private=allow_private,
                progress=progress,
            )
        else:
            path = Path(source).absolute()
            if checksum is not None:
                path = _copy_and_verify(path, workdir, checksum)
        clean = prepare(path, workdir, max_bytes=max_bytes, claimed=claimed, progress=progress)
        return store.add(
            clean,
            name=name or name_of(source),
            source=_recorded(source),
            description=description,
            boot_mode=boot_mode,
            default_user=default_user,
            root_device_name=root_device_name,
        )


def _recorded(source: str) -> str:
    """What is remembered as an image's source: a URL without its query, which may hold somebody's credentials."""
    return urllib.parse.urlsplit(source)._replace(query="", fragment="").geturl() if is_url(source) else source


def _copy_and_verify(path: Path, workdir: Path, checksum: Checksum) -> Path:
    copy = workdir / "offered"
    with image_check.open_regular(path) as file:
        unpack(file, "raw", copy, max_bytes=os.fstat(file.fileno()).st_size, progress=silent)
    verify(copy, checksum, str(path))
    return copy


def is_url(source: str) -> bool:
    """Whether a person means a URL and not a file. Refuses the schemes that are not fetched."""
    scheme, separator, _ = source.partition("://")
    if not separator or "/" in scheme:
        return False
    if scheme.lower() in ("http", "https"):
        return True
    raise ApiError("InvalidParameterValue", f"{source}: only http and https URLs and files are taken, not {scheme}.")


def name_of(source: str) -> str:
    """A name for an image, from the last part of its path or URL; what AMI names do not allow becomes a dash."""
    path = urllib.parse.urlsplit(source).path if is_url(source) else source
    name = Path(path).name
    while name.lower().endswith(_SUFFIXES):
        name = name[: name.rindex(".")]
    kept = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "().-_") else "-" for letter in name)
    return kept[:128] if len(kept) >= 3 else f"image-{kept}"
