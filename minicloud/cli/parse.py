"""Words of a command line into flags and their words, by the aws CLI's rules, which are not click's.

A flag begins with two dashes and a letter, is spelled in full, and ends where the next flag begins; `--flag=value` gives it one
word whatever that looks like. Of a flag that is given twice the last one counts. All errors are UsageError, in one line.
"""

import difflib
import re
from collections.abc import Iterable, Sequence

from ..errors import UsageError
from .flags import Flag, Flags

Words = str | list[str] | bool
"""What a flag was given: one word, several, or just that it was there (False through its opposite)."""

_FLAG = re.compile(r"--([A-Za-z][A-Za-z0-9_-]*)(?:=(.*))?", re.DOTALL)


def parse(flags: Flags, args: Sequence[str]) -> dict[str, Words]:
    """The words of each flag that was given, by the flag's name. Raises UsageError."""
    found: dict[str, Words] = {}
    at = 0
    while at < len(args):
        name, first = _flag(flags, args[at], bool(found))
        at += 1
        words = [first] if first is not None else []
        if first is None:
            end = next((i for i in range(at, len(args)) if _FLAG.fullmatch(args[i])), len(args))
            words, at = list(args[at:end]), end
        made = flags[name]
        found[made.negates or name] = _take(made, words)
    return found


def missing(flags: Flags, found: Iterable[str]) -> list[str]:
    """The flags that must be there and are not."""
    given = set(found)
    return [f"--{made.name}" for made in flags.values() if made.required and made.name not in given]


def closest(wrong: str, known: Iterable[str]) -> str:
    """The one of `known` that `wrong` was probably meant to be; empty if none is near."""
    near = difflib.get_close_matches(wrong, list(known), n=1, cutoff=0.6)
    return near[0] if near else ""


def _flag(flags: Flags, word: str, after_flag: bool) -> tuple[str, str | None]:
    match = _FLAG.fullmatch(word)
    if word == "-h" or (word == "help" and not after_flag):
        return "help", None
    if match is None:
        raise UsageError(f"{word!r} belongs to no flag; values stand after the flag they are for")
    name = match[1]
    if name not in flags:
        near = closest(name, flags)
        raise UsageError(f"unknown flag --{name}" + (f"; did you mean --{near}?" if near else "; --help lists the flags"))
    return name, match[2]


def _take(made: Flag, words: list[str]) -> Words:
    if made.takes == "many":
        return words
    if made.takes == "none":
        if words:
            raise UsageError(f"--{made.name} takes no value, but {words[0]!r} follows it")
        return not made.negates
    if not words:
        if made.takes == "maybe":
            return True
        raise UsageError(f"--{made.name} needs a value")
    if len(words) > 1:
        raise UsageError(f"--{made.name} takes one value, but {words[1]!r} follows {words[0]!r}; quote a value that has spaces")
    if made.choices and made.shape is None and words[0] not in made.choices:
        raise UsageError(f"--{made.name} is one of {', '.join(made.choices)}, not {words[0]!r}")
    return words[0]
