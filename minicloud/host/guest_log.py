"""Why a guest is off, as the log says that libvirt keeps of each guest: libvirtd itself forgets it in a restart."""

import os
import re
import time
from pathlib import Path

from .. import files
from .contracts import Power

_TAIL = 64 * 1024


def power_from_log(text: str) -> Power:
    """Why a guest is off, by the last event in libvirt's log of it."""
    events = re.findall(r"^\S+ \S+: (starting up|shutting down, reason=(?P<reason>\w+))", text, re.MULTILINE)
    reason = events[-1][1] if events else ""
    return {"shutdown": Power.OFF_BY_GUEST, "crashed": Power.OFF_BY_FAILURE}.get(reason, Power.OFF)


def power_from_log_file(path: Path) -> Power:
    """The same of the log's file; one that was last written before the host started says nothing of why a guest is off."""
    try:
        with open(files.opened(path, os.O_RDONLY), "rb") as file:
            written = path.stat()
            if written.st_mtime < time.time() - time.clock_gettime(time.CLOCK_BOOTTIME):
                return Power.OFF
            file.seek(max(0, written.st_size - _TAIL))
            return power_from_log(file.read(_TAIL).decode(errors="replace"))
    except FileNotFoundError:
        return Power.OFF
