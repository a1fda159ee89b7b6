"""`minicloud console INSTANCE`: this terminal at the serial port of a guest."""

import sys
from typing import TYPE_CHECKING

import click

from . import which

if TYPE_CHECKING:
    from ..cloud import Cloud


@click.command("console", short_help="The serial console of an instance.")
@click.argument("instance", metavar="INSTANCE")
@click.pass_context
def command(ctx: click.Context, instance: str) -> None:
    """Join this terminal with the serial console of INSTANCE (its id, Name or private address). Ctrl-] leaves."""
    from ..host import console

    cloud: Cloud = ctx.obj.cloud
    row = which.instance(cloud.state, instance)
    path = cloud.host.guests.console_path(row.id)
    click.echo(f"The serial console of {row.id}. Ctrl-] leaves it; if it is silent, press Enter.", err=True)
    why = console.attach(path, sys.stdin.buffer, sys.stdout.buffer)
    click.echo(f"\r\n{row.id}: {why}", err=True)
