"""Facts that are looked for one by one: one that cannot be had fails whatever needs it, and nothing else."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

T = TypeVar("T")


@dataclass(frozen=True)
class _Missing:
    """In the place of a fact: what was raised when it was looked for."""

    error: Exception


class Facts:
    """The base of a dataclass of facts. One that `fact` could not have raises, wherever it is read, what it raised then."""

    if not TYPE_CHECKING:  # for mypy a class with this has every attribute

        def __getattribute__(self, name: str) -> Any:
            return got(super().__getattribute__(name))


def fact(probe: Callable[[], T]) -> T:
    """What a probe finds. Whatever it raises is kept in the place of that, for a field of Facts, or for `got`."""
    try:
        return probe()
    except Exception as error:  # noqa: BLE001  it is raised again by whoever needs this
        return cast("T", _Missing(error))


def got(value: T) -> T:
    """The same value, for probes that need it; raises what the probe for it raised."""
    if isinstance(value, _Missing):
        raise value.error
    return value
