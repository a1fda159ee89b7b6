"""How a command ends: one exit status for each kind of failure, the aws CLI's, and one line that says what to do.

0 done; 1 a fault of the host or of minicloud; 130 interrupted; 252 a command line that makes no sense; 253 settings, rights, or
a host or state that does not allow it; 254 an operation was refused; 255 a wait failed.
"""

import os
import sqlite3
import sys
import traceback
from collections.abc import Callable

from ..errors import ApiError, HostError, StateError, UsageError

FAULT, INTERRUPTED, USAGE, CONFIGURATION, SERVICE, WAIT = 1, 130, 252, 253, 254, 255


class ConfigurationError(Exception):
    """minicloud cannot work here as it is set up; the message says what to do. Exit status 253."""


class WaitFailed(Exception):
    """What was waited for did not come. Exit status 255."""


class CallFailed(Exception):
    """An operation was refused. Exit status 254."""

    def __init__(self, service: str, operation: str, error: ApiError, hint: str = "") -> None:
        super().__init__(str(error))
        self.service = service
        self.operation = operation
        self.error = error
        self.hint = hint

    def lines(self) -> list[str]:
        """What is printed: AWS's sentence, and a hint if there is one."""
        sentence = f"An error occurred ({self.error.code}) when calling the {self.operation} operation: {self.error.message}"
        return [sentence, *([f"hint: {self.hint}"] if self.hint else [])]


def run(command: Callable[[], object], debug: Callable[[], bool]) -> int:
    """Run a command; returns the exit status, after saying on standard error what went wrong."""
    import click

    try:
        command()
        sys.stdout.flush()
    except click.exceptions.Exit as done:
        return done.exit_code
    except BrokenPipeError:
        # Whoever read our output has left. Python would complain once more while it closes standard output at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13
    except (KeyboardInterrupt, click.exceptions.Abort):
        return _say("", INTERRUPTED)
    except Exception as error:  # noqa: BLE001  whatever happens, the user gets one line and a status
        if debug():
            traceback.print_exc()
        return _explain(error)
    return 0


def _explain(error: Exception) -> int:
    """Say what happened; the exit status that goes with it."""
    import click

    if isinstance(error, CallFailed):
        return _say("\n".join(error.lines()), SERVICE)
    if isinstance(error, ApiError):
        return _say(f"An error occurred ({error.code}): {error.message}", SERVICE)
    if isinstance(error, click.UsageError):
        where = f"{error.ctx.command_path if error.ctx else 'minicloud'}: "
        return _say(f"{'' if isinstance(error, click.exceptions.NoArgsIsHelpError) else where}{error.format_message()}", USAGE)
    if isinstance(error, sqlite3.DatabaseError):
        return _say(f"minicloud: the state cannot be used: {error}; see: minicloud doctor", CONFIGURATION)
    known = {
        UsageError: USAGE,
        StateError: CONFIGURATION,
        ConfigurationError: CONFIGURATION,
        WaitFailed: WAIT,
        HostError: FAULT,
        click.ClickException: FAULT,
    }
    status = next((status for kind, status in known.items() if isinstance(error, kind)), None)
    if status is None:
        return _say(f"minicloud: internal fault ({type(error).__name__}: {error}); --debug shows where", FAULT)
    return _say(f"minicloud: {error}", status)


def _say(text: str, status: int) -> int:
    from .terminal import clean

    for line in text.splitlines():
        print(clean(line), file=sys.stderr)
    return status
