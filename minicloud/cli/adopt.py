"""`minicloud adopt`: go on with the state that is here, beside disks that it does not know. Puts aside; deletes nothing."""

from typing import TYPE_CHECKING

import click

from ..errors import StateError

if TYPE_CHECKING:
    from ..cloud import Cloud


def situation(cloud: "Cloud") -> str:
    """What there is to be known before one says yes; empty where nothing is wrong. Raises HostError."""
    from ..reconcile import generations
    from . import adoption

    try:
        why = generations.refusal(cloud)
    except StateError as error:
        return str(error)
    count = len(adoption.movable(cloud))
    if why or count:
        return why or f"there are disks that no row knows ({count})"
    count = adoption.unfinished(cloud)
    return f"volumes and layers ({count}) are not yet what the disks are: an adoption was cut short" if count else ""


@click.command("adopt", short_help="Go on with this state beside disks that it does not know.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def command(ctx: click.Context, yes: bool) -> None:
    """Go on knowingly with an older state, with a new one where it was lost, or with another's disks.

    Disks that the state does not know are moved into volumes/quarantine with a note of what they were, and are never deleted. A
    volume on which such disks stand goes on with a new layer, and a snapshot keeps what they stand on. Snapshots and volumes
    whose layers were merged or removed after this state was made are in error, and are told.
    """
    from ..reconcile import alone
    from . import adoption

    cloud = ctx.obj.cloud
    with alone.held(cloud.settings.run, "adopt"):
        why = situation(cloud)
        if not why:
            click.echo("There is nothing to adopt: this state knows all disks, and is as new as they are.")
            return
        click.echo(f"minicloud: {why}", err=True)
        if not yes:
            click.confirm("Go on with this state, and put aside the disks that it does not know?", abort=True)
        cloud.state.begin_anew()
        for sentence in adoption.steps(cloud):
            click.echo(sentence)
