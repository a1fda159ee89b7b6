"""Whether this state may change what is on this host's disks: it is theirs, and it is not older than they are.

The state counts the changes of its layers, and of which guest has which volume (its generation), and the count of the last one
begun is written beside the disks (`Disks.stamp`). The order of each change is: the state counts, on the disk; the stamp, on the
disk; the layers, or the guest; the rows.

- At every moment, also after a kill or a power failure, the stamp is at most what its own state counts: `count` is the first
  thing that is done. So a stamp that is ahead has one meaning only: the state is an older one, restored from a backup.
- A state that is ahead of the stamp was killed between the first two steps: nothing of layers was changed, nothing is to mend.
- A copy of the state that was made between a count and the end of its change is what a kill at that moment leaves, which the
  next pass mends as ever; any later change counts again, and shows that the copy is older.
- Two that count at once take turns, or the slower would write the smaller number last.

With an older state nothing on the host is changed, nothing is removed because no row names it, and what would be is refused;
what is known is told. `minicloud adopt` lets it go on (`adoption`). A state with another identity than the disks' is that of
another minicloud: with it nothing is answered. Disks without a stamp were made by a minicloud that wrote none: they belong to
the state that has a row for one of them, if that has counted nothing yet. One that has counted, and has layers, has written a
stamp: where there is none it was lost, or what is there is not where the disks are, such as the place of a file system that is
not mounted yet. With that, too, nothing is changed.
"""

import os
import shlex
import sqlite3
from collections.abc import Callable
from pathlib import Path

from ..cloud import Cloud
from ..errors import ApiError, Retry, StateError, UsageError
from ..host import disk_links, failures
from ..host.contracts_storage import Merged, Stamp
from ..state.rows_identity import Identity
from . import locks

_LOCK = "generation"
_PATIENCE = 60.0
_REMEDY = (
    "restore the newest backup; to go on knowingly with this one, minicloud adopt, which puts aside disks that it does not know"
)


def strange(cloud: Cloud) -> str:
    """Why the disks are another state's; empty where they are this one's. Raises HostError."""
    stamp = cloud.host.disks.stamp()
    return _strange(cloud, stamp, cloud.state.identity)


def _strange(cloud: Cloud, stamp: Stamp | None, own: Identity) -> str:
    database = cloud.settings.database
    if stamp is not None:
        said = f"the disks belong to the state {stamp.identity}, and {database} is the state {own.id} of another minicloud"
        return "" if stamp.identity == own.id else f"{said}: {_REMEDY}"
    if not (found := cloud.host.disks.list()):
        return ""
    owners = {disk_id.partition("-ephemeral")[0] for disk_id in found}
    if cloud.state.layers.among("id", owners) or cloud.state.instances.among("id", owners):
        return ""
    return f"{database} knows none of the disks that are there (such as {min(found)}): {_REMEDY}"


def refusal(cloud: Cloud) -> str:
    """Why nothing may be changed with this state, and what to do; empty where all is well. Raises HostError."""
    stamp = cloud.host.disks.stamp()  # before the state is asked, which is never behind
    own = cloud.state.identity
    if why := _strange(cloud, stamp, own):
        return why
    if stamp is None:
        return absent(cloud) or _unstamped(cloud)
    if stamp.generation <= own.generation:
        return ""
    return (
        f"{cloud.settings.database} is older than the disks: it has counted {own.generation} changes of them, and there were "
        f"{stamp.generation}. It was restored from a backup, or copied: {_REMEDY}"
    )


def absent(cloud: Cloud) -> str:
    """That none of this state's disks is where disks are, nor their stamp, and what to do; else empty. Raises HostError."""
    layers = _stamped_layers(cloud)
    if not layers or layers & cloud.host.disks.list().keys() or cloud.host.disks.stamp() is not None:
        return ""
    return (
        f"none of the {len(layers)} disks that {cloud.settings.database} counts on is in {_place(cloud)}, nor minicloud.json, "
        "which is beside them: is that mounted? Nothing is changed until they are there. If they are lost: restore a backup with "
        f"disks; to go on without them, {_without(_place(cloud))}"
    )


def _without(place: Path) -> str:
    """How to go on without disks that are lost: what is in their place may be where a file system is mounted later."""
    away = shlex.join(["mv", str(place), f"{place}.lost"])
    return f"move that directory away ({away}), then minicloud adopt" if os.path.lexists(place) else "minicloud adopt"


def refuse_unmounted(cloud: Cloud) -> None:
    """Raise StateError where none of the disks is in the place for them, which is there: going on would give them up."""
    if os.path.lexists(_place(cloud)) and (why := absent(cloud)):
        raise StateError(why)


def _unstamped(cloud: Cloud) -> str:
    """The stamp is looked for last: another process may just have written the first."""
    if not _stamped_layers(cloud) or cloud.host.disks.stamp() is not None:
        return ""
    return (
        f"minicloud.json is not beside the disks in {_place(cloud)}, so that nothing tells whether {cloud.settings.database} is "
        f"older than they are: bring it from where they were; if it is lost: {_REMEDY}"
    )


def _stamped_layers(cloud: Cloud) -> set[str]:
    """The layers of a state that has counted changes: it has written a stamp before it made, or changed, one."""
    found = {layer.id for layer in cloud.state.layers.find(base="", made=True)}
    return found if cloud.state.identity.generation else set()


def _place(cloud: Cloud) -> Path:
    return cloud.settings.home / "volumes"


def count(cloud: Cloud, *, layer: str = "", into: str = "", volume: str = "") -> None:
    """Say, where it lasts, that layers, or who has them, are about to be changed. Raises HostError where they must not be.

    Where a `layer` is about to be merged `into` another, this is said of that, with the `volume` whose top it is: an older
    state finds there what it does not know of, done or not.
    """
    with locks.held(cloud.settings.run, _LOCK, _PATIENCE):
        if why := refusal(cloud):
            raise Retry(why)
        own, before = cloud.state.advance(), cloud.host.disks.stamp()
        merged = dict(before.merged) if before is not None else {}
        if into:
            known = {layer.id for layer in cloud.state.layers.query()}
            merged = {layer_id: one for layer_id, one in merged.items() if layer_id in known}
            merged[into] = Merged(own.generation, layer, volume)
        cloud.host.disks.put_stamp(Stamp(own.id, own.generation, merged))


@failures.of_system()
def note_place(cloud: Cloud) -> None:
    """Where there are disks, let it be written beside them where they are (`disk_links`). Raises HostError, Busy."""
    volumes = cloud.settings.home / "volumes"
    if volumes.is_dir() and (cloud.host.disks.stamp() is not None or cloud.host.disks.list()) and disk_links.must_note(volumes):
        with locks.held(cloud.settings.run, _LOCK, _PATIENCE):
            disk_links.note(volumes)


def check(cloud: Cloud) -> None:
    """For what changes something, but no layers. Raises StateError, HostError."""
    if why := refusal(cloud):
        raise StateError(why)


def known_refusal(cloud: Cloud) -> str:
    """The same as `refusal` where that can be told. Where it cannot, what changes layers or starts guests fails by itself."""
    return _if_known(lambda: refusal(cloud))


def known_strange(cloud: Cloud) -> str:
    """The same of `strange`."""
    return _if_known(lambda: strange(cloud))


def _if_known(ask: Callable[[], str]) -> str:
    try:
        return ask()
    except (StateError, UsageError, sqlite3.Error):
        raise
    except Exception:  # noqa: BLE001  whatever the driver raises: the pass's first stage tells it
        return ""


def admit(cloud: Cloud, *, reads: bool) -> None:
    """Let an operation in: a reading one with an older state, too. Raises ApiError."""
    if why := known_strange(cloud) if reads else known_refusal(cloud):
        raise ApiError("OperationNotPermitted", why)
