"""The image store: one directory an image, named by its AMI identifier, holding image.qcow2, manifest.json, maybe a kernel.

- An image is there whole or not at all: it is made in a `.partial-...` directory, flushed, and renamed.
- Whoever works in a partial directory holds a lock on it (flock), which the kernel drops when the process ends in any way;
  `sweep` removes the partial directories that nobody holds.
- Images of the shared store are seen and never changed.
- Files are root's, readable by the group of the account that QEMU runs as, and by nobody else.
"""

import builtins
import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import MISSING, asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from .. import files
from ..errors import ApiError
from . import image_users, own_names
from .qemu_img import noticing_full_disk

IMAGE, KERNEL, INITRD, MANIFEST = "image.qcow2", "vmlinuz", "initrd", "manifest.json"
BOOT_MODES = ("legacy-bios", "uefi", "uefi-preferred")

_PARTIAL = ".partial-"
_DOWNLOADS = ".downloads"
_DOWNLOADS_KEPT = 7 * 86400  # seconds that an unfinished download waits to be resumed


@dataclass(frozen=True)
class Manifest:
    """What is known of an image. `virtual_size` is in bytes, `sha256` is that of image.qcow2, `created` is UTC with a Z."""

    image_id: str
    name: str
    description: str
    architecture: str
    boot_mode: str
    default_user: str
    root_device_name: str
    virtual_size: int
    sha256: str
    created: str
    source: str
    kernel: bool
    initrd: bool
    cmdline: str
    boot_loader: bool = True
    """Whether the disk starts by itself; else it needs the kernel beside it."""


_REQUIRED = {field.name for field in fields(Manifest) if field.default is MISSING}
"""Fields that every manifest has had from the beginning."""


@dataclass(frozen=True)
class Damaged:
    """An image directory whose manifest or disk can't be used, and why."""

    path: Path
    reason: str


class ImageStore:
    """The images of `directory`, and read-only those of `shared`. `group` is the number of the QEMU account's group."""

    def __init__(self, directory: Path, shared: Path | None = None, group: int | None = None) -> None:
        self.directory = directory
        self.shared = shared
        self._group = group

    def add(
        self,
        image: Path,
        *,
        name: str,
        source: str,
        description: str = "",
        boot_mode: str = "legacy-bios",
        default_user: str = "",
        root_device_name: str = "/dev/sda1",
        kernel: Path | None = None,
        initrd: Path | None = None,
        cmdline: str = "",
        boot_loader: bool = True,
        move: bool = True,
    ) -> Manifest:
        """Put a qcow2 that stands on its own into the store, under a new identifier. `move` takes the files from where they are.

        Raises ApiError (InvalidFormat) when it is no such qcow2, Retry when the disk is full.
        """
        from . import image_check  # here, because every command reads the store and few add to it

        image_check.check_clean(image)
        image_id = f"ami-{secrets.token_hex(9)[:17]}"
        with self.scratch(image_id) as partial, noticing_full_disk(partial):
            for origin, file in ((image, IMAGE), (kernel, KERNEL), (initrd, INITRD)):
                if origin is not None:
                    image_check.open_regular(origin).close()
                    (shutil.move if move else shutil.copyfile)(origin, partial / file)
            manifest = Manifest(
                image_id=image_id,
                name=name,
                description=description,
                architecture="x86_64",
                boot_mode=boot_mode,
                default_user=default_user,
                root_device_name=root_device_name,
                virtual_size=image_check.check_clean(partial / IMAGE),
                sha256=digest(partial / IMAGE, "sha256"),
                created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                source=source,
                kernel=kernel is not None,
                initrd=initrd is not None,
                cmdline=cmdline,
                boot_loader=boot_loader,
            )
            (partial / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2) + "\n")
            self._publish(partial, self.directory / image_id)
        return manifest

    def put_back(self, files: Path) -> None:
        """Put an image that was in a store into this one, under its own identifier: a directory of that name on its file system,
        which `check` has found to be right.
        """
        if not (self.directory / files.name).exists():
            self._publish(files, self.directory / files.name)

    @staticmethod
    def check(files: Path) -> None:
        """Raise ApiError (InvalidFormat, or .Unavailable) where the files of an image are not what their manifest says."""
        from . import image_check

        read = _read(files)
        if isinstance(read, Damaged):
            raise ApiError("InvalidAMIID.Unavailable", f"{files.name} cannot be used: {read.reason}")
        image_check.check_clean(files / IMAGE)
        if digest(files / IMAGE, "sha256") != read.sha256:
            raise ApiError("InvalidAMIID.Unavailable", f"The disk of {files.name} is not the one that its manifest tells of")

    def list(self) -> builtins.list[Manifest]:
        """The images that can be used, oldest first. An identifier in both stores is the own store's."""
        found = {read.image_id: read for read in self._read_all() if isinstance(read, Manifest)}
        return sorted(found.values(), key=lambda manifest: (manifest.created, manifest.image_id))

    def damaged(self) -> builtins.list[Damaged]:
        """The image directories that can't be used."""
        return [read for read in self._read_all() if isinstance(read, Damaged)]

    def get(self, image_id: str) -> Manifest:
        """One image. Raises ApiError (InvalidAMIID.NotFound, or .Unavailable when it is damaged)."""
        read = _read(self._place_of(image_id))
        if isinstance(read, Damaged):
            raise ApiError("InvalidAMIID.Unavailable", f"The image ID '{image_id}' is no longer available: {read.reason}")
        return read

    def path(self, image_id: str) -> Path:
        """The absolute path of an image's qcow2. Raises as `get` does, and reads no manifest."""
        return self._place_of(image_id) / IMAGE

    def kernel(self, image_id: str) -> tuple[Path, Path | None, str] | None:
        """Kernel, initrd and command line for a direct boot; None for an image without a kernel beside it."""
        manifest, place = self.get(image_id), self._place_of(image_id)
        if not manifest.kernel:
            return None
        return place / KERNEL, place / INITRD if manifest.initrd else None, manifest.cmdline

    def remove(self, image_id: str, refuse: Callable[[str], None] = lambda _: None) -> None:
        """Remove an image of the own store, damaged or not. The caller knows that no disk of his is built on it.

        `refuse` raises where others need it: from then on until it is gone nobody builds on it (`image_users`).
        Raises Retry where the store is in use for too long.
        """
        place = self._place_of(image_id)
        if place.parent != self.directory.absolute():
            raise ApiError("OperationNotPermitted", f"{image_id} is in the shared, read-only image store {self.shared}.")
        gone = self.directory / f"{_PARTIAL}gone-{secrets.token_hex(4)}"
        with image_users.held(self.directory, image_users.REMOVING):
            refuse(image_id)
            place.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def sweep(self) -> builtins.list[Path]:
        """Remove what dead processes left: partial directories, and old unfinished downloads. Returns what was removed."""
        removed = []
        for path in filter(lambda one: own_names.is_work(one.name), self.directory.glob(f"{_PARTIAL}*")):
            with contextlib.suppress(BlockingIOError, FileNotFoundError, NotADirectoryError), _locked(path):
                shutil.rmtree(path)
                removed.append(path)
        for path in filter(lambda one: own_names.is_download(one.name), (self.directory / _DOWNLOADS).glob("*")):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - _DOWNLOADS_KEPT:
                    path.unlink()
                    removed.append(path)
        return removed

    @property
    def downloads(self) -> Path:
        """Where unfinished downloads wait to be resumed; only root sees into it."""
        path = self._ready() / _DOWNLOADS
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    @contextlib.contextmanager
    def scratch(self, name: str = "") -> Iterator[Path]:
        """A private directory on the store's file system, held by this process, gone afterwards in any case."""
        with contextlib.ExitStack() as held:
            path = _make_held(held, self._ready(), name or "work")
            try:
                yield path
            finally:
                shutil.rmtree(path, ignore_errors=True)

    def _ready(self) -> Path:
        if not self.directory.is_dir():
            files.directory(self.directory, 0o711)
            self.directory.chmod(0o711)  # QEMU's account passes through, and cannot list
        return self.directory.absolute()

    def _place_of(self, image_id: str) -> Path:
        if image_id.startswith("ami-") and image_id[4:].isalnum():
            for root in (self.directory, self.shared):
                if root is not None and (root / image_id).is_dir():
                    return (root / image_id).absolute()
        raise ApiError("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")

    def _read_all(self) -> Iterator[Manifest | Damaged]:
        for root in (self.shared, self.directory):
            if root is not None and root.is_dir():
                yield from (_read(path) for path in sorted(root.glob("ami-*")))

    def _publish(self, partial: Path, final: Path) -> None:
        group = os.getegid() if self._group is None else self._group
        for path in partial.iterdir():
            # What was moved here may belong to somebody who could still write to it.
            os.chown(path, os.geteuid(), group)
            # libvirt takes a kernel for its guest and gives it back as root's own; the directory keeps the others out.
            path.chmod(0o644 if path.name in (KERNEL, INITRD) else 0o640)
            _flush(path)
        os.chown(partial, -1, group)
        partial.chmod(0o750)
        _flush(partial)
        partial.rename(final)
        _flush(self.directory)


def digest(path: Path, algorithm: str) -> str:
    """A file's checksum in hexadecimal."""
    with open(files.opened(path, os.O_RDONLY), "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Hold a directory's lock. Raises BlockingIOError when somebody else does."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    finally:
        os.close(descriptor)


def _make_held(held: contextlib.ExitStack, root: Path, name: str) -> Path:
    """Make a partial directory and lock it. A sweep may come between the two, and then another is made."""
    while True:
        path = root / f"{_PARTIAL}{name}-{secrets.token_hex(4)}"
        path.mkdir(mode=0o700)
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            descriptor = held.enter_context(_locked(path))
            if path.stat().st_ino == os.fstat(descriptor).st_ino:
                return path


def _read(path: Path) -> Manifest | Damaged:
    try:
        values = json.loads(files.read(path / MANIFEST))
        kinds = {field.name: field.type for field in fields(Manifest)}
        if not isinstance(values, dict) or not _REQUIRED <= set(values) <= set(kinds):
            return Damaged(path, f"{MANIFEST} does not have the fields that it should have")
        wrong = [name for name, value in values.items() if type(value) is not kinds[name]]
        if wrong or values["image_id"] != path.name or values["boot_mode"] not in BOOT_MODES or values["virtual_size"] <= 0:
            return Damaged(path, f"{MANIFEST} holds a wrong value{f' for {wrong[0]}' if wrong else ''}")
        if not (path / IMAGE).is_file():
            return Damaged(path, f"{IMAGE} is missing")
        return Manifest(**values)
    except (OSError, ValueError) as error:
        return Damaged(path, f"{MANIFEST}: {error}")
