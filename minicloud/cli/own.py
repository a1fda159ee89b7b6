"""How the commands that AWS has no name for print an answer: with --output and --query, as operations do."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from ..errors import UsageError
from .output import FORMATS

_F = TypeVar("_F", bound=Callable[..., Any])


def answers(function: _F) -> _F:
    """Give a command the options --output and --query."""
    function = click.option("--query", help="A JMESPath expression; what it finds is printed.")(function)
    return click.option("--output", type=click.Choice(FORMATS), help="How to print the answer.")(function)


def format_of(ctx: click.Context, output: str | None) -> str:
    """The format to print in: the command's own option, that before the command, or what fits standard output."""
    from .output import choose

    return choose(output or ctx.obj.output)


def show(ctx: click.Context, answer: Any, output: str | None, query: str | None) -> None:
    """Print an answer. Raises click.UsageError for a query that is not valid."""
    from . import output as printer

    try:
        printer.show(answer, format_of(ctx, output), query or ctx.obj.query)
    except UsageError as error:
        raise click.UsageError(str(error), ctx) from error


def wants(ctx: click.Context, output: str | None, query: str | None) -> bool:
    """Whether an answer for programs was asked for, rather than what a person reads by default."""
    return bool(query or ctx.obj.query) or (output or ctx.obj.output or os.environ.get("MINICLOUD_OUTPUT", "table")) != "table"
