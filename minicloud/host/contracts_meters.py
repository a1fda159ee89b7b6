"""What may be asked of a host for monitoring: what guests are doing and have done, and messages to people. The rules of
`contracts` hold here, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class DiskCounters:
    """What a disk of a guest has done: operations, bytes, and the seconds that its operations took in all."""

    read_ops: int = 0
    read_bytes: int = 0
    read_seconds: float = 0.0
    write_ops: int = 0
    write_bytes: int = 0
    write_seconds: float = 0.0


@dataclass(frozen=True)
class NicCounters:
    """What a network card has received and sent, as its guest sees it."""

    in_bytes: int = 0
    in_packets: int = 0
    out_bytes: int = 0
    out_packets: int = 0


@dataclass(frozen=True)
class GuestCounters:
    """A running guest's counters, which only grow until it is started anew; then `life` is another value. It is
    `halted` while its memory is kept and it does not run: the host's disk is full, or a debugger holds it.

    `cpu_seconds` is what its vCPUs have run, all together; `lost_seconds` what they waited for a processor of the host and
    the guest knows nothing of (0 where it has a clock of stolen time). `disks` by serial, `nics` by the host's end of the cable.
    """

    guest_id: str
    life: str
    halted: bool
    cpu_seconds: float
    vcpus: int
    disks: Mapping[str, DiskCounters] = field(default_factory=dict)
    nics: Mapping[str, NicCounters] = field(default_factory=dict)
    lost_seconds: float = 0.0


class Messages(Protocol):
    """What leaves the host for people and programs that the administrator names."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Send a body by HTTP POST. Never to link-local addresses, whatever the name in the URL leads to."""

    def run(self, command: Sequence[str], body: bytes) -> None:
        """Run a command with the body as its standard input; raises Retry if it fails."""
