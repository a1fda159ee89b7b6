"""SSH into guests of tests: the host key must be one that the guest printed on its console, and every wait has an end."""

import base64
import contextlib
import io
import socket
import time
from dataclasses import dataclass, field
from typing import Any

import paramiko

from minicloud.cli.host_keys import printed

from .cloud_fixtures import Ec2
from .waits import until

BOOT = 900.0
"""Seconds that a guest may take until it lets users in: it is emulated, and others work on the same host."""
COMMAND = 120.0


def console(ec2: Ec2, instance_id: str) -> bytes:
    """What the guest wrote to its serial port."""
    return base64.b64decode(ec2("GetConsoleOutput", InstanceId=instance_id)["Output"])


def host_keys(ec2: Ec2, instance_id: str) -> list[str]:
    """The keys that the guest printed, waited for."""
    until(f"{instance_id} prints its host keys", lambda: printed(console(ec2, instance_id)), BOOT, pause=1.0)
    return printed(console(ec2, instance_id))


@dataclass
class Login:
    """An account of a guest. Each command is a connection of its own, so that a restart between two does no harm."""

    ec2: Ec2
    instance_id: str
    user: str
    key: paramiko.PKey
    host_keys: list[str] = field(default_factory=list)
    """Those that it printed at its first start, which the console's log does not keep for ever."""

    @classmethod
    def of(cls, ec2: Ec2, instance_id: str, user: str, private: str) -> "Login":
        """With the private key that CreateKeyPair gave."""
        return cls(ec2, instance_id, user, paramiko.Ed25519Key.from_private_key(io.StringIO(private)))

    @property
    def address(self) -> str:
        return str(self.ec2.instance(self.instance_id)["PrivateIpAddress"])

    def run(self, command: str, *, patience: float = BOOT) -> str:
        """What a command says; it must succeed. Waits until the guest lets us in. Fails for a host key that is not its own."""
        status, said = self._ask(command, self._connect(patience))
        assert status == 0, f"{command}: status {status}: {said}"
        return said.strip()

    def seen(self, command: str) -> str:
        """What a command that only reads says; nothing where the guest went away meanwhile, as it does when it restarts."""
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            status, said = self._ask(command, self._connect(BOOT))
            return said.strip() if status == 0 else ""
        return ""

    def begin(self, command: str) -> None:
        """A command that ends the guest, so that nobody hears how it ended."""
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._ask(command, self._connect(BOOT))

    def _connect(self, patience: float) -> paramiko.Transport:
        keys = self.host_keys = self.host_keys or host_keys(self.ec2, self.instance_id)
        deadline, last = time.monotonic() + patience, "nothing"
        while time.monotonic() < deadline:
            try:
                return self._once(keys)
            except (OSError, EOFError, paramiko.SSHException) as error:
                last = repr(error)
                time.sleep(0.5)
        state = self.ec2.instance(self.instance_id)["State"]["Name"]
        raise AssertionError(
            f"{self.instance_id} did not let {self.user} in within {patience:.0f} s; at last: {last}; it is {state}, and its "
            "console ends with:\n" + "\n".join(console(self.ec2, self.instance_id).decode(errors="replace").splitlines()[-8:])
        )

    def _once(self, keys: list[str]) -> paramiko.Transport:
        transport = paramiko.Transport(socket.create_connection((self.address, 22), timeout=10))
        transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = 60
        try:
            transport.start_client(timeout=60)
            shown = transport.get_remote_server_key()
            assert f"{shown.get_name()} {shown.get_base64()}" in keys, "the host key is not the one on the console"
            transport.auth_publickey(self.user, self.key)
        except BaseException:
            transport.close()
            raise
        return transport

    def _ask(self, command: str, transport: paramiko.Transport) -> tuple[int, str]:
        with transport:
            channel: Any = transport.open_session(timeout=COMMAND)
            channel.settimeout(COMMAND)
            channel.set_combine_stderr(True)
            channel.exec_command(command)
            said = b"".join(iter(lambda: channel.recv(65536), b""))
            if not channel.status_event.wait(COMMAND):  # recv_exit_status would wait for ever for a guest that is gone
                raise TimeoutError(f"{command}: {self.instance_id} did not say how it ended within {COMMAND:.0f} s")
            return channel.recv_exit_status(), said.decode(errors="replace")
