"""What a state leaves beside itself: while any of it is there, an empty state is a lost one."""

import json
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from .. import files
from ..errors import StateError
from . import disk_stamp, own_names
from .seed import WHOLE_NAME

RESTORING, READY = ".restore", "ready.json"
"""Below the home: where a restoration keeps what it is about to put into its places, and the file that says that all is there."""
_KEY = re.compile(r"[0-9a-f]{32}\.key")


def unfinished(home: Path) -> str:
    """That a restoration has begun to change what is here and is to be finished, and by which command; empty where none has."""
    try:
        ready = json.loads(files.read(home / RESTORING / READY))
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except ValueError:
        ready = {}
    if (home / "state.sqlite").exists():  # it was not begun, or is done
        return ""
    file = shlex.quote(str(ready.get("file", "FILE") if isinstance(ready, dict) else "FILE"))
    return f"a restoration was begun and not finished, and until it is nothing else is done: minicloud restore {file} finishes it"


def of(home: Path) -> str:
    """It, in words; empty where there is nothing. Raises StateError where only a restoration has to be finished."""
    if why := unfinished(home):
        raise StateError(why)
    volumes, seeds, keys = home / "volumes", home / "seeds", home / "certificates"
    found = [
        *_some(volumes, (name for name in _names(volumes) if name.endswith(".qcow2") and own_names.is_disk(name[:-6])), "disks"),
        *_some(seeds, (name for name in _names(seeds) if WHOLE_NAME.fullmatch(name)), "seeds"),
        *_some(keys, (name for name in _names(keys) if _KEY.fullmatch(name)), "certificates' keys"),
    ]
    if (volumes / disk_stamp.NAME).exists():
        found.append(f"{volumes / disk_stamp.NAME} says that disks of a state are there")
    return ", and ".join(found)


def _names(directory: Path) -> list[str]:
    try:
        return [path.name for path in directory.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _some(directory: Path, names: Iterable[str], what: str) -> Iterator[str]:
    if count := len(list(names)):
        yield f"there are {what} in {directory} ({count})"
