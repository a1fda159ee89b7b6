"""Fetching an image over HTTP: resumed where it stopped, bounded in size, and verified before anything else reads it.

An interrupted download waits in a directory of its own with what is known of it; a later one goes on from there if the server
still has the same file (If-Range), and starts anew otherwise. One that is refused, or that could not be gone on with, leaves
nothing. One process at a time works on it (flock).
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from .. import files
from ..errors import ApiError, Permanent, Retry
from . import image_http
from .image_bytes import too_large
from .image_sums import Checksum, verify
from .image_unpack import room
from .qemu_img import noticing_full_disk, out_of_space

_ATTEMPTS, _BARREN = 20, 3
_TEXT_LIMIT = 4 << 20
_RANGE = re.compile(r"^bytes (\d+)-\d+/(\d+)$")


@dataclass
class _State:
    """What is known of an unfinished download. `validator` is what If-Range sends; without one there is no resuming."""

    url: str
    checksum: str
    validator: str = ""
    total: int = 0


class _Part:
    """An unfinished download: the open, locked file and its state beside it."""

    def __init__(self, path: Path, file: BinaryIO, state: _State) -> None:
        self.path, self.file, self.state = path, file, state
        self.size = file.seek(0, os.SEEK_END)
        known = _read_state(path)
        if known is None or (known.url, known.checksum) != (state.url, state.checksum) or not known.validator:
            self.restart()
        else:
            self.state = known

    def restart(self, validator: str = "", total: int = 0) -> None:
        """Begin from nothing, with what the server says of the file."""
        self.file.seek(0)
        self.file.truncate()
        self.size, self.state.validator, self.state.total = 0, validator, total
        _state_path(self.path).write_text(json.dumps(asdict(self.state)))

    def append(self, piece: bytes) -> None:
        """Write what came in."""
        self.file.write(piece)
        self.size += len(piece)

    @property
    def resumable(self) -> bool:
        """Whether a later command could go on with it."""
        return bool(self.size and self.state.validator)

    def discard(self) -> None:
        """Remove all of it."""
        self.path.unlink(missing_ok=True)
        _state_path(self.path).unlink(missing_ok=True)


def download(
    url: str,
    destination: Path,
    *,
    partial: Path,
    max_bytes: int,
    checksum: Checksum | None = None,
    allow_private: bool = False,
    progress: Callable[[int, int], None],
) -> None:
    """Fetch `url` into the new file `destination`, on the file system of the directory `partial`.

    `progress` gets the bytes done and in all (0: not known). Without a checksum no redirect may leave https. Raises
    ApiError for a URL that is refused or a file larger than `max_bytes`, Permanent for one that is not there or not what the
    checksum says, Retry for what may pass: calling again resumes.
    """
    image_http.parse(url)
    with _hold(partial, url, checksum) as part:
        with _tidied(part):
            _receive_all(part, max_bytes, allow_private, progress)
            if checksum is not None:
                verify(part.path, checksum, url)
            part.path.rename(destination)
        part.discard()


@contextlib.contextmanager
def _tidied(part: _Part) -> Iterator[None]:
    """Leave an unfinished download only where there is something to go on with, and nobody has said no to it."""
    try:
        yield
    except (ApiError, Permanent):
        part.discard()
        raise
    except BaseException:
        if not part.resumable:
            part.discard()
        raise


def fetch_text(url: str, *, allow_private: bool = False) -> tuple[str, str]:
    """A small text, such as a checksum file, and the URL that it came from in the end. Never over a downgrade to http."""
    with image_http.get(url, {}, allow_private=allow_private, allow_downgrade=False) as answer:
        data = b""
        for piece in answer.body():
            data += piece
            if len(data) > _TEXT_LIMIT:
                raise Permanent(f"{url} is too long for a checksum file")
        return answer.url, data.decode(errors="replace")


def _receive_all(part: _Part, max_bytes: int, allow_private: bool, progress: Callable[[int, int], None]) -> None:
    barren = 0
    for _ in range(_ATTEMPTS):
        before = part.size
        try:
            _receive(part, max_bytes, allow_private, progress)
        except Retry as error:
            part.file.flush()
            barren = 0 if part.size > before else barren + 1
            if barren == _BARREN or isinstance(error, image_http.TooSlow) or error.code == "Server.InsufficientVolumeCapacity":
                raise
        else:
            part.file.flush()
            return
    raise Retry(f"{part.state.url} broke off {_ATTEMPTS} times; run the same command again to go on where it stopped")


def _receive(part: _Part, max_bytes: int, allow_private: bool, progress: Callable[[int, int], None]) -> None:
    """One attempt, from where the last one stopped."""
    headers = {"Range": f"bytes={part.size}-", "If-Range": part.state.validator} if part.size else {}
    if part.size and part.size == part.state.total:
        return
    with image_http.get(
        part.state.url, headers, allow_private=allow_private, allow_downgrade=bool(part.state.checksum)
    ) as answer:
        _agree(part, answer)
        if max(part.state.total, part.size) > max_bytes:
            raise too_large(part.state.total, max_bytes)
        _store(part, answer.body(), max_bytes, progress)


def _agree(part: _Part, answer: image_http.Answer) -> None:
    """Bring the part in line with what the server is going to send."""
    if answer.status == 200:
        part.restart(_validator(answer), answer.length or 0)
        return
    match = _RANGE.match(answer.header("Content-Range"))
    if answer.status != 206 or match is None or (int(match[1]), int(match[2])) != (part.size, part.state.total):
        part.restart()
        raise Retry(f"{answer.url} can't resume; starting anew")


def _store(part: _Part, body: Iterator[bytes], max_bytes: int, progress: Callable[[int, int], None]) -> None:
    left = room(part.path.parent, max_bytes)
    with noticing_full_disk(part.path):
        for piece in body:
            if part.size + len(piece) > max_bytes:
                raise too_large(part.size + len(piece), max_bytes)
            left -= len(piece)
            if left < 0:
                raise out_of_space(part.path)
            part.append(piece)
            progress(part.size, part.state.total)


def _validator(answer: image_http.Answer) -> str:
    """What can be trusted to name the same bytes again: a strong ETag, else the date; empty for neither."""
    tag = answer.header("ETag")
    return tag if tag.startswith('"') else answer.header("Last-Modified")


@contextlib.contextmanager
def _hold(directory: Path, url: str, checksum: Checksum | None) -> Iterator[_Part]:
    path = directory / f"{hashlib.sha256(url.encode()).hexdigest()[:24]}.part"
    while True:
        descriptor = files.opened(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "r+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Retry(f"another command is fetching {url}; wait until it is done") from error
            # Whoever finished between the opening and the locking has taken this very file away, and uses it.
            if path.exists() and path.stat().st_ino == os.fstat(descriptor).st_ino:
                yield _Part(path, file, _State(url, checksum.value if checksum else ""))
                return


def _state_path(path: Path) -> Path:
    return path.with_suffix(".json")


def _read_state(path: Path) -> _State | None:
    try:
        return _State(**json.loads(files.read(_state_path(path))))
    except (OSError, ValueError, TypeError):
        return None
