"""A cache of what commands need of a service model: its operations' names, and each operation with its shapes.

Reading EC2's whole model takes 45 ms, a fifth of a short command. The cache is derived from botocore's files, named after
their size and time, and made anew when they change; a cache that cannot be written or read is as good as none.
"""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from .. import files

Part = dict[str, Any]


class ModelCache:
    """The parts of the models, as JSON files in one directory that only its owner writes."""

    def __init__(self) -> None:
        self._directory: Path | None = None

    def use(self, directory: Path) -> None:
        """Keep parts in this directory from now on."""
        self._directory = directory

    def _path(self, source: Path, name: str) -> Path | None:
        if self._directory is None:
            return None
        facts = source.stat()
        return self._directory / f"{source.parent.parent.name}-{facts.st_size}-{facts.st_mtime_ns}" / f"{name}.json"

    def get(self, source: Path, name: str) -> Part | None:
        """The part of a model file that was kept under this name, or None."""
        path = self._path(source, name)
        if path is not None:
            with contextlib.suppress(OSError, ValueError):
                return dict(json.loads(path.read_bytes()))
        return None

    def put(self, source: Path, name: str, part: Part) -> Part:
        """Keep a part; returns it."""
        path = self._path(source, name)
        if path is not None:
            with contextlib.suppress(OSError):
                files.directory(path.parent, 0o700)
                import tempfile  # 5 ms that are not needed where the cache is there

                handle, new = tempfile.mkstemp(dir=path.parent)
                with open(handle, "w") as file:
                    json.dump(part, file)
                os.rename(new, path)
        return part


cache = ModelCache()
