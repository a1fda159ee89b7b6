"""qemu-img, with its doors shut: every file has its format named, an absolute path, and limits on time and memory.

A path is always absolute, because qemu-img takes `nbd:`, `json:` and the like at the start of a relative name for a protocol.
A format is always given, because a guessed format lets the contents of a disk choose how they are read. Whoever opens a file
that did not come from minicloud runs it through image_check first: qemu-img follows the files that an image names.
"""

import contextlib
import errno
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import Damaged, Permanent, Retry, Unreadable
from .run import CommandFailed, Limits, run

# Measured with QEMU 7.2: `info` starts in 256 MiB of address space and `convert` runs in 512. Builds with more libraries need
# more; what must be stopped is an image that makes qemu-img ask for memory without end.
_ADDRESS_SPACE = 2 << 30
_QUICK = Limits(cpu_seconds=30, address_space=_ADDRESS_SPACE)
_QUICK_TIMEOUT = 60.0

_OF_PASSING = (
    errno.ENOMEM,
    errno.EAGAIN,
    errno.EMFILE,
    errno.ENFILE,
    errno.EINTR,
    errno.ESTALE,
    errno.ENOTCONN,
    errno.ETIMEDOUT,
    errno.ENODEV,
)
_PASSING = ("Failed to get", *(os.strerror(number) for number in _OF_PASSING))
"""What qemu-img says where somebody has the file's lock, memory or descriptors are short, or what the file lies on is away."""
_EIO = os.strerror(errno.EIO)
_OF_FILES = {errno.ENOENT, errno.EINVAL, errno.ENOTSUP, errno.EFBIG, errno.ERANGE}
_OF_SYSTEM = tuple(os.strerror(number) for number in errno.errorcode if number not in _OF_FILES)
"""What says of a failure that it is the system's. qemu-img says EINVAL and the like of what stands in a file, too, and ENOENT of
what that stands on."""


@dataclass(frozen=True)
class Info:
    """What `qemu-img info` says of one file; sizes in bytes. `backing` is the name that stands in the file, if one does."""

    format: str
    virtual_size: int
    actual_size: int
    backing: str | None
    backing_format: str | None


def is_marked_corrupt(path: Path) -> bool:
    """Whether QEMU has met a damaged table in a qcow2 file and marked it; raises Damaged where this is none, OSError.

    The mark is a bit of the header's incompatible features (QEMU's docs/interop/qcow2), which no tool reads while a guest has
    the file without asking for its lock.
    """
    with _opened(path) as descriptor:
        header = os.pread(descriptor, _FEATURES.stop, 0)
    if header[:4] != b"QFI\xfb":
        raise Damaged(f"{path} does not begin as a qcow2 file")
    return bool(int.from_bytes(header[_FEATURES]) & _CORRUPT) if int.from_bytes(header[4:8]) >= 3 else False


_FEATURES, _CORRUPT = slice(72, 80), 1 << 1
_NAME_AT, _NAME_LENGTH, _SIZE = slice(8, 16), slice(16, 20), slice(24, 32)
_FIRST_BLOCK = 4096


def backing(path: Path) -> str | None:
    """The name of the file under a qcow2 layer as it stands in the header, read without a process, also while a guest has it.

    Raises Damaged where the file is no qcow2, OSError.
    """
    with _opened(path) as descriptor:
        header = os.pread(descriptor, _FIRST_BLOCK, 0)
        if header[:4] != b"QFI\xfb":
            raise Damaged(f"{path} does not begin as a qcow2 file")
        start, length = int.from_bytes(header[_NAME_AT]), int.from_bytes(header[_NAME_LENGTH])
        if not start:
            return None
        known = header[start : start + length]
        return os.fsdecode(known if len(known) == length else os.pread(descriptor, length, start))


def virtual_size(path: Path) -> int:
    """How large a guest sees a qcow2 file, in bytes, read as `backing` is, and with its errors."""
    with _opened(path) as descriptor:
        header = os.pread(descriptor, _SIZE.stop, 0)
    if header[:4] != b"QFI\xfb" or len(header) < _SIZE.stop:
        raise Damaged(f"{path} does not begin as a qcow2 file")
    return int.from_bytes(header[_SIZE])


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A regular file, also by a link to it; whatever else has its name is not waited for. Raises Damaged for that, OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket
            raise Damaged(f"{path} is no regular file") from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Damaged(f"{path} is no regular file")
        yield descriptor
    except OSError as error:  # of a descriptor, which has no name
        error.filename = error.filename or str(path)
        raise
    finally:
        os.close(descriptor)


def info(path: Path, format: str, *, in_use: bool = False) -> Info:
    """Read one file's header, and no other file's. Raises Damaged when it is not of that format.

    `in_use` reads it although a guest has it, whose changes may then be seen or not.
    """
    sharing = ["-U"] if in_use else []
    said = _qemu_img("info", *sharing, "-f", format, "--output=json", _absolute(path), about=path)
    values: dict[str, Any] = json.loads(said)
    return Info(
        format=values["format"],
        virtual_size=values["virtual-size"],
        actual_size=values.get("actual-size", 0),
        backing=values.get("backing-filename"),
        backing_format=values.get("backing-filename-format"),
    )


def is_empty(path: Path) -> bool:
    """Whether a qcow2 layer holds nothing itself, and so reads as what it stands on, which is not opened."""
    file = {"driver": "file", "filename": _absolute(path)}
    node = json.dumps({"driver": "qcow2", "file": file, "backing": None})
    said = _qemu_img("map", "-U", "--output=json", f"json:{node}", about=path)
    return not any(extent.get("present", True) for extent in json.loads(said))


def create(path: Path, size: int) -> None:
    """Make an empty qcow2 disk of `size` bytes. An existing file at `path` is overwritten."""
    _qemu_img("create", "-q", "-f", "qcow2", _absolute(path), str(size), about=path)


def create_overlay(path: Path, base: Path, base_format: str = "qcow2", size: int | None = None) -> None:
    """Put a new qcow2 layer at `path` on top of `base`: nothing is copied, so the base's size does not matter.

    `size` is the new disk's size in bytes, the base's when it is None. The base must not be written to any more.
    """
    words = ["create", "-q", "-f", "qcow2", "-F", base_format, "-b", _absolute(base), _absolute(path)]
    _qemu_img(*words, *([str(size)] if size is not None else []), about=path)


def resize(path: Path, size: int) -> None:
    """Make a qcow2 disk larger: `size` bytes. qemu-img itself refuses to make one smaller."""
    _qemu_img("resize", "-q", "-f", "qcow2", _absolute(path), str(size), about=path)


def commit(path: Path, *, timeout: float = 7200.0) -> None:
    """Write what a qcow2 layer holds into the layer under it, which becomes as large; `path` itself stays as it is."""
    limits = Limits(cpu_seconds=7200, address_space=_ADDRESS_SPACE)
    _qemu_img("commit", "-q", "-d", "-f", "qcow2", _absolute(path), about=path, limits=limits, timeout=timeout)


def rebase(path: Path, base: Path | None, *, timeout: float = 7200.0) -> None:
    """Let a qcow2 layer stand on `base` (nothing, for None), and copy into it what it read from elsewhere until now."""
    below = ["-F", "qcow2", "-b", _absolute(base)] if base is not None else ["-b", ""]
    limits = Limits(cpu_seconds=7200, address_space=_ADDRESS_SPACE)
    _qemu_img("rebase", "-q", "-f", "qcow2", *below, _absolute(path), about=path, limits=limits, timeout=timeout)


def repoint(path: Path, base: Path) -> None:
    """Write into a qcow2 layer's header that it stands on `base`, and look at nothing else."""
    words = ["rebase", "-q", "-u", "-f", "qcow2", "-F", "qcow2", "-b", _absolute(base), _absolute(path)]
    _qemu_img(*words, about=path)


def check(path: Path, format: str = "qcow2") -> None:
    """Raise Damaged where a file's structure is damaged (qcow2, vmdk), as by its end being cut off. Leaked clusters do no harm
    and are not counted.
    """
    limits = Limits(cpu_seconds=600, address_space=_ADDRESS_SPACE)
    try:
        _qemu_img("check", "-q", "-U", "-f", format, _absolute(path), about=path, limits=limits, timeout=600.0)
    except Permanent as error:
        if isinstance(error.__cause__, CommandFailed) and error.__cause__.status == _ONLY_LEAKS:
            return
        if isinstance(error, Damaged) or (isinstance(error.__cause__, CommandFailed) and error.__cause__.status == _WRONG):
            raise Damaged(f"{path.name} is damaged: {error.message}") from error
        raise


_WRONG, _ONLY_LEAKS = 2, 3
"""What `qemu-img check` ends with where tables are wrong, and where clusters are lost but nothing is wrong."""


def convert(
    source: Path,
    source_format: str,
    destination: Path,
    *,
    timeout: float = 3600.0,
    cpu_seconds: int = 3600,
    max_bytes: int | None = None,
) -> None:
    """Write what a disk holds into a new qcow2 without any layer under it. Zeros take no room.

    `timeout` is in seconds of the clock. With `max_bytes` the kernel stops a destination that grows beyond so many bytes.
    """
    words = ["convert", "-q", *_source(source, source_format, destination)]
    bound = ["prlimit", f"--fsize={max_bytes}", "--"] if max_bytes is not None else []
    limits = Limits(cpu_seconds=cpu_seconds, address_space=_ADDRESS_SPACE)
    _qemu_img(*words, about=destination, before=bound, limits=limits, timeout=timeout)


def _source(source: Path, source_format: str, destination: Path) -> list[str]:
    if source_format != "vpc":
        return ["-f", source_format, "-O", "qcow2", _absolute(source), _absolute(destination)]
    # Left alone, QEMU rounds many a VHD down to its cylinders, and with them cuts off the end of the disk.
    name = _absolute(source).replace(",", ",,")
    options = f"driver=vpc,force_size_calc=current_size,file.driver=file,file.filename={name}"
    return ["--image-opts", options, "-O", "qcow2", _absolute(destination)]


def _absolute(path: Path) -> str:
    """An absolute spelling of `path`; symbolic links stay as they are."""
    return str(path.absolute())


def _qemu_img(
    *words: str, about: Path, before: list[str] | None = None, limits: Limits = _QUICK, timeout: float = _QUICK_TIMEOUT
) -> bytes:
    try:
        return run([*(before or []), "qemu-img", *words], limits=limits, timeout=timeout).stdout
    except CommandFailed as error:
        raise _explained(error, about) from error


def _explained(error: CommandFailed, about: Path) -> Retry | Permanent:
    """Which kind of failure this is, in words that say what to do."""
    text = error.stderr.decode(errors="replace")
    if "No space left on device" in text or "Disk quota exceeded" in text:
        return out_of_space(about)
    if error.status in (None, 127) or any(words in text for words in _PASSING):
        return error
    if error.status is not None and error.status < 0:
        return Permanent(f"qemu-img was stopped by signal {-error.status} at {about.name}: it used more than it is allowed to")
    if "File too large" in text:
        return Permanent(f"{about.name} grew beyond the size that it is allowed to have")
    if _EIO in text:
        return Unreadable(error.message)
    return (Permanent if any(words in text for words in _OF_SYSTEM) else Damaged)(error.message)


def out_of_space(path: Path) -> Retry:
    """The disk is full. Others that write large files say it with this too."""
    return Retry(
        f"no space left on the disk that holds {path.parent}: remove images (`minicloud images rm`), terminate instances or "
        "delete volumes that are not needed, then try again",
        code="Server.InsufficientVolumeCapacity",
        delay=30.0,
    )


@contextlib.contextmanager
def noticing_full_disk(path: Path) -> Iterator[None]:
    """Say it in the words above when the block fails to write `path` for want of room."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise out_of_space(path) from error
        raise
