"""A request as it comes in: cheroot's parser, made strict, and a body that is read within bounds before anybody works on it.

- What two readers could take for different requests is refused: a body of two lengths, folded fields, a field twice that there
  can be once, line ends without CR. So nothing is hidden in a body that a proxy before us took for one.
- A body is read by the thread that waits for its peer, never by one that works. What is beyond MOST_BODY is read and thrown away,
  so that the client gets to see the refusal; what is far too long is broken off.
"""

import io
import re
from collections.abc import Iterator
from typing import Any

from cheroot import server, wsgi

from .crowd import Phase
from .requests import MOST_BODY, MOST_DISCARDED

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TEXT = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(;[\t\x20-\x7e\x80-\xff]*)?\r\n")
_ONCE = {
    b"Host", b"Content-Length", b"Transfer-Encoding", b"Content-Type", b"Content-Encoding", b"Authorization",
    b"X-Amz-Date", b"X-Amz-Target", b"X-Amz-Security-Token", b"X-Amz-Content-Sha256",
}  # fmt: skip
_MOST_LINE, _MOST_TRAILER = 1024, 8192
_PIECE, _ACCOUNTED = 1 << 16, 1 << 16


class Refusal(Exception):
    """Why a body is not read to its end, as a status of HTTP with its reason."""


class Fields(server.HeaderReader):
    """The header fields of a request. Raises ValueError, whose text is the answer."""

    def __init__(self, most: int) -> None:
        self._most = most

    def __call__(self, rfile: Any, hdict: dict[bytes, bytes] | None = None) -> dict[bytes, bytes]:
        """Read them all into `hdict`, by their names in title case."""
        found: dict[bytes, bytes] = {} if hdict is None else hdict
        for number in range(self._most + 1):
            line = rfile.readline()
            if line == b"\r\n":
                return self._whole(found)
            if number < self._most:
                self._add(found, line)
        raise ValueError(f"There are more than {self._most} header fields")

    def _add(self, found: dict[bytes, bytes], line: bytes) -> None:
        name, colon, value = line.removesuffix(b"\r\n").partition(b":")
        if not line.endswith(b"\r\n") or not colon or not _TOKEN.fullmatch(name) or not _TEXT.fullmatch(value):
            raise ValueError("Malformed header field")
        if b"_" in name:  # in WSGI's spelling it could not be told from another one with a hyphen
            return
        key, value = name.title(), value.strip(b" \t")
        if key in found and key in _ONCE:
            raise ValueError(f"There is more than one {key.decode()}")
        found[key] = found[key] + b", " + value if key in found else value

    def _whole(self, found: dict[bytes, bytes]) -> dict[bytes, bytes]:
        length = found.get(b"Content-Length")
        if length is not None and not (length.isdigit() and len(length) <= 18):
            raise ValueError("Malformed Content-Length")
        if b"Transfer-Encoding" in found and length is not None:
            raise ValueError("A body has a Content-Length or a Transfer-Encoding")
        return found


class Request(server.HTTPRequest):
    """One request of a connection."""

    def __init__(self, serving: Any, connection: Any) -> None:
        super().__init__(serving, connection)
        self.header_reader = Fields(serving.limits.fields)

    def read_request_headers(self) -> bool:
        """Whether they are good; where not, that has been answered."""
        if not super().read_request_headers():
            return False
        coding = self.inheaders.get(b"Transfer-Encoding")
        if coding is not None and not (self.chunked_read and coding.lower() == b"chunked"):
            self.simple_response("400 Bad Request", "A body may be sent in chunks only, and by HTTP/1.1 only")
            return False
        if b"Host" not in self.inheaders and self.response_protocol == "HTTP/1.1":
            self.simple_response("400 Bad Request", "There is no Host")
            return False
        return True

    def respond(self) -> None:
        """Read the body, have the request worked on, send the answer."""
        try:
            self.conn.at(Phase.BODY)
            body = self._body()
        except Refusal as refusal:
            self.close_connection = True
            self.simple_response(*refusal.args)
            return
        self.rfile = io.BytesIO(body)
        if not self.conn.at(Phase.WORK):
            self.close_connection = True
            return
        self.server.gateway(self).respond()

    def _body(self) -> bytes:
        kept, seen, accounted = bytearray(), 0, 0
        for piece in self._chunks() if self.chunked_read else self._plain(int(self.inheaders.get(b"Content-Length", 0))):
            seen += len(piece)
            if seen > MOST_DISCARDED:
                raise Refusal("413 Request Entity Too Large", "The body is too large")
            kept += piece[: MOST_BODY + 1 - len(kept)]
            if len(kept) - accounted >= _ACCOUNTED:
                if not self.server.crowd.hold(self.conn, len(kept) - accounted):
                    raise Refusal("503 Service Unavailable", "There is no room for more bodies at this moment")
                accounted = len(kept)
        return bytes(kept)

    def _plain(self, length: int) -> Iterator[bytes]:
        while length > 0:
            piece = self.conn.rfile.read1(min(length, _PIECE))
            if not piece:
                raise Refusal("400 Bad Request", "The body ends too early")
            length -= len(piece)
            yield piece

    def _chunks(self) -> Iterator[bytes]:
        while True:
            size = _SIZE.fullmatch(self.conn.rfile.readline(_MOST_LINE))
            if size is None:
                raise Refusal("400 Bad Request", "Malformed chunk")
            if int(size[1], 16) == 0:
                break
            yield from self._plain(int(size[1], 16))
            if b"".join(self._plain(2)) != b"\r\n":
                raise Refusal("400 Bad Request", "Malformed chunk")
        self._trailer()

    def _trailer(self) -> None:
        """Fields behind a body; nobody asks for them."""
        left = _MOST_TRAILER
        while (line := self.conn.rfile.readline(_MOST_LINE)) != b"\r\n":
            left -= len(line)
            if left < 0 or not line.endswith(b"\r\n"):
                raise Refusal("400 Bad Request", "Malformed trailer")


class Gateway(wsgi.Gateway_10):
    """From a whole request to its answer: worked on by one of few threads, sent by the one that waits for its peer."""

    def respond(self) -> None:
        """Work, and send."""
        connection, crowd = self.req.conn, self.req.server.crowd
        body = self.req.server.workers.run(self._answer)
        crowd.release(connection)
        connection.at(Phase.ANSWER)
        crowd.hold(connection, len(body))
        self.req.ensure_headers_sent()
        for start in range(0, len(body), _PIECE):
            self.write(body[start : start + _PIECE])

    def _answer(self) -> bytes:
        return b"".join(self.req.server.wsgi_app(self.env, self.start_response))
