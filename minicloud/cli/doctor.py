"""`minicloud doctor`: look over the host and say what is missing or wrong, each with its remedy. Deletes and changes nothing.

Exit status 1 if something fails, else 0: warnings are for reading. Without root it checks what it can, and says what it could
not.
"""

import shlex
import sqlite3
from typing import TYPE_CHECKING, Any

import click

from .. import config
from ..errors import StateError, UsageError
from ..host.contracts_storage import StampDamaged
from . import doctor_guests, doctor_leftovers, doctor_network, doctor_upkeep, own
from .doctor_checks import FAIL, OK, SKIP, WARN, Check, failure, guarded, judge
from .errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.text import Text

    from ..cloud import Cloud
    from ..state.rows_failures import Failure
    from .session import Session

_STYLES = {OK: "green", WARN: "yellow", FAIL: "bold red", SKIP: "dim"}
_UNKNOWN = Check("leftovers", SKIP, "nobody knows whose the disks are, so none is told to be left over", "see state")


def examine(session: "Session") -> list[Check]:
    """All checks of this host. Raises UsageError for settings that make no sense."""
    from ..host import doctor

    settings = config.load()
    return [*judge(doctor.look(settings), settings), *_state(session, settings)]


def _state(session: "Session", settings: config.Settings) -> list[Check]:
    """The state database, and what of the host it does not know of."""
    try:
        cloud = session.cloud
        found = _opened(cloud)
    except ConfigurationError:
        return [Check(name, SKIP, "only root can see that", "sudo minicloud doctor") for name in ("state", "leftovers")]
    except UsageError as error:
        return [Check("state", FAIL, str(error), "upgrade minicloud")]
    except StateError as error:
        return [_refused(error)]
    except sqlite3.Error as error:
        remedy = f"restore {settings.database} from a backup; what can be read: sqlite3 {settings.database} .recover"
        return [Check("state", FAIL, f"{settings.database} cannot be read: {error}", remedy)]
    except Exception as error:  # noqa: BLE001  without a state there is nothing more to look at
        return [failure("state", error)]
    return _beside(cloud, found)


def _opened(cloud: "Cloud") -> Check:
    """That it can be read. Raises StateError, UsageError, sqlite3.Error; makes no state."""
    from ..host import remains
    from ..state import opening

    settings = cloud.settings
    opening.refuse_lost(settings.database, lambda: remains.of(settings.home))
    if not settings.database.exists():
        return Check("state", OK, f"{settings.database} is not there yet; the first command makes it")
    return Check("state", OK, f"{settings.database} has {len(cloud.state.instances.query())} instances")


def _beside(cloud: "Cloud", opened: Check) -> list[Check]:
    """The state beside the disks, what of the host it does not know of, and what else there is to say once there is one."""
    from ..reconcile import generations

    if not cloud.settings.database.exists():
        return [opened, *guarded("leftovers", lambda: doctor_leftovers.checks(cloud))]
    try:
        generations.check(cloud)
    except StateError as error:
        return [_refused(error)]
    except StampDamaged as error:
        return [_damaged(error, cloud.settings), _UNKNOWN, *_present(cloud)]
    except Exception as error:  # noqa: BLE001  whatever a driver raises, the other checks are made
        return [failure("state", error, "whether it is that of the disks"), _UNKNOWN, *_present(cloud)]
    return [opened, *guarded("leftovers", lambda: doctor_leftovers.checks(cloud)), *_present(cloud)]


def _present(cloud: "Cloud") -> list[Check]:
    """What there is to say of a state, whosever the disks are."""
    return [
        *guarded("network", lambda: doctor_network.checks(cloud)),
        *guarded("guest agents", lambda: doctor_guests.checks(cloud)),
        *guarded("guest disks", lambda: doctor_guests.disks(cloud)),
        *guarded("stopped instances", lambda: doctor_guests.started_by_others(cloud)),
        *guarded("upkeep", lambda: doctor_upkeep.checks(cloud)),
        *guarded("failures", lambda: failing(cloud.state.failures.query())),
    ]


def _damaged(error: StampDamaged, settings: config.Settings) -> Check:
    """The way out does without what is damaged: it is written anew when somebody has said that the state is to go on."""
    away = shlex.join(["mv", str(error.path), str(settings.home / f"{error.path.name}.damaged")])
    remedy = f"if {settings.database} is the newest state of these disks: {away}; then minicloud adopt, which writes it anew. "
    return Check("state", FAIL, error.found, f"{remedy}Else restore the newest backup")


def _refused(error: StateError) -> Check:
    """With a state that is not the disks' nobody can say what is left over: nothing is."""
    found, _, remedy = str(error).partition(": ")
    return Check("state", FAIL, found, remedy)


def failing(failures: "Sequence[Failure]") -> list[Check]:
    """What reconcilers cannot do at present: a line for each."""
    if not failures:
        return [Check("failures", OK, "nothing is waiting to be tried again")]
    remedy = "it is tried again by itself; what nobody foresaw is in the log with its traceback: journalctl -u minicloud"
    return [
        Check("failures", WARN, f"{row.part}: {row.subject}: {row.message} (since {row.since}, tried {row.count} times)", remedy)
        for row in failures
    ]


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
