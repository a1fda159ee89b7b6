"""A backup of the host itself: one file with the state, the keys and, if asked for, the disks. Made while all goes on.

1. With disks: nothing writes one layer into another from here on (`layers.MERGES`), and each volume gets a snapshot.
2. While nobody writes to the state: it is copied, with the keys. The copies are what the backup is of; what follows takes time.
3. With disks: the copy's volumes become what the snapshots are (`backup_copy`). All of its layers' files change no more.
4. The archive is written under another name, is flushed, and gets its own.

Killed at any point it leaves no file of the wanted name; what it leaves else goes with the next pass.
"""

import contextlib
import dataclasses
import errno
import os
import secrets
import shutil
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .. import __version__
from ..aws import times
from ..cloud import Cloud
from ..errors import Damaged, Permanent, Retry, StateError, UsageError
from ..host import archive, backup_manifest
from ..host.backup_manifest import Manifest
from ..state import copies
from ..state.store import VERSION, State
from . import alone, backup_copy, backup_freeze, backup_record, backup_sources, backup_unfit, generations, layers, locks
from .backup_freeze import PARTIAL, STAGE, Say
from .backup_sources import Found, Source

Progress = Callable[[int, int], None]
_ROUNDS = 5
_MERGE_PATIENCE = 3600.0
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def make(cloud: Cloud, target: Path, *, disks: bool, say: Say, progress: Progress) -> Manifest:
    """Make a backup. Raises UsageError where the file is there already, StateError, HostError."""
    target = target.absolute()
    if os.path.lexists(target):
        raise UsageError(f"{target} exists already; a backup replaces nothing")
    if not target.parent.is_dir():
        raise UsageError(f"there is no directory {target.parent}")
    backup_freeze.refuse_inside(cloud.settings.home, target)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locks.held(cloud.settings.run, backup_freeze.LOCK))
        except locks.Busy as error:
            raise StateError(
                alone.other(cloud.settings.run) or "another minicloud backup is being made; try again when it has ended"
            ) from error
        try:
            return _make(cloud, target, disks=disks, say=say, progress=progress)
        finally:
            backup_freeze.clear(cloud.settings.home)
            if released := backup_freeze.release(cloud):
                stack.close()
                cloud.worker.work(released)


def _make(cloud: Cloud, target: Path, *, disks: bool, say: Say, progress: Progress) -> Manifest:
    home, backup_id = cloud.settings.home, secrets.token_hex(16)
    backup_freeze.clear(home)
    with contextlib.ExitStack() as stack:
        if disks:
            _begin(cloud, stack, say)
        stage = home / STAGE
        stage.mkdir(mode=0o700)
        batch = f"{backup_freeze.BATCH}{backup_id[:12]}"
        known, keys = _copy(cloud, stage, batch if disks else "", say)
        copy = State(stage / "state.sqlite")
        left_out = {volume.id: known[volume.id] for volume in copy.volumes.query("state != 'deleting'") if volume.id in known}
        messages = _unquiesced(copy, batch)
        owned = backup_copy.settle(copy, batch, left_out) if disks else copy.layers.find(base="", made=True)
        say("looking at what is to be copied")
        lost, images = backup_unfit.of_layers(cloud, owned) if disks else {}, dict[str, str]()
        while True:
            left_out |= backup_copy.lose(copy, lost)
            there = [layer for layer in owned if layer.id not in lost]
            found = backup_sources.gather(cloud, stage, copy, there, images, disks=disks)
            absent = left_out | keys | found.missing
            manifest = _manifest(cloud, copy, backup_id, found, [*messages, *_absences(absent), *found.notes])
            copy.close()
            say(f"writing {target}")
            try:
                _write(target, stage, manifest, found.sources, progress)
                break
            except archive.Unreadable as error:
                say(f"{error}; looking whether all others can be read")
                for one in [error, *_unreadable_after(error.path, found.sources)]:
                    _note_unreadable(one, found, lost, images)
                    say(f"{one}; once more, without it")
    if why := backup_record.write(cloud.settings, target, manifest, sorted(absent)):
        manifest = dataclasses.replace(manifest, messages=(*manifest.messages, why))
    return manifest


def _absences(absent: Mapping[str, str]) -> list[str]:
    return [f"{name} is not in the backup: {why}" for name, why in sorted(absent.items())]


def _unreadable_after(path: Path, sources: Sequence[Source]) -> list[archive.Unreadable]:
    """What else cannot be read of the files that follow one. With many such files an archive each would be written in vain."""
    found = list[archive.Unreadable]()
    for source in sources[[source.path for source in sources].index(path) + 1 :]:
        try:
            with open(os.devnull, "wb") as nowhere:
                archive.Writer(nowhere).add_file(source.name, source.path, linked=source.linked)
        except archive.Unreadable as error:
            found.append(error)
        except OSError as error:
            raise Permanent(f"{source.path} cannot be copied: {error}") from error
    return found


def _note_unreadable(error: archive.Unreadable, found: Found, lost: dict[str, str], images: dict[str, str]) -> None:
    """A disk, a base image or the settings are left out. Raises the error again where it is of another file: without that there
    is no backup.
    """
    layer_id = backup_sources.layer_of(error.path)
    image_id = next((one.image_id for one in found.images if one.image_id == error.path.parent.name), "")
    if layer_id in found.layers:
        lost[layer_id] = error.message
    elif image_id:
        images[image_id] = error.message
    elif Source(backup_sources.SETTINGS, error.path, linked=True) in found.sources:
        images[backup_sources.SETTINGS] = error.message
    else:
        raise error


def _begin(cloud: Cloud, stack: contextlib.ExitStack, say: Say) -> None:
    if why := generations.refusal(cloud):
        raise StateError(why)
    backup_unfit.refuse_absent(cloud)
    say("waiting for merges of layers to end")
    try:
        stack.enter_context(locks.held(cloud.settings.run, layers.MERGES, _MERGE_PATIENCE))
    except locks.Busy as error:
        raise Retry(f"layers are being merged: {error}") from error


def _copy(cloud: Cloud, stage: Path, batch: str, say: Say) -> tuple[dict[str, str], dict[str, str]]:
    """Copy state and keys at one moment, at which each volume has its snapshot if there is to be one. The volumes that could
    have none, by their ids, with the reasons; and so the keys, and the metrics, that cannot be copied, by their names.
    """
    left_out, state, metrics = dict[str, str](), cloud.settings.database, cloud.settings.metrics_database
    for _ in range(_ROUNDS):
        if batch:
            backup_freeze.freeze(cloud, batch, left_out, say)
            backup_freeze.settle_jobs(cloud, say)
        with cloud.state.transaction():
            if batch and backup_freeze.missing(cloud, batch, left_out):
                continue
            try:
                copies.write(state, stage / "state.sqlite")
            except Damaged as error:
                raise StateError(f"the state {error.message}; without it there is no backup") from error
            keys = backup_sources.copy_keys(cloud.settings.home, stage)
        copies.check(stage / "state.sqlite", f"the state {state}")
        if os.path.lexists(metrics) and (why := backup_sources.copy_metrics(metrics, stage / "metrics.sqlite")):
            keys["metrics.sqlite"] = why
        return left_out, keys
    raise Retry("volumes come and go too quickly for a backup of their disks")


def _unquiesced(copy: State, batch: str) -> list[str]:
    rows = copy.snapshots.query("state = 'completed' and batch like ? and message != ''", [f"{batch}%"])
    return [f"{row.volume_id}: {row.message}" for row in rows]


def _manifest(cloud: Cloud, copy: State, backup_id: str, found: Found, messages: Sequence[str]) -> Manifest:
    own = copy.identity
    return Manifest(
        format=backup_manifest.FORMAT,
        id=backup_id,
        created=times.now(),
        minicloud=__version__,
        identity=own.id,
        generation=own.generation,
        database=VERSION,
        disks=found.disks,
        region=cloud.settings.region,
        account=cloud.settings.account_id,
        host=socket.gethostname(),
        size=sum(source.occupies for source in found.sources),
        members={source.name: source.path.stat().st_size for source in found.sources},
        layers=tuple(found.layers),
        images=tuple(found.images),
        volumes=len(copy.volumes.query()),
        instances=len(copy.instances.query("state != 'terminated'")),
        messages=tuple(messages),
    )


def _write(target: Path, stage: Path, manifest: Manifest, sources: Sequence[Source], progress: Progress) -> None:
    """Write it as `.minicloud-NUMBER.partial`, which is noted first, so that a later pass finds it."""
    free = shutil.disk_usage(target.parent).free
    if free < manifest.size:
        raise Permanent(f"the backup needs {_gib(manifest.size)}, and {target.parent} has {_gib(free)} left")
    partial, done = target.with_name(f".minicloud-{secrets.token_hex(8)}.{PARTIAL}"), 0

    def told(size: int) -> None:
        nonlocal done
        done += size
        progress(done, manifest.size)

    backup_freeze.note_partial(stage.parent, partial)
    try:
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            written = archive.Writer(file, told)
            written.add_bytes(backup_manifest.NAME, backup_manifest.encode(manifest))
            for source in sources:
                written.add_file(source.name, source.path, linked=source.linked)
            written.finish()
            file.flush()
            os.fsync(file.fileno())
        _name(partial, target)
    except archive.Unreadable:
        partial.unlink(missing_ok=True)
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise Permanent(f"no room is left in {target.parent} for the backup, of {_gib(manifest.size)}: {error}") from error
        raise Permanent(f"the backup cannot be written: {error}") from error


def _name(partial: Path, target: Path) -> None:
    """Give a file its name, which nothing may have; where the file system knows no links, that is looked at just before."""
    try:
        os.link(partial, target)
        partial.unlink()
    except FileExistsError as error:
        raise UsageError(f"{target} exists already; a backup replaces nothing") from error
    except OSError:
        if os.path.lexists(target):
            raise
        partial.rename(target)
    descriptor = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that writes names by itself
            raise
    finally:
        os.close(descriptor)


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB"
