"""Ask again and again until AWS's waiter definition says that it is so, that it never will be, or that it took too long.

The whole wait is as long as AWS's (delay times attempts), but the first questions follow quickly: a guest on the same host
changes in seconds. With a delay of the caller's the pause is that and nothing else.
"""

import functools
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import CallFailed, WaitFailed

_FIRST_PAUSE, _GROWTH, _LONGEST_PAUSE = 0.25, 1.5, 3.0


@dataclass(frozen=True)
class Clock:
    """Time, so that a test needs none: seconds of a clock that only goes forward, and a pause."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Patience:
    """How long to wait in all, and the pauses; seconds."""

    total: float
    pauses: Callable[[], Iterator[float]]


def patience(definition: Mapping[str, Any], delay: float | None, attempts: int | None) -> Patience:
    """From AWS's definition and what the flags say otherwise."""
    step = float(definition["delay"]) if delay is None else delay
    total = step * (definition["maxAttempts"] if attempts is None else attempts)
    if delay is not None:
        return Patience(total, lambda: itertools.repeat(delay))
    longest = min(step, _LONGEST_PAUSE)
    return Patience(total, lambda: (min(longest, _FIRST_PAUSE * _GROWTH**n) for n in itertools.count()))


def strict(name: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    """A definition without AWS's patience for `...NotFound`: here an identifier is known as soon as it is given out.

    Waiters named ...Exists keep it: waiting for what another command will make is what they are for.
    """
    kept = [
        acceptor
        for acceptor in definition["acceptors"]
        if name.endswith("Exists") or acceptor["state"] != "retry" or acceptor["matcher"] != "error"
    ]
    return {**definition, "acceptors": kept}


def poll(definition: Mapping[str, Any], ask: Callable[[], Any], limit: Patience, clock: Clock) -> None:
    """Ask until an acceptor of success matches. Raises WaitFailed with what was seen, CallFailed for an unexpected error."""
    start = clock.now()
    for pause in limit.pauses():
        seen = _ask(ask)
        state = next((acceptor["state"] for acceptor in definition["acceptors"] if matches(acceptor, seen)), "")
        if state == "success":
            return
        waited = clock.now() - start
        if state == "failure":
            raise WaitFailed(f"it will not come any more; after {waited:.0f} s: {shown(definition, seen)}") from _error(seen)
        if not state and isinstance(seen, CallFailed):
            raise seen
        if waited + pause > limit.total:
            raise WaitFailed(f"not within {limit.total:g} s; now: {shown(definition, seen)}") from _error(seen)
        clock.sleep(pause)


def _ask(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except CallFailed as error:
        return error


def _error(seen: Any) -> BaseException | None:
    return seen if isinstance(seen, BaseException) else None


def matches(acceptor: Mapping[str, Any], seen: Any) -> bool:
    """Whether an acceptor of a waiter definition accepts an answer, or a CallFailed in its place."""
    matcher, expected = acceptor["matcher"], acceptor["expected"]
    failed = isinstance(seen, CallFailed)
    if matcher == "error":
        return failed is expected if isinstance(expected, bool) else failed and seen.error.code == expected
    if matcher == "status":
        return bool((seen.error.status if failed else 200) == expected)
    if failed:
        return False
    found = _compiled(acceptor["argument"]).search(seen)
    if matcher == "path":
        return bool(found == expected)
    if not isinstance(found, list) or not found:
        return False
    return (all if matcher == "pathAll" else any)(entry == expected for entry in found)


def shown(definition: Mapping[str, Any], seen: Any) -> str:
    """What the waiter looked at, for the line that says why it failed."""
    if isinstance(seen, CallFailed):
        return str(seen)
    paths = dict.fromkeys(acceptor["argument"] for acceptor in definition["acceptors"] if "argument" in acceptor)
    found = next((value for path in paths if (value := _compiled(path).search(seen)) not in (None, [])), None)
    values = found if isinstance(found, list) else [found]
    return ", ".join(dict.fromkeys(str(value) for value in values)) if found is not None else "nothing of that kind is there"


@functools.cache
def _compiled(path: str) -> Any:
    import jmespath

    return jmespath.compile(path)
