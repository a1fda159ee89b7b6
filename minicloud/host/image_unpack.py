"""Copying and decompressing untrusted files into a private place, with a bound on what comes out.

What comes out is counted, never what the file says of itself. Zeros are left out of the file (holes). A file that grows a
thousandfold beyond the first GiB is a bomb, whatever the limit.
"""

import bz2
import gzip
import lzma
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol

from ..errors import ApiError, Retry
from .image_bytes import invalid, too_large
from .qemu_img import noticing_full_disk, out_of_space
from .run import CommandFailed, Limits, run

Progress = Callable[[int, int], None]
"""Called with the bytes done and the bytes in all (0: not known)."""

_PIECE = 1 << 20
_BLOCK = 64 << 10
_RATIO, _RATIO_FROM = 1000, 1 << 30
_XZ_MEMORY = 256 << 20
_HEADROOM = 1 << 30  # bytes of disk that stay free for the host
_ZSTD = Limits(cpu_seconds=3600, address_space=2 << 30)


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


def room(directory: Path, wanted: int) -> int:
    """How many bytes may be written there: at most `wanted`, and never the last GiB (or twentieth) of the disk."""
    disk = os.statvfs(directory)
    kept = min(_HEADROOM, disk.f_blocks * disk.f_frsize // 20)
    return min(wanted, max(0, disk.f_bavail * disk.f_frsize - kept))


def unpack(source: BinaryIO, format: str, target: Path, *, max_bytes: int, progress: Progress) -> None:
    """Write what `source` holds into the new file `target`. `format` is "raw" for a plain copy, or one of COMPRESSED.

    Raises ApiError (DiskImageSizeTooLarge, InvalidFormat) and Retry when the disk is full; the target is then to be thrown away.
    """
    source.seek(0)
    try:
        with noticing_full_disk(target):
            if format == "zstd":
                _unpack_zstd(source, target, max_bytes, progress)
            else:
                _pour(_OPENERS[format](source), source, target, max_bytes, progress)
    except (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile) as error:
        raise invalid(f"It is damaged or cut off ({error}).") from error
    except OSError as error:
        if error.errno is None:  # the decompressors' own
            raise invalid(f"It is damaged or cut off ({error}).") from error
        raise


def cut_out(source: BinaryIO, offset: int, size: int, target: Path, *, max_bytes: int, progress: Progress) -> None:
    """Write the `size` bytes of `source` from `offset` on into the new file `target`. Raises as `unpack` does."""
    source.seek(offset)
    with noticing_full_disk(target):
        _pour(_Range(source, size), source, target, max_bytes, progress)


class _Range:
    """So many bytes of a file, from where it stands."""

    def __init__(self, source: BinaryIO, size: int) -> None:
        self._source = source
        self._left = size

    def read(self, size: int, /) -> bytes:
        piece = self._source.read(min(size, self._left))
        self._left -= len(piece)
        return piece


class _Streams:
    """Compressed streams one after the other, as one. Unlike lzma.LZMAFile it bounds the memory that the data may ask for, and
    unlike bz2.BZ2File it does not take a damaged second stream for the end.
    """

    def __init__(self, source: BinaryIO, make: Callable[[], lzma.LZMADecompressor | bz2.BZ2Decompressor]) -> None:
        self._source = source
        self._make = make
        self._decoder = make()

    def read(self, size: int, /) -> bytes:
        while True:
            if self._decoder.eof and not self._next_stream():
                return b""
            data = self._source.read(_BLOCK) if self._decoder.needs_input else b""
            if not data and self._decoder.needs_input:
                raise EOFError("the compressed data ends early")
            if piece := self._decoder.decompress(data, size):
                return piece

    def _next_stream(self) -> bool:
        """Go on with what follows a finished stream: padding, then maybe another stream."""
        rest = self._decoder.unused_data.lstrip(b"\0")
        while not rest and (data := self._source.read(_BLOCK)):
            rest = data.lstrip(b"\0")
        if not rest:
            return False
        self._decoder = self._make()
        self._source.seek(-len(rest), os.SEEK_CUR)
        return True


_OPENERS: dict[str, Callable[[BinaryIO], _Stream]] = {
    "raw": lambda source: source,
    "gzip": lambda source: gzip.GzipFile(fileobj=source, mode="rb"),
    "bzip2": lambda source: _Streams(source, bz2.BZ2Decompressor),
    "xz": lambda source: _Streams(source, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _XZ_MEMORY)),
}


def _pour(stream: _Stream, source: BinaryIO, target: Path, max_bytes: int, progress: Progress) -> None:
    size = os.fstat(source.fileno()).st_size
    allowed = room(target.parent, max_bytes)
    written = 0
    with target.open("xb") as file:
        while piece := stream.read(_PIECE):
            written += len(piece)
            if written > max_bytes:
                raise too_large(written, max_bytes)
            if piece.count(0) != len(piece):
                file.write(piece)
                allowed -= len(piece)
            else:
                file.seek(len(piece), os.SEEK_CUR)
            if allowed < 0:
                raise out_of_space(target)
            done = min(size, source.tell())
            if written > _RATIO_FROM and written > done * _RATIO:
                raise _bomb()
            progress(done, size)
        file.truncate(written)


def _bomb() -> ApiError:
    return invalid(f"It decompresses to more than {_RATIO} times its size, as decompression bombs do.")


def _unpack_zstd(source: BinaryIO, target: Path, max_bytes: int, progress: Progress) -> None:
    """By the zstd program, which Python 3.11 has no library for. The kernel stops a file that grows too large."""
    size = os.fstat(source.fileno()).st_size
    bound = min(max_bytes, max(_RATIO_FROM, size * _RATIO))
    allowed = room(target.parent, bound)
    origin = target.with_name(f"{target.name}.zst")
    unpack(source, "raw", origin, max_bytes=size, progress=progress)
    words: list[str | Path] = [
        "prlimit",
        f"--fsize={allowed}",
        "--",
        "zstd",
        "-d",
        "-q",
        "-f",
        "--memory=256MB",
        "-o",
        target,
        origin,
    ]
    try:
        run(words, limits=_ZSTD, timeout=3600)
    except CommandFailed as error:
        raise _zstd_error(error, target, allowed, bound, max_bytes) from error
    finally:
        origin.unlink()


def _zstd_error(error: CommandFailed, target: Path, allowed: int, bound: int, max_bytes: int) -> ApiError | Retry:
    if error.status == 127 or error.status is None:
        return error
    if b"No space left" in error.stderr:
        return out_of_space(target)
    if error.status < 0 or b"File too large" in error.stderr:
        if allowed < bound:
            return out_of_space(target)
        return _bomb() if bound < max_bytes else too_large(bound + 1, max_bytes)
    return invalid(f"It is damaged or cut off ({error.message}).")
