"""OpenSSH itself with our options, against a server on loopback: the host key is checked, and no file is left."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import paramiko
import pytest

from minicloud.aws import keys
from minicloud.cli.ssh import ssh_argv
from minicloud.host.run import Completed, run

from ..ssh_server import Server, serve


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    path = tmp_path / "host_key"
    path.write_text(keys.generate("ed25519", "pem").private)
    with serve(paramiko.Ed25519Key.from_private_key_file(str(path))) as running:
        yield running


@pytest.fixture
def identity(tmp_path: Path, server: Server) -> Path:
    made = keys.generate("ed25519", "pem")
    server.authorized.append(" ".join(made.public_openssh.split()[:2]))
    path = tmp_path / "identity"
    path.touch(mode=0o600)
    path.write_text(made.private)
    return path


def ssh(server: Server, identity: Path, known: list[str], *words: str) -> Completed:
    guest: Any = SimpleNamespace(name="i-0123456789abcdef0", address="127.0.0.1", user="debian", identity=identity)
    return run([*ssh_argv(guest, known, ["-p", str(server.port), "-F", "/dev/null", *words])], check=False, timeout=60)


def public(kind: str) -> str:
    return " ".join(keys.generate(kind, "pem").public_openssh.split()[:2])


def test_a_command_runs_and_its_status_comes_back(server: Server, identity: Path) -> None:
    done = ssh(server, identity, [public("rsa"), server.host_key], "uname", "-a")
    assert (done.status, done.text) == (7, "uname -a\n"), done.stderr


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_a_host_with_another_key_is_refused(server: Server, identity: Path, kind: str) -> None:
    done = ssh(server, identity, [public(kind)], "uname")
    assert done.status == 255
    assert done.text == ""
    assert b"i-0123456789abcdef0" in done.stderr


def test_nothing_is_left_in_the_users_directory(
    server: Server, identity: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    assert ssh(server, identity, [server.host_key], "uname").status == 7
    assert list(home.iterdir()) == []
