"""`minicloud doctor`: look over the host and say what is missing or wrong, each with its remedy. Deletes and changes nothing.

Exit status 1 if something fails, else 0: warnings are for reading. Without root it checks what it can, and says what it could
not.
"""

import sqlite3
from typing import TYPE_CHECKING, Any

import click

from .. import config
from ..errors import HostError, UsageError
from . import doctor_leftovers, doctor_network, own
from .doctor_checks import FAIL, OK, SKIP, WARN, Check, judge
from .errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

    from ..cloud import Cloud
    from .session import Session

_STYLES = {OK: "green", WARN: "yellow", FAIL: "bold red", SKIP: "dim"}


def examine(session: "Session") -> list[Check]:
    """All checks of this host. Raises UsageError for settings that make no sense."""
    from ..host import doctor

    settings = config.load()
    return [*judge(doctor.look(settings), settings), *_state(session, settings)]


def _state(session: "Session", settings: config.Settings) -> list[Check]:
    """The state database, and what of the host it does not know of."""
    try:
        cloud = session.cloud
        if not settings.database.exists():
            none = Check("state", OK, f"{settings.database} is not there yet; the first command makes it")
            return [none, *_leftovers(cloud)]
        rows = len(cloud.state.instances.query())
    except ConfigurationError:
        return [Check(name, SKIP, "only root can see that", "sudo minicloud doctor") for name in ("state", "leftovers")]
    except UsageError as error:
        return [Check("state", FAIL, str(error), "upgrade minicloud")]
    except sqlite3.Error as error:
        remedy = f"restore {settings.database} from a backup; what can be read: sqlite3 {settings.database} .recover"
        return [Check("state", FAIL, f"{settings.database} cannot be read: {error}", remedy)]
    seen = Check("state", OK, f"{settings.database} has {rows} instances")
    return [seen, *_leftovers(cloud), *doctor_network.checks(cloud)]


def _leftovers(cloud: "Cloud") -> list[Check]:
    try:
        found = doctor_leftovers.gather(cloud)
    except HostError as error:
        return [Check("leftovers", SKIP, f"could not be looked for: {error}", "see above")]
    return doctor_leftovers.judge(found, cloud.settings.libvirt_uri, cloud.settings.home)


def _lines(check: Check) -> "Iterator[tuple[Text, Text, Text]]":
    """A check as lines of status, name and text."""
    from rich.text import Text

    from .terminal import clean

    yield Text(check.status, style=_STYLES[check.status]), Text(check.name), Text(clean(check.found))
    if check.remedy and check.status != OK:
        yield Text(""), Text(""), Text(f"-> {clean(check.remedy)}", style="cyan")


def print_for_person(checks: list[Check]) -> None:
    """A line for each check, the remedy below it, and the sum."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, emoji=False)
    width = max(len(check.name) for check in checks)
    lines = [line for check in checks for line in _lines(check)]
    if console.is_terminal:
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=4)
        grid.add_column(min_width=width)
        grid.add_column(overflow="fold")
        for line in lines:
            grid.add_row(*line)
        console.print(grid)
    else:
        for status, name, said in lines:
            status.pad_right(5 - len(status))
            name.pad_right(width + 2 - len(name))
            console.print(status + name + said, soft_wrap=True)
    count = {status: sum(check.status == status for check in checks) for status in _STYLES}
    console.print(f"{count[OK]} ok, {count[WARN]} to look at, {count[FAIL]} failed, {count[SKIP]} not checked")


def answer(checks: list[Check]) -> dict[str, Any]:
    """The checks for programs."""
    entries = [{"Name": check.name, "Status": check.status, "Found": check.found, "Remedy": check.remedy} for check in checks]
    return {"Checks": entries, "Failed": sum(check.status == FAIL for check in checks)}


@click.command("doctor", short_help="Look over this host.")
@own.answers
@click.pass_context
def command(ctx: click.Context, output: str | None, query: str | None) -> None:
    """Check all that minicloud needs of this host, and look for leftovers; exit status 1 if something fails."""
    checks = examine(ctx.obj)
    if own.wants(ctx, output, query):
        own.show(ctx, answer(checks), output, query)
    else:
        print_for_person(checks)
    ctx.exit(1 if any(check.status == FAIL for check in checks) else 0)
