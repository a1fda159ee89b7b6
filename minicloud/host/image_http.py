"""One HTTP GET after the other, along redirects, each to an address that image_address allows.

Every wait has an end: connecting, the answer's head, a body that stalls or trickles. Only http and https, no credentials in
URLs, no downgrade from https to plain http unless the caller checks what it gets.
"""

import contextlib
import http.client
import socket
import threading
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

from ..errors import ApiError, Permanent, Retry
from . import image_address
from .image_address import Reach

_REDIRECTS = 10
_HEAD_TIMEOUT = 60.0
_SLOWEST, _SLOWEST_OVER = 1024, 60.0  # bytes a second, over so many seconds
_PIECE = 256 << 10
_PATH_SAFE = "/%:@!$&'()*+,;=~-._"


class TooSlow(Retry):
    """A server that sends, but hardly; asking it again at once would not help."""


@dataclass(frozen=True)
class Where:
    """The parts of a URL that a request is made of."""

    url: str
    secure: bool
    host: str
    port: int
    target: str


class Answer:
    """The answer to a GET, its body not read yet. A context manager: leaving it closes the connection."""

    def __init__(self, url: str, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        self.url = url
        self.status = response.status
        self._connection, self._response = connection, response

    def __enter__(self) -> "Answer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._connection.close()

    def header(self, name: str) -> str:
        """A header's value, empty if there is none."""
        return self._response.headers.get(name, "")

    @property
    def length(self) -> int | None:
        """How many bytes the body is said to have."""
        value = self.header("Content-Length")
        return int(value) if value.isascii() and value.isdigit() else None

    def body(self) -> Iterator[bytes]:
        """The body in pieces. Raises Retry when it stalls or ends early, TooSlow when it trickles."""
        left, count, since = self.length, 0, time.monotonic()
        try:
            while left is None or left > 0:
                piece = self._response.read1(_PIECE if left is None else min(_PIECE, left))
                if not piece:
                    break
                left = left - len(piece) if left is not None else None
                count += len(piece)
                yield piece
                if (passed := time.monotonic() - since) > _SLOWEST_OVER:
                    if count < _SLOWEST * passed:
                        raise TooSlow(f"{self.url} sends too slowly: {count} bytes in {passed:.0f} seconds")
                    count, since = 0, time.monotonic()
        except (OSError, http.client.HTTPException) as error:
            raise Retry(f"the connection to {self.url} broke: {error or type(error).__name__}") from error
        if left:
            raise Retry(f"the connection to {self.url} broke {left} bytes before the end")


def parse(url: str) -> Where:
    """Take a URL apart. Raises ApiError (InvalidParameterValue) for all but plain http and https URLs."""
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError as error:
        raise ApiError("InvalidParameterValue", f"{url!r} is not a valid URL: {error}.") from error
    if parts.scheme not in ("http", "https") or not host:
        raise ApiError("InvalidParameterValue", f"{url!r}: only http:// and https:// URLs are fetched.")
    if parts.username is not None or parts.password is not None:
        raise ApiError("InvalidParameterValue", "A URL with a user name or password is not taken.")
    path = urllib.parse.quote(parts.path or "/", safe=_PATH_SAFE)
    query = "?" + urllib.parse.quote(parts.query, safe=_PATH_SAFE + "?") if parts.query else ""
    secure = parts.scheme == "https"
    return Where(url, secure, host, port if port is not None else 443 if secure else 80, path + query)


def get(url: str, headers: dict[str, str], *, allow_private: bool, allow_downgrade: bool) -> Answer:
    """Ask for a URL and follow redirects to the answer (a 200, 206 or 416; any other is raised).

    `allow_private`: the URL may lead to this host itself. `allow_downgrade`: a redirect from https may lead to http.
    """
    allowed = frozenset({Reach.PUBLIC, Reach.PRIVATE} | ({Reach.LOOPBACK} if allow_private else set()))
    for hop in range(_REDIRECTS + 1):
        where = parse(url)
        addresses, reach = image_address.choose(where.host, where.port, allowed)
        if hop == 0:
            allowed = frozenset({Reach.PUBLIC, reach})
        answer = _exchange(where, addresses, headers)
        if answer.status not in (301, 302, 303, 307, 308):
            return _judged(answer)
        with answer:
            url = urllib.parse.urljoin(url, answer.header("Location"))
        if where.secure and not allow_downgrade and not parse(url).secure:
            raise ApiError("InvalidParameterValue", f"{where.url} leads from https to {url}, which anybody could alter.")
    raise Permanent(f"more than {_REDIRECTS} redirects, the last to {url}")


def _judged(answer: Answer) -> Answer:
    if answer.status in (200, 206, 416):
        return answer
    with answer:
        if answer.status >= 500 or answer.status in (408, 429):
            raise Retry(f"{answer.url} answers with HTTP status {answer.status}", delay=30.0)
        raise Permanent(f"{answer.url} answers with HTTP status {answer.status}")


def post(url: str, body: bytes, headers: dict[str, str]) -> int:
    """Send a body to a URL of the administrator's, which may be anywhere but link-local; the status. No redirect is followed."""
    where = parse(url)
    addresses, _ = image_address.choose(where.host, where.port, frozenset({Reach.PUBLIC, Reach.PRIVATE, Reach.LOOPBACK}))
    with _exchange(where, addresses, headers, "POST", body) as answer:
        return answer.status


def _exchange(
    where: Where, addresses: list[image_address.Address], headers: dict[str, str], method: str = "GET", body: bytes | None = None
) -> Answer:
    kind = http.client.HTTPSConnection if where.secure else http.client.HTTPConnection
    connection = kind(where.host, where.port)
    plain = connection.sock = image_address.dial(where.host, where.port, addresses)
    try:
        with _deadline(plain, _HEAD_TIMEOUT):
            if where.secure:
                connection.sock = image_address.secure(plain, where.host)
            sent = {"User-Agent": "minicloud", "Accept-Encoding": "identity", "Connection": "close", **headers}
            connection.request(method, where.target, body, headers=sent)
            return Answer(where.url, connection, connection.getresponse())
    except (OSError, ValueError, http.client.HTTPException) as error:
        connection.close()
        raise Retry(f"{where.url} gave no proper answer: {error or type(error).__name__}") from error


@contextlib.contextmanager
def _deadline(connection: socket.socket, seconds: float) -> Iterator[None]:
    """Cut the connection if the block is not done in time, however slowly bytes arrive."""
    connection.settimeout(image_address.STALL_TIMEOUT)
    with contextlib.closing(connection.dup()) as handle:  # TLS takes the socket itself over
        timer = threading.Timer(seconds, _cut, (handle,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
