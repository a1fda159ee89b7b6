"""What a fake host holds: one JSON document, in memory, or in a directory where several processes share it under a lock."""

import contextlib
import dataclasses
import fcntl
import json
import os
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import Permanent, Retry
from .contracts import Capacity

_CALLS_KEPT = 10_000
_CALLS = "fake-host.calls"
"""The file beside the document, a line for each call."""
_KINDS = ("guests", "consoles", "disks", "seeds", "networks", "images", "failures", "balancers", "owners")


def _empty() -> dict[str, Any]:
    kinds: dict[str, Any] = {name: {} for name in _KINDS}
    more = {"lives": 0, "boot_id": str(uuid.uuid4())}
    return {**kinds, **more, "capacity": dataclasses.asdict(Capacity(16, 65536))}


class Store:
    """The document. `change` gives it to one at a time, and keeps it only if what is done with it succeeds."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._memory = _empty()
        self._lock = threading.RLock()
        self._calls: list[list[str]] = []

    @contextlib.contextmanager
    def change(self) -> Iterator[dict[str, Any]]:
        """Read, change, keep."""
        if self._directory is None:
            with self._lock:
                yield self._memory
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / "fake-host.json"
        lock = os.open(self._directory, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = path.read_text() if path.exists() else ""
            held = json.loads(before) if before else _empty()
            yield held
            if (after := json.dumps(held)) != before:
                new = path.with_suffix(".new")
                new.write_text(after)
                new.rename(path)
        finally:
            os.close(lock)

    def calls(self) -> list[list[str]]:
        """Each method that was called, with what it was called for."""
        if self._directory is None:
            return [list(call) for call in self._calls]
        noted = self._directory / _CALLS
        return [json.loads(line) for line in noted.read_text().splitlines()] if noted.exists() else []

    def _note(self, call: list[str]) -> None:
        """Not in the document, which is read and written as a whole with each call."""
        if self._directory is None:
            self._calls.append(call)
            del self._calls[:-_CALLS_KEPT]
            return
        with (self._directory / _CALLS).open("a") as noted:
            noted.write(json.dumps(call) + "\n")

    @contextlib.contextmanager
    def call(self, method: str, *subjects: str) -> Iterator[dict[str, Any]]:
        """The same for a driver's method: noted among the calls, and failing if a test ordered that."""
        with self.change() as held:
            self._note([method, *subjects])
            queue = held["failures"].get(method, [])
            ordered = queue.pop(0) if queue else None
        if ordered is not None:
            raise {"Retry": Retry, "Permanent": Permanent}[ordered[0]](ordered[1], ordered[2])
        with self.change() as held:
            yield held
