"""The HTTP server: cheroot, a pool of threads around the WSGI application.

Threads, because all that a request does (SQLite, libvirt) waits in ordinary calls, and a thread has its own connection to the
state; cheroot, because it keeps idle connections out of the pool, bounds headers, bodies, queues and times, speaks TLS, and
ends by finishing what it began. Any other address than loopback needs TLS, or a word that none is wanted.
"""

import ipaddress
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cheroot import wsgi
from cheroot.ssl.builtin import BuiltinSSLAdapter

from ..errors import UsageError
from . import requests

DEFAULT = "127.0.0.1:8800"
THREADS = 8
_KEPT_CONNECTIONS = 200
_MOST_HEADERS = 64 << 10
_SECONDS_OF_SILENCE = 30
_SECONDS_TO_END = 30


@dataclass(frozen=True)
class Listen:
    """Where to listen. Without certificate and key it is plain HTTP."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None

    @property
    def url(self) -> str:
        """For AWS_ENDPOINT_URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.certificate else 'http'}://{host}:{self.port}"


def listen(address: str, certificate: Path | None, key: Path | None, *, insecure: bool) -> Listen:
    """Check where to listen. Raises UsageError for what is no address, or is plain HTTP for others to reach."""
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        ip, number = ipaddress.ip_address(host), int(port)
    except ValueError as error:
        raise UsageError(f"{address!r} is no IP address and port, such as {DEFAULT}") from error
    if not 0 <= number < 65536:
        raise UsageError(f"{number} is no port")
    if (certificate is None) != (key is None):
        raise UsageError("a certificate and its key go together")
    if not ip.is_loopback and certificate is None and not insecure:
        raise UsageError(f"{address} can be reached by others: give --tls or a certificate and key (or --insecure to do without)")
    return Listen(host, number, certificate, key)


class Server:
    """A server that runs in threads of its own from `start` until `stop`."""

    def __init__(self, where: Listen, application: Any) -> None:
        self._server = wsgi.Server(
            (where.host, where.port), application, numthreads=THREADS, max=THREADS, server_name="minicloud",
            request_queue_size=128, timeout=_SECONDS_OF_SILENCE, shutdown_timeout=_SECONDS_TO_END,
            accepted_queue_size=512, accepted_queue_timeout=10,
        )  # fmt: skip
        self._server.max_request_header_size = _MOST_HEADERS
        self._server.max_request_body_size = requests.MOST_DISCARDED
        self._server.keep_alive_conn_limit = _KEPT_CONNECTIONS
        if where.certificate and where.key:
            self._server.ssl_adapter = BuiltinSSLAdapter(str(where.certificate), str(where.key))
        self._where = where
        self._thread: threading.Thread | None = None

    def start(self) -> Listen:
        """Listen; returns where, with the port that was found for port 0. Raises UsageError if the address is taken."""
        try:
            self._server.prepare()
        except OSError as error:
            raise UsageError(f"cannot listen at {self._where.url}: {error}; choose another with --listen") from error
        self._thread = threading.Thread(target=self._server.serve, name="http", daemon=True)
        self._thread.start()
        host, port = self._server.bind_addr[:2]
        return Listen(str(host), int(port), self._where.certificate, self._where.key)

    def stop(self) -> None:
        """Take no more requests, and finish those that there are."""
        self._server.stop()
        if self._thread is not None:
            self._thread.join(_SECONDS_TO_END)
