"""Putting what was laid out (`restore_stage`) into its places. Each step may be done again; nothing is deleted.

The state that was there goes first, and the new one comes last. In between there is none, beside what only a state can have left
(`remains`), and with that every command says so and does nothing.
"""

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from .. import files
from ..cloud import Cloud
from ..errors import StateError
from ..host import account, disk_stamp, own_names
from ..host.backup_manifest import Manifest
from ..host.contracts_storage import Stamp
from ..state import copies
from . import restore_stage

_LOGS = ("", "-wal", "-shm", "-journal")


def put(cloud: Cloud, manifest: Manifest) -> list[str]:
    """Do it; what was done, in sentences. The caller holds the locks. Raises StateError where another command uses the state."""
    home, done = cloud.settings.home, list[str]()
    aside = restore_stage.aside(home)
    cloud.state.close()
    if retire(cloud.settings.database, aside):
        done.append(f"the state that was here is in {aside}")
    if manifest.disks:
        done += _put_disks(cloud, manifest)
    if (restore_stage.of(home) / "metrics.sqlite").exists():
        retire(cloud.settings.metrics_database, aside)
    _put_files(home, aside, manifest)
    with copies.alone(new := restore_stage.of(home) / "state.sqlite"):  # a log of its own would be lost with its old name
        pass
    new.rename(cloud.settings.database)
    restore_stage.sync(home)
    restore_stage.clear(home)
    return done


def retire(database: Path, aside: Path) -> bool:
    """Move a database away, with its logs, while nobody has it open; whether there was one."""
    there = database.exists()
    if there and database.is_file():
        with copies.alone(database):
            _move(database, aside / database.name)
    elif there:
        raise StateError(f"{database} is a directory: move it away")
    for suffix in _LOGS[1:]:
        log = database.with_name(database.name + suffix)
        if log.exists():
            _move(log, aside / log.name)
    return there


def _move(path: Path, to: Path) -> None:
    """Away from its place; a relative link leads to the same file from where it goes."""
    files.directory(to.parent, 0o700)
    while os.path.lexists(to):  # of an attempt that was cut short between two of these steps
        to = to.with_name(f"{to.name}-again")
    if path.is_symlink() and not os.path.isabs(os.readlink(path)):
        to.symlink_to(os.path.realpath(path))
        path.unlink()
    else:
        _rename(path, to)
    restore_stage.sync(path.parent)


def _rename(path: Path, to: Path) -> None:
    """A file gets another name, which may be on another file system: a directory of keys may be a link of somebody's."""
    try:
        path.rename(to)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(path, to)
    restore_stage.sync(to.parent)


def _copy(path: Path, to: Path) -> None:
    """It has both names for a moment, or for ever if this is cut short. A database whose file is closed here loses its locks, so
    that is done last.
    """
    draft = to.with_name(f".{to.name}.new")
    with path.open("rb") as old:
        try:
            with os.fdopen(files.draft(draft, 0o600), "wb") as new:
                shutil.copyfileobj(old, new)
                was = os.fstat(old.fileno())
                os.fchown(new.fileno(), was.st_uid, was.st_gid)
                os.fchmod(new.fileno(), stat.S_IMODE(was.st_mode))
                new.flush()
                os.fsync(new.fileno())
            draft.rename(to)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        restore_stage.sync(to.parent)
        path.unlink()


def _put_disks(cloud: Cloud, manifest: Manifest) -> Iterator[str]:
    """Those that are there go aside, and stand on one another there; then the new ones come."""
    home = cloud.settings.home
    stage, disks = restore_stage.of_disks(home), cloud.host_as_found.disks
    laid = {path.name.removesuffix(".qcow2") for path in stage.glob("*.qcow2")}
    new = {name.removeprefix(restore_stage.DISKS).removesuffix(".qcow2") for name in manifest.members}
    if old := sorted(set(disks.list()) - (new - laid)):
        yield f"{len(old)} disks that were here are in {disks.set_aside(old, f'the backup of {manifest.created} was restored')}"
    disk_stamp.follow(home / "volumes")
    for path in sorted(stage.glob("*.qcow2")):
        path.rename(home / "volumes" / path.name)
    restore_stage.sync(home / "volumes")
    restored = cloud.with_database(restore_stage.of(home) / "state.sqlite").state
    with contextlib.closing(restored):
        own = restored.identity
        disks.put_stamp(Stamp(own.id, own.generation))


def _put_files(home: Path, aside: Path, manifest: Manifest) -> None:
    """Keys, and the metrics. Of guests' variables of their firmware those that are beside the disks are kept with these."""
    stage = restore_stage.of(home)
    for path in sorted(stage.rglob("*")):
        below = path.relative_to(stage)
        if not path.is_file() or not (own_names.is_key(str(below)) or str(below) == "metrics.sqlite"):
            continue
        final = home / below
        if final.exists() and below.parts[0] == "nvram" and not manifest.disks:
            continue
        if os.path.lexists(final) and not _is_same(final, path):
            _move(final, aside / below)
        elif final.is_symlink():
            continue
        _permit(path, below)
        if below.parts[0] == "nvram":
            account.directory(final.parent)
        final.parent.mkdir(mode=0o700, exist_ok=True)
        _rename(path, final)


def _is_same(one: Path, other: Path) -> bool:
    """Whether two files have the same bytes. One that cannot be read has others."""
    try:
        return files.read(one) == files.read(other)
    except (OSError, files.NotRegular):
        return False


def _permit(path: Path, below: Path) -> None:
    """The endpoint's certificate is for all to read, the variables of a guest's firmware are for QEMU to write."""
    if below.name == "endpoint.pem":
        path.chmod(0o644)
    elif below.parts[0] == "nvram" and os.geteuid() == 0:
        os.chown(path, account.hypervisor().uid, account.hypervisor().gid)
