"""Who answers for a load balancer: a process that makes way for another has the same socket for a moment more."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from minicloud.errors import Retry
from minicloud.host import haproxy_process

OLD, NEW = 11, 12


class Answering:
    """A socket behind which processes answer in turn; the last of them from then on."""

    def __init__(self, path: Path, pids: list[int]) -> None:
        self.pids, self.asked = pids, list[str]()
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.server.bind(str(path))
        self.server.listen()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self) -> None:
        while True:
            connection, _ = self.server.accept()
            with connection:
                asked = connection.recv(1 << 16).decode()
                if not asked:
                    return
                self.asked.append(asked)
                pid = self.pids.pop(0) if self.pids[1:] else self.pids[0]
                connection.sendall(f"Name: HAProxy\nPid: {pid}\nUptime: 0d\n\n# of,{pid}\n\n".encode())

    def end(self, path: Path) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as last:
            last.connect(str(path))
            last.shutdown(socket.SHUT_WR)
            self.thread.join()
        self.server.close()


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> haproxy_process.Process:
    monkeypatch.setattr(haproxy_process.Process, "pid", lambda _: NEW)
    return haproxy_process.Process(tmp_path)


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[Answering]:
    made = Answering(tmp_path / "socket", [OLD, OLD, NEW])
    yield made
    made.end(tmp_path / "socket")


def test_what_one_that_leaves_answers_is_not_believed(process: haproxy_process.Process, answering: Answering) -> None:
    assert process.ask("show stat").splitlines() == [f"# of,{NEW}", ""]
    assert answering.asked == ["show info; show stat\n"] * 3


def test_one_that_does_not_leave_is_told(
    process: haproxy_process.Process, answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(haproxy_process, "_LEAVING", 0.0)
    with pytest.raises(Retry, match=f"the process {OLD}, which leaves, does"):
        process.ask("show stat")
