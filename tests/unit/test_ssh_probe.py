"""Looking at SSH servers, with a real one on loopback."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from minicloud.aws import keys
from minicloud.cli import ssh_probe
from minicloud.errors import Permanent, Retry

from ..ssh_server import Server, serve
from .test_ssh_host_keys import EC, ONE, RSA

HERE = "127.0.0.1"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    path = tmp_path / "host_key"
    path.write_text(keys.generate("ed25519", "pem").private)
    with serve(paramiko.Ed25519Key.from_private_key_file(str(path))) as running:
        yield running


@pytest.fixture
def mine(tmp_path: Path, server: Server) -> Path:
    made = keys.generate("ed25519", "pem")
    server.authorized.append(" ".join(made.public_openssh.split()[:2]))
    path = tmp_path / "mine"
    path.write_text(made.private)
    return path


def closed_port() -> int:
    with socket.create_server((HERE, 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_server_is_seen_and_shows_its_key(server: Server) -> None:
    assert ssh_probe.listens(HERE, server.port)
    assert ssh_probe.presented(HERE, server.port) == [server.host_key]


def test_where_nobody_listens_there_is_nothing_yet() -> None:
    port = closed_port()
    assert not ssh_probe.listens(HERE, port)
    with pytest.raises(Retry, match="refused"):
        ssh_probe.takes_logins(HERE, [ONE], "debian", None, port)


def test_what_speaks_another_protocol_is_no_ssh_server(tmp_path: Path) -> None:
    with socket.create_server((HERE, 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection((HERE, port)) as client:
            accepted, _ = listener.accept()
            accepted.close()
            client.recv(1)
    assert not ssh_probe.listens(HERE, port)


def test_a_server_that_greets_and_then_says_nothing_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_probe, "_HANDSHAKE", 0.2)
    with socket.create_server((HERE, 0)) as listener:

        def greet() -> None:
            with listener.accept()[0] as client:
                client.sendall(b"SSH-2.0-silent\r\n")
                while client.recv(4096):
                    pass

        server = threading.Thread(target=greet)
        server.start()
        with pytest.raises(Retry, match="the handshake was not done"):
            ssh_probe.presented(HERE, listener.getsockname()[1])
        server.join()


def test_the_right_key_of_several_is_enough(server: Server, mine: Path) -> None:
    assert ssh_probe.takes_logins(HERE, [RSA, server.host_key], "debian", mine, server.port)


def test_without_a_private_key_the_handshake_is_all(server: Server) -> None:
    assert ssh_probe.takes_logins(HERE, [server.host_key], "debian", None, server.port)


def test_another_key_of_the_same_kind_is_an_impostor(server: Server, mine: Path) -> None:
    with pytest.raises(Permanent, match="another host key"):
        ssh_probe.takes_logins(HERE, [ONE], "debian", mine, server.port)


def test_only_keys_of_other_kinds_is_an_impostor_too(server: Server, mine: Path) -> None:
    with pytest.raises(Permanent, match="none of the kinds"):
        ssh_probe.takes_logins(HERE, [RSA, EC], "debian", mine, server.port)


def test_a_user_key_that_is_refused_is_sshs_to_tell(server: Server, mine: Path) -> None:
    server.authorized.clear()
    assert ssh_probe.takes_logins(HERE, [server.host_key], "debian", mine, server.port)


def test_a_system_that_is_still_booting_is_not_ready(server: Server, mine: Path) -> None:
    server.not_yet = "System is booting up."
    with pytest.raises(Retry, match="the guest says: System is booting up"):
        ssh_probe.takes_logins(HERE, [server.host_key], "debian", mine, server.port)


@pytest.mark.parametrize(
    "content", ["", "no key\n", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"]
)
def test_a_private_key_that_only_ssh_may_read_is_left_to_ssh(server: Server, tmp_path: Path, content: str) -> None:
    path = tmp_path / "odd"
    path.write_text(content)
    assert ssh_probe.takes_logins(HERE, [server.host_key], "debian", path, server.port)
