"""Which file here the name in a disk's header means. It is an absolute path of the time when it was written: the home may have
been moved since, or copied, and be known by links.

A name that leads into the directories of the disks that are here means the very file. One that leads elsewhere is of a place
where the disks were before, whatever is there now: a layer's id is given once, so the layer that bears it here is meant. Which
one, if several do, the form of the name tells; where that tells nothing, each may be meant.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from . import own_names

ASIDE = "quarantine"
"""Below the directory of the disks: where directories with what was set aside are."""


class Places:
    """The directory of the disks, the directories of what was set aside, the latest last, and the stores of base images."""

    def __init__(self, directory: Path, asides: Sequence[Path], images: Sequence[Path] = ()) -> None:
        self._directory = directory
        self._asides = asides
        self._images = images
        self._ours = {os.path.realpath(place): place for place in (directory, *asides)}

    @property
    def directory(self) -> Path:
        """The directory of the disks."""
        return self._directory

    @property
    def home(self) -> Path:
        """Where the directory of the disks is."""
        return self._directory.parent

    def exact(self, path: Path) -> Path | None:
        """The same path as it is spelled here, whether or not a file is there; None for a place elsewhere."""
        if "\0" in str(path):
            return None
        place = self._ours.get(os.path.realpath(path.parent))
        return place / path.name if place is not None else None

    def stands_on(self, file: Path, name: str, path: str) -> bool:
        """Whether a disk whose header has a name stands on what is at a path, or may: that must not change then."""
        below, wanted = file.parent / name, Path(path)
        if below.name != wanted.name:
            return False
        if not _is_disk(below):
            return same(below, wanted) or (_is_image(below) and below.parent.name == wanted.parent.name)
        return (self.exact(wanted) or wanted) in self._meant(file, below)

    def moved(self, file: Path, name: str, place: Path) -> Path | None:
        """What a disk that is about to be in `place` is to stand on instead of what its header says; None to leave it so."""
        below = file.parent / name
        if _is_image(below):  # it never changes: wherever it is still, it is right
            here = (store / below.parent.name / below.name for store in self._images)
            return None if below.exists() else next((path for path in here if path.exists()), None)
        exact = self.exact(below)
        if not _is_disk(below) or (exact is not None and exact.exists()):
            return None
        own = self._of_its_form(below, place)
        latest = () if self._was_aside(below) else (other / below.name for other in reversed(self._asides))
        return next((path for path in (*own, *latest) if path.exists() and path != file), None)

    def _meant(self, file: Path, below: Path) -> set[Path]:
        exact = self.exact(below)
        if exact is not None and exact.exists():
            return {exact}
        named = self._of_its_form(below, file.parent)
        every = [place / below.name for place in (self._directory, *self._asides)]
        return {path for path in named if path.exists()} or {path for path in every if path.exists()} or {exact or below}

    def _of_its_form(self, below: Path, place: Path) -> list[Path]:
        """What a name of this form means to a disk in `place`, the likelier first.

        What stands on a disk that was set aside with it says so at once; a name that does not is one of the disks in use, or of
        a time when it could not be said.
        """
        if self._was_aside(below):
            return [aside / below.name for aside in self._asides if aside.name == below.parent.name]
        return [other / below.name for other in dict.fromkeys((place, self._directory))]

    def _was_aside(self, below: Path) -> bool:
        return below.parent.parent.name == ASIDE and below.parent.name != self._directory.name


def _is_disk(path: Path) -> bool:
    return path.suffix == ".qcow2" and own_names.is_disk(path.stem)


def _is_image(path: Path) -> bool:
    return own_names.is_image_file(f"{path.parent.name}/{path.name}")


def is_moved(name: str, path: str) -> bool:
    """Whether the name in a header can only mean what is at a path, written when that was in another directory."""
    below, wanted = Path(name), Path(path)
    if not _is_disk(wanted):
        return same_image(name, path) and not same(below, wanted)
    elsewhere = below.name == wanted.name and not same(below, wanted)
    return elsewhere and "\0" not in name and below.parent.parent.name != ASIDE


def same_image(name: str, path: str) -> bool:
    """Whether the name in a header means the base image at a path, wherever its store was when that was written."""
    below, image = Path(name), Path(path)
    return name == path or (_is_image(below) and below.parts[-2:] == image.parts[-2:])


def same(one: Path, other: Path) -> bool:
    """Whether two paths are of one name in one directory, however this is spelled."""
    return one.name == other.name and "\0" not in str(one) and os.path.realpath(one.parent) == os.path.realpath(other.parent)
