"""`minicloud uninstall`: everything of minicloud's comes off this host: guests, networks, rules; with --data what it keeps, too.

It asks the drivers what is there, not the rows, so that it also works where there is no state, or one that cannot be read.
Of files it deletes only those whose names have the full form of minicloud's, and directories only when they are empty: a
setting may have named a directory where others keep theirs. What stays is told.
"""

import contextlib
import functools
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import HostError, Permanent, StateError
from ..host import disk_links, disk_stamp, disk_use, failures, image_users, own_names, qemu_img
from ..reconcile import image_needs
from ..state import certificate_keys
from .errors import SERVICE

if TYPE_CHECKING:
    from ..cloud import Cloud
    from ..config import Settings


def remove(cloud: "Cloud", *, data: bool, failed: dict[str, str] | None = None) -> Iterator[str]:
    """Take it all off; says what went, piece by piece. What cannot be removed keeps nothing else from it, and comes into
    `failed`, with the reason. Raises StateError while the daemon runs, HostError.
    """
    from ..reconcile import alone, locks

    settings, left = cloud.settings, failed if failed is not None else {}
    theirs = of_other_states(cloud) if data else {}
    if data:
        needed(settings)  # raises where it cannot be told, before anything has gone
    with contextlib.ExitStack() as stack:
        stack.enter_context(alone.held(settings.run, "uninstall"))
        for name in ("networks", "firewall"):
            stack.enter_context(locks.held(settings.run, name, 30.0))
        yield from _take_off(cloud, left, data=data)
    on_host = bool(left)  # then what tells whose it is stays as well
    if not on_host and not shares_run(cloud):
        list(_delete(settings.run, own_names.RUN, left, but=(settings.run / locks.FILE,)))
        locks.clear(settings.run)
    if data:
        with image_users.held(settings.images, image_users.REMOVING):
            but = [*_of_homes(settings), *needed(settings), *theirs]
            yield from _delete(settings.images, own_names.IMAGES, left, but)
        but = [settings.images, *theirs]
        yield from _delete(settings.home, own_names.HOME, left, [*but, *_last(settings)])
        if not on_host:
            yield from _delete(settings.home, own_names.HOME, left, but)


def _take_off(cloud: "Cloud", left: dict[str, str], *, data: bool) -> Iterator[str]:
    """Guests, load balancers, networks, rules. While a network stays, so do the rules: a guest may be on it.

    Unless the `data` go as well, a guest stays whose definition alone tells where its newest bytes are.
    """
    from ..host.firewall_spec import FirewallSpec
    from ..reconcile import foreign_tops

    host = cloud.host_as_found

    def remove_guest(guest_id: str) -> None:
        if not data:
            foreign_tops.refuse_unsaved(host, guest_id)
        host.guests.remove(guest_id)

    guests, balancers, networks = sorted(host.guests.list()), sorted(host.balancers.list()), sorted(host.networks.list())
    for kind, ids, take in (
        ("guest", guests, remove_guest),
        ("load balancer", balancers, host.balancers.remove),
        ("network", networks, host.networks.remove),
    ):
        for each in ids:
            yield from _tried(f"the {kind} {each}", functools.partial(take, each), left)
    rules = "the rules of the firewall, with their sets and routes"
    if stays := [name for name in left if name.startswith("the network ")]:
        left[rules] = f"{stays[0]} is there"
    else:
        try:
            if not host.firewall.in_force(FirewallSpec()):
                yield from _tried(rules, lambda: host.firewall.apply(FirewallSpec()), left)
        except HostError as error:
            left[rules] = error.message


def _tried(what: str, act: Callable[[], object], left: dict[str, str]) -> Iterator[str]:
    """Its name if that was done."""
    try:
        act()
    except HostError as error:
        left[what] = error.message
    else:
        yield what


def _last(settings: "Settings") -> list[Path]:
    """What goes when all else has gone: whoever is cut short before finds by it what is left."""
    names = [f"{path.name}{log}" for path in (settings.database, settings.metrics_database) for log in ("", "-wal", "-shm")]
    stamp = [settings.home / "volumes" / name for name in (disk_stamp.NAME, disk_links.PLACE)]
    return [settings.home / name for name in names] + stamp


def _delete(directory: Path, forms: Sequence[str], left: dict[str, str], but: Sequence[Path] = ()) -> Iterator[str]:
    """Delete what minicloud puts into a directory, and the directory itself if nothing else is in it."""
    try:
        for path, ours in own_names.walk(directory, forms, but, out=False):
            if ours and _gone(path, left):
                yield str(path)
    except OSError as error:  # of a directory that cannot be read
        left[str(error.filename or directory)] = str(error)
    with contextlib.suppress(OSError):
        directory.rmdir()


def _is_used(path: Path) -> bool:
    """Whether it is a disk of a guest that is on, whichever state's, or a download that goes on."""
    from ..host import doctor

    return disk_use.is_open(path) or (own_names.is_download(path.name) and doctor.held(path))


def _gone(path: Path, left: dict[str, str]) -> bool:
    """Delete a file, a directory that is empty, or one that somebody was killed in; whether it went."""
    try:
        return _deleted(path)
    except (OSError, HostError) as error:
        left[str(path)] = str(error)
        return False


def _deleted(path: Path) -> bool:
    from ..host import doctor

    if not path.is_dir():
        if _is_used(path):
            return False
        path.unlink()
    elif not own_names.is_work(path.name):
        with contextlib.suppress(OSError):
            path.rmdir()
    elif not doctor.held(path):
        shutil.rmtree(path)
    return not os.path.lexists(path)


def needed(settings: "Settings") -> dict[Path, str]:
    """The images that other homes need, with who does, and for what. Raises HostError."""
    found = image_needs.of_others(settings)
    images = sorted(settings.images.glob("ami-*")) if found else []
    return {path: why for path in images if (why := found.get(path.name) or found.get(image_needs.ANY, ""))}


def _of_homes(settings: "Settings") -> list[Path]:
    """What says that other homes use the images."""
    return [user.mark for user in image_users.others(settings.images, settings.home) if user.mark is not None]


def shares_run(cloud: "Cloud") -> bool:
    """Whether what is left in the directory of the run is that of another state, which is on this host. Raises HostError."""
    run, ids = cloud.settings.run, ("networks/subnet-*", "networks/names/*", "balancers/elb-*", "firewall/state.json")
    return any(True for form in ids for _ in run.glob(form)) and bool(of_others(cloud))


def strangers(settings: "Settings") -> list[Path]:
    """What else is in the directories of the data: it is not minicloud's, or is in use."""
    found = [(path, ours) for _, path, ours in _kept(settings, careful=False)]
    return [path for path, ours in found if not ours or own_names.is_work(path.name) or _is_used(path)]


def _kept(settings: "Settings", *, careful: bool) -> Iterator[tuple[Path, Path, bool]]:
    """All that is in the directories of the data, each with the directory before it, and after it whether it is minicloud's.

    If `careful`, raises OSError where a directory cannot be read.
    """
    for root, forms, but in ((settings.images, own_names.IMAGES, []), (settings.home, own_names.HOME, [settings.images])):
        with contextlib.nullcontext() if careful else contextlib.suppress(OSError):
            yield from ((root, path, ours) for path, ours in own_names.walk(root, forms, but, out=False))


def of_others(cloud: "Cloud") -> list[str]:
    """What other states have on this host, in words: by its networks and disks. Raises HostError."""
    networks = cloud.host_as_found.networks.strangers()
    found = [f"the network {name}, with its rules, of the state {identity}" for name, identity in sorted(networks.items())]
    return found + [f"the guest {name} of the state {identity}" for name, identity in _guests_of_others(cloud).items()]


def _guests_of_others(cloud: "Cloud") -> dict[str, str]:
    """The guests of other states, on or off, each with its state's identity."""
    host = cloud.host_as_found
    ours = host.guests.list().keys()
    identities = {*host.networks.strangers().values(), *_of_disks(cloud)}
    return {name: one for one in sorted(identities) for name in sorted(cloud.host_of(one).guests.list().keys() - ours)}


def _of_disks(cloud: "Cloud") -> set[str]:
    """The identity of the state whose the disks are, as far as that is known."""
    with contextlib.suppress(Permanent):
        return {stamp.identity} if (stamp := cloud.host_as_found.disks.stamp()) else set()
    return set()


@failures.of_system()
def of_other_states(cloud: "Cloud") -> dict[Path, str]:
    """What in the directories of the data is of another state that has guests on this host, with what it is of: files of such a
    guest; all disks, and the images that these stand on, where the disks are that state's; keys that this state does not know,
    where another has anything on this host. Also what another home may have: directories that links lead to, with the images
    that disks there stand on, and what links of another home lead to. Raises HostError.
    """
    guests, settings, found = _guests_of_others(cloud), cloud.settings, _linked_to(cloud.settings)
    others, keys = of_others(cloud), _known_keys(cloud)
    disks, volumes = _of_disks(cloud) & set(guests.values()), settings.home / "volumes"
    linked = list[Path]()
    for root, path, ours in _kept(settings, careful=bool(guests)):
        guest = own_names.instance_of(path.name)
        if path.is_dir() and (place := disk_links.outside(path, root)):
            found[path] = f"{path} is a link to {place}: what is there is not deleted, another home may have it"
            linked += path.rglob("*.qcow2")
        elif root != settings.home or not ours:
            continue
        elif guest in guests:
            found[path] = f"it is of the guest {guest} of the state {guests[guest]}"
        elif others and path.parent == certificate_keys.directory(root) and path.name not in keys:
            found[path] = f"this state does not know that key, and another has {others[0]}"
        elif disks and path.is_relative_to(volumes) and not path.is_dir():
            found[path] = f"it is of the state {min(disks)}, which has guests on this host"
    bases = {_base(path): path for path in (*found, *linked) if path.suffix == ".qcow2"}
    return found | {settings.images / base: f"{path} stands on it" for base, path in bases.items() if base}


def _linked_to(settings: "Settings") -> dict[Path, str]:
    """What in the home links of other homes that use its images lead to, with the link. Raises HostError, OSError."""
    home, found = Path(os.path.realpath(settings.home)), dict[Path, str]()
    for user in image_users.others(settings.images, settings.home):
        for link in disk_links.shared(user.home / "volumes"):
            file = Path(os.path.realpath(link))
            if file.is_relative_to(home) and os.path.lexists(file):
                found[settings.home / file.relative_to(home)] = f"{link} is a link to it"
    return found


def _known_keys(cloud: "Cloud") -> set[str]:
    """The files of keys that rows name; none where there is no state that can be read."""
    with contextlib.suppress(StateError, sqlite3.Error):
        if cloud.settings.database.exists():
            state = cloud.state
            return {row.key_file for row in state.certificates.query()} | {row.name for row in state.ended_keys.query()}
    return set()


def _base(disk: Path) -> str:
    """The id of the base image that a disk stands on; empty for none."""
    with contextlib.suppress(Permanent, FileNotFoundError):
        return Path(qemu_img.backing(disk) or "").parent.name
    return ""


def _without_backups(cloud: "Cloud", data: bool, failed: dict[str, str]) -> Iterator[str]:
    """`remove`, while nobody makes a backup of what goes. Raises StateError where somebody does."""
    from ..reconcile import alone, backup_freeze, locks

    run = cloud.settings.run
    with backup_freeze.none_made(run, alone.other(run)) if data else contextlib.nullcontext():
        yield from remove(cloud, data=data, failed=failed)
    if data and not shares_run(cloud):
        locks.clear(run)  # it was held while the rest went


@click.command("uninstall", short_help="Take everything of minicloud's off this host.")
@click.option("--data", is_flag=True, help="Delete disks, images, snapshots and the state as well.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def command(ctx: click.Context, data: bool, yes: bool) -> None:
    """Take everything of minicloud's off this host: guests, load balancers, bridges, DHCP, DNS, firewall rules, sets, routes.

    The state and all disks are kept, and the next command brings back what is to run; with --data they are deleted for ever.
    What cannot be removed is told, and keeps nothing else from it; then the exit status is 254.
    """
    cloud = ctx.obj.cloud
    settings = cloud.settings
    if not yes:
        kept = f"and ALL DATA in {settings.home} and {settings.images}" if data else f"(data in {settings.home} is kept)"
        click.confirm(f"Take minicloud's guests, networks and rules off this host {kept}?", abort=True)
    count, others, theirs, failed = 0, of_others(cloud), of_other_states(cloud) if data else {}, dict[str, str]()
    for what in _without_backups(cloud, data, failed):
        click.echo(f"removed {what}")
        count += 1
    spared = theirs | (needed(settings) if data else {})
    whose = "of this state's" if others or spared else "of minicloud's"
    if failed:
        click.echo(f"Not all {whose} could be removed; the same command does the rest when what keeps it is gone.")
    else:
        click.echo(f"Nothing {whose} is left on this host." if count else f"There was nothing {whose} on this host.")
    for name, why in failed.items():
        click.echo(f"left {name}: {why}")
    for what in others:
        click.echo(f"left {what}: another minicloud's (minicloud uninstall with its state, or virsh and ip link, take it away)")
    if shares_run(cloud):
        click.echo(f"left {settings.run}: files of the other minicloud are in it")
    for path, why in spared.items():
        click.echo(f"left {path}: {why}")
    told = spared.keys() | {Path(name) for name in failed}
    for path in (one for one in strangers(settings) if data and one.parent not in spared and one not in told):
        click.echo(f"left {path}: it is not minicloud's, or a guest or a command works in it")
    if failed:
        ctx.exit(SERVICE)
