"""`minicloud wait STATE`, `minicloud elbv2 wait STATE`: AWS's waiters as commands. The flags are those of the operation that is
asked, and how long to wait.

Exit status 255 for a wait that failed, with what was waited for, how long, and what is there instead.
"""

import functools
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import click

from .. import api
from ..aws import model
from ..errors import UsageError
from .errors import CallFailed, WaitFailed
from .flag_command import FlagCommand
from .flags import Flag, Flags, flag, flags_of
from .operations import OperationCommand
from .parse import Words, closest
from .poll import Clock, patience, poll, strict
from .session import Session

_OWN = (
    flag("delay", "Seconds between two questions (AWS's own figure is the longest; the first pauses are shorter)."),
    flag("max-attempts", "How many such delays to wait in all."),
)


class WaiterCommand(FlagCommand):
    """One waiter of AWS's."""

    def __init__(self, service: str, name: str, definition: Mapping[str, Any], clock: Clock) -> None:
        super().__init__(model.xform_name(name, "-"))
        self.definition = definition
        self.clock = clock
        self.caller = OperationCommand(service, model.service(service).operation(definition["operation"]))
        self.help = f"Wait until {definition.get('description') or (self.name or '').replace('-', ' ')}."

    @functools.cached_property
    def flags(self) -> Flags:
        """Those of the operation that is asked, and how long to wait."""
        skipped = {
            "output",
            "query",
            "generate-cli-skeleton",
            "paginate",
            "no-paginate",
            "starting-token",
            "max-items",
            "page-size",
        }
        found: dict[str, Flag] = flags_of(self.caller.operation, _OWN)
        return {name: made for name, made in found.items() if name not in skipped}

    def carry_out(self, session: Session, words: dict[str, Words]) -> None:
        """Wait. Raises WaitFailed, CallFailed, UsageError."""
        limit = patience(self.definition, _seconds(words), _attempts(words))
        params = self.caller.parameters({name: given for name, given in words.items() if name in self.caller.flags})
        ask = functools.partial(session.call, self.caller.service, self.caller.operation.name, params)
        of = " ".join(str(value) for given in params.values() for value in (given if isinstance(given, list) else [given]))
        try:
            with _spinner(f"waiting for {self.name} {of}"):
                poll(self.definition, ask, limit, self.clock)
        except (WaitFailed, CallFailed) as error:
            raise WaitFailed(f"waiting for {self.name} of {of or 'all'} failed: {error}") from error

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The usage line and the flags."""
        from . import helptext

        supported = api.find(self.caller.service, self.caller.operation.name).parameters
        self.format_usage(ctx, formatter)
        own = {name: made for name, made in self.flags.items() if made.member in supported or made in _OWN}
        helptext.write(formatter, str(self.help), [("Flags", own)], "")


def _seconds(words: Mapping[str, Words]) -> float | None:
    text = str(words.get("delay", ""))
    if text and not text.replace(".", "", 1).isdecimal():
        raise UsageError(f"--delay is a number of seconds, not {text!r}")
    return float(text) if text else None


def _attempts(words: Mapping[str, Words]) -> int | None:
    text = str(words.get("max-attempts", ""))
    if text and (not text.isdecimal() or int(text) < 1):
        raise UsageError(f"--max-attempts is a number from 1, not {text!r}")
    return int(text) if text else None


def _spinner(text: str) -> AbstractContextManager[object]:
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console
    from rich.text import Text

    from .terminal import clean

    return Console(stderr=True).status(Text(clean(text)))


class Waiters(click.Group):
    """The waiters of a service whose operations minicloud has."""

    def __init__(self, service: str, clock: Clock | None = None) -> None:
        super().__init__("wait", help="Wait until something is so; exit status 255 if that takes too long or cannot be.")
        self.service = service
        self.clock = clock or Clock()

    @functools.cached_property
    def waiters(self) -> dict[str, str]:
        """AWS's names by ours."""
        there = api.operations(self.service)
        definitions = model.service(self.service).waiters
        return {model.xform_name(name, "-"): name for name, made in definitions.items() if made["operation"] in there}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click calls it so
        """The names, sorted."""
        return sorted(self.waiters)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The waiter of a name. Raises click.UsageError for one that is not there."""
        if cmd_name not in self.waiters:
            if ctx.resilient_parsing:
                return None
            near = closest(cmd_name, self.waiters)
            hint = f"did you mean {near}?" if near else f"there are {', '.join(sorted(self.waiters))}"
            raise click.UsageError(f"nothing to wait for is named {cmd_name!r}; {hint}", ctx)
        name = self.waiters[cmd_name]
        definition = strict(name, model.service(self.service).waiters[name])
        return WaiterCommand(self.service, name, definition, self.clock)


command = Waiters("ec2")
