"""`scripts/campaign`: histories by the hour.

Prints a line for what there was in all; a history in which something does not hold ends it with status 1, its seed, and the
command that plays it again.
"""

import logging
import sys
from collections import Counter

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from . import play
from .history import Broken


def _words(total: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(total.items()))


@click.command()
@click.option("--seed", default=1, show_default=True, help="The first history; the next ones follow it.")
@click.option("--minutes", default=10.0, show_default=True, help="No new history begins after so many.")
@click.option("--histories", default=0, help="How many to play, whatever the time; 0: as many as the minutes allow.")
@click.option("--steps", default=play.STEPS, show_default=True, help="Steps of a history.")
@click.option("--real", is_flag=True, help="On real files, guests and networks, in a laboratory.")
def main(seed: int, minutes: float, histories: int, steps: int, real: bool) -> None:
    """Random but valid histories with kills and faults, and a check of what must hold after each step."""
    logging.getLogger("minicloud").setLevel(logging.CRITICAL)
    one = play.on_real_host if real else play.on_fake_host
    console = Console(stderr=True)
    columns = [SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}")]
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task, before = progress.add_task(f"seed {seed}"), Counter[str]()

        def tell(total: Counter[str]) -> None:
            before.update(total - before)
            progress.update(task, description=_words(total))

        try:
            total = play.campaign(lambda each: one(each, steps), seed, minutes, histories, tell)
        except Broken as broken:
            progress.stop()
            failed = str(broken).split(",", 1)[0].rsplit(" ", 1)[1]
            again = f"scripts/campaign{' --real' if real else ''} --histories 1 --steps {steps} --seed {failed}"
            click.echo(f"{broken}\n\nbefore it: {_words(before)}\nagain: {again}")
            sys.exit(1)
    click.echo(_words(total))


main()
