"""The HTTP server of the endpoint: cheroot, with threads that wait for peers and threads that work, around a WSGI application.

Threads, because all that a request does (SQLite, libvirt) waits in ordinary calls, and a thread has its own connection to the
state; cheroot, because it parses HTTP, keeps idle connections out of its threads, and speaks TLS. What it lacks is added here:
deadlines for the whole of what a peer has to do (`connection.py`), a bound for what all peers hold together (`crowd.py`),
bodies that are read within bounds before anybody works on them (`incoming.py`), TLS handshakes outside the thread that accepts,
and an end that nobody can put off. Any other address than loopback needs TLS, or a word that none is wanted.
"""

import errno
import ipaddress
import logging
import selectors
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cheroot import connections, wsgi
from cheroot.ssl.builtin import BuiltinSSLAdapter

from ..errors import UsageError
from . import requests
from .connection import Connection
from .crowd import Crowd, Phase
from .incoming import Gateway
from .limits import Limits
from .threads import Readers, Workers

log = logging.getLogger(__name__)
DEFAULT = "127.0.0.1:8800"
_BACKLOG = 128
_PAUSE = 0.1


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


class _Connections(connections.ConnectionManager):
    """The thread that accepts connections, and keeps those that send nothing. It waits for no peer."""

    def put(self, conn: Connection) -> None:
        """Keep a connection until its next request."""
        conn.at(Phase.IDLE)
        if conn.has_more():
            self.server.process_conn(conn)
        else:
            self._keep(conn)

    def _keep(self, conn: Connection) -> None:
        try:
            self._selector.register(conn.socket.fileno(), selectors.EVENT_READ, data=conn)
        except ValueError:  # the server has ended in this moment
            conn.close()

    def _run(self, expiration_interval: float) -> None:
        checked = time.monotonic()
        while not self._stop_requested:
            for descriptor, conn in self._selector.select(timeout=expiration_interval):
                if conn is self.server:
                    self._accept()
                else:
                    self._selector.unregister(descriptor)
                    self.server.process_conn(conn)
            if time.monotonic() - checked >= expiration_interval:
                checked = time.monotonic()
                self._end_overdue(checked)

    def _accept(self) -> None:
        try:
            sock, address = self.server.socket.accept()
        except OSError as error:
            log.debug("no connection: %s", error)
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS):
                time.sleep(_PAUSE)  # it stays ready to be accepted: asking at once again would do nothing else
            return
        adapter = self.server.ssl_adapter
        try:
            if adapter is not None:
                sock = adapter.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        except OSError as error:  # it has gone already
            log.debug("no TLS with %s: %s", address[0], error)
            sock.close()
            return
        conn = Connection(self.server, sock, address)
        if self.server.crowd.enter(conn, Phase.HEAD if adapter is None else Phase.HANDSHAKE):
            self._keep(conn)
        else:
            conn.close()

    def _end_overdue(self, now: float) -> None:
        overdue = [each for each in self._selector.connections if each[1] is not self.server and each[1].deadline < now]
        for descriptor, conn in overdue:
            self._selector.unregister(descriptor)
            conn.close()


class _Http(wsgi.Server):
    """cheroot's server of these connections."""

    def __init__(self, where: Listen, application: Any, limits: Limits) -> None:
        super().__init__(
            (where.host, where.port), application, server_name="minicloud", request_queue_size=_BACKLOG,
            timeout=int(limits.idle), shutdown_timeout=limits.end,
        )  # fmt: skip
        self.limits, self.crowd, self.workers = limits, Crowd(limits), Workers(limits.workers)
        self.requests = Readers(self, limits.connections)
        self.gateway = Gateway
        self.max_request_header_size = limits.head_bytes
        self.max_request_body_size = requests.MOST_DISCARDED
        self.keep_alive_conn_limit = None
        self.expiration_interval = min(0.5, limits.head / 4, limits.idle / 4, limits.handshake / 4)
        if where.certificate and where.key:
            self.ssl_adapter = BuiltinSSLAdapter(str(where.certificate), str(where.key))

    def prepare(self) -> None:
        """Listen. Raises OSError."""
        super().prepare()
        self._connections: connections.ConnectionManager
        self._connections.close()
        self._connections = _Connections(self)
        self.workers.start()

    def clear_stats(self) -> None:
        """Counters that nobody reads. cheroot keeps each server for ever by those, in a dictionary of `logging`."""
        super().clear_stats()
        vars(logging)["statistics"].pop(f"Cheroot HTTPServer {id(self)}", None)

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """What cheroot says: of its faults aloud, of its peers' to whoever asks."""
        log.log(level if level >= logging.ERROR else logging.DEBUG, "%s", msg, exc_info=traceback)

    def stop(self) -> None:
        """Take no more requests, finish those that are worked on, in bounded time."""
        self.crowd.close()
        super().stop()
        self.workers.stop()


class Server:
    """A server that runs in threads of its own from `start` until `stop`."""

    def __init__(self, where: Listen, application: Any, limits: Limits = Limits()) -> None:  # noqa: B008  it is frozen
        self._server = _Http(where, application, limits)
        self._where, self._limits = where, limits
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
            self._thread.join(self._limits.end)
