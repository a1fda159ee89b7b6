"""Waiting in tests: for a condition, with an end and a message."""

import time
from collections.abc import Callable


def until(what: str, condition: Callable[[], object], seconds: float = 60.0, pause: float = 0.05) -> None:
    """Ask `condition` again and again until it is true. Fails, naming `what` and what was found last, after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s in vain until {what}; found last: {found!r}")
        time.sleep(pause)
