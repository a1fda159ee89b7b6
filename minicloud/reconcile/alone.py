"""A command that has the host for itself: it holds the daemon's lock, and one of its own name, by which others tell it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ..errors import StateError
from . import locks

DAEMON = "daemon"
_COMMANDS = ("restore", "adopt", "uninstall")


@contextlib.contextmanager
def held(run: Path, command: str) -> Iterator[None]:
    """Let `command`, one of those above, be alone. Raises StateError, with who is there, while somebody else is."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locks.held(run, DAEMON))
        except locks.Busy as error:
            raise StateError(other(run) or "minicloud serve runs; end it first (systemctl stop minicloud)") from error
        stack.enter_context(locks.held(run, _name(command), 1.0))
        yield


def other(run: Path) -> str:
    """That a command is alone on this host, in words with what to do; empty where none is."""
    for command in _COMMANDS:
        try:
            with locks.held(run, _name(command)):
                pass
        except locks.Busy:
            return f"another command, minicloud {command}, is at work on this host; try again when it has ended"
    return ""


def _name(command: str) -> str:
    return f"{DAEMON}: {command}"
