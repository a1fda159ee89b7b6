"""The host itself: what there is of processors, memory and GPUs, and which of its lives this is. All read from files."""

import os
from pathlib import Path

from .contracts import Capacity


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

    def _memory(self) -> int:
        for line in (self._proc / "meminfo").read_text().splitlines():
            if line.startswith("MemTotal:"):
                return int(line.split()[1]) // 1024
        raise ValueError(f"{self._proc}/meminfo has no MemTotal")

    def _accelerators(self) -> tuple[str, ...]:
        """Display controllers (PCI class 03) and processing accelerators (class 12)."""
        classes = sorted((self._sys / "bus/pci/drivers/vfio-pci").glob("*:*:*.*/class"))
        return tuple(path.parent.name for path in classes if path.read_text().startswith(("0x03", "0x12")))
