"""Looking at an SSH server: does it answer, which host key does it have, does it let users in yet. Every look has an end."""

import base64
import contextlib
import logging
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Permanent, Retry

if TYPE_CHECKING:
    from paramiko import PKey, Transport

_PORT = 22
_CONNECT, _HANDSHAKE = 5.0, 30.0
"""Seconds. An emulated guest that is still booting takes many for a handshake."""


def listens(address: str, port: int = _PORT) -> bool:
    """Whether something there greets as an SSH server does."""
    try:
        with socket.create_connection((address, port), timeout=_CONNECT) as connection:
            return connection.recv(4, socket.MSG_WAITALL) == b"SSH-"
    except OSError:
        return False


def presented(address: str, port: int = _PORT) -> list[str]:
    """The host key that the server there shows. Raises Retry."""
    with _transport(address, port, []) as transport:
        return [_text(transport.get_remote_server_key())]


def takes_logins(address: str, keys: Sequence[str], user: str, identity: Path | None, port: int = _PORT) -> bool:
    """Whether the server there proves to have one of the keys, and lets `user` in with the private key in `identity`.

    A key that is refused for good is ssh's to tell. A server that takes the key and then says something and hangs up is one
    whose system is not ready for users: that raises Retry with what it says. Raises Permanent for another host key.
    """
    with _transport(address, port, keys) as transport:
        if (shown := _text(transport.get_remote_server_key())) not in keys:
            raise Permanent(
                f"the SSH server at {address} has another host key than the instance printed on its console when it first "
                f"started: {shown[:60]}... It may be another machine. Nothing was sent to it"
            )
        private = _load(identity) if identity else None
        return private is None or _let_in(transport, user, private)


def _let_in(transport: "Transport", user: str, private: "PKey") -> bool:
    from paramiko import SSHException

    transport.auth_timeout = _HANDSHAKE
    try:
        transport.auth_publickey(user, private)
    except (SSHException, EOFError, OSError):
        # Not Transport.get_banner, which has forgotten it once the connection is closed.
        said = transport.auth_handler.banner if transport.auth_handler else None
        if said and not transport.is_active():
            raise Retry(f"the guest says: {_as_text(said)[:200].strip()}") from None
    return True


def _as_text(said: str | bytes) -> str:
    return said if isinstance(said, str) else said.decode(errors="replace")


def _load(identity: Path) -> "PKey | None":
    """The private key; None for one that only ssh can read (it has a passphrase, or is of a rare kind)."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from paramiko import PKey, SSHException
    from paramiko.pkey import UnknownKeyType

    try:
        return PKey.from_path(identity)
    except (SSHException, UnknownKeyType, UnsupportedAlgorithm, OSError, ValueError, TypeError):
        return None


@contextlib.contextmanager
def _transport(address: str, port: int, keys: Sequence[str]) -> "Iterator[Transport]":
    """A connection after its handshake, in which the server was asked for a key of the types in `keys`. Raises Retry."""
    from paramiko import SSHException, Transport
    from paramiko.ssh_exception import IncompatiblePeer

    logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # what goes wrong is told by our own words
    try:
        connection = socket.create_connection((address, port), timeout=_CONNECT)
    except OSError as error:
        raise Retry(f"{address} port {port}: {error.strerror or error}") from error
    with contextlib.closing(Transport(connection)) as transport:
        options = transport.get_security_options()
        wanted = {key.split()[0] for key in keys}
        options.key_types = [kind for kind in options.key_types if not wanted or _family(kind) in wanted]
        try:
            transport.start_client(timeout=_HANDSHAKE)
        except IncompatiblePeer as error:
            raise Permanent(f"the SSH server at {address} has none of the kinds of host keys that its console told of") from error
        except (SSHException, EOFError, OSError) as error:
            raise Retry(f"SSH at {address}: {error or 'the connection was closed'}") from error
        if not transport.initial_kex_done:  # paramiko returns without a word when the time is over
            raise Retry(f"SSH at {address}: the handshake was not done within {_HANDSHAKE:g} s")
        yield transport


def _family(kind: str) -> str:
    """The type of key that a signature algorithm uses."""
    return "ssh-rsa" if kind in ("rsa-sha2-256", "rsa-sha2-512") else kind


def _text(key: "PKey") -> str:
    return f"{key.get_name()} {base64.b64encode(key.asbytes()).decode()}"
