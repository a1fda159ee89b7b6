"""`minicloud serve` in a thread of the test: readiness, the end by a signal, one at a time."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from minicloud.cli import serve
from minicloud.cli.session import Session
from minicloud.cloud import Cloud
from minicloud.errors import UsageError
from minicloud.reconcile import locks, worker

from ..cloud_fixtures import Ec2


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket at which systemd waits to be told."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield receiver


@pytest.fixture(autouse=True)
def keep_handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_systemd_is_told(systemd: socket.socket) -> None:
    assert serve.notify("READY=1")
    assert systemd.recv(64) == b"READY=1"


def test_an_abstract_socket_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"minicloud-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0{name}")
        receiver.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        assert serve.notify("STOPPING=1")
        assert receiver.recv(64) == b"STOPPING=1"


@pytest.mark.parametrize("address", ["", "relative", "/no/such/socket"])
def test_where_nobody_listens_nothing_happens(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert not serve.notify("READY=1")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_is_ready_works_and_ends_by_a_signal(ec2: Ec2, systemd: socket.socket, number: signal.Signals) -> None:
    seen: list[str] = []
    ec2.look()

    def use() -> None:
        try:
            seen.append(systemd.recv(64).decode())
            seen.append(ec2.run())
            seen.append(str(worker.wake(ec2.cloud)))
        finally:
            ec2.cloud.state.close()
            os.kill(os.getpid(), number)

    user = threading.Thread(target=use)
    user.start()
    serve.command.main([], obj=Session(connect=lambda: ec2.cloud), standalone_mode=False)
    user.join()
    assert seen[0] == "READY=1"
    assert seen[2] == "True"
    assert systemd.recv(64) == b"STOPPING=1"
    assert not worker.wake(ec2.cloud)
    assert ec2.state(seen[1]) == "running"


def test_a_second_one_is_refused(cloud: Cloud) -> None:
    with locks.held(cloud.settings.run, "daemon"), pytest.raises(UsageError, match="runs already"):
        serve.command.main([], obj=Session(connect=lambda: cloud), standalone_mode=False)


def test_the_unit_names_the_command_and_notifies() -> None:
    unit = (Path(__file__).parents[2] / "scripts" / "minicloud.service").read_text()
    lines = dict(line.split("=", 1) for line in unit.splitlines() if "=" in line and not line.startswith("#"))
    assert lines["ExecStart"] == "@MINICLOUD@ serve"
    assert (lines["Type"], lines["Restart"], lines["KillMode"]) == ("notify", "always", "process")
    # Each of these would take away what the daemon needs: KVM, forwarding, control groups, bridges.
    assert not lines.keys() & {
        "PrivateDevices",
        "ProtectKernelTunables",
        "ProtectControlGroups",
        "PrivateNetwork",
        "ProtectKernelModules",
    }
