"""What a backup is made of: the files that become its members, and what is told of those that are not there."""

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import config, files
from ..cloud import Cloud
from ..errors import Damaged
from ..host import failures, own_names
from ..host.backup_manifest import ImageFile
from ..host.base_images import store
from ..host.image_store import ImageStore
from ..state import copies
from ..state.rows_storage import Layer
from ..state.store import State
from . import backup_unfit, layer_files

SETTINGS = "settings/config.toml"
_ATTEMPTS = 3
_LASTING = {errno.EIO, errno.EREMOTEIO, errno.EBADMSG, errno.EUCLEAN, errno.ENOTDIR, errno.ELOOP}


@dataclass(frozen=True)
class Source:
    """A file that becomes a member; a disk may be `linked`."""

    name: str
    path: Path
    linked: bool = False

    @property
    def occupies(self) -> int:
        """Its bytes without holes."""
        return self.path.stat().st_blocks * 512


@dataclass(frozen=True)
class Found:
    """Members in their order; the ids of the disks, and the base images, that the state counts on; base images, and the
    settings, that are not in it, by their ids with the reasons; what else is to be told.
    """

    disks: bool
    sources: list[Source]
    layers: list[str]
    images: list[ImageFile]
    missing: dict[str, str]
    notes: list[str]


def copy_keys(home: Path, stage: Path) -> dict[str, str]:
    """Copy what is beside a state and is not made again; what cannot be, by its name below the home, with the reasons. Under the
    state's lock, so that the keys are those of its rows. Raises HostError for what may pass.
    """
    missing = dict[str, str]()
    for below in _keys(home, missing):
        (stage / below).parent.mkdir(exist_ok=True, mode=0o700)
        if (data := _read(home / below, below, missing)) is not None:
            descriptor = os.open(stage / below, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
    return missing


@failures.of_system()
def _keys(home: Path, missing: dict[str, str]) -> list[str]:
    """What has the name of a key. A directory of theirs may be a link to one, and so may each be to a file."""
    found = sorted(path.name for path in home.iterdir())
    for directory in own_names.KEY_DIRECTORIES:
        if os.path.lexists(home / directory):
            try:
                found += sorted(f"{directory}/{path.name}" for path in (home / directory).iterdir())
            except OSError as error:
                missing[directory] = _lasting(error, home / directory)
    return [name for name in found if own_names.is_key(name)]


@failures.of_system()
def _read(path: Path, name: str, missing: dict[str, str]) -> bytes | None:
    for attempt in range(_ATTEMPTS):
        try:
            return files.read(path)
        except files.NotRegular as error:
            missing[name] = error.message
            return None
        except OSError as error:
            why = _lasting(error, path)
            if attempt == _ATTEMPTS - 1:
                missing[name] = why
    return None


def _lasting(error: OSError, path: Path) -> str:
    """What a file itself shows; any other error is raised again, it may pass."""
    if error.errno == errno.ENOENT:
        return f"{path} is a link to what is not there"
    if error.errno in _LASTING:
        return f"{path} cannot be read: {error.strerror}"
    raise error


def copy_metrics(database: Path, to: Path) -> str:
    """Copy the metrics; why they cannot be, if so. Raises HostError for what may pass."""
    try:
        os.close(files.opened(database, os.O_RDONLY))
        copies.write(database, to)
    except files.NotRegular as error:
        return error.message
    except OSError as error:
        return _lasting(error, database)
    except Damaged as error:
        to.unlink(missing_ok=True)
        return error.message
    return ""


def gather(cloud: Cloud, stage: Path, copy: State, owned: Sequence[Layer], missing: Mapping[str, str], *, disks: bool) -> Found:
    """Of copies in `stage`, of which one is the state `copy` with the layers `owned`; with `disks` also of those files.

    Base images that are known to be `missing`, with the reasons, are not looked at again, nor are the settings.
    """
    found = Found(disks, [], sorted(layer.id for layer in owned), [], dict(missing), [])
    if (settings := config.file()).is_file() and SETTINGS not in missing:
        found.sources.append(Source(SETTINGS, settings, linked=True))
    names = {str(path.relative_to(stage)): path for path in sorted(stage.rglob("*")) if path.is_file()}
    found.sources.extend(Source(name, path) for name, path in names.items() if own_names.is_in_backup(name))
    _add_images(store(cloud.settings), copy, found)
    for layer in sorted(owned, key=lambda layer: layer.id) if disks else ():
        found.sources.append(Source(f"volumes/{layer.id}.qcow2", Path(layer_files.path(cloud, layer)), linked=True))
    return found


def layer_of(source: Path) -> str:
    """The id of the layer whose file this is."""
    return source.name.removesuffix(".qcow2") if own_names.is_disk(source.name.removesuffix(".qcow2")) else ""


def _add_images(images: ImageStore, copy: State, found: Found) -> None:
    """The base images that a state needs: what its disks stand on, and by reference only what its AMIs start from."""
    stood_on = set(_stood_on(copy))
    for image_id in sorted(set(needed_images(copy)) - found.missing.keys()):
        if why := backup_unfit.of_image(images, image_id, thorough=found.disks and image_id in stood_on):
            found.missing[image_id] = why
            continue
        known, disk = images.get(image_id), images.path(image_id)
        found.images.append(ImageFile(image_id, known.name, known.source, disk.stat().st_size, known.sha256))
        if found.disks and image_id not in stood_on:
            found.notes.append(
                f"the base image {image_id} ({known.name}) is in the backup by reference only, no disk of it stands on that"
            )
        elif found.disks:
            names = {f"images/{image_id}/{path.name}": path for path in sorted(disk.parent.iterdir())}
            found.sources.extend(Source(name, path) for name, path in names.items() if own_names.is_in_backup(name))


def needed_images(copy: State) -> Iterator[str]:
    """The ids of the base images that something stands on, or that may still be launched."""
    launched = {image.base for image in copy.images.find(state="available")}
    yield from _stood_on(copy)
    yield from (layer.base for layer in copy.layers.query("base != ''") if layer.base in launched)


def _stood_on(copy: State) -> Iterator[str]:
    """Those that disks stand on, or whose kernels instances and AMIs of disks of their own may start with."""
    started = {row.image_id for row in copy.instances.query("state != 'terminated'")}
    yield from (image.base for image in copy.images.query("base != ''") if image.id in started)
    yield from (image.base for image in copy.images.find(state="available") if image.base not in ("", image.id))
    parents = {layer.parent for layer in copy.layers.query()}
    tops = {volume.layer_id for volume in copy.volumes.query()}
    yield from (layer.base for layer in copy.layers.query("base != ''") if layer.id in parents | tops)
