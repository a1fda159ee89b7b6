"""What is on the host and in no row, and what is in a row and not on the host. Told, never deleted: a pure function."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..host import doctor
from .doctor_checks import OK, WARN, Check

if TYPE_CHECKING:
    from ..cloud import Cloud
    from ..state.rows import Instance, Subnet
    from ..state.rows_storage import Layer
    from ..state.store import State

_MOST = 20
"""Leftovers of one kind that are listed one by one."""


@dataclass(frozen=True)
class Belongings:
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
    balancers: frozenset[str] = frozenset()
    known_balancers: frozenset[str] = frozenset()


def gather(cloud: "Cloud") -> Belongings:
    """Read rows and host; where there is no database yet, no rows. Raises HostError."""
    from ..host.base_images import store
    from ..reconcile.guest_spec import scratch_disks

    state, host, images = cloud.state, cloud.host, cloud.settings.images
    # The host first: what a command that runs now makes meanwhile has a row before it is on the host.
    guests, disks, seeds, networks = host.guests.list(), host.disks.list(), host.seeds.list(), host.networks.list()
    balancers = host.balancers.list()
    there = cloud.settings.database.exists()
    rows, layers, subnets = _rows(state) if there else ([], [], [])
    return Belongings(
        guests=frozenset(guests),
        disks=frozenset(disks),
        seeds=frozenset(seeds),
        networks=frozenset(networks),
        balancers=frozenset(balancers),
        known_balancers=frozenset(row.id for row in state.load_balancers.query()) if there else frozenset(),
        instances=frozenset(row.id for row in rows),
        known_disks=frozenset([layer.id for layer in layers] + [disk for row in rows for disk in scratch_disks(row)]),
        subnets=frozenset(subnet.id for subnet in subnets),
        needed_disks=frozenset(layer.id for layer in layers if layer.made),
        abandoned=tuple(doctor.abandoned(images)),
        unfinished=tuple(doctor.unfinished(images)),
        damaged=tuple((found.path, found.reason) for found in store(cloud.settings).damaged()),
    )


def _rows(state: "State") -> "tuple[list[Instance], list[Layer], list[Subnet]]":
    with state.transaction(write=False):
        rows = [row for row in state.instances.query() if row.state != "terminated"]
        return rows, state.layers.query("base = ''"), state.subnets.query()


def judge(found: Belongings, uri: str, home: Path) -> list[Check]:
    """A check for each leftover; one that all is well if there is none."""
    return [*_unknown(found, uri, home), *_missing(found), *_images(found)] or [
        Check("leftovers", OK, "none: all that is on the host has its row, and every row its disk")
    ]


def _unknown(found: Belongings, uri: str, home: Path) -> Iterator[Check]:
    for guest in _some(found.guests - found.instances):
        virsh, name = f"virsh -c {shlex.quote(uri)}", shlex.quote(guest)
        remedy = f"{virsh} destroy {name}; {virsh} undefine --nvram {name}"
        yield Check("leftovers", WARN, f"the guest {guest} belongs to no instance", remedy)
    for disk in _some(found.disks - found.known_disks):
        remedy = f"rm {shlex.quote(str(home / 'volumes' / f'{disk}.qcow2'))}"
        yield Check("leftovers", WARN, f"the disk {disk} belongs to no layer of a volume or snapshot", remedy)
    for seed in _some(found.seeds - found.instances):
        yield Check(
            "leftovers", WARN, f"the seed {seed} belongs to no instance", f"rm {shlex.quote(str(home / 'seeds' / f'{seed}.iso'))}"
        )
    for network in _some(found.networks - found.subnets):
        yield Check("leftovers", WARN, f"the network {network} belongs to no subnet", "any minicloud command takes it away")
    for balancer in _some(found.balancers - found.known_balancers):
        told = f"the load balancer {balancer} on the host is none that minicloud has"
        yield Check("leftovers", WARN, told, "any minicloud command takes it away")


def _missing(found: Belongings) -> Iterator[Check]:
    for disk in _some(found.needed_disks - found.disks):
        remedy = "restore it from a backup, or delete the volumes and snapshots that need it"
        yield Check("leftovers", WARN, f"the file of the layer {disk} is gone (minicloud storage tells whose it was)", remedy)


def _images(found: Belongings) -> Iterator[Check]:
    for path in found.abandoned:
        yield Check("images", WARN, f"{path} is left of an import or build that was killed", f"rm -r {shlex.quote(str(path))}")
    for path in found.unfinished:
        remedy = f"minicloud images pull NAME goes on with it; or rm {shlex.quote(str(path))}"
        yield Check("images", WARN, f"{path} is a download that was broken off", remedy)
    for path, reason in found.damaged:
        yield Check("images", WARN, f"{path} cannot be used: {reason}", f"minicloud images rm {path.name}")


def _some(names: frozenset[str]) -> list[str]:
    return sorted(names)[:_MOST]
