"""The AWS endpoint's part of `minicloud serve`: where it listens, with which certificate, and its access log."""

import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cloud import Cloud
    from ..http.server import Server

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """What the flags of `minicloud serve` say."""

    listen: str | None = None
    tls: bool = False
    certificate: Path | None = None
    key: Path | None = None
    insecure: bool = False


class Front:
    """The endpoint, from when the daemon is ready to its end."""

    def __init__(self, cloud: "Cloud", options: Options) -> None:
        self._cloud = cloud
        self._options = options
        self._server: Server | None = None

    def start(self) -> None:
        """Listen, unless told not to. Raises UsageError."""
        address = self._options.listen or self._cloud.settings.listen
        if address == "none":
            return
        from .. import cloud as clouds
        from ..http import certificate as certificates
        from ..http import server
        from ..http.app import Endpoint
        from ..reconcile.worker import InDaemon

        certificate, key = self._certificate(address)
        where = server.listen(address, certificate, key, insecure=self._options.insecure)
        _log_access()
        host, rate = self._cloud.host, self._cloud.settings.api_rate
        cloud = clouds.Cloud(self._cloud.settings, lambda *_: host, InDaemon(self._cloud))
        names = certificates.names_in(certificate) if certificate else []
        self._server = server.Server(where, Endpoint(cloud, rate, 2 * rate, names))
        log.info("the AWS endpoint is %s", self._server.start().url)

    def _certificate(self, address: str) -> tuple[Path | None, Path | None]:
        if not self._options.tls:
            return self._options.certificate, self._options.key
        from ..http import certificate

        settings = self._cloud.settings
        return certificate.own(settings.home, address.rpartition(":")[0].strip("[]"), settings.endpoint_names)

    def stop(self) -> None:
        """Finish the requests that there are."""
        if self._server is not None:
            self._server.stop()


def _log_access() -> None:
    """One line of JSON a request, on standard output and apart from what is told to people."""
    logger = logging.getLogger("minicloud.access")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter('{"time": "%(asctime)s", "request": %(message)s}'))
    logger.addHandler(handler)
    logger.propagate = False
