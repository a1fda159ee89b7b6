"""The host itself: what there is of processors, memory and GPUs, and which of its lives this is. All read from files."""

import os
import time
from pathlib import Path

from ..errors import HostError
from .contracts import Capacity
from .run import run

_TIMEX = 512
"""Bytes that struct timex fits into on every system; all zero, it changes nothing."""
_TIME_ERROR = 5
_PATIENCE = 5.0
"""Seconds that systemd may take for an answer."""


class LocalMachine:
    """This host. `proc` and `sys` are where the kernel tells."""

    def __init__(self, proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> None:
        self._proc = proc
        self._sys = sys

    def capacity(self) -> Capacity:
        """The threads that this process may use, all memory, and the GPUs that vfio-pci holds for guests."""
        return Capacity(len(os.sched_getaffinity(0)), self._memory(), self._accelerators())

    def boot_id(self) -> str:
        """The kernel's random name of this life of the host."""
        return (self._proc / "sys/kernel/random/boot_id").read_text().strip()

    def uptime(self) -> float:
        """The kernel's clock that nobody can set."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def ending(self) -> bool:
        """As systemd says; a host without it never is."""
        try:
            return run(["systemctl", "is-system-running"], check=False, timeout=_PATIENCE).text.strip() == "stopping"
        except (HostError, OSError):
            return False

    def clock_synchronised(self) -> bool:
        """By adjtimex(2), which answers TIME_ERROR while nobody disciplines the clock, and since somebody set it by hand."""
        import ctypes  # few commands need it

        state = int(ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX)))
        return 0 <= state < _TIME_ERROR

    def _memory(self) -> int:
        for line in (self._proc / "meminfo").read_text().splitlines():
            if line.startswith("MemTotal:"):
                return int(line.split()[1]) // 1024
        raise ValueError(f"{self._proc}/meminfo has no MemTotal")

    def _accelerators(self) -> tuple[str, ...]:
        """Display controllers (PCI class 03) and processing accelerators (class 12)."""
        classes = sorted((self._sys / "bus/pci/drivers/vfio-pci").glob("*:*:*.*/class"))
        return tuple(path.parent.name for path in classes if path.read_text().startswith(("0x03", "0x12")))
