"""The argument FILE of `backup` and `restore`, and what is said when one of them is interrupted."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click


def _path(ctx: click.Context, parameter: click.Parameter, value: str) -> Path:
    if value in ("", "-"):
        what = "standard input or output ('-')" if value else "an empty name"
        raise click.UsageError(f"FILE is {what}, and has to be the name of a file: it is written and read in parts", ctx)
    if "\0" in value:
        raise click.BadParameter("a name has no zero byte", ctx, parameter)
    return Path(value)


def argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the argument."""
    return click.argument("file", callback=_path)(function)


@contextlib.contextmanager
def telling(said: Callable[[], str]) -> Iterator[None]:
    """Tell what an interruption has left."""
    try:
        yield
    except (KeyboardInterrupt, click.exceptions.Abort):
        click.echo(f"minicloud: interrupted: {said()}", err=True)
        raise
