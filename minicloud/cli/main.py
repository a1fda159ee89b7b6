"""`minicloud`: the operations of EC2 at the top, other services as groups, and the commands that AWS has no name for.

Nothing is imported before it is needed: a command that is asked for is found by its name alone.
"""

import contextlib
import functools
import importlib
import logging
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from .. import __version__
from ..aws import model
from ..errors import ApiError, UsageError
from .commands import COMMANDS
from .errors import CallFailed, run
from .flags import COLORS
from .operations import OperationCommand, names
from .output import FORMATS
from .parse import closest
from .session import Session

if TYPE_CHECKING:
    from .wait import Waiters

OLD = {"elb": ": classic load balancers, the old kind, for what was written for it. New ones are elbv2's"}
"""What is said of services that others have taken the place of."""


class ServiceGroup(click.Group):
    """The operations of one service."""

    def __init__(self, service: str, **attributes: object) -> None:
        super().__init__(service, **attributes)  # type: ignore[arg-type]
        self.service = service

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click calls it so
        """The operations that minicloud has, and `wait` where AWS has waiters for them."""
        return [*names(self.service), *(["wait"] if self._waiters().waiters else [])]

    def _waiters(self) -> "Waiters":
        from .wait import Waiters

        return Waiters(self.service)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name; None if AWS has no such operation. Raises CallFailed if only AWS has it."""
        described = model.service(self.service)
        if cmd_name == "wait" and (waiters := self._waiters()).waiters:
            return waiters
        try:
            name = described.named(cmd_name)
        except KeyError:
            return None
        if "_" in cmd_name:  # described.named takes both spellings, a command line only one
            return None
        flags = ctx.find_root().params  # the session does not have them yet
        if flags.get("endpoint_url") or flags.get("profile"):  # what is not there, the endpoint says in the same words
            return OperationCommand(self.service, described.operation(name))
        from .. import api

        try:
            api.find(self.service, name)
        except ApiError as error:
            raise CallFailed(self.service, name, error) from error
        return OperationCommand(self.service, described.operation(name))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first word names. Raises click.UsageError, with the command that may be meant."""
        if args[0] == "help":
            click.echo(ctx.get_help())
            ctx.exit()
        try:
            found = self.get_command(ctx, args[0])
        except CallFailed:
            if ctx.resilient_parsing:
                return None, None, []
            raise
        if found is None and not ctx.resilient_parsing:
            near = closest(args[0], self.list_commands(ctx))
            hint = f"did you mean {near}?" if near else f"{ctx.command_path} --help lists the commands"
            raise click.UsageError(f"there is no command {args[0]!r}; {hint}", ctx)
        return (found.name if found else None), found, args[1:]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The operations, grouped as minicloud's files group them."""
        _write_operations(self.service, formatter)
        if waiters := self._waiters().waiters:
            with formatter.section("Wait for (wait NAME)"):
                formatter.write_text(", ".join(sorted(waiters)))


class Root(ServiceGroup):
    """`minicloud` itself."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click calls it so
        """Commands of our own, operations of EC2, other services."""
        from .. import api

        return [*COMMANDS, *names(self.service), *(name for name in api.services() if name != self.service)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command or group of a name."""
        if cmd_name in COMMANDS:
            command: click.Command = importlib.import_module(f"minicloud.cli.{COMMANDS[cmd_name][0]}").command
            return command
        if "-" not in cmd_name and _is_service(cmd_name):
            text = f"The operations of {model.service(cmd_name).metadata['serviceFullName']}{OLD.get(cmd_name, '')}."
            return ServiceGroup(cmd_name, help=text, context_settings={"help_option_names": ["-h", "--help"]})
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Our own commands with what they are for; operations by their names."""
        with formatter.section("For people"):
            formatter.write_dl([(name, text) for name, (_, text) in sorted(COMMANDS.items())])
        _write_operations(self.service, formatter)
        from .. import api

        if others := [name for name in api.services() if name != self.service]:
            with formatter.section("Other services"):
                formatter.write_text(", ".join(others))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[click.shell_completion.CompletionItem]":
        """Names only: help texts for each would read AWS's documentation of all."""
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [CompletionItem(name) for name in self.list_commands(ctx) if name.startswith(incomplete)]


def _is_service(name: str) -> bool:
    from .. import api

    return name in api.services()


def _write_operations(service: str, formatter: click.HelpFormatter) -> None:
    from .. import api

    groups: dict[str, list[str]] = {}
    for name, found in api.operations(service).items():
        file = found.function.__module__.rpartition(".")[2]
        groups.setdefault(file.replace("_", " ").capitalize(), []).append(model.xform_name(name, "-"))
    for title, commands in sorted(groups.items()):
        with formatter.section(title):
            room = formatter.width - formatter.current_indent
            # click's own write_text breaks a name at its hyphens, and half a name is no command.
            for line in textwrap.wrap(", ".join(sorted(commands)), room, break_on_hyphens=False, break_long_words=False):
                formatter.write(f"{' ' * formatter.current_indent}{line}\n")


def _start(ctx: click.Context, /, **flags: Any) -> None:
    session = ctx.ensure_object(Session)
    for name, value in flags.items():
        setattr(session, name, value)


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(f"minicloud {__version__}")
        ctx.exit()


@functools.cache
def root() -> Root:
    """The whole command line."""
    return Root(
        "ec2",
        help="EC2 on this host, with real virtual machines. COMMAND --help shows a command's flags.",
        callback=click.pass_context(_start),
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
        no_args_is_help=True,
        params=[
            click.Option(["--output"], type=click.Choice(FORMATS), help="How to print answers."),
            click.Option(["--query"], help="A JMESPath expression; what it finds is printed."),
            click.Option(
                ["--endpoint-url"], envvar="MINICLOUD_ENDPOINT_URL", help="Speak to this AWS endpoint, not to this host."
            ),
            click.Option(["--profile"], help="Speak to the endpoint, and with the keys, of this profile in ~/.aws."),
            click.Option(["--region"], help="The region; a host is in one, and any other is refused."),
            click.Option(["--color"], type=click.Choice(COLORS), help="Whether tables have colours; auto: on a terminal."),
            click.Option(["--no-cli-pager", "cli_pager"], is_flag=True, help="As it is anyway: there is no pager."),
            click.Option(["--debug"], is_flag=True, help="On a fault, show where in the program it happened."),
            click.Option(["--paginate/--no-paginate"], default=True, help="Ask for all pages, or for the first only."),
            click.Option(
                ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version."
            ),
        ],
    )


def execute(args: Sequence[str], session: Session | None = None) -> int:
    """Carry out a command line; returns its exit status."""
    session = session or Session()

    def command() -> None:
        with root().make_context("minicloud", list(args), obj=session) as ctx:
            root().invoke(ctx)

    return run(command, lambda: session.debug)


class _Once(logging.Filter):
    """Lets a message through when it is new: what a command sees wrong while it waits, it sees again and again.

    A reason that keeps several things from being done (isolation tells it) is said in full of the first of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.said: set[str] = set()
        self.reasons: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this was not said yet."""
        text = record.getMessage()
        new = text not in self.said
        self.said.add(text)
        if new and (reason := getattr(record, "reason", "")):
            if reason in self.reasons:
                record.msg, record.args = "%s: for the same reason", (record.__dict__["about"],)
            self.reasons.add(reason)
        return new


def spare_collector() -> None:
    """Let the garbage collector leave alone what is there, and look seldom at what comes.

    The model is hundreds of thousands of objects that stay: looking through them again and again is 15 ms of a start, and a tenth
    of an answer with a thousand instances.
    """
    import gc

    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


def main() -> int:
    """The command `minicloud`."""
    import os

    from .. import config
    from ..aws.model_cache import cache

    with contextlib.suppress(UsageError):  # whoever needs the settings says what is wrong with them
        cache.use(config.load().run / "models")
    spare_collector()
    if logging.lastResort:  # who writes a log, as `serve` does, has handlers of its own
        logging.lastResort.addFilter(_Once())
    if "_MINICLOUD_COMPLETE" in os.environ:
        root().main(prog_name="minicloud", complete_var="_MINICLOUD_COMPLETE")
    return execute(sys.argv[1:])
