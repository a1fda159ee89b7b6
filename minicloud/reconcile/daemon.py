"""The loop of `minicloud serve`: a pass when woken, when something is due, and at least every PERIOD seconds."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator

from ..cloud import Cloud
from ..errors import UsageError
from . import lifecycle, locks, loop
from .monitor import Monitor
from .worker import WAKE_SOCKET

PERIOD = 2.0


@contextlib.contextmanager
def _listening(cloud: Cloud) -> Iterator[socket.socket]:
    path = cloud.settings.run / WAKE_SOCKET
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        path.unlink(missing_ok=True)
        receiver.bind(str(path))
        path.chmod(0o600)
        try:
            yield receiver
        finally:
            path.unlink(missing_ok=True)


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
    """Run until `stopped()`. Raises UsageError if another daemon runs with the same state."""
    try:
        with locks.held(cloud.settings.run, "daemon"), _listening(cloud) as receiver, _monitored(cloud):
            while not stopped():
                due = loop.run_pass(cloud, look=True)
                lifecycle.reconcile(cloud)
                wait = PERIOD if due is None else min(PERIOD, max(0.05, due - time.time()))
                _drain(receiver, wait)
    except locks.Busy as error:
        raise UsageError("minicloud serve runs already (its lock is held)") from error
