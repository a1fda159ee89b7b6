"""`minicloud restore FILE`: a backup goes into its place, on the host that it was made on or on another."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import backup_file, own
from .backup import answer
from .images_progress import Quiet
from .terminal import clean

if TYPE_CHECKING:
    from ..cloud import Cloud


@click.command("restore", short_help="Put a backup in its place, on this host or another.")
@backup_file.argument
@click.option("--replace", is_flag=True, help="Put aside the state, and with disks the disks, that are here. Nothing is deleted.")
@click.option("--anyway", is_flag=True, help="Also where disks are newer than the state of the backup, or are missing.")
@click.option(
    "--dry-run", is_flag=True, help="Show what is in FILE, read all of it, tell what would be refused, and change nothing."
)
@own.answers
@click.pass_context
def command(
    ctx: click.Context, /, *, file: Path, replace: bool, anyway: bool, dry_run: bool, output: str | None, query: str | None
) -> None:
    """Put the backup FILE in its place. `minicloud serve` must not run.

    Killed at any moment, either nothing was done, or the same command finishes it. Instances that ran when the backup was made
    start with the next command or with `minicloud serve`.
    """
    from ..host import remains
    from ..reconcile import restore_stage, restoring
    from . import adoption

    manifest, cloud = restore_stage.look(file), ctx.obj.cloud
    act = functools.partial(
        restoring.examine if dry_run else restoring.restore,
        cloud, file, replace=replace, anyway=anyway, adoptable=adoption.refuse_running,
    )  # fmt: skip
    if dry_run:  # what is in it is told in any case, and then what keeps it from being restored
        own.show(ctx, answer(manifest, file.absolute()), output, query)

    def left() -> str:
        return remains.unfinished(cloud.settings.home) or "nothing was changed, or the restoration was just finished"

    with backup_file.telling(left), Quiet(str(file)) as progress:
        done = act(progress=progress) or []
    if dry_run:
        return
    done += _adopt(cloud) if anyway else []
    for sentence in done:
        click.echo(clean(sentence), err=True)
    own.show(ctx, answer(manifest, file.absolute()), output, query)


def _adopt(before: "Cloud") -> list[str]:
    """Go on with a state that is not as new as the disks."""
    from ..reconcile import alone, generations
    from . import adoption

    cloud = before.with_database(before.settings.database)
    with alone.held(cloud.settings.run, "restore"):
        go_on = generations.refusal(cloud) and not generations.absent(cloud)  # disks may be brought yet
        return adoption.adopt(cloud) if go_on else []
