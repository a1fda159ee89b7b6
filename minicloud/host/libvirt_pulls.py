"""Which guests are pulling, so that nobody looks at their QEMU in the one way that it may not survive; and which jobs are ours.

From the end of a pull (QEMU's block-stream) until libvirt has dismissed the job, QEMU keeps the filter node of it, which has no
child any more; who lists all nodes in that moment (query-named-block-nodes) makes QEMU 7.2 read through a null pointer, and the
guest is gone. libvirt lists them for the statistics of disks, for their sizes, for snapshots, and at the end of each other job.
Therefore a guest has one job at a time, and while it pulls none of these is asked of it.

libvirt tells of a job what kind it is, not who began it. Only what was noted when it was begun is ours, and is given up for
something else. A note that does not say of which disk, or cannot be read, makes no job ours; its guest may pull.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from .. import files
from ..errors import Retry
from . import disk_links, failures

_PATIENCE = 5.0
_PAUSE = 0.02

PULL, COMMIT = "pull", "commit"
_WORDS = 2


class Pulls:
    """A file for each guest that has a job of ours, in `directory`, which says `kind serial`.

    In a copied home, a link may lead to the notes of another: they are read, and not changed.

    It is left over where a command was killed, until `ended` is called.

    All raise HostError for what the system refuses: a full disk above all.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @contextlib.contextmanager
    def beginning(self, guest_id: str, kind: str, serial: str) -> Iterator[None]:
        """A job of a disk begins. Raises Retry while somebody looks at the guests' statistics."""
        with self._locked(fcntl.LOCK_EX):
            with failures.of_system():
                disk_links.refuse_linked(self._directory, self._directory.parent)
                note = self._directory / guest_id
                note.unlink(missing_ok=True)  # a link may lead to what is another home's
                with open(os.open(note, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
                    file.write(f"{kind} {serial}\n")
            yield

    def is_ours(self, guest_id: str, kind: str, serial: str) -> bool:
        """Whether a job of such a kind, of this disk, was begun here."""
        return bool(serial) and self._noted(guest_id) == (kind, serial)

    def is_vague(self, guest_id: str) -> bool:
        """Whether there is a note that does not tell of which job."""
        noted = self._noted(guest_id)
        return noted is not None and not noted[1]

    def _noted(self, guest_id: str) -> tuple[str, str] | None:
        note = self._directory / guest_id
        try:
            words = files.read(note).decode(errors="replace").split()
        except FileNotFoundError:
            if not note.is_symlink():
                return None
            words = []
        except (OSError, files.NotRegular):
            words = []
        return (words[0], words[1]) if len(words) == _WORDS else (PULL, "")

    @failures.of_system()
    def ended(self, guest_id: str) -> None:
        """The guest has no job any more, or is off."""
        if not disk_links.is_anothers(self._directory, self._directory.parent):
            (self._directory / guest_id).unlink(missing_ok=True)

    @contextlib.contextmanager
    def looking(self) -> Iterator[frozenset[str]]:
        """The guests that pull; no other begins to meanwhile."""
        if not self._directory.parent.exists():
            yield frozenset()
            return
        with self._locked(fcntl.LOCK_SH):
            notes = {name: self._noted(name) for name in os.listdir(self._directory)}
            yield frozenset(name for name, noted in notes.items() if noted is not None and noted[0] != COMMIT)

    @contextlib.contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        with failures.of_system():
            files.directory(self._directory, 0o700)
            lock = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                _acquire(lock, how)
                yield
            finally:
                os.close(lock)


def _acquire(lock: int, how: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise Retry("somebody reads the guests' statistics, or begins to merge layers, for long") from error
            time.sleep(_PAUSE)
        else:
            return
