"""Requests that two readers could take for different ones are refused, and nothing that lies behind them is answered."""

import re
import socket
import urllib.parse

import pytest

from tests.endpoint_fixtures import Served

POST = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
HIDDEN = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"


def answers(served: Served, sent: bytes) -> list[bytes]:
    """The statuses of all answers until the end of the connection."""
    parts = urllib.parse.urlsplit(served.url)
    found = b""
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        while piece := connection.recv(1 << 16):
            found += piece
    return re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", found)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n" + HIDDEN, id="a length and chunks"),
        pytest.param(
            POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN, id="chunks and a length"
        ),
        pytest.param(POST + b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n" + HIDDEN, id="two lengths"),
        pytest.param(POST + b"Content-Length: 0, 0\r\n\r\n" + HIDDEN, id="a list of lengths"),
        pytest.param(POST + b"Content-Length: +0\r\n\r\n" + HIDDEN, id="a sign"),
        pytest.param(POST + b"Content-Length: 0_0\r\n\r\n" + HIDDEN, id="an underscore in a number"),
        pytest.param(POST + b"X-A: b\r\n Content-Length: 44\r\n\r\n" + HIDDEN, id="a folded field"),
        pytest.param(POST + b"Content-Length : 0\r\n\r\n" + HIDDEN, id="a space before the colon"),
        pytest.param(POST + b"Content-Length\r\n\r\n" + HIDDEN, id="no colon"),
        pytest.param(POST + b"X-A: b\nX-B: c\r\n\r\n" + HIDDEN, id="a bare LF in a field"),
        pytest.param(b"POST / HTTP/1.1\nHost: localhost\n\n" + HIDDEN, id="bare LFs"),
        pytest.param(POST + b"X-A: b\rX-B: c\r\n\r\n" + HIDDEN, id="a bare CR"),
        pytest.param(POST + b"X-A: b\0c\r\n\r\n" + HIDDEN, id="a NUL"),
        pytest.param(POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN, id="another coding"),
        pytest.param(POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + HIDDEN, id="two codings"),
        pytest.param(
            POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN, id="chunks twice"
        ),
        pytest.param(POST + b"Transfer-Encoding: \r\n\r\n0\r\n\r\n" + HIDDEN, id="no coding"),
        pytest.param(CHUNKED.replace(b"1.1", b"1.0") + b"\r\n0\r\n\r\n" + HIDDEN, id="chunks in HTTP/1.0"),
        pytest.param(CHUNKED + b"\r\n0x0\r\n\r\n" + HIDDEN, id="a prefix of a size"),
        pytest.param(CHUNKED + b"\r\n-1\r\n\r\n" + HIDDEN, id="a negative size"),
        pytest.param(CHUNKED + b"\r\n3\nabc\n0\n\n" + HIDDEN, id="LF behind a size"),
        pytest.param(CHUNKED + b"\r\n3\r\nabcX\r\n0\r\n\r\n" + HIDDEN, id="more than the size"),
        pytest.param(CHUNKED + b"\r\n1;" + b"a" * 100_000 + b"\r\na\r\n0\r\n\r\n" + HIDDEN, id="an endless extension"),
        pytest.param(CHUNKED + b"\r\n0\r\n" + b"A: b\r\n" * 10_000 + b"\r\n" + HIDDEN, id="an endless trailer"),
        pytest.param(POST + b"Authorization: a\r\nAuthorization: b\r\n\r\n" + HIDDEN, id="two authorizations"),
        pytest.param(POST + b"Content-Length: 500\r\n\r\n" + HIDDEN, id="a body that ends early"),
    ],
)
def test_it_is_refused_and_nothing_behind_it_is_answered(served: Served, sent: bytes) -> None:
    found = answers(served, sent)
    assert len(found) == 1, found
    assert found[0] in (b"400", b"413", b"501"), found


def test_a_field_with_an_underscore_is_none(served: Served) -> None:
    assert answers(served, b"GET /health HTTP/1.1\r\nHost: localhost\r\nContent_Length: 44\r\n\r\n" + HIDDEN) == [b"200", b"200"]


def test_requests_one_behind_another_are_answered_in_turn(served: Served) -> None:
    chunks = CHUNKED.replace(b"POST /", b"GET /health") + b"\r\n3;name=value\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n"
    length = POST.replace(b"POST /", b"GET /health") + b"Content-Length: 3\r\n\r\nabc"
    assert answers(served, HIDDEN + chunks + length + HIDDEN) == [b"200"] * 4
