"""Whether a backup can be put into its places: what would end that half way is told before anything is moved, by its name."""

import os
from collections.abc import Iterator
from pathlib import Path

from ..cloud import Cloud
from ..errors import Permanent, StateError
from ..host import disk_links, disk_stamp, failures, own_names, remains
from ..host.backup_manifest import Manifest

REPLACED = "replaced"
"""Below the home: where states and keys go that were replaced."""


@failures.of_system()
def refuse(cloud: Cloud, manifest: Manifest) -> None:
    """Raise what keeps it from being put in place. Nothing is changed. Raises StateError, HostError."""
    settings, volumes = cloud.settings, cloud.settings.home / "volumes"
    for directory in _directories(settings.home, manifest):
        _refuse_directory(directory)
    for file in _files(cloud, manifest):
        if file.is_symlink() and not file.exists():
            raise StateError(f"{file} is a link to a file that is not there: bring that back, or move the link away")
        if os.path.lexists(file) and not file.is_file():
            raise StateError(f"{file} is {'a directory' if file.is_dir() else 'no regular file'}: move it away")
    if manifest.disks and volumes.exists():
        disk_links.refuse_shared_directory(volumes)
        disk_stamp.refuse_elsewhere(volumes / disk_stamp.ASIDE)
        _refuse_unreadable(volumes)


def _directories(home: Path, manifest: Manifest) -> Iterator[Path]:
    """Those that something is put into or taken from, there or not."""
    yield from (home, home / remains.RESTORING, home / REPLACED)
    if manifest.disks:
        yield from (home / "volumes" / below for below in ("", disk_stamp.RESTORING, disk_stamp.ASIDE))
    yield from sorted({home / name.partition("/")[0] for name in manifest.members if own_names.is_key(name) and "/" in name})


def _files(cloud: Cloud, manifest: Manifest) -> Iterator[Path]:
    """Those that are replaced, there or not."""
    home = cloud.settings.home
    yield cloud.settings.database
    yield from (home / name for name in manifest.members if name == "metrics.sqlite" or own_names.is_key(name))
    if manifest.disks:
        yield from (home / name for name in manifest.members if name.startswith("volumes/"))
        names = (disk_stamp.NAME, disk_stamp.DRAFT, disk_links.PLACE, f".{disk_links.PLACE}.new")
        yield from (home / "volumes" / name for name in names)


def _refuse_directory(path: Path) -> None:
    if path.is_dir():
        if not os.access(path, os.W_OK | os.X_OK):
            raise StateError(f"{path} may not be written to, by this user or on its file system")
    elif path.is_symlink():
        raise StateError(f"{path} is a link to a directory that is not there: is what that lies on not mounted?")
    elif path.exists():
        raise StateError(f"{path} is no directory: move it away")


def _refuse_unreadable(volumes: Path) -> None:
    """A disk whose header cannot be read may stand on one that is to be moved, and would be taken to stand on what comes then."""
    for place in (volumes, *(aside for aside, _ in disk_stamp.asides(volumes))):
        for path in sorted(place.glob("*.qcow2")):
            if not own_names.is_disk(path.stem) or not path.is_file():
                continue
            try:
                disk_stamp.backing(path)
            except OSError as error:
                why = f"{path} cannot be read ({error.strerror})"
                raise Permanent(f"{why}: move it out of {place} first, then all others can be put aside") from error
