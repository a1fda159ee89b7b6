"""`minicloud serve` in a thread of the test: readiness, the end by a signal, one at a time."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from minicloud.cli import serve
from minicloud.cli.session import Session
from minicloud.cloud import Cloud
from minicloud.errors import StateError
from minicloud.host import libvirt_link
from minicloud.http.limits import Limits
from minicloud.http.metadata_peers import LIMITS
from minicloud.reconcile import locks, reachability, worker

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
    with locks.held(cloud.settings.run, "daemon"), pytest.raises(StateError, match="runs already"):
        serve.command.main([], obj=Session(connect=lambda: cloud), standalone_mode=False)


def test_the_unit_names_the_command_and_notifies() -> None:
    unit = (Path(__file__).parents[2] / "scripts" / "minicloud.service").read_text()
    lines = dict(line.split("=", 1) for line in unit.splitlines() if "=" in line and not line.startswith("#"))
    assert lines["ExecStart"] == "@MINICLOUD@ serve"
    # It is stopped before guests are ended or saved for a shutdown of the host.
    assert "After=libvirt-guests.service" in unit.splitlines()
    assert (lines["Type"], lines["Restart"], lines["KillMode"]) == ("notify", "always", "process")
    # What lives in its control group: bounds, but none that slows or ends the others for one that takes too much.
    assert (lines["MemoryMax"], lines["OOMPolicy"]) == ("50%", "continue")
    assert int(lines["TasksMax"]) > LIMITS.connections + Limits().connections + Limits().workers
    soft, hard = map(int, lines["LimitNOFILE"].split(":"))
    assert soft > 4 * (LIMITS.connections + Limits().connections)
    assert hard > 4 * 8192
    assert "MemoryHigh" not in lines
    # Each of these would take away what the daemon needs: KVM, forwarding, control groups, bridges.
    assert not lines.keys() & {
        "PrivateDevices",
        "ProtectKernelTunables",
        "ProtectControlGroups",
        "PrivateNetwork",
        "ProtectKernelModules",
    }


def _for_libvirt(never: threading.Event) -> None:
    libvirt_link.within(600.0, "an agent", lambda: never.wait(600))


def _for_anything(never: threading.Event) -> None:
    while not never.wait(0.1):  # a signal may come in the moment before a wait begins, and is heard after it
        pass


@pytest.mark.parametrize("wait", [_for_libvirt, _for_anything])
def test_a_pass_that_waits_is_given_up_after_a_while(
    ec2: Ec2, monkeypatch: pytest.MonkeyPatch, wait: Callable[[threading.Event], None]
) -> None:
    monkeypatch.setattr(serve, "GRACE", 0.05)
    monkeypatch.setattr(libvirt_link, "_ending", threading.Event())
    waiting, never = threading.Event(), threading.Event()

    def reconcile(_: Cloud) -> None:
        waiting.set()
        wait(never)

    monkeypatch.setattr(reachability, "reconcile", reconcile)

    def end() -> None:
        assert waiting.wait(60)
        os.kill(os.getpid(), signal.SIGTERM)

    user = threading.Thread(target=end)
    user.start()
    serve.command.main(["--listen", "none"], obj=Session(connect=lambda: ec2.cloud), standalone_mode=False)
    user.join()
    assert libvirt_link._ending.is_set()
    never.set()


def test_a_pass_that_ends_in_time_is_not_given_up(ec2: Ec2, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libvirt_link, "_ending", threading.Event())
    life = serve.Life(ec2.cloud)
    with life.looping():
        os.kill(os.getpid(), signal.SIGTERM)
    life.over()
    assert not libvirt_link._ending.is_set()
