"""An SSH server on loopback that a test tells how to behave; it knows one user, and commands that print their own words."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import paramiko


@dataclass
class Server:
    """Where it listens, its host key as `type base64`, and whom it lets in."""

    port: int
    host_key: str
    authorized: list[str] = field(default_factory=list)
    not_yet: str = ""
    """What it says before it hangs up on a key that is right, as a system does that is still booting."""


class _Session(paramiko.ServerInterface):
    def __init__(self, server: Server, transport: paramiko.Transport) -> None:
        self.server = server
        self.transport = transport

    def get_banner(self) -> tuple[str, str]:
        return (self.server.not_yet, "en-US") if self.server.not_yet else (None, None)  # type: ignore[return-value]

    def get_allowed_auths(self, _username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, _username: str, key: paramiko.PKey) -> int:
        if f"{key.get_name()} {key.get_base64()}" not in self.server.authorized:
            return paramiko.AUTH_FAILED
        if self.server.not_yet:
            self.transport.close()
            return paramiko.AUTH_FAILED
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, _kind: str, _chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        def answer() -> None:
            channel.sendall(command + b"\n")
            channel.send_exit_status(7)
            channel.close()

        threading.Timer(0.05, answer).start()  # the answer to the request goes out before the command's output
        return True


@contextlib.contextmanager
def serve(key: paramiko.PKey) -> Iterator[Server]:
    """Serve on 127.0.0.1 until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.2)
    server = Server(listener.getsockname()[1], f"{key.get_name()} {key.get_base64()}")
    ended = threading.Event()
    open_transports: list[paramiko.Transport] = []

    def accept() -> None:
        while not ended.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            transport = paramiko.Transport(connection)
            transport.add_server_key(key)
            open_transports.append(transport)
            with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
                transport.start_server(event=threading.Event(), server=_Session(server, transport))

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        ended.set()
        thread.join()
        for transport in open_transports:
            transport.close()
        listener.close()
