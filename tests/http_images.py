"""A web server on 127.0.0.1 that serves bytes as image servers do: ranges, validators, redirects, and broken connections."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Page:
    """What stands at one path. `cuts`: the sending breaks off after so many bytes, once for each number."""

    data: bytes = b""
    etag: str = '"one"'
    redirect: str = ""
    status: int = 200
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    length: bool = True


class Server(http.server.ThreadingHTTPServer):
    """The pages by path, and the (path, Range header) of each request that came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages: dict[str, Page] = {}
        self.seen: list[tuple[str, str]] = []

    def url(self, path: str) -> str:
        """The URL of a path here."""
        return f"http://127.0.0.1:{self.server_port}{path}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers.get("Range", "")))
        page = self.server.pages.get(self.path, Page(status=404))
        if page.redirect:
            self._head(302, [("Location", page.redirect), ("Content-Length", "0")])
            return
        start = self._start(page)
        headers = [("ETag", page.etag)] if page.etag else []
        if page.length:
            headers.append(("Content-Length", str(len(page.data) - start)))
        if start:
            headers.append(("Content-Range", f"bytes {start}-{len(page.data) - 1}/{len(page.data)}"))
        self._head(206 if start else page.status, headers)
        with suppress(ConnectionError):  # who asked may have had enough
            self.wfile.write(page.data[start : start + page.cuts.pop(0)] if page.cuts else page.data[start:])

    def _start(self, page: Page) -> int:
        wanted = self.headers.get("Range", "")
        fresh = self.headers.get("If-Range", page.etag) == page.etag
        return int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and page.ranges and fresh else 0

    def _head(self, status: int, headers: list[tuple[str, str]]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[Server]:
    """A running server, stopped afterwards."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
