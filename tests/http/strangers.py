"""Peers that hold an endpoint: each of a kind, over real sockets, until the endpoint ends it."""

import socket
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from minicloud.cloud import Cloud
from minicloud.http.app import Endpoint
from minicloud.http.limits import Limits
from minicloud.http.server import Listen, Server, listen
from tests.endpoint_fixtures import Served, new_keys

LARGE = 16 << 20
HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n"


@dataclass
class Stranger:
    """A connection that sends `first`, then `drip` a byte at a time, and reads nothing until it is asked."""

    socket: socket.socket
    drip: bytes = b""
    ended: threading.Event = field(default_factory=threading.Event)

    def send_one(self) -> None:
        """One byte more, if the endpoint still takes it."""
        try:
            if self.drip:
                self.socket.send(self.drip[:1])
                self.drip = self.drip[1:]
        except OSError:
            self.drip = b""

    def is_closed(self) -> bool:
        """Whether the endpoint has ended it; waits for that as long as a test may."""
        self.socket.settimeout(60)
        try:
            while self.socket.recv(1 << 16):
                pass
        except TimeoutError:
            return False
        except OSError:
            return True
        return True


class Strangers:
    """Many of them; those that drip do so until the end."""

    def __init__(self, url: str, origin: str = "127.0.0.1") -> None:
        parts = urllib.parse.urlsplit(url)
        self._where, self._origin = (str(parts.hostname), int(parts.port or 0)), origin
        self.all: list[Stranger] = []
        self._stop = threading.Event()
        self._dripping = threading.Thread(target=self._drip)

    def connect(self, receive: int = 0) -> socket.socket:
        """A connection, with a small receive buffer where it is not to take much."""
        made = socket.socket()
        if receive:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        made.settimeout(60)
        made.bind((self._origin, 0))
        made.connect(self._where)
        return made

    def _add(self, first: bytes, drip: bytes = b"", receive: int = 0, wrap: Any = None) -> Stranger:
        made = self.connect(receive)
        if wrap is not None:
            made = wrap(made)
        if first:
            made.sendall(first)
        self.all.append(Stranger(made, drip))
        return self.all[-1]

    def silent(self) -> Stranger:
        return self._add(b"")

    def slow_head(self, wrap: Any = None) -> Stranger:
        return self._add(b"GET /health HTTP/1.1\r\nHost: localhost\r\n", b"X-Slow: " + b"a" * 10_000, wrap=wrap)

    def slow_body(self, wrap: Any = None) -> Stranger:
        return self._add(HEAD, b"a" * 4999, wrap=wrap)

    def slow_chunks(self) -> Stranger:
        head = HEAD.replace(b"Content-Length: 5000", b"Transfer-Encoding: chunked")
        return self._add(head, b"1\r\na\r\n" * 2000)

    def never_reads(self) -> Stranger:
        return self._add(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n", receive=4096)

    def idle(self) -> Stranger:
        made = self._add(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert made.socket.recv(4096).startswith(b"HTTP/1.1 200")
        return made

    def slow_handshake(self) -> Stranger:
        return self._add(b"\x16\x03\x01", b"\x02" * 10_000)

    def many(self, count: int, kinds: Iterable[Callable[[], Stranger]]) -> None:
        """`count` of them, of all kinds."""
        for kind in kinds:
            for _ in range(count // len(list(kinds))):
                kind()

    def _drip(self) -> None:
        while not self._stop.wait(0.02):
            for one in self.all:
                one.send_one()

    def __enter__(self) -> "Strangers":
        self._dripping.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._dripping.join()
        for one in self.all:
            one.socket.close()


@contextmanager
def serving(cloud: Cloud, where: Listen | None = None, **limits: Any) -> Iterator[tuple[Served, Server]]:
    """An endpoint with other limits, which also has a large answer for whoever asks."""
    endpoint = Endpoint(cloud)

    def application(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/large":
            start_response("200 OK", [("Content-Length", str(LARGE))])
            return [bytes(LARGE)]
        return endpoint(environ, start_response)

    server = Server(where or listen("127.0.0.1:0", None, None, insecure=False), application, Limits(**limits))
    try:
        yield Served(cloud, server.start().url, new_keys(cloud)), server
    finally:
        server.stop()


def trusting_nobody() -> ssl.SSLContext:
    """TLS that looks at no certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
