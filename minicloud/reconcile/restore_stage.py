"""What is in a backup, read and laid out beside the places where it belongs, and looked at, before anything is changed.

State and keys lie below the home, disks beside the disks, base images in their store: an image there hurts nobody.
"""

import contextlib
import functools
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import BinaryIO

from .. import files
from ..cloud import Cloud
from ..errors import ApiError, Permanent, StateError, UsageError
from ..host import account, archive, backup_manifest, image_check, image_store, image_users, own_names, qemu_img, remains
from ..host.backup_manifest import Manifest
from ..host.base_images import store
from ..host.contracts_storage import Disks
from ..host.image_store import ImageStore
from ..state import copies
from ..state.rows_storage import Layer
from ..state.store import VERSION

Progress = Callable[[int, int], None]
DISKS, IMAGES = "volumes/", "images/"
_SETTINGS = "settings/"


def of(home: Path) -> Path:
    """Where state and keys lie."""
    return home / remains.RESTORING


def of_disks(home: Path) -> Path:
    """Where disks lie, on the file system that they belong to."""
    return home / "volumes" / remains.RESTORING


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    with path.open("rb") as file:
        yield file


def look(path: Path) -> Manifest:
    """What a backup says of itself. Raises UsageError, ApiError (InvalidFormat)."""
    with _opened(path) as file:
        reader = archive.Reader(file, own_names.is_in_backup)
        for entry in reader.entries():
            if entry.name != backup_manifest.NAME:
                break
            return backup_manifest.decode(reader.read(entry, backup_manifest.MOST))
    return archive.refuse(f"it does not begin with {backup_manifest.NAME}")


def is_ready(home: Path, manifest: Manifest) -> bool:
    """Whether all of this backup lies there, and the state that was here has gone: its restoration is to be finished."""
    if (home / "state.sqlite").exists():
        return False
    try:
        said = json.loads(files.read(of(home) / remains.READY))
        if said["id"] != manifest.id or not (of(home) / "state.sqlite").exists():
            return False
        return all(_is_laid(home, name, number) for name, number in said["disks"].items())
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _is_laid(home: Path, name: str, number: int) -> bool:
    """Whether a disk lies there still, or is that file in its place. Who has the directory in common may have removed it, and
    what bears its name then is another.
    """
    final = home / "volumes" / name
    return (of_disks(home) / name).is_file() or (final.is_file() and final.stat().st_ino == number)


def clear(home: Path) -> None:
    """Remove what lies there."""
    for path in (of_disks(home), of(home)):
        shutil.rmtree(path, ignore_errors=True)


def lay_out(cloud: Cloud, path: Path, manifest: Manifest, progress: Progress) -> bool:
    """Read all of it; whether it is new that this home uses images of the store.

    Raises ApiError for what is damaged or hostile, StateError for a state that cannot be used, HostError.
    """
    home, images = cloud.settings.home, store(cloud.settings)
    clear(home)
    images.sweep()
    account.directory(home / "volumes")
    of(home).mkdir(mode=0o700)
    joined = False
    try:
        with images.scratch("restore") as scratch:
            _refuse_full(home, manifest)
            with qemu_img.noticing_full_disk(of(home)):
                # what is laid out counts on images that are here
                joined = image_users.join(cloud.settings.images, home, build=True)
                here = _images_here(images, manifest)
                _extract(path, manifest, functools.partial(_place, home, scratch, here), progress)
            new = sorted(scratch.iterdir())
            for place in new:
                images.check(place)
            _check_state(cloud, manifest, of(home) / "state.sqlite")
            if manifest.disks:
                _point(cloud, images, {place.name for place in new})
            for place in new:
                images.put_back(place)
    except BaseException:
        give_up(cloud, joined=joined)
        raise
    return joined


def give_up(cloud: Cloud, *, joined: bool) -> None:
    """Remove what lies there; and what says that the home uses images, where `lay_out` has said so and it has nothing else."""
    home = cloud.settings.home
    clear(home)
    if joined and not image_users.is_there(home):
        image_users.mark(cloud.settings.images, home).unlink(missing_ok=True)


def verify(cloud: Cloud, path: Path, manifest: Manifest, place: Path, progress: Progress) -> None:
    """Read all of it and lay out nothing but the state, in `place`. Raises as `lay_out`."""
    _refuse_full(cloud.settings.home, manifest)
    _images_here(store(cloud.settings), manifest)
    _extract(path, manifest, lambda name: place / name if name == "state.sqlite" else None, progress)
    _check_state(cloud, manifest, place / "state.sqlite")


def _refuse_full(home: Path, manifest: Manifest) -> None:
    free = shutil.disk_usage(next(there for there in (home, *home.parents) if there.exists())).free
    if manifest.size > free:
        raise Permanent(f"the backup has {manifest.size >> 20} MiB, and {home} has {free >> 20} MiB left")


def _images_here(images: ImageStore, manifest: Manifest) -> set[str]:
    """The images that need not be restored. Raises StateError where one is another than that of its name in the backup."""
    there = {known.image_id: known.sha256 for known in images.list()}
    for image in manifest.images:
        if there.get(image.image_id, image.sha256) != image.sha256:
            raise StateError(f"the base image {image.image_id} is another one here than where the backup was made")
    return set(there)


def _extract(path: Path, manifest: Manifest, place: Callable[[str], Path | None], progress: Progress) -> None:
    left, done = iter(manifest.members.items()), 0

    def told(size: int) -> None:
        nonlocal done
        done += size
        progress(done, max(manifest.size, done))

    with _opened(path) as file:
        reader = archive.Reader(file, own_names.is_in_backup, told)
        for entry in reader.entries():
            if entry.name == backup_manifest.NAME:
                if backup_manifest.decode(reader.read(entry, backup_manifest.MOST)) != manifest:
                    archive.refuse("it changes while it is read")
                continue
            if next(left, None) != (entry.name, entry.size):
                archive.refuse(f"{entry.name} is not what its {backup_manifest.NAME} says")
            final = place(entry.name)
            if final is None:
                reader.skip(entry)
            else:
                final.parent.mkdir(mode=0o700, exist_ok=True)
                reader.extract(entry, final)
        if next(left, None) is not None:
            archive.refuse("members are missing")


def _place(home: Path, scratch: Path, here: Collection[str], name: str) -> Path | None:
    """Where a member is laid; None for what is not needed."""
    if name.startswith(DISKS):
        return of_disks(home) / name.removeprefix(DISKS)
    if name.startswith(IMAGES):
        below = name.removeprefix(IMAGES)
        return None if below.partition("/")[0] in here else scratch / below
    return None if name.startswith(_SETTINGS) else of(home) / name


def _check_state(cloud: Cloud, manifest: Manifest, database: Path) -> None:
    """The state can be used by this minicloud, and is the one that the manifest tells of; older ones are brought up to date."""
    if manifest.database > VERSION or not database.exists():
        raise StateError("the backup was made by a newer minicloud; upgrade this one" if database.exists() else "it has no state")
    copies.check(database)
    state = cloud.with_database(database).state
    try:
        own = state.identity
        if (own.id, own.generation) != (manifest.identity, manifest.generation):
            raise StateError("the state in the backup is not the one that it tells of")
        with state.transaction():
            state.failures.remove_where("1")
    except UsageError as error:
        raise StateError(f"the backup was made by a newer minicloud: {error}") from error
    finally:
        state.close()


def _point(cloud: Cloud, images: ImageStore, new: Collection[str]) -> None:
    """Disks stand where the rows say, on this host; what their headers said is not looked at. Raises ApiError, HostError."""
    stage = cloud.with_database(of(cloud.settings.home) / "state.sqlite")
    try:
        rows = {layer.id: layer for layer in stage.state.layers.query()}
        places = {layer.id: _place_of(stage.host.disks, images, new, layer) for layer in rows.values()}
    finally:
        stage.state.close()
    laid = {path.name.removesuffix(".qcow2"): path for path in of_disks(cloud.settings.home).glob("*.qcow2")}
    if strange := sorted(laid.keys() - {layer.id for layer in rows.values() if layer.made and not layer.base}):
        archive.refuse(f"its state knows nothing of the disk {strange[0]}")
    for layer_id, path in sorted(laid.items()):
        parent = rows[layer_id].parent
        image_check.check_layer(path, alone=not parent)
        below = places.get(parent)
        if below is not None and qemu_img.backing(path) != str(below):
            qemu_img.repoint(path, below)
        account.share(path, write=True)
        sync(path)


def _place_of(disks: Disks, images: ImageStore, new: Collection[str], layer: Layer) -> Path | None:
    """Where a layer will be; None for an image that is not there, which is told."""
    if not layer.base:
        return Path(disks.path(layer.id))
    if layer.base in new:
        return images.directory.absolute() / layer.base / image_store.IMAGE
    with contextlib.suppress(ApiError):
        return images.path(layer.base)
    return None


def sync(path: Path) -> None:
    """Let a file, or the names in a directory, be on the disk itself."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def declare_ready(home: Path, file: Path, manifest: Manifest, aside: Path) -> None:
    """From now on only going on is right: whatever ends this, the next restoration of the same backup does the rest."""
    for path in (of_disks(home), of(home)):
        if path.is_dir():
            sync(path)
    ready = of(home) / remains.READY
    draft = ready.with_suffix(".json.new")
    disks = {path.name: path.stat().st_ino for path in of_disks(home).glob("*.qcow2")}
    draft.write_text(json.dumps({"id": manifest.id, "aside": str(aside), "file": str(file.absolute()), "disks": disks}))
    sync(draft)
    draft.rename(ready)
    sync(ready.parent)
    sync(home)


def aside(home: Path) -> Path:
    """Where what is replaced goes."""
    return Path(json.loads(files.read(of(home) / remains.READY))["aside"])
