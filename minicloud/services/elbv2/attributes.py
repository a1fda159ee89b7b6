"""Attributes of balancers, target groups and listeners: AWS's keys, which kinds have them, defaults, and what they may be.

A value that AWS allows and this host cannot honour is refused by name; it is never kept and ignored.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypedDict

from .refusals import invalid, unsupported


class AttributeInput(TypedDict, total=False):
    """An attribute that is to be set."""

    Key: str
    Value: str


Check = Callable[[str], str | None]
"""What is wrong with a value in words (what it must be), or None."""


@dataclass(frozen=True)
class Attribute:
    """One attribute. `only` are the values of AWS's that this host honours, where those are not all."""

    default: str
    check: Check
    kinds: tuple[str, ...]
    only: tuple[str, ...] = ()


def one_of(*values: str) -> Check:
    """One of these words."""
    return lambda value: None if value in values else f"one of: {', '.join(values)}"


def within(value: str, low: int, high: int) -> bool:
    """Whether a text is a whole number in a range; one of thousands of digits is not even read."""
    return value.isascii() and value.isdecimal() and len(value) <= 10 and low <= int(value) <= high


def number(low: int, high: int, *others: str) -> Check:
    """A whole number in a range, or one of some words."""

    def check(value: str) -> str | None:
        if value in others or within(value, low, high):
            return None
        return " or ".join([f"a number between {low} and {high}", *others])

    return check


def matching(pattern: str, what: str) -> Check:
    """A text of a form."""
    return lambda value: None if re.fullmatch(pattern, value) else what


TRUTH = one_of("true", "false")


class Attributes:
    """The attributes of one sort of thing; `noun` is what AWS calls it in its messages."""

    def __init__(self, noun: str, known: Mapping[str, Attribute]) -> None:
        self._noun = noun
        self._known = known

    def defaults(self, kind: str, changes: Mapping[str, str] | None = None) -> dict[str, str]:
        """All attributes of a new thing of this kind."""
        found = {key: one.default for key, one in self._known.items() if kind in one.kinds}
        return {**found, **(changes or {})}

    def checked(self, kind: str, given: Iterable[AttributeInput]) -> dict[str, str]:
        """What is to be set. Raises ApiError for a key or value that cannot be."""
        found: dict[str, str] = {}
        for entry in given:
            key, value = entry.get("Key", ""), entry.get("Value", "")
            if key in found:
                raise invalid(f"{self._noun} attribute key '{key}' was specified more than once")
            found[key] = self._value(kind, key, value)
        if not found:
            raise invalid(f"At least one {self._noun.lower()} attribute must be specified")
        return found

    def _value(self, kind: str, key: str, value: str) -> str:
        known = self._known.get(key)
        if known is None:
            raise invalid(f"{self._noun} attribute key '{key}' is not recognized")
        if kind not in known.kinds:
            raise invalid(f"{self._noun} attribute '{key}' is not supported for the type '{kind}'")
        if (wrong := known.check(value)) is not None:
            raise invalid(f"{self._noun} attribute '{key}' value '{value[:80]}' is not valid; it must be {wrong}")
        if known.only and value not in known.only:
            raise unsupported(f"minicloud does not support the value '{value}' of the attribute {key}")
        return value


def view(found: Mapping[str, str]) -> list[dict[str, str]]:
    """Attributes as AWS answers them."""
    return [{"Key": key, "Value": value} for key, value in sorted(found.items())]
