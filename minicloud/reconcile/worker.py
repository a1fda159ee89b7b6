"""Who carries wishes out for a command: the daemon if one runs, else the command itself."""

import socket
import threading
from collections.abc import Collection, Iterable

from ..cloud import Cloud
from ..errors import StateError
from . import generations, isolation, loop, snapshots

WAKE_SOCKET = "wake.sock"
WAKE_IDENTITY = "wake.identity"
"""Beside the socket: the identity of the state whose daemon listens there."""
_OF_FIREWALL = ("sg-", "eni-", "eipalloc-", "igw-", "rtb-", "elb-")
_AT_ONCE = "snap-"
_OF_SNAPSHOTS = (_AT_ONCE, "ami-")
_INSTANCE = "i-"
ENDS = "ends of guests"
"""The name of the threads that cut guests off."""
MOST = 10.0
"""Seconds after which an answer waits no longer for a guest to be cut off."""


def wake(cloud: Cloud) -> bool:
    """Wake the daemon; False if none runs, or only another state's: that does not see what is wished for here."""
    if not _is_ours(cloud):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        try:
            sender.sendto(b"wake", str(cloud.settings.run / WAKE_SOCKET))
        except BlockingIOError:
            return True  # its queue is full of wake-ups already
        except OSError:
            return False
    return True


def _is_ours(cloud: Cloud) -> bool:
    try:
        return (cloud.settings.run / WAKE_IDENTITY).read_text() == cloud.state.identity.id
    except FileNotFoundError:
        return True


def _enforce(cloud: Cloud, touched: Collection[str]) -> None:
    """Bring the firewall to what the rows say, if it is about these; a loop may be busy with slow guests for a while."""
    if any(resource_id.startswith(_OF_FIREWALL) for resource_id in touched):
        loop.enforce(cloud)


def _hasten(cloud: Cloud, touched: Collection[str]) -> None:
    """What has failed of these waits no longer, whoever sees to it."""
    isolation.guarded(cloud, lambda: isolation.hasten(cloud, touched))


def _end(cloud: Cloud, touched: Collection[str]) -> None:
    """Cut off what is to be off among these, whatever the loop, or anybody, is waiting for."""
    if only := {resource_id for resource_id in touched if resource_id.startswith(_INSTANCE)}:
        loop.end(cloud, only)


def _end_apart(cloud: Cloud, touched: Collection[str]) -> None:
    """The same where a daemon runs: of a driver that hangs the caller waits for no answer, and the loop sees to the rest."""

    def end() -> None:
        try:
            _end(cloud, touched)
        finally:
            cloud.state.close()

    if any(resource_id.startswith(_INSTANCE) for resource_id in touched):
        thread = threading.Thread(target=end, name=ENDS, daemon=True)
        thread.start()
        thread.join(MOST)


def _take(cloud: Cloud, touched: Collection[str]) -> None:
    """Take the snapshots among these: their moment is the call's, so a caller who has the answer may write on."""
    if any(resource_id.startswith(_AT_ONCE) for resource_id in touched):
        loop.take_snapshots(cloud, touched)


def _answered(cloud: Cloud, touched: Collection[str]) -> None:
    """The answer is given now: what was not taken by now is not taken later. Raises sqlite3.Error on a full disk."""
    if any(resource_id.startswith(_OF_SNAPSHOTS) for resource_id in touched):
        snapshots.miss(cloud, touched)


class SelfOrDaemon:
    """A worker for commands."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def work(self, touched: Iterable[str]) -> None:
        """See to the rows, or let the daemon.

        Neither the firewall nor snapshots are left for later: when the answer is given, the one is in force and the others taken.
        """
        rows = set(touched)
        _hasten(self._cloud, rows)
        woken = wake(self._cloud)
        (_end_apart if woken else _end)(self._cloud, rows)
        _enforce(self._cloud, rows)
        if not woken:
            loop.run_pass(self._cloud, rows)
        else:
            _take(self._cloud, rows)
        _answered(self._cloud, rows)

    def refresh(self, operation: str) -> None:
        """Look at the host before an answer is read; a running daemon has just done so. Raises StateError for disks of others."""
        if why := generations.known_strange(self._cloud):
            raise StateError(why)
        if not wake(self._cloud):
            loop.run_pass(self._cloud, look=operation == "DescribeInstanceStatus")

    def admit(self, *, reads: bool) -> None:
        """Unless the state is not that of the disks, or older."""
        generations.admit(self._cloud, reads=reads)


class InDaemon:
    """A worker for requests that the daemon's own process answers. Its loop looks at the host all the time, so reading waits
    for nothing.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def work(self, touched: Iterable[str]) -> None:
        """Let the loop see to it; what was wished for is in the state already. The firewall and snapshots wait for no loop."""
        rows = set(touched)
        _hasten(self._cloud, rows)
        _end_apart(self._cloud, rows)
        _enforce(self._cloud, rows)
        _take(self._cloud, rows)
        _answered(self._cloud, rows)
        if rows:
            wake(self._cloud)

    def refresh(self, operation: str) -> None:
        """Nothing."""

    def admit(self, *, reads: bool) -> None:
        """Unless the state is not that of the disks, or older."""
        generations.admit(self._cloud, reads=reads)


def worker_for(cloud: Cloud) -> SelfOrDaemon:
    """The worker of a command."""
    return SelfOrDaemon(cloud)
