"""Restoring a backup of the host: what keeps it from being done, then reading it (`restore_stage`), then putting it in place.

What is here is not replaced unless that is asked for, and then it is put aside. Killed at any point, all is as before, or as it
was in the backup, or every command says that the restoration must be finished, which the same command does.
"""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ..cloud import Cloud
from ..errors import ApiError, HostError, Permanent, StateError
from ..host import shared_databases
from ..host.backup_manifest import Manifest
from ..host.base_images import store
from ..host.contracts import Power
from ..state.store import VERSION
from . import alone, backup_freeze, generations, layer_files, layers, off_guests, restore_fit, restore_install, restore_stage
from .backup_sources import needed_images
from .restore_stage import Progress

Check = Callable[[Cloud], None]


def _nothing(_: Cloud) -> None:
    pass


def restore(
    cloud: Cloud, path: Path, *, replace: bool, anyway: bool, progress: Progress, adoptable: Check = _nothing
) -> list[str]:
    """Do it; what was done and what is still to be done, in sentences. Raises UsageError, StateError, ApiError, HostError.

    `replace`: what is here is put aside. `anyway`: although disks are newer than the state, or are missing; then
    `cli.adoption` is to follow, and `adoptable` raises what keeps it from that, before anything is changed.
    """
    backup_freeze.refuse_inside(cloud.settings.home, path)
    manifest = restore_stage.look(path)
    home = cloud.settings.home
    with _alone(cloud):
        if not restore_stage.is_ready(home, manifest):
            _refuse(cloud, manifest, replace=replace)
            joined = restore_stage.lay_out(cloud, path, manifest, progress)
            try:
                _prepare(cloud, manifest, restore_stage.of(home) / "state.sqlite", anyway=anyway, adoptable=adoptable)
                restore_fit.refuse(cloud, manifest)  # again: reading a backup may take hours
                restore_stage.declare_ready(home, path, manifest, _aside(home))
            except BaseException:
                restore_stage.give_up(cloud, joined=joined)
                raise
        else:
            restore_fit.refuse(cloud, manifest)
        for host in (cloud.host_as_found, cloud.host_of(manifest.identity)) if manifest.disks else ():
            off_guests.keep_all_off(host)  # what they were started with, or saved with, goes aside
        done = restore_install.put(cloud, manifest)
        restored = cloud.with_database(cloud.settings.database)
        try:
            _correct(restored)
            return [*done, *_told(restored)]
        finally:
            restored.state.close()


def examine(cloud: Cloud, path: Path, *, replace: bool, anyway: bool, progress: Progress, adoptable: Check = _nothing) -> None:
    """Read all of a backup, and raise what would keep it from being restored, as far as is told without writing it.

    What only a restoration looks at are the disks' own structures. The state is copied to where it is looked at, and is deleted.
    """
    backup_freeze.refuse_inside(cloud.settings.home, path)
    manifest = restore_stage.look(path)
    with tempfile.TemporaryDirectory(prefix="minicloud-") as place:
        restore_stage.verify(cloud, path, manifest, Path(place), progress)
        if not restore_stage.is_ready(cloud.settings.home, manifest):
            _refuse(cloud, manifest, replace=replace)
            _prepare(cloud, manifest, Path(place) / "state.sqlite", anyway=anyway, adoptable=adoptable)
        else:
            restore_fit.refuse(cloud, manifest)


@contextlib.contextmanager
def _alone(cloud: Cloud) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        stack.enter_context(alone.held(cloud.settings.run, "restore"))
        stack.enter_context(backup_freeze.none_made(cloud.settings.run))
        backup_freeze.clear(cloud.settings.home)
        yield


def _aside(home: Path) -> Path:
    found = home / restore_fit.REPLACED / time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    first, number = found, 1
    while found.exists():
        found, number = first.with_name(f"{first.name}-{number}"), number + 1
    return found


def _refuse(cloud: Cloud, manifest: Manifest, *, replace: bool) -> None:
    """Raise what keeps this backup from being restored here, as far as it can be told before it is read."""
    settings = cloud.settings
    shared_databases.refuse(settings.home)
    if manifest.database > VERSION:
        raise StateError(f"the backup was made by a newer minicloud ({manifest.minicloud}); upgrade this one")
    for name, there, here in (
        ("region", manifest.region, settings.region),
        ("account_id", manifest.account, settings.account_id),
    ):
        if there != here:
            raise StateError(f"the backup is of {name} {there!r}, here it is {here!r}: set {name} in the settings to that first")
    restore_fit.refuse(cloud, manifest)
    has_state = settings.database.exists() and settings.database.stat().st_size > 0
    disks = cloud.host_as_found.disks.list() if manifest.disks else {}
    cloud.state.close()
    if not replace and (has_state or disks):
        what = settings.database if has_state else f"{len(disks)} disks, such as {min(disks)}"
        raise StateError(f"there is something here already ({what}); with --replace it is put aside, and nothing is deleted")
    if manifest.disks:
        _refuse_running(cloud, manifest)


def _refuse_running(cloud: Cloud, manifest: Manifest) -> None:
    """Guests that run write to disks that are about to go aside, or to such as are gone already, and would be taken for right."""
    hosts = (cloud.host_as_found, cloud.host_of(manifest.identity))
    guests = {name: guest for host in hosts for name, guest in host.guests.list().items()}
    on = [name for name, guest in guests.items() if guest.power in (Power.RUNNING, Power.PAUSED)]
    in_use = cloud.host_as_found.disks.in_use()
    cloud.state.close()
    if not on and in_use:  # by a guest of a third state, or one that somebody started by hand
        place = cloud.host_of(manifest.identity).disks.path(min(in_use))
        raise StateError(
            f"a process has disks open that are here ({len(in_use)}): end it first (fuser {place} tells which it is)"
        )
    if on:
        raise StateError(
            f"guests run with other disks than those of the backup ({', '.join(sorted(on)[:5])}): stop them first, or take them "
            "off this host (minicloud uninstall, which keeps the data)"
        )


def _prepare(cloud: Cloud, manifest: Manifest, database: Path, *, anyway: bool, adoptable: Check) -> None:
    """The state as it goes into its place. Raises StateError where the disks that are here are not those that it counts on."""
    stage = cloud.with_database(database)
    try:
        _let_start(stage)
        if manifest.disks:
            with contextlib.suppress(Permanent):  # a damaged one goes with its disks
                if (stamp := stage.host.disks.stamp()) is not None:
                    stage.state.advance(beyond=stamp.generation)
            return
        why = _missing(stage) if generations.absent(stage) else generations.refusal(stage)
        if anyway and why:
            adoptable(stage)
        elif not anyway and (why := why or _missing(stage)):
            raise StateError(f"{why}. With --anyway it is restored nevertheless")
    finally:
        stage.state.close()


def _let_start(stage: Cloud) -> None:
    """What ran when the backup was made starts: that its guest is off says nothing of it, the guest was stopped later."""
    on = {name for name, guest in stage.host.guests.list().items() if guest.power in (Power.RUNNING, Power.PAUSED)}
    with stage.state.transaction():
        for row in stage.state.instances.find(wish="running", state="running"):
            if row.id not in on:
                stage.state.instances.change(row.id, state="pending")


def _missing(stage: Cloud) -> str:
    """Which disks are not here, of those that a state without disks counts on."""
    there = stage.host.disks.list()
    wanted = {layer.id for layer in stage.state.layers.query("base = ''") if layer.made}
    if not (lost := sorted(wanted - there.keys())):
        return ""
    place = Path(stage.host.disks.path(lost[0])).parent
    return (
        f"the backup has no disks, and {len(lost)} of the {len(wanted)} that it counts on are not here, such as {lost[0]}: "
        f"bring them to {place} first (rsync -a --sparse, with minicloud.json), or restore a backup made with --with-disks"
    )


def _correct(cloud: Cloud) -> None:
    """Disks that were brought here from another place stand where they are now; what they stand on may be missing."""
    if generations.refusal(cloud):
        return
    with contextlib.suppress(HostError):
        layer_files.follow_aside(cloud)
    for layer in cloud.state.layers.find(base="", made=True):
        with contextlib.suppress(HostError):
            layers.correct_headers(cloud, layer.id)


def _told(cloud: Cloud) -> Iterator[str]:
    """What is still to be done."""
    try:
        images = store(cloud.settings)
        there = {manifest.image_id for manifest in images.list()}
        for image_id in sorted(set(needed_images(cloud.state)) - there):
            row = cloud.state.images.get(image_id)
            yield (
                f"the base image {image_id} ({row.name if row else 'unknown'}) is not here: bring its directory from where the "
                f"backup was made to {images.directory / image_id}"
            )
    except (ApiError, HostError, OSError) as error:
        yield f"the base images could not be looked at: {error}"
