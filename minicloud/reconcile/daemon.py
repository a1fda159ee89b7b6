"""The loop of `minicloud serve`: a pass when woken, when something is due, and at least every PERIOD seconds."""

import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator

from .. import files
from ..cloud import Cloud
from ..errors import StateError
from . import alone, images, isolation, locks, loop
from .monitor import Monitor
from .worker import WAKE_IDENTITY, WAKE_SOCKET

log = logging.getLogger(__name__)

PERIOD = 2.0


@contextlib.contextmanager
def _listening(cloud: Cloud) -> Iterator[socket.socket]:
    path, identity = cloud.settings.run / WAKE_SOCKET, cloud.settings.run / WAKE_IDENTITY
    # First, because whoever finds the socket reads it, and because it opens the state, which may have to be made.
    said = cloud.state.identity.id
    identity.unlink(missing_ok=True)
    with os.fdopen(files.draft(identity, 0o600), "w") as file:
        file.write(said)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        path.unlink(missing_ok=True)
        receiver.bind(str(path))
        path.chmod(0o600)
        try:
            yield receiver
        finally:
            path.unlink(missing_ok=True)
            identity.unlink(missing_ok=True)


@contextlib.contextmanager
def _monitored(cloud: Cloud) -> Iterator[None]:
    monitor = Monitor(cloud)
    monitor.start()
    try:
        yield
    finally:
        monitor.stop()


def _drain(receiver: socket.socket, timeout: float) -> None:
    """Wait for a wake-up, at most `timeout` seconds, and take all that have come."""
    receiver.settimeout(max(0.0, timeout) or 0.001)
    with contextlib.suppress(TimeoutError):
        receiver.recv(16)
    receiver.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            receiver.recv(16)


def run(cloud: Cloud, stopped: Callable[[], bool]) -> None:
    """Run until `stopped()`. Raises StateError if another daemon runs with the same state."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locks.held(cloud.settings.run, "daemon"))
        except locks.Busy as error:
            raise StateError(alone.other(cloud.settings.run) or "minicloud serve runs already (its lock is held)") from error
        # Who finds a daemon does not look at the host: what can be launched is known by then.
        isolation.guarded(cloud, lambda: isolation.stage(cloud, "images", lambda: images.reconcile(cloud)))
        receiver = stack.enter_context(_listening(cloud))
        stack.enter_context(_monitored(cloud))
        while not stopped():
            due = turn(cloud)
            _drain(receiver, PERIOD if due is None else min(PERIOD, max(0.05, due - time.time())))


def turn(cloud: Cloud) -> float | None:
    """One turn of the loop, which goes on whatever becomes of it. When something is due, or None."""
    due = None
    try:
        due = loop.run_pass(cloud, look=True, alone=False)
    except Exception:
        # Rows and stages are isolated already; this is for what fails around them.
        log.exception("a pass failed; the next goes on")
    return due
