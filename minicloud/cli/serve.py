"""`minicloud serve`: the daemon in the foreground, for a terminal or for systemd (Type=notify): the loops, the instance
metadata service, and the AWS endpoint.

It keeps nothing in memory that is not in the state, so it may be stopped or killed at any moment. SIGTERM and SIGINT let the
pass and the requests that are under way come to their end, for as long as `GRACE`; then, or at a second signal, whatever they
wait for is given up. What was not done is done by whoever comes next.
"""

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from ..host import libvirt_link

if TYPE_CHECKING:
    from ..cloud import Cloud

log = logging.getLogger(__name__)


def notify(message: str) -> bool:
    """Tell systemd (`READY=1`, `STOPPING=1`); False where nobody asked to be told. sd_notify(3) describes the protocol."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):  # an abstract name
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        try:
            sender.sendto(message.encode(), address)
        except OSError as error:
            log.warning("systemd cannot be told that %s: %s", message, error)
            return False
    return True


GRACE = 10.0
"""Seconds that a pass, and the requests, have to come to their end."""


class CutShort(BaseException):
    """The pass has not come to its end in time. No error: nothing but the end of this process follows from it."""


class Life:
    """From readiness to the end. The loop asks `stopped` before each pass, the first time when it is ready for wake-ups."""

    def __init__(self, cloud: "Cloud", on_ready: Callable[[], object] = lambda: None) -> None:
        from ..http import metadata

        self._cloud = cloud
        self._metadata = metadata.Service(cloud)
        self._on_ready = on_ready
        self._ready = False
        self._ending = False
        self._looping = False
        self._timer = threading.Timer(GRACE, os.kill, (os.getpid(), signal.SIGTERM))
        self._timer.daemon = True

    def over(self) -> None:
        """Nothing is left that would have to be cut short."""
        self._timer.cancel()

    @contextlib.contextmanager
    def looping(self) -> Iterator[None]:
        """While the block runs, signals end it. It is left silently where it had to be cut short."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.end)
        self._looping = True
        try:
            yield
        except CutShort:
            log.warning("what was under way is given up; it is done when minicloud runs again")
        finally:
            self._looping = False

    def stopped(self) -> bool:
        """Whether to end."""
        if not self._ready:
            self._ready = True
            self._metadata.start()
            self._on_ready()
            log.info("ready; state in %s", self._cloud.settings.home)
            notify("READY=1")
        return self._ending

    def end(self, number: int, _: FrameType | None) -> None:
        """For a signal: end after this pass, and do not wait for the next. For a second one: end now."""
        from ..reconcile import worker

        if self._ending:
            self._cut_short()
            return
        log.info("%s: ending", signal.Signals(number).name)
        notify("STOPPING=1")
        self._ending = True
        self._timer.start()
        worker.wake(self._cloud)

    def _cut_short(self) -> None:
        """No thread of this process waits for a guest any longer, and the pass is left where it is."""
        libvirt_link.give_up()
        if self._looping:
            self._looping = False
            raise CutShort


@click.command("serve", short_help="Run the daemon in the foreground.")
@click.option("--listen", help="Where the AWS endpoint listens: ADDRESS:PORT, or none. 127.0.0.1:8800 if not set otherwise.")
@click.option("--tls", is_flag=True, help="HTTPS with a certificate of its own, made on first use.")
@click.option("--certificate", type=click.Path(path_type=Path), help="HTTPS with this certificate (PEM).")
@click.option("--key", type=click.Path(path_type=Path), help="The certificate's private key (PEM).")
@click.option("--insecure", is_flag=True, help="Plain HTTP even at an address that others can reach.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Run the loops, the instance metadata service and the AWS endpoint in the foreground until SIGTERM or Ctrl-C.

    Commands then leave the work to this process. Clients use it with AWS_ENDPOINT_URL and keys of `minicloud configure`.
    """
    from ..reconcile import daemon, generations
    from .serve_http import Front, Options

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    cloud: Cloud = ctx.obj.cloud
    if not generations.absent(cloud):  # what is mounted late is waited for
        generations.check(cloud)
    front = Front(cloud, Options(**options))
    life = Life(cloud, front.start)
    try:
        with life.looping():
            daemon.run(cloud, life.stopped)
    finally:
        front.stop()
        life.over()
    log.info("ended")
