"""An instance as `minicloud ssh` asks of it (ssh_wait.Guest)."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from . import host_keys, ssh_probe

if TYPE_CHECKING:
    from ..cloud import Cloud
    from ..state.rows import Instance

_WHOLE = 64 << 20
"""More than is kept of a console."""


@dataclass
class InstanceGuest:
    """An instance as ssh_wait.Guest."""

    cloud: "Cloud"
    name: str
    address: str
    subnet_id: str
    user: str
    identity: Path | None

    def _row(self) -> "Instance":
        row = self.cloud.state.instances.get(self.name)
        if row is None:
            raise UsageError(f"{self.name} is gone")
        return row

    def running(self) -> bool:
        """Whether it runs; the loop gets a chance to start it."""
        self.cloud.worker.refresh("DescribeInstances")
        row = self._row()
        if row.wish != "running" or row.state not in ("pending", "running"):
            why = f" ({row.reason_message})" if row.reason_message else ""
            start = f"; start it: minicloud start-instances --instance-ids {row.id}" if row.state == "stopped" else ""
            raise UsageError(f"{row.id} is {row.state}{why}{start}")
        return row.state == "running"

    def answers(self) -> bool:
        """By ARP."""
        return bool(self.cloud.host.networks.answers(self.subnet_id, [IPv4Address(self.address)]))

    def known_keys(self) -> list[str]:
        """Those of its row."""
        return self._row().host_keys

    def console(self) -> bytes:
        """All that its serial port said that is kept: the keys were printed at its beginning."""
        return self.cloud.host.guests.console_log(self.name, _WHOLE)

    def remember(self, keys: Sequence[str]) -> list[str]:
        """In its row."""
        return host_keys.remember(self.cloud, self.name, keys)

    def replace(self, keys: Sequence[str]) -> list[str]:
        """In its row."""
        return host_keys.remember(self.cloud, self.name, keys, replace=True)

    def listens(self) -> bool:
        """Whether port 22 greets."""
        return ssh_probe.listens(self.address)

    def presented(self) -> list[str]:
        """The key of port 22."""
        return ssh_probe.presented(self.address)

    def takes_logins(self, keys: Sequence[str]) -> bool:
        """Whether port 22 has a key of these and lets the user in."""
        return ssh_probe.takes_logins(self.address, keys, self.user, self.identity)
