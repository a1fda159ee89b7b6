"""`minicloud uninstall`: everything of minicloud's comes off this host: guests, networks, rules; with --data what it keeps, too.

It asks the drivers what is there, not the rows, so that it also works where there is no state, or one that cannot be read.
Of files it deletes only those that minicloud makes: a setting may have named a directory where others keep theirs.
"""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import UsageError

if TYPE_CHECKING:
    from ..cloud import Cloud

RUN = ("locks", "networks", "balancers", "firewall", "metadata.key", "wake.sock")
IMAGES = ("ami-*", ".partial-*", ".downloads")
HOME = (
    "volumes", "seeds", "consoles", "nvram", "pulls", "state.sqlite", "state.sqlite-*", "metrics.sqlite*", "credentials.key",
    ".credentials.key.*", "identity.key", "identity.pem", "endpoint.key", "endpoint.pem", "certificates", "logs",
)  # fmt: skip
"""What there is of minicloud in its three directories."""


def remove(cloud: "Cloud", *, data: bool) -> Iterator[str]:
    """Take it all off; says what went, piece by piece. Raises UsageError while the daemon runs, HostError."""
    from ..host.firewall_spec import FirewallSpec
    from ..reconcile import locks

    settings, host = cloud.settings, cloud.host
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locks.held(settings.run, "daemon"))
        except locks.Busy as error:
            raise UsageError("minicloud serve runs; end it first (systemctl stop minicloud)") from error
        for name in ("networks", "firewall"):
            stack.enter_context(locks.held(settings.run, name, 30.0))
        for guest_id in sorted(host.guests.list()):
            host.guests.remove(guest_id)
            yield f"the guest {guest_id}"
        for balancer_id in sorted(host.balancers.list()):
            host.balancers.remove(balancer_id)
            yield f"the load balancer {balancer_id}"
        for network_id in sorted(host.networks.list()):
            host.networks.remove(network_id)
            yield f"the network {network_id}"
        if not host.firewall.in_force(FirewallSpec()):
            host.firewall.apply(FirewallSpec())
            yield "the rules of the firewall, with their sets and routes"
    list(_delete(settings.run, RUN))
    if data:
        yield from _delete(settings.images, IMAGES)
        yield from _delete(settings.home, HOME)


def _delete(directory: Path, names: Sequence[str]) -> Iterator[str]:
    """Delete what minicloud puts into a directory, by name, and the directory itself if nothing else is in it."""
    for path in sorted({path for name in names for path in directory.glob(name)}):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
        yield str(path)
    with contextlib.suppress(OSError):
        directory.rmdir()


@click.command("uninstall", short_help="Take everything of minicloud's off this host.")
@click.option("--data", is_flag=True, help="Delete disks, images, snapshots and the state as well.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def command(ctx: click.Context, data: bool, yes: bool) -> None:
    """Take everything of minicloud's off this host: guests, load balancers, bridges, DHCP, DNS, firewall rules, sets, routes.

    The state and all disks are kept, and the next command brings back what is to run; with --data they are deleted for ever.
    """
    cloud = ctx.obj.cloud
    settings = cloud.settings
    if not yes:
        kept = f"and ALL DATA in {settings.home} and {settings.images}" if data else f"(data in {settings.home} is kept)"
        click.confirm(f"Take minicloud's guests, networks and rules off this host {kept}?", abort=True)
    count = 0
    for what in remove(cloud, data=data):
        click.echo(f"removed {what}")
        count += 1
    click.echo("Nothing of minicloud's is left on this host." if count else "There was nothing of minicloud's on this host.")
