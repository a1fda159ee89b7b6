"""Memory that peers and requests take together, in a process that has only so much."""

import socket
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .strangers import Strangers

MIB = 1 << 20
CHUNKED = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


def started(directory: Path, mib: int, what: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.http.bounded_process", str(directory), str(mib), what]
    root = Path(__file__).parents[2]
    return subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@contextmanager
def bounded(directory: Path, mib: int) -> Iterator[str]:
    """The URL of an endpoint that may take so much memory."""
    with started(directory, mib, "serve") as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        said = process.communicate(timeout=120)[1]
    assert process.returncode == 0, said
    assert "MemoryError" not in said


def send(connection: socket.socket, data: bytes, times: int) -> None:
    """As much of it as the endpoint takes."""
    try:
        for _ in range(times):
            connection.sendall(data)
    except OSError:
        pass


HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 41943040\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "times", "count"),
    [
        pytest.param(CHUNKED + b"2800000\r\n", 39, 8, id="one large chunk each"),
        pytest.param(CHUNKED + b"1;", 39, 8, id="an extension without end each"),
        pytest.param(HEALTH, 39, 8, id="a body for health"),
        pytest.param(POST, 1, 200, id="many bodies"),
    ],
)
def test_bodies_of_strangers(tmp_path: Path, head: bytes, times: int, count: int) -> None:
    with bounded(tmp_path, 160) as url:
        parts = urllib.parse.urlsplit(url)
        held = []
        for _ in range(count):
            connection = socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=60)
            held.append(connection)
            send(connection, head + b"a" * MIB, 1)
            send(connection, b"a" * MIB, times - 1)
        with urllib.request.urlopen(f"{url}/health", timeout=60) as answer:
            assert answer.status == 200
        for connection in held:
            connection.close()


def test_long_time_series_of_many_queries(tmp_path: Path) -> None:
    with started(tmp_path, 200, "data") as process:
        said, errors = process.communicate(timeout=120)
    assert said.split() == ["100800", "True"], errors


def test_the_process_ends_whatever_is_held(tmp_path: Path) -> None:
    with started(tmp_path, 200, "serve") as process:
        assert process.stdout is not None
        with Strangers(process.stdout.readline().strip()) as slow:
            slow.many(40, [slow.silent, slow.slow_head, slow.slow_body, slow.idle])
            said = process.communicate(timeout=120)[1]
    assert process.returncode == 0, said
