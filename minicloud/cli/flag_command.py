"""A click command whose flags are the aws CLI's: `parse` reads the words, click gives groups, help and completion."""

import click

from ..errors import UsageError
from . import parse
from .flags import Flag, Flags
from .parse import Words
from .session import Session


class FlagCommand(click.Command):
    """The frame of operations and waiters, which say what flags there are and what to do with the words."""

    @property
    def flags(self) -> Flags:
        """All flags of this command, by name."""
        raise NotImplementedError

    def carry_out(self, session: Session, words: dict[str, Words]) -> None:
        """Do what the words ask for."""
        raise NotImplementedError

    def needed(self, words: dict[str, Words]) -> list[str]:
        """The flags that are required and not there."""
        return parse.missing(self.flags, words)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Flags and their words into `ctx.params`. Raises click.UsageError; prints the help where it is asked for."""
        if ctx.resilient_parsing:  # completion: half a line is no mistake
            ctx.args = list(args)
            return ctx.args
        try:
            ctx.params = dict(parse.parse(self.flags, args))
        except UsageError as error:
            raise click.UsageError(str(error), ctx) from error
        if "help" in ctx.params:
            click.echo(ctx.get_help())
            ctx.exit()
        if missing := self.needed(ctx.params):
            raise click.UsageError(f"{', '.join(missing)} must be given", ctx)
        return []

    def invoke(self, ctx: click.Context) -> None:
        """Carry the command out. Raises click.UsageError for values that make no sense."""
        session = ctx.ensure_object(Session)
        for name in ("debug", "endpoint_url", "profile", "region", "color"):
            setattr(session, name, ctx.params.get(name.replace("_", "-"), getattr(session, name)))
        session.paint()
        try:
            session.check_region()
            self.carry_out(session, ctx.params)
        except UsageError as error:
            raise click.UsageError(str(error), ctx) from error

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:  # noqa: ARG002
        """The flags as click knows flags; for completion."""
        return [_option(flag) for flag in self.flags.values()]

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click calls it so
        """What stands in the usage line: the flags that must be there."""
        return [*(f"--{flag.name} ..." for flag in self.flags.values() if flag.required), "[FLAGS]"]


def _option(flag: Flag) -> click.Option:
    from .helptext import first_sentence  # plain words: shells show them as they are

    text = first_sentence(flag.help)
    if flag.takes == "none":
        return click.Option([f"--{flag.name}"], is_flag=True, help=text)
    kind = click.Choice(list(flag.choices)) if flag.choices else _PATHS if flag.name in _FILES else None
    return click.Option([f"--{flag.name}"], type=kind, help=text, multiple=flag.takes == "many")


_FILES = ("save",)
_PATHS = click.Path()
