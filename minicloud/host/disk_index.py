"""Which files of the disks' directories stand on which, as their qcow2 headers say: QEMU goes by these, whatever rows say. A
header that was written before the disks came here means what `disk_places` finds.

A header is read again where the file has changed since; a file that goes meanwhile stands on nothing. A link to a regular file
is that file, as who has moved a disk elsewhere leaves it.
"""

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..errors import Permanent
from . import disk_stamp, qemu_img
from .disk_places import Places

_Known = tuple[tuple[int, int, int], str | None]
_UNREADABLE = {errno.EIO, errno.EREMOTEIO, errno.EBADMSG, errno.EUCLEAN}
"""What a host says of a file that its disk does not give: all others may be there. Whatever else it says stops them, too."""


def is_file(entry: "os.DirEntry[str]") -> bool:
    """Whether it is a regular file, or a link to one. Raises OSError."""
    try:
        return entry.is_file()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return False
        raise


class DiskIndex:
    """The files in `directory`, and in the directories of `aside`, where what was set aside lies."""

    def __init__(self, directory: Path, aside: Path) -> None:
        self._directory = directory
        self._aside = aside
        self._known: dict[str, _Known] = {}

    def above(self, path: str, *, careful: bool = True) -> set[str]:
        """The paths of the files that stand directly on one, or may. Raises OSError, `careful` also where a header cannot be
        read; else such a file stands on what it stood on when that was last known, if it was.
        """
        return self.all_above([path], careful=careful)[path]

    def all_above(self, paths: Iterable[str], *, careful: bool) -> dict[str, set[str]]:
        """The same of many, by one look at the files. What stands on a file bears its name in its header, in whatever place."""
        asides, by_name, found = self._directories(), dict[str, list[str]](), {path: set[str]() for path in paths}
        places = Places(self._directory, [Path(aside) for aside in asides])
        for path in found:
            by_name.setdefault(Path(path).name, []).append(path)
        for name, backing in self._backings(asides, careful):
            for path in by_name.get(Path(backing).name, ()):
                if places.stands_on(Path(name), backing, path):
                    found[path].add(name)
        return found

    def on_images(self) -> set[tuple[str, str]]:
        """The base images that files stand directly on, by the id in the image's path, each with such a file's path."""
        found = ((Path(backing), name) for name, backing in self._backings(self._directories(), careful=True))
        return {(path.parent.name, name) for path, name in found if path.parent.name.startswith("ami-")}

    def _backings(self, asides: list[str], careful: bool) -> list[tuple[str, str]]:
        self._known = {entry.path: self._look(entry, careful) for entry in self._files(asides)}
        return [(name, backing) for name, (_, backing) in self._known.items() if backing is not None]

    def _files(self, asides: list[str]) -> Iterator["os.DirEntry[str]"]:
        for directory in (str(self._directory), *asides):
            with contextlib.suppress(FileNotFoundError), os.scandir(directory) as entries:
                yield from entries

    def _directories(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError), os.scandir(self._aside) as entries:
            return sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
        return []

    def _look(self, entry: "os.DirEntry[str]", careful: bool) -> _Known:
        before = self._known.get(entry.path)
        try:
            if not is_file(entry):
                return (0, 0, 0), None
            stat = entry.stat()
            now = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if before is not None and before[0] == now:
                return before
            return now, qemu_img.backing(Path(entry.path))
        except (FileNotFoundError, Permanent):  # gone, or no qcow2 file
            return (0, 0, 0), None
        except OSError as error:
            if careful or error.errno not in _UNREADABLE:
                raise
            return before or ((0, 0, 0), disk_stamp.noted_backing(Path(entry.path)))
