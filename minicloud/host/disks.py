"""Volumes as qcow2 files of one directory, named after their ids.

A file is made under a temporary name and renamed when it is whole, so a name that is there is a disk that is whole. Name and
file are on the disk itself before a row says that it was made: the state may be on another file system. The maker
of a temporary file holds a lock on its directory, so what bears a temporary name while nobody holds the lock is left over
from a crash, and the next maker deletes it.
"""

import contextlib
import fcntl
import os
import re
import shlex
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..errors import Away, Damaged, Permanent, Retry
from . import account, disk_links, disk_places, disk_stamp, disk_use, durable, failures, own_names, qemu_img
from .bounded import bounded
from .contracts_storage import Stamp, Stranger
from .disk_index import DiskIndex, is_file

_ID = re.compile(r"[a-z]+-[0-9a-z-]+")
_NEW = ".new"
_PATIENCE = 30.0
"""Seconds that a look at a file of others may take."""
_WRITTEN = stat.S_IWGRP
"""What of a disk's mode lets QEMU write to it."""


def _id_of(name: str) -> str:
    """The disk whose file has this name; empty for a file of somebody else's."""
    disk_id = name.removesuffix(".qcow2")
    return disk_id if disk_id != name and own_names.is_disk(disk_id) else ""


def _disk_of(entry: "os.DirEntry[str]") -> str:
    """The disk whose file this is: a regular one, or a link to one, as who has moved a disk elsewhere leaves it."""
    return _id_of(entry.name) if is_file(entry) else ""


class LocalDisks:
    """Disks in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._index = DiskIndex(directory, directory / disk_stamp.ASIDE)

    @failures.of_system()
    def create(self, disk_id: str, size: int, base: str | None) -> None:
        """A new layer on `base`, or an empty disk."""
        final = Path(self.path(disk_id))
        self._refuse_away(final)
        if final.exists():
            self._refuse_strange(final)
            self._refuse_shared(disk_id)
            durable.sync(self._directory)  # who made it may have been cut short before it was
            return
        account.directory(self._directory)
        disk_links.refuse_shared_directory(self._directory)
        with self._making():
            new = self._directory / f"{disk_id}{_NEW}"
            if base is None:
                qemu_img.create(new, size)
            else:
                qemu_img.create_overlay(new, Path(base), "qcow2", max(size, self._least(Path(base))))
            account.share(new, write=True)
            durable.sync_file(new)
            os.rename(new, final)
            durable.sync(self._directory)

    @staticmethod
    def _least(base: Path) -> int:
        """How large at least is what stands on `base`. Where that cannot be read, QEMU says why when it opens it."""
        with contextlib.suppress(OSError, Permanent):
            return qemu_img.virtual_size(base)
        return 0

    @failures.of_system()
    def remove(self, disk_id: str) -> None:
        """Delete the file, under the lock that makers of files on it hold."""
        path = Path(self.path(disk_id))
        self._refuse_away(path)
        if path.is_file():
            disk_links.refuse_shared_directory(self._directory)
            with self._making():
                if above := self.above(disk_id):
                    raise Permanent(f"{disk_id} is not removed: {min(above)} stands on it")
                if disk_use.is_open(path):
                    raise Retry(f"{disk_id} is not removed: a process has it open (fuser {path} tells which it is)")
                path.unlink(missing_ok=True)
                durable.sync(self._directory)

    @failures.of_system()
    def above(self, disk_id: str) -> set[str]:
        """By the headers of all files here, those that were set aside among them."""
        return self.all_above([disk_id])[disk_id]

    @failures.of_system()
    def all_above(self, disk_ids: Iterable[str]) -> dict[str, set[str]]:
        """The same, and each header is looked at once."""
        paths = {self.path(disk_id): disk_id for disk_id in disk_ids}
        found = self._index.all_above(paths, careful=False)
        return {disk_id: {self._named(Path(name)) for name in found[path]} for path, disk_id in paths.items()}

    def _named(self, path: Path) -> str:
        return (_id_of(path.name) if path.parent == self._directory else "") or str(path)

    @failures.of_system()
    def stamp(self) -> Stamp | None:
        """From the file beside them."""
        return disk_stamp.read(self._directory)

    @failures.of_system()
    def put_stamp(self, stamp: Stamp) -> None:
        """Into the file beside them."""
        account.directory(self._directory)
        disk_links.refuse_shared_directory(self._directory)
        disk_stamp.write(self._directory, stamp)

    @failures.of_system()
    def set_aside(self, disk_ids: Iterable[str], why: str) -> str:
        """Into a directory of today's."""
        disk_links.refuse_shared_directory(self._directory)
        return str(
            disk_stamp.set_aside(self._directory / disk_stamp.ASIDE, [Path(self.path(disk_id)) for disk_id in disk_ids], why)
        )

    def path(self, disk_id: str) -> str:
        """The file of a disk, there or not."""
        if not _ID.fullmatch(disk_id):
            raise ValueError(f"not the id of a disk: {disk_id!r}")
        return str(self._directory / f"{disk_id}.qcow2")

    @failures.of_system()
    def own(self, path: str, *, live: bool) -> str:
        """By its name: an id is given once. Where a file elsewhere has that name, by what is beside it, as in a home of ours."""
        found = Path(path)
        disk_id = _id_of(found.name)
        if not disk_id:
            return ""
        here = Path(self.path(disk_id))
        if disk_places.same(found, here) or not os.path.lexists(found) or os.path.realpath(found) == os.path.realpath(here):
            return disk_id
        return disk_id if not live and (found.parent / disk_stamp.NAME).exists() else ""

    @failures.of_system()
    def stranger(self, path: str) -> Stranger:
        """By its header and its tables. It may lie anywhere, also where nothing answers."""
        return bounded(path, _PATIENCE, lambda: self._stranger(path))

    @staticmethod
    def _stranger(path: str) -> Stranger:
        file = Path(path)
        try:
            below = qemu_img.backing(file)
        except FileNotFoundError as error:
            raise Damaged(f"{path} is not there") from error
        return Stranger(not qemu_img.is_empty(file), str(file.parent / below) if below is not None else None)

    @failures.of_system()
    def list(self) -> dict[str, int]:
        """All disks, with the bytes that each occupies on the host."""
        found: dict[str, int] = {}
        with contextlib.suppress(FileNotFoundError), os.scandir(self._directory) as entries:
            for entry in entries:
                if disk_id := _disk_of(entry):
                    with contextlib.suppress(FileNotFoundError):
                        found[disk_id] = entry.stat().st_blocks * 512
        return found

    @failures.of_system()
    def in_use(self) -> set[str]:
        """By the locks on their files."""
        return {disk_id for disk_id in self.list() if disk_use.is_open(Path(self.path(disk_id)))}

    @failures.of_system()
    def is_open(self, disk_id: str) -> bool:
        """By the locks on its file."""
        return disk_use.is_open(Path(self.path(disk_id)))

    @failures.of_system()
    def others(self) -> dict[str, int]:
        """Paths. What bears a temporary name while somebody is making disks is theirs."""
        found: dict[str, int] = {}
        with contextlib.suppress(FileNotFoundError), os.scandir(self._directory) as entries:
            making = self._is_held()
            for entry in entries:
                ours = _disk_of(entry) or entry.name in disk_stamp.NAMES or (making and entry.name.endswith(_NEW))
                if not ours:
                    found[entry.path] = entry.stat(follow_symlinks=False).st_blocks * 512
        return found

    def size(self, disk_id: str) -> int:
        """As its header says."""
        return self._info(disk_id).virtual_size

    @failures.of_system()
    def backing(self, disk_id: str) -> str | None:
        """As its header says, which is always the absolute path that one of the functions here wrote, or libvirt, there or
        where the disks were then.
        """
        path = Path(self.path(disk_id))
        with contextlib.suppress(FileNotFoundError):
            return qemu_img.backing(path)
        self._refuse_away(path)
        raise Damaged(f"{path} is not there")

    def _info(self, disk_id: str) -> qemu_img.Info:
        path = Path(self.path(disk_id))
        self._refuse_away(path)
        if not path.exists():
            raise Damaged(f"{path} is not there")
        self._refuse_strange(path)
        return qemu_img.info(path, "qcow2", in_use=True)

    @staticmethod
    def _refuse_strange(path: Path) -> None:
        if not path.is_file():
            raise Damaged(f"{path} is no regular file")

    @staticmethod
    def _refuse_away(path: Path) -> None:
        """Raise Away for a link that leads to no file."""
        try:
            path.stat()
        except FileNotFoundError:
            if path.is_symlink():
                raise Away(
                    f"{path} is a link to {os.readlink(path)}, which is not there: mount what that is on; if the disk is lost, "
                    f"delete the link ({shlex.join(['rm', str(path)])})"
                ) from None
        except OSError:  # whoever opens it tells
            return

    def _refuse_shared(self, disk_id: str) -> None:
        """Raise Permanent for one that is not written to, because it may be another home's as well."""
        disk_links.refuse_shared(Path(self.path(disk_id)), self._directory)

    @failures.of_system()
    def resize(self, disk_id: str, size: int) -> None:
        """Never smaller."""
        if self.size(disk_id) < size:
            self._refuse_shared(disk_id)
            qemu_img.resize(Path(self.path(disk_id)), size)

    @failures.of_system()
    def commit(self, disk_id: str, into: str) -> None:
        """Until it is done, the disk itself reads as ever, because it hides what is written under it."""
        if self.backing(disk_id) != self.path(into):
            raise Permanent(f"{disk_id} does not stand on {into}")
        self._refuse_shared(into)
        qemu_img.commit(Path(self.path(disk_id)))

    @failures.of_system()
    def rebase(self, disk_id: str, base: str | None) -> None:
        """Until it is done, the disk stands on what it stood on, whose blocks read as the copies do."""
        if self.backing(disk_id) != base:
            self._refuse_shared(disk_id)
            qemu_img.rebase(Path(self.path(disk_id)), Path(base) if base is not None else None)

    @failures.of_system()
    def repoint(self, disk_id: str, base: str) -> None:
        """One write to the header."""
        if self.backing(disk_id) != base:
            self._refuse_shared(disk_id)
            qemu_img.repoint(Path(self.path(disk_id)), Path(base))

    @failures.of_system()
    def seal(self, disk_ids: Iterable[str]) -> None:
        """By their modes: QEMU runs as a user who only reads what it may not write to."""
        failed: OSError | None = None
        for path in (Path(self.path(disk_id)) for disk_id in disk_ids):
            try:
                if path.is_file() and path.stat().st_mode & _WRITTEN and not disk_links.is_refused(path, self._directory):
                    account.share(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                failed = failed or error
        if failed is not None:
            raise failed

    @failures.of_system()
    def unseal(self, disk_id: str) -> None:
        """The modes that it was made with."""
        path = Path(self.path(disk_id))
        if path.is_file() and path.stat().st_mode & _WRITTEN != _WRITTEN:
            self._refuse_shared(disk_id)
            account.share(path, write=True)

    @failures.of_system()
    def damage(self, disk_id: str) -> str:
        """QEMU marks a file in which it meets a damaged table, and refuses to write to it any more."""
        path = Path(self.path(disk_id))
        with contextlib.suppress(FileNotFoundError):
            return f"QEMU found {path} damaged" if qemu_img.is_marked_corrupt(path) else ""
        self._refuse_away(path)
        return f"{path} is not there"

    def check(self, disk_id: str) -> None:
        """By qemu-img."""
        self._info(disk_id)
        qemu_img.check(Path(self.path(disk_id)))

    @failures.of_system()
    def export(self, path: str, destination: str) -> None:
        """The destination appears when it is whole, readable by its owner only; an existing file is refused."""
        final = Path(destination)
        new = final.with_name(f".{final.name}{_NEW}")
        if final.exists():
            raise Permanent(f"{final} exists already")
        new.touch(mode=0o600)
        try:
            qemu_img.convert(Path(path), "qcow2", new)
            durable.sync_file(new)
            os.link(new, final)
            durable.sync(final.parent)
        finally:
            new.unlink(missing_ok=True)

    @failures.of_system()
    def free(self) -> int:
        """On the file system of the directory."""
        there = next(path for path in (self._directory, *self._directory.parents) if path.exists())
        return shutil.disk_usage(there).free

    @contextlib.contextmanager
    def _making(self) -> Iterator[None]:
        """Hold the directory's lock; whatever bears a temporary name at that moment was left by a crash."""
        lock = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for leftover in self._directory.glob(f"*{_NEW}"):
                if own_names.is_disk(leftover.name.removesuffix(_NEW)) and leftover.is_file():
                    leftover.unlink(missing_ok=True)
            yield
        finally:
            os.close(lock)

    def _is_held(self) -> bool:
        """Whether somebody is making a disk."""
        lock = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False
