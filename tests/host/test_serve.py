"""The daemon as a process of its own, on a host with libvirt: it is told apart, ends well, and survives nobody's kill."""

import os
import select
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from minicloud import config
from minicloud.cli.session import open_cloud
from minicloud.cloud import Cloud
from minicloud.reconcile import worker

pytestmark = pytest.mark.lab
_SECONDS = 60


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """The cloud of settings that a process started from here has too."""
    for name in ("home", "run", "images"):
        monkeypatch.setenv(f"MINICLOUD_{name.upper()}", str(tmp_path / name))
    made = open_cloud(config.load())
    yield made
    made.state.close()


class Daemon:
    """`minicloud serve`, and what it tells systemd."""

    def __init__(self, directory: Path) -> None:
        self.receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.receiver.bind(str(directory / f"notify-{len(list(directory.iterdir()))}"))
        self.receiver.settimeout(_SECONDS)
        self.log = directory / "serve.log"
        code = "import sys; from minicloud.cli.main import execute; sys.exit(execute(['serve']))"
        actions = [(os.POSIX_SPAWN_OPEN, 2, str(self.log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)]
        environment = {**os.environ, "NOTIFY_SOCKET": str(self.receiver.getsockname())}
        self.pid = os.posix_spawn(sys.executable, [sys.executable, "-c", code], environment, file_actions=actions)

    def told(self) -> str:
        return self.receiver.recv(64).decode()

    def ended(self) -> int:
        """Wait for the end; the exit status."""
        handle = os.pidfd_open(self.pid)
        try:
            assert select.select([handle], [], [], _SECONDS)[0], f"it does not end: {self.log.read_text()}"
        finally:
            os.close(handle)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self, number: int) -> int:
        os.kill(self.pid, number)
        return self.ended()


def test_it_tells_systemd_serves_and_ends_by_sigterm(cloud: Cloud, tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    assert daemon.told() == "READY=1"
    assert worker.wake(cloud)
    assert daemon.kill(signal.SIGTERM) == 0
    assert daemon.told() == "STOPPING=1"
    assert not worker.wake(cloud)
    lines = daemon.log.read_text().splitlines()
    assert lines[0].endswith("INFO the AWS endpoint is http://127.0.0.1:8800")
    assert lines[1].endswith(f"INFO ready; state in {cloud.settings.home}")
    assert lines[-1].endswith("INFO ended")


def test_a_second_one_is_refused_and_the_first_goes_on(cloud: Cloud, tmp_path: Path) -> None:
    first = Daemon(tmp_path)
    assert first.told() == "READY=1"
    second = Daemon(tmp_path)
    assert second.ended() == 253
    assert "runs already" in second.log.read_text()
    assert worker.wake(cloud)
    assert first.kill(signal.SIGINT) == 0


def test_one_that_was_killed_is_no_obstacle_for_the_next(cloud: Cloud, tmp_path: Path) -> None:
    first = Daemon(tmp_path)
    assert first.told() == "READY=1"
    assert first.kill(signal.SIGKILL) == -signal.SIGKILL
    assert not worker.wake(cloud)
    second = Daemon(tmp_path)
    assert second.told() == "READY=1"
    assert worker.wake(cloud)
    assert second.kill(signal.SIGTERM) == 0
