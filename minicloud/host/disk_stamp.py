"""The file beside the disks that says whose they are and how far they have come, and the place for disks that nobody knows.

Both are replaced or made as a whole and are on the disk itself before anything that follows from them is done.
"""

import contextlib
import dataclasses
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from .. import files
from ..errors import HostError, Permanent
from . import disk_links, disk_places, durable, failures, qemu_img
from .contracts_storage import Merged, Stamp, StampDamaged
from .disk_places import Places

NAME = "minicloud.json"
DRAFT = f".{NAME}.new"
ASIDE = disk_places.ASIDE
RESTORING = ".restore"
"""Where a restoration keeps disks until all of them are there."""
NAMES = frozenset({NAME, DRAFT, ASIDE, RESTORING, disk_links.PLACE, f".{disk_links.PLACE}.new"})
"""What is here and is no disk."""
_NOTE = "manifest.json"
_IDENTITY = re.compile("[0-9a-f]{32}")


def read(directory: Path) -> Stamp | None:
    """What is written there. Raises StampDamaged where that is not what was written."""
    path = directory / NAME
    try:
        said = json.loads(files.read(path))
        merged = {layer_id: Merged(**about) for layer_id, about in said.get("merged", {}).items()}
        stamp = Stamp(said["identity"], said["generation"], merged)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StampDamaged(path) from error
    counts = [stamp.generation, *(one.generation for one in merged.values())]
    if not (
        all(isinstance(count, int) for count in counts)
        and isinstance(stamp.identity, str)
        and _IDENTITY.fullmatch(stamp.identity)
    ):
        raise StampDamaged(path)
    return stamp


def write(directory: Path, stamp: Stamp) -> None:
    """Replace it; where the disks are is noted with the first."""
    disk_links.note(directory)
    durable.replace(directory / NAME, json.dumps(dataclasses.asdict(stamp)) + "\n")


def set_aside(place: Path, paths: Sequence[Path], why: str) -> Path:
    """Move disks into a new directory of `place`, with a note that says where each was; the directory.

    One that stands on another of them stands on it there. It moves after that: cut short, what is left is to be set aside, too.
    """
    refuse_elsewhere(place)
    found = place / time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    while found.exists():
        found = found.with_name(f"{found.name}-again")
    files, on = {path.name: str(path) for path in paths}, {path.name: backing(path) for path in paths}
    place.mkdir(mode=0o750, exist_ok=True)
    found.mkdir(mode=0o700)
    _note(found, why, files, on)
    places = [*(old for old, _ in asides(place.parent) if old != found), found]
    for path in _from_below(paths):
        _follow(path, Places(place.parent, places), found)
        _move(path, found / path.name)
    _note(found, why, files, {path.name: backing(found / path.name) for path in paths})
    for directory in (found, place, *{path.parent for path in paths}):
        durable.sync(directory)
    return found


def refuse_elsewhere(place: Path) -> None:
    """Raise Permanent where `place`, for what is set aside, is another file system than that of the disks beside it: disks are
    renamed, and a rename does not leave its mount. Raises OSError.
    """
    if place.is_dir() and _mount(place) != _mount(place.parent):
        raise Permanent(
            f"{place} is on another file system than {place.parent}, and disks are put aside without being copied: move it away, "
            "or let it be a directory there"
        )


def _mount(directory: Path) -> tuple[int, str]:
    """What file system a directory is on, and by which mount (proc(5), fdinfo)."""
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        lines = Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines()
        return os.fstat(descriptor).st_dev, next((line for line in lines if line.startswith("mnt_id:")), "")
    finally:
        os.close(descriptor)


def _note(place: Path, why: str, files: dict[str, str], on: dict[str, str | None]) -> None:
    durable.replace(place / _NOTE, json.dumps({"why": why, "files": files, "on": on}, indent=2) + "\n")


def noted_backing(path: Path) -> str | None:
    """What a disk that was set aside stood on when it was, by the note beside it; None where nothing is noted of it."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        said = json.loads(files.read(path.parent / _NOTE))["on"].get(path.name)
        return said if isinstance(said, str) else None
    return None


def _move(path: Path, to: Path) -> None:
    """A relative link leads to the same file from its new place."""
    if path.is_symlink() and not os.path.isabs(os.readlink(path)):
        to.symlink_to(os.path.relpath(os.path.realpath(path), os.path.realpath(to.parent)))
        path.unlink()
    else:
        path.rename(to)


@failures.of_system()
def follow(directory: Path, images: Sequence[Path] = ()) -> None:
    """Let disks that were set aside stand on what they stood on, where that was set aside as well, or the home was moved.

    Before anything else gets the names of what has gone. `images` are the stores of base images. Raises Retry, Permanent.
    """
    found, failed = [place for place, _ in asides(directory)], list[HostError]()
    places = Places(directory, found, images)
    for path in (path for place in found for path in sorted(place.glob("*.qcow2"))):
        try:
            with failures.of_system():
                _follow(path, places, path.parent)
        except HostError as error:  # such as one that somebody reads just now: it keeps no other from it
            failed.append(error)
    if failed:
        raise failed[0]


def _follow(path: Path, places: Places, place: Path) -> None:
    """Let a disk that is about to be in `place` stand on what it stood on, if that is not where its header says.

    A file outside the home whose header was written elsewhere, or that a copied home has with another, stays as it is.
    """
    name = backing(path)
    below = places.moved(path, name, place) if name is not None else None
    if name is None or below is None:
        return
    if places.exact(path.parent / name) or not disk_links.outside(path, places.home):
        with contextlib.suppress(Permanent):  # so damaged that it cannot be read in any place, or another home's, too
            disk_links.refuse_shared(path, places.directory)
            qemu_img.repoint(path, below)


def _from_below(paths: Sequence[Path]) -> Iterator[Path]:
    """Each after the one that it stands on, all being in one directory."""
    names = {path: backing(path) for path in paths}
    left = {path: Path(name).name if name is not None else "" for path, name in names.items()}
    while left:
        there = {path.name for path in left}
        ready = [path for path, below in left.items() if below not in there] or list(left)
        for path in ready:
            del left[path]
        yield from ready


def backing(path: Path) -> str | None:
    """What a disk stands on, by its header; nothing where it is so damaged that this cannot be told. Raises OSError, which names
    the disk.
    """
    try:
        return qemu_img.backing(path) or None
    except (Permanent, FileNotFoundError):
        return None
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def asides(directory: Path) -> list[tuple[Path, float]]:
    """What was set aside beside the disks of a directory, and when (seconds since 1970); the oldest first."""
    return sorted((path, path.stat().st_mtime) for path in _entries(directory / ASIDE) if _noted(path) is not None)


def strangers(directory: Path) -> list[Path]:
    """What somebody else keeps where disks of a directory are set aside, or beside them there."""
    found = list[Path]()
    for path in _entries(directory / ASIDE):
        noted = _noted(path)
        found += [path] if noted is None else [one for one in _entries(path) if one.name not in {*noted, _NOTE, f".{_NOTE}.new"}]
    return found


def _entries(place: Path) -> list[Path]:
    return sorted(place.iterdir()) if place.is_dir() else []


def _noted(place: Path) -> set[str] | None:
    """The names of the disks that were set aside into a directory, by the note in it; None where there is none of ours."""
    note = place / _NOTE
    if place.is_symlink() or note.is_symlink() or not note.is_file():
        return None
    try:
        said = json.loads(files.read(note))
        return set(said["files"]) if isinstance(said["files"], dict) and isinstance(said["why"], str) else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
