"""The volumes as they are at one moment each instance, for a backup of the host with its disks.

A snapshot of each volume, those of an instance together, by the very steps of any snapshot: so a kill at any point is mended
as it is there, and guests go on meanwhile. They are told by their batch, which no request can choose, and go when the backup is
done; those that a killed one left go with the next pass (`sweep`).
"""

import contextlib
import json
import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from .. import files
from ..aws import times
from ..aws.ids import new_id
from ..cloud import Cloud
from ..errors import Permanent, Retry, StateError, UsageError
from ..host import disk_links, remains
from ..host.base_images import store
from ..host.contracts_storage import refuse_strangers
from ..state import chains
from ..state.rows import Volume
from ..state.rows_storage import Snapshot
from . import backup_unfit, locks, snapshots

log = logging.getLogger(__name__)

LOCK = "backup"
"""Held by whoever makes a backup, or restores one."""
BATCH = "backup-"
DESCRIPTION = "Kept while minicloud backup copies the disks"
STAGE, PARTIAL = ".backup", "partial"
"""Below the home: where a backup keeps copies of databases, and the name of the file that it writes."""
_PATIENCE, _ATTEMPTS, _PAUSE = 60.0, 5, 0.1
_MERGED = 3600.0
"""As long as a guest may take for a merge that a backup waits for, in seconds."""
_BRIEFLY = 1.0
"""As long as a pass may hold the lock, in seconds."""

_DONE = "batch like ? and state != 'pending'"

Say = Callable[[str], None]


def missing(cloud: Cloud, batch: str, left_out: Collection[str]) -> list[Volume]:
    """The volumes that have blocks of their own, are not about to go, and of which this backup has taken no snapshot, but for
    those `left_out`.
    """
    state = cloud.state
    done = {row.volume_id for row in state.snapshots.query("batch like ?", [f"{batch}%"]) if row.state != "pending"}
    done.update(left_out)
    made = {layer.id for layer in state.layers.find(made=True)}
    return [row for row in state.volumes.query("state != 'deleting'") if row.id not in done and row.layer_id in made]


def freeze(cloud: Cloud, batch: str, left_out: dict[str, str], say: Say) -> None:
    """Take a snapshot of each volume that has none of this backup. One that cannot be copied is put into `left_out`, with the
    reason; HostError is raised for what may pass.
    """
    found = _fit(cloud, missing(cloud, batch, left_out), left_out, say)
    for instance_id in sorted({volume.instance_id for volume in found}):
        of_instance = [volume for volume in found if volume.instance_id == instance_id]
        for group in [of_instance] if instance_id else [[volume] for volume in of_instance]:
            say(f"a snapshot of {instance_id or group[0].id}")
            _take_of(cloud, f"{batch}-{instance_id or group[0].id}", group, left_out, say)


def _take_of(cloud: Cloud, batch: str, group: list[Volume], left_out: dict[str, str], say: Say) -> None:
    """A snapshot of some volumes together, without those of which it turns out that they cannot be copied."""
    while group:
        try:
            _take(cloud, batch, group)
            break
        except Permanent:
            there = cloud.state.volumes.query("state != 'deleting'")
            left = _fit(cloud, [row for row in there if row.id in {volume.id for volume in group}], left_out, say, thorough=True)
            if len(left) == len(group):
                raise
            _remove(cloud, "batch = ? and state != 'pending'", batch)
            group = left


def _fit(cloud: Cloud, volumes: list[Volume], left_out: dict[str, str], say: Say, *, thorough: bool = False) -> list[Volume]:
    """Those of some volumes that can be copied, as far as can be told."""
    found = []
    for volume in volumes:
        if why := backup_unfit.of_volume(cloud, volume, thorough=thorough):
            say(f"{volume.id} is left out: {why}")
            left_out[volume.id] = why
        else:
            found.append(volume)
    return found


def _take(cloud: Cloud, batch: str, group: list[Volume]) -> None:
    state, deadline = cloud.state, time.monotonic() + _PATIENCE
    while busy := _ask(cloud, batch, group):
        if time.monotonic() > deadline:
            raise Retry(f"another snapshot of {', '.join(sorted({row.volume_id for row in busy}))} is not taken yet")
        snapshots.reconcile(cloud, {row.id for row in busy})
        time.sleep(_PAUSE)
    why = ""
    for _ in range(_ATTEMPTS):
        try:
            snapshots.take(cloud, batch, wait=_PATIENCE)
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001  what a driver raises is recorded in the snapshots, and tried again
            why = str(error)
        if not state.snapshots.find(batch=batch, state="pending"):
            break
    rows = state.snapshots.find(batch=batch)
    if failed := [row for row in rows if row.state != "completed"]:
        told = f"{failed[0].volume_id} cannot be backed up: {failed[0].message or why or 'it is busy'}"
        # Who took them may have been another process: what may pass has failed so often, what stays is given up at once.
        raise Retry(told) if failed[0].failures >= snapshots.MOST_FAILURES else Permanent(told)


def _ask(cloud: Cloud, batch: str, group: list[Volume]) -> list[Snapshot]:
    """Record what is to be taken; or the snapshots of these volumes that are to be taken first: a volume has one at a time."""
    state = cloud.state
    with state.transaction():
        ids = [volume.id for volume in group]
        if busy := [row for row in state.snapshots.among("volume_id", ids) if row.state == "pending"]:
            return busy
        for volume in state.volumes.among("id", ids):
            if chains.depth(state.layers, volume.layer_id) >= chains.MOST_CHAIN:
                raise Retry(f"{volume.id} has as many layers as it can have; try again when minicloud has merged some")
            state.snapshots.add(Snapshot(new_id("snapshot"), volume.id, "", volume.size, DESCRIPTION, times.now(), batch))
    return []


def settle_jobs(cloud: Cloud, say: Say) -> None:
    """Wait until no guest writes one layer into another. The caller holds `layers.MERGES`, so no more is begun.

    Raises Retry where one does so for too long, or another program has a job, which may never end.
    """
    for guest_id in sorted(cloud.host.guests.list()):
        began, told = time.monotonic(), False
        while jobs := cloud.host.blocks.jobs(guest_id):
            if not told:
                say(
                    f"{guest_id} merges layers of its disks"
                    if "" in jobs.values()
                    else f"{guest_id} has a job of another program"
                )
            told, waited = True, time.monotonic() - began
            if waited > _PATIENCE:
                refuse_strangers(guest_id, jobs)
            if waited > _MERGED:
                raise Retry(
                    f"{guest_id} has merged layers of its disks for {round(waited / 60)} minutes; try again when it has ended"
                )
            time.sleep(_PAUSE)


def release(cloud: Cloud) -> list[str]:
    """Remove the snapshots of backups; their ids. What they kept is merged by the next passes.

    One that is still pending may be in the midst of being taken: the next pass finishes it, and it goes then.
    """
    return _remove(cloud, _DONE, f"{BATCH}%")


def _remove(cloud: Cloud, which: str, batch: str) -> list[str]:
    with cloud.state.transaction():
        rows = cloud.state.snapshots.query(which, [batch])
        for row in rows:
            cloud.state.snapshots.remove(row.id)
            for tag in cloud.state.tags.find(resource_id=row.id):
                cloud.state.tags.remove(row.id, tag.key)
    return [row.id for row in rows]


@contextlib.contextmanager
def none_made(run: Path, other: str = "") -> Iterator[None]:
    """Keep backups from being made. Raises StateError while one is; `other` is what `alone.other` says of who may be there
    instead, where the caller is not alone.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locks.held(run, LOCK, _BRIEFLY))
        except locks.Busy as error:
            raise StateError(other or "a backup is being made (minicloud backup); try again when it has ended") from error
        yield


def sweep(cloud: Cloud) -> bool:
    """Remove what backups and restorations that were killed have left; whether there was anything."""
    home = cloud.settings.home
    left = [home / STAGE, *_ended_restoration(home)]
    rows = cloud.state.snapshots.query(_DONE, [f"{BATCH}%"])
    if not rows and not any(path.exists() for path in left):
        return False
    with locks.held(cloud.settings.run, LOCK):
        clear(home)
        for path in _ended_restoration(home):
            store(cloud.settings).sweep()  # images that it laid out are in the store; before what tells of it
            shutil.rmtree(path, ignore_errors=True)
        release(cloud)
    return True


def _ended_restoration(home: Path) -> Iterator[Path]:
    """What is left of a restoration that came to its end, or not to where it changed anything: there is a state. Beside disks
    that another home may have it may be that one's.
    """
    stage, volumes = home / remains.RESTORING, home / "volumes"
    if (home / "state.sqlite").exists():
        if (volumes / remains.RESTORING).exists():
            with contextlib.suppress(Permanent):
                disk_links.refuse_shared_directory(volumes)
                yield volumes / remains.RESTORING
        if stage.exists():
            yield stage


def clear(home: Path) -> None:
    """Remove what a backup keeps beside the state, and the file that it did not finish. Under the lock.

    What that file lies on may be away by now: then it stays, which is logged, and keeps no later backup from being made. So it
    does where the note is of another home, of which this is a copy: a backup may be made there. Raises Permanent, OSError.
    """
    stage = home / STAGE
    if not stage.is_dir() or stage.is_symlink():
        if os.path.lexists(stage):
            raise Permanent(f"{stage} is no directory, as minicloud's is: move it away")
        return
    try:
        said = json.loads(files.read(stage / PARTIAL))
        partial = Path(said["file"])
        if said != _note(home, partial):
            log.warning("the backup that another home began, of which this is a copy, is left alone: %s", partial)
        elif partial.name.startswith(".") and partial.name.endswith(f".{PARTIAL}"):
            partial.unlink(missing_ok=True)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError, KeyError, files.NotRegular) as error:
        log.warning("the file of a backup that was not finished stays where it is: %s", error)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(stage)


def note_partial(home: Path, partial: Path) -> None:
    """Note the file that a backup writes before it is made, so that a later pass of this home removes it."""
    (home / STAGE / PARTIAL).write_text(json.dumps(_note(home, partial)))


def _note(home: Path, partial: Path) -> dict[str, str]:
    return {"file": str(partial), **disk_links.place_of(home / "volumes")}


def refuse_inside(home: Path, file: Path) -> None:
    """Raise UsageError for a backup, there or to be made, where passes and restorations remove what others have left."""
    for swept in (home / STAGE, home / remains.RESTORING, home / "volumes" / remains.RESTORING):
        if any(Path(os.path.realpath(path)).is_relative_to(os.path.realpath(swept)) for path in (file, file.parent)):
            raise UsageError(f"{file} is in {swept}, where minicloud removes what is left: let it be in another directory")
