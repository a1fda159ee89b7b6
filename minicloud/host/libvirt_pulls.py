"""Which guests are pulling, so that nobody looks at their QEMU in the one way that it may not survive.

From the end of a pull (QEMU's block-stream) until libvirt has dismissed the job, QEMU keeps the filter node of it, which has no
child any more; who lists all nodes in that moment (query-named-block-nodes) makes QEMU 7.2 read through a null pointer, and the
guest is gone. libvirt lists them for the statistics of disks, for their sizes, for snapshots, and at the end of each other job.
Therefore a guest has one job at a time, and while it pulls none of these is asked of it.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from ..errors import Retry
from . import failures

_PATIENCE = 5.0
_PAUSE = 0.02


class Pulls:
    """A file for each guest that pulls, in `directory`. It is left over where a command was killed, until `ended` is called.

    All raise HostError for what the system refuses: a full disk above all.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @contextlib.contextmanager
    def beginning(self, guest_id: str) -> Iterator[None]:
        """A pull begins. Raises Retry while somebody looks at the guests' statistics."""
        with self._locked(fcntl.LOCK_EX):
            (self._directory / guest_id).touch(mode=0o600)
            yield

    @failures.of_system()
    def ended(self, guest_id: str) -> None:
        """The guest has no job any more, or is off."""
        (self._directory / guest_id).unlink(missing_ok=True)

    @contextlib.contextmanager
    def looking(self) -> Iterator[frozenset[str]]:
        """The guests that pull; no other begins to meanwhile."""
        if not self._directory.parent.exists():
            yield frozenset()
            return
        with self._locked(fcntl.LOCK_SH):
            yield frozenset(os.listdir(self._directory))

    @contextlib.contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        with failures.of_system():
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
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
