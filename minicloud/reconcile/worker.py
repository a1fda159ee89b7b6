"""Who carries wishes out for a command: the daemon if one runs, else the command itself."""

import logging
import socket
from collections.abc import Collection, Iterable

from ..cloud import Cloud
from ..errors import HostError
from . import firewall, locks, loop

log = logging.getLogger(__name__)

WAKE_SOCKET = "wake.sock"
_OF_FIREWALL = ("sg-", "eni-", "eipalloc-", "igw-", "rtb-", "elb-")
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


def _enforce(cloud: Cloud, touched: Collection[str]) -> None:
    """Bring the firewall to what the rows say, if it is about these; a loop may be busy with slow guests for a while."""
    if any(resource_id.startswith(_OF_FIREWALL) for resource_id in touched):
        try:
            firewall.reconcile(cloud)
        except (HostError, locks.Busy) as error:
            log.warning("%s", error)


def _take(cloud: Cloud, touched: Collection[str]) -> None:
    """Take the snapshots among these: their moment is the call's, so a caller who has the answer may write on."""
    if any(resource_id.startswith(_AT_ONCE) for resource_id in touched):
        loop.take_snapshots(cloud, touched)


class SelfOrDaemon:
    """A worker for commands."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def work(self, touched: Iterable[str]) -> None:
        """See to the rows, or let the daemon.

        Neither the firewall nor snapshots are left for later: when the answer is given, the one is in force and the others taken.
        """
        rows = set(touched)
        _enforce(self._cloud, rows)
        if not wake(self._cloud):
            loop.run_pass(self._cloud, rows)
        else:
            _take(self._cloud, rows)

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
        """Let the loop see to it; what was wished for is in the state already. The firewall and snapshots wait for no loop."""
        rows = set(touched)
        _enforce(self._cloud, rows)
        _take(self._cloud, rows)
        if rows:
            wake(self._cloud)

    def refresh(self, operation: str) -> None:
        """Nothing."""


def worker_for(cloud: Cloud) -> SelfOrDaemon:
    """The worker of a command."""
    return SelfOrDaemon(cloud)
