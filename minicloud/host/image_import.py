"""From any file that somebody offers as a disk to a clean qcow2 of our own.

copy or decompress into a private directory -> check -> convert with limits -> check again. The file is opened once, and what is
checked is the private copy, so nobody can exchange it in between. The result is always written anew: nothing of the
foreign header survives.
"""

import os
import urllib.parse
from pathlib import Path

from ..errors import ApiError, Permanent
from . import image_check, image_fetch, qemu_img
from .image_bytes import invalid
from .image_store import ImageStore, Manifest
from .image_sums import Checksum, verify
from .image_unpack import Progress, room, unpack

_OVERHEAD = 64 << 20  # bytes that qcow2's own tables may take beside the data, and then some
_SUFFIXES = (".gz", ".xz", ".zst", ".bz2", ".qcow2", ".img", ".raw", ".vmdk", ".vhd", ".vpc")


def silent(_done: int, _size: int) -> None:
    """A Progress that says nothing."""


def prepare(source: Path, workdir: Path, *, max_bytes: int, claimed: str | None = None, progress: Progress = silent) -> Path:
    """Make a clean qcow2 in `workdir` (private, and held by the caller: ImageStore.scratch) of the file `source`.

    `max_bytes` bounds the decompressed and the virtual size; `claimed` is the format that the file is said to have. A source
    that lies in `workdir` already is used up; any other stays as it is. Raises ApiError (InvalidFormat,
    DiskImageSizeTooLarge), or Retry when the disk is full.
    """
    disk = _private(source, workdir, max_bytes, claimed, progress)
    with image_check.open_regular(disk) as file:
        found = image_check.check(file, max_bytes=max_bytes)
    if found.format in image_check.COMPRESSED:
        raise invalid("It is compressed twice.")
    qemu_format = found.qemu_format
    if found.format == "vhd-fixed":  # a raw disk once its footer is cut off; QEMU would round its size down to a geometry
        os.truncate(disk, found.virtual_size or 0)
        qemu_format = "raw"
    clean = _rewrite(disk, qemu_format, found.virtual_size or 0)
    disk.unlink()
    image_check.check_clean(clean, max_bytes=max_bytes * 2)  # sizes are rounded up to whole sectors, or to a geometry
    return clean


def _private(source: Path, workdir: Path, max_bytes: int, claimed: str | None, progress: Progress) -> Path:
    """The file in `workdir`, decompressed if it was compressed."""
    with image_check.open_regular(source) as file:
        found = image_check.check(file, max_bytes=max_bytes, claimed=claimed)
        compressed = found.format in image_check.COMPRESSED
        if source.parent == workdir and not compressed:
            return source
        disk = workdir / "source.disk"
        limit = max_bytes if compressed else os.fstat(file.fileno()).st_size
        unpack(file, found.format if compressed else "raw", disk, max_bytes=limit, progress=progress)
    if source.parent == workdir:
        source.unlink()
    return disk


def _rewrite(disk: Path, qemu_format: str, size: int) -> Path:
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
