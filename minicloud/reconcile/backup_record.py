"""What is known of the last backup: when it was made, where, and of what. A file beside the state, for the doctor."""

import contextlib
import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path

from .. import files
from ..config import Settings
from ..host.backup_manifest import Manifest

NAME = "backup.json"


@dataclasses.dataclass(frozen=True)
class Record:
    """The last backup. `created` as AWS writes times; `generation` is how many changes of layers there had been."""

    created: str
    file: str
    identity: str
    generation: int
    disks: bool
    left_out: tuple[str, ...] = ()
    """The ids of what is not in it although it should be."""


def write(settings: Settings, target: Path, manifest: Manifest, left_out: Sequence[str]) -> str:
    """Note one; why it cannot be, if so: the backup itself is whole."""
    made = Record(manifest.created, str(target), manifest.identity, manifest.generation, manifest.disks, tuple(left_out))
    path = settings.home / NAME
    draft = path.with_suffix(".json.new")
    try:
        with os.fdopen(files.draft(draft, 0o600), "w") as file:
            file.write(json.dumps(dataclasses.asdict(made)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except (OSError, files.NotRegular) as error:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        return f"the backup is whole, and minicloud doctor does not know of it, because {path} cannot be written: {error}"
    return ""


def read(settings: Settings) -> Record | None:
    """The last one, if one is known."""
    try:
        return Record(**json.loads(files.read(settings.home / NAME)))
    except (OSError, ValueError, TypeError):
        return None
