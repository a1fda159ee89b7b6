"""`minicloud serve`: the daemon in the foreground, for a terminal or for systemd (Type=notify): the loops, the instance
metadata service, and the AWS endpoint.

It keeps nothing in memory that is not in the state, so it may be stopped or killed at any moment. SIGTERM and SIGINT let the
pass that is under way come to its end.
"""

import logging
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

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


class Life:
    """From readiness to the end. The loop asks `stopped` before each pass, the first time when it is ready for wake-ups."""

    def __init__(self, cloud: "Cloud", on_ready: Callable[[], object] = lambda: None) -> None:
        from ..http import metadata

        self._cloud = cloud
        self._metadata = metadata.Service(cloud)
        self._on_ready = on_ready
        self._ready = False
        self._ending = False

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
        """For a signal: end after this pass, and do not wait for the next."""
        from ..reconcile import worker

        log.info("%s: ending", signal.Signals(number).name)
        notify("STOPPING=1")
        self._ending = True
        worker.wake(self._cloud)


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
    from ..reconcile import daemon
    from .serve_http import Front, Options

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    cloud: Cloud = ctx.obj.cloud
    front = Front(cloud, Options(**options))
    life = Life(cloud, front.start)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, life.end)
    try:
        daemon.run(cloud, life.stopped)
    finally:
        front.stop()
    log.info("ended")
