"""What is on the host and in no row, and what is in a row and not on the host. Told, never deleted: a pure function."""

import shlex
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Permanent
from ..host import doctor
from ..host.facts import Facts, fact, got
from . import doctor_bases
from .doctor_checks import OK, WARN, Check, guarded

if TYPE_CHECKING:
    from ..cloud import Cloud
    from ..state.store import State

_DAYS_ASIDE = 7
_MOST = 20
"""Leftovers of one kind that are listed one by one."""


@dataclass(frozen=True)
class Belongings(Facts):
    """Names on the host, and names that rows account for."""

    guests: frozenset[str]
    disks: frozenset[str]
    seeds: frozenset[str]
    networks: frozenset[str]
    instances: frozenset[str]
    """Instances that have, or may have, something on the host."""
    known_disks: frozenset[str]
    subnets: frozenset[str]
    needed_disks: frozenset[str]
    """Layers whose files have been made: they must be there."""
    abandoned: tuple[Path, ...] = ()
    unfinished: tuple[Path, ...] = ()
    damaged: tuple[tuple[Path, str], ...] = ()
    above: Mapping[str, str] = field(default_factory=dict)
    """What stands on each disk that no row accounts for; empty for nothing."""
    aside: tuple[tuple[Path, float, str], ...] = ()
    """What was put aside: where, how many days ago, and what stands on a disk of it."""
    strangers_aside: tuple[Path, ...] = ()
    """What is in that place and minicloud did not put there."""
    balancers: frozenset[str] = frozenset()
    known_balancers: frozenset[str] = frozenset()
    bases: tuple[doctor_bases.Lost, ...] = ()
    kept_guests: Mapping[str, str] = field(default_factory=dict)
    """Why guests that no row accounts for are to stay."""
    unknown_needs: tuple[tuple[str, str], ...] = ()
    """Why it cannot be told which images other homes need, and the remedies."""


def gather(cloud: "Cloud") -> Belongings:
    """Read host and rows; where there is no database yet, no rows. What cannot be read keeps nothing else from being so."""
    from ..host import disk_stamp
    from ..host.base_images import store
    from ..reconcile import image_needs

    images, there = cloud.settings.images, cloud.settings.database.exists()
    # The host first: what a command that runs now makes meanwhile has a row before it is on the host.
    guests = fact(lambda: frozenset(cloud.host_as_found.guests.list()))
    disks = fact(lambda: frozenset(cloud.host_as_found.disks.list()))
    seeds = fact(lambda: frozenset(cloud.host_as_found.seeds.list()))
    networks = fact(lambda: frozenset(cloud.host_as_found.networks.list()))
    balancers = fact(lambda: frozenset(cloud.host_as_found.balancers.list()))
    rows = fact(lambda: _rows(cloud.state) if there else _Rows())
    return Belongings(
        above=fact(lambda: _above(cloud, got(disks) - got(rows).disks)),
        aside=fact(lambda: tuple(_aside(cloud.settings.home / "volumes"))),
        strangers_aside=fact(lambda: tuple(disk_stamp.strangers(cloud.settings.home / "volumes"))),
        guests=guests,
        kept_guests=fact(lambda: _kept(cloud, got(guests) - got(rows).instances, there=there)),
        disks=disks,
        seeds=seeds,
        networks=networks,
        balancers=balancers,
        known_balancers=fact(lambda: got(rows).balancers),
        instances=fact(lambda: got(rows).instances),
        known_disks=fact(lambda: got(rows).disks),
        subnets=fact(lambda: got(rows).subnets),
        needed_disks=fact(lambda: got(rows).needed),
        bases=fact(lambda: tuple(doctor_bases.lost(cloud)) if there else ()),
        unknown_needs=fact(lambda: tuple(image_needs.unknown(cloud.settings))),
        abandoned=fact(lambda: tuple(doctor.abandoned(images))),
        unfinished=fact(lambda: tuple(doctor.unfinished(images))),
        damaged=fact(lambda: tuple((found.path, found.reason) for found in store(cloud.settings).damaged())),
    )


def _kept(cloud: "Cloud", unknown: frozenset[str], *, there: bool) -> dict[str, str]:
    """Of guests of a newer state, and those whose newest bytes are where only their definition tells."""
    from ..reconcile import foreign_tops, generations

    kept, refusal = dict[str, str](), generations.refusal(cloud) if unknown and there else ""
    for guest in unknown:
        try:
            foreign_tops.refuse_unsaved(cloud.host_as_found, guest)
        except Permanent as error:
            kept[guest] = error.message
        if refusal:
            kept.setdefault(guest, f"it may be of a newer state: {refusal}")
    return kept


def _above(cloud: "Cloud", unknown: frozenset[str]) -> dict[str, str]:
    """Raises where the header of a file cannot be read: nobody knows what it stands on then."""
    from ..host import disk_stamp
    from ..host.disk_index import DiskIndex

    directory = cloud.settings.home / "volumes"
    if unknown:
        DiskIndex(directory, directory / disk_stamp.ASIDE).above(str(directory))
    return {disk: ", ".join(sorted(cloud.host_as_found.disks.above(disk))) for disk in unknown}


def _aside(directory: Path) -> "Iterator[tuple[Path, float, str]]":
    from ..host import disk_stamp
    from ..host.disk_index import DiskIndex

    index, now = DiskIndex(directory, directory / disk_stamp.ASIDE), time.time()
    for place, since in disk_stamp.asides(directory):
        above = {name for path in place.iterdir() for name in index.above(str(path)) if Path(name).parent != place}
        yield place, (now - since) / 86400, ", ".join(sorted(above))


@dataclass(frozen=True)
class _Rows:
    """The names that rows account for."""

    instances: frozenset[str] = frozenset()
    disks: frozenset[str] = frozenset()
    needed: frozenset[str] = frozenset()
    subnets: frozenset[str] = frozenset()
    balancers: frozenset[str] = frozenset()


def _rows(state: "State") -> _Rows:
    from ..reconcile.guest_spec import scratch_disks

    with state.transaction(write=False):
        rows = [row for row in state.instances.query() if row.state != "terminated"]
        layers = state.layers.query("base = ''")
        return _Rows(
            instances=frozenset(row.id for row in rows),
            disks=frozenset([layer.id for layer in layers] + [disk for row in rows for disk in scratch_disks(row)]),
            needed=frozenset(layer.id for layer in layers if layer.made),
            subnets=frozenset(subnet.id for subnet in state.subnets.query()),
            balancers=frozenset(row.id for row in state.load_balancers.query()),
        )


def checks(cloud: "Cloud") -> list[Check]:
    """All of them."""
    return judge(gather(cloud), cloud.settings.libvirt_uri, cloud.settings.home)


def judge(found: Belongings, uri: str, home: Path) -> list[Check]:
    """A check for each leftover; one that all is well if there is none. A fact that could not be had fails those that need it."""
    return [
        *guarded("leftovers", lambda: _guests(found, uri), "guests"),
        *guarded("leftovers", lambda: _disks(found), "disks"),
        *guarded("quarantine", lambda: _quarantine(found)),
        *guarded("leftovers", lambda: _seeds(found, home), "seeds"),
        *guarded("leftovers", lambda: _networks(found), "networks"),
        *guarded("leftovers", lambda: _balancers(found), "load balancers"),
        *guarded("leftovers", lambda: _missing(found), "the files of layers"),
        *guarded("images", lambda: doctor_bases.judge(found.bases), "base images"),
        *guarded("images", lambda: _unknown_needs(found), "what other homes need of the images"),
        *guarded("images", lambda: _abandoned(found), "what unfinished imports have left"),
        *guarded("images", lambda: _unfinished(found), "downloads"),
        *guarded("images", lambda: _damaged(found)),
    ] or [Check("leftovers", OK, "none: all that is on the host has its row, and every row its disk")]


def _guests(found: Belongings, uri: str) -> Iterator[Check]:
    for guest in _some(found.guests - found.instances):
        virsh, name = f"virsh -c {shlex.quote(uri)}", shlex.quote(guest)
        undefine = f"undefine --nvram --managed-save --snapshots-metadata --checkpoints-metadata {name}"
        why = found.kept_guests.get(guest)
        remedy = f"leave it as it is: {why}" if why else f"{virsh} destroy {name}; {virsh} {undefine}"
        yield Check("leftovers", WARN, f"the guest {guest} belongs to no instance", remedy)


def _disks(found: Belongings) -> Iterator[Check]:
    for disk in _some(found.disks - found.known_disks):
        above = found.above.get(disk)
        remedy = f"leave it where it is: {above} stands on it" if above else "minicloud adopt puts it aside, and deletes nothing"
        yield Check("leftovers", WARN, f"the disk {disk} belongs to no layer of a volume or snapshot", remedy)


def _seeds(found: Belongings, home: Path) -> Iterator[Check]:
    for seed in _some(found.seeds - found.instances):
        remedy = f"rm {shlex.quote(str(home / 'seeds' / f'{seed}.iso'))}"
        yield Check("leftovers", WARN, f"the seed {seed} belongs to no instance", remedy)


def _networks(found: Belongings) -> Iterator[Check]:
    for network in _some(found.networks - found.subnets):
        yield Check("leftovers", WARN, f"the network {network} belongs to no subnet", "any minicloud command takes it away")


def _balancers(found: Belongings) -> Iterator[Check]:
    for balancer in _some(found.balancers - found.known_balancers):
        told = f"the load balancer {balancer} on the host is none that minicloud has"
        yield Check("leftovers", WARN, told, "any minicloud command takes it away")


def _quarantine(found: Belongings) -> Iterator[Check]:
    strangers = set(found.strangers_aside)
    for place, days, above in found.aside[:_MOST]:
        yield _put_aside(place, days, above, also=any(path.parent == place for path in strangers))
    for path in found.strangers_aside[:_MOST]:
        told = f"{path} is somebody's: minicloud did not put it there"
        yield Check("quarantine", WARN, told, "whoever it belongs to sees to it; minicloud leaves it alone")


def _put_aside(place: Path, days: float, above: str, *, also: bool) -> Check:
    """It may be the only copy of something: for some days nobody is told how to delete it. `also`: other things are there."""
    remedy = f"when you are sure that nobody needs them: rm -r {shlex.quote(str(place))}"
    if above:
        remedy = f"leave it where it is: {above} stands on a disk of it"
    elif also:
        remedy = "see first to what somebody else keeps in it"
    elif days < _DAYS_ASIDE:
        note = place / "manifest.json"
        remedy = f"look at it ({note} says where each was; README: how to bring one back); it stays at least {_DAYS_ASIDE} days"
    return Check("quarantine", WARN, f"{place} has disks that no row knew, since {days:.0f} days", remedy)


def _missing(found: Belongings) -> Iterator[Check]:
    for disk in _some(found.needed_disks - found.disks):
        remedy = "restore it from a backup, or delete the volumes and snapshots that need it"
        yield Check("leftovers", WARN, f"the file of the layer {disk} is gone (minicloud storage tells whose it was)", remedy)


def _unknown_needs(found: Belongings) -> Iterator[Check]:
    for why, remedy in found.unknown_needs:
        yield Check("images", WARN, f"none can be removed: {why}", remedy)


def _abandoned(found: Belongings) -> Iterator[Check]:
    for path in found.abandoned:
        yield Check("images", WARN, f"{path} is left of an import or build that was killed", f"rm -r {shlex.quote(str(path))}")


def _unfinished(found: Belongings) -> Iterator[Check]:
    for path in found.unfinished:
        remedy = f"minicloud images pull NAME goes on with it; or rm {shlex.quote(str(path))}"
        yield Check("images", WARN, f"{path} is a download that was broken off", remedy)


def _damaged(found: Belongings) -> Iterator[Check]:
    told = {lost.path for lost in found.bases}
    for path, reason in ((path, reason) for path, reason in found.damaged if path not in told):
        yield Check("images", WARN, f"{path} cannot be used: {reason}", f"minicloud images rm {path.name}")


def _some(names: frozenset[str]) -> list[str]:
    return sorted(names)[:_MOST]
