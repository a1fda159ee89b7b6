"""Who carries wishes out for a command: the daemon if one runs, else the command itself."""

import socket
from collections.abc import Iterable

from ..cloud import Cloud
from . import loop

WAKE_SOCKET = "wake.sock"
_AT_ONCE = "snap-"


def wake(cloud: Cloud) -> bool:
    """Wake the daemon; False if none runs."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        try:
            sender.sendto(b"wake", str(cloud.settings.run / WAKE_SOCKET))
        except BlockingIOError:
            return True  # its queue is full of wake-ups already
        except OSError:
            return False
    return True


class SelfOrDaemon:
    """A worker for commands."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def work(self, touched: Iterable[str]) -> None:
        """See to the rows, or let the daemon; snapshots are taken here in any case, because their moment is the call's."""
        rows = set(touched)
        if not wake(self._cloud):
            loop.run_pass(self._cloud, rows)
        elif any(row.startswith(_AT_ONCE) for row in rows):
            loop.take_snapshots(self._cloud, rows)

    def refresh(self, operation: str) -> None:
        """Look at the host before an answer is read; a running daemon has just done so."""
        if not wake(self._cloud):
            loop.run_pass(self._cloud, look=operation == "DescribeInstanceStatus")


class InDaemon:
    """A worker for requests that the daemon's own process answers. Its loop looks at the host all the time, so reading waits
    for nothing.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def work(self, touched: Iterable[str]) -> None:
        """Let the loop see to it; what was wished for is in the state already."""
        if list(touched):
            wake(self._cloud)

    def refresh(self, operation: str) -> None:
        """Nothing."""


def worker_for(cloud: Cloud) -> SelfOrDaemon:
    """The worker of a command."""
    return SelfOrDaemon(cloud)
