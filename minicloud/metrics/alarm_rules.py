"""The rules of composite alarms: ALARM(name), OK(name), INSUFFICIENT_DATA(name), TRUE, FALSE, AND, OR, NOT, parentheses.

Names may stand in double quotes, with \\" inside, and may be ARNs. NOT binds more than AND, AND more than OR.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

STATES = ("OK", "ALARM", "INSUFFICIENT_DATA")
MOST_CHILDREN, MOST_ELEMENTS = 100, 500
_MOST_DEPTH = 100
_WORDS = re.compile(r'\s*(?:([()])|(AND|OR|NOT|TRUE|FALSE|ALARM|OK|INSUFFICIENT_DATA)(?![\w-])|("(?:[^"\\]|\\.)*"|[^\s()"]+))')
_FUNCTION = re.compile(r'\s*\(\s*("(?:[^"\\]|\\.)*"|[^()"]*?)\s*\)')
Judge = Callable[[Mapping[str, str]], bool]


class RuleError(ValueError):
    """A rule that cannot be read; the text says where."""


@dataclass(frozen=True)
class Rule:
    """A rule: `children` are the names that it speaks of, `holds` says whether it is true of the states of alarms by name."""

    children: tuple[str, ...]
    holds: Judge


@dataclass
class _Reader:
    text: str
    at: int = 0
    names: list[str] = field(default_factory=list)
    elements: int = 0
    depth: int = 0

    def peek(self) -> str:
        """The next word, empty at the end."""
        found = _WORDS.match(self.text, self.at)
        if found is None:
            if self.text[self.at :].strip():
                raise RuleError(f"cannot be read at position {self.at}: {self.text[self.at : self.at + 20]!r}")
            return ""
        return found[1] or found[2] or found[3]

    def take(self) -> str:
        """The same, and go on behind it."""
        word = self.peek()
        if found := _WORDS.match(self.text, self.at):
            self.at = found.end()
        return word

    def element(self) -> None:
        self.elements += 1
        if self.elements > MOST_ELEMENTS:
            raise RuleError(f"has more than {MOST_ELEMENTS} elements")

    def any_of(self) -> Judge:
        return self._chain("OR", lambda: self._chain("AND", self.one, all), any)

    def _chain(self, word: str, part: Callable[[], Judge], join: Callable[[Iterator[bool]], bool]) -> Judge:
        parts = [part()]
        while self.peek() == word:
            self.take()
            parts.append(part())
        return parts[0] if len(parts) == 1 else lambda states: join(judge(states) for judge in parts)

    def one(self) -> Judge:
        self.depth += 1
        if self.depth > _MOST_DEPTH:
            raise RuleError(f"is nested more than {_MOST_DEPTH} deep")
        try:
            return self._one()
        finally:
            self.depth -= 1

    def _one(self) -> Judge:
        word = self.take()
        if word == "NOT":
            inner = self.one()
            return lambda states: not inner(states)
        if word in ("TRUE", "FALSE"):
            self.element()
            return lambda _: word == "TRUE"
        if word == "(":
            self.element()
            inner = self.any_of()
            if self.take() != ")":
                raise RuleError("lacks a closing parenthesis")
            return inner
        if word in STATES:
            return self._state(word)
        raise RuleError(f"has {word!r} where a function should be" if word else "ends too early")

    def _state(self, state: str) -> Judge:
        found = _FUNCTION.match(self.text, self.at)
        if found is None:
            raise RuleError(f"lacks an alarm's name in parentheses after {state}")
        self.at = found.end()
        name = name_of(found[1])
        if not name:
            raise RuleError(f"lacks an alarm's name in {state}()")
        self.element()
        self.names.append(name)
        return lambda states: states.get(name) == state


def name_of(word: str) -> str:
    """The alarm's name in a word of a rule: without quotes, or the end of its ARN."""
    if word.startswith('"'):
        word = re.sub(r"\\(.)", r"\1", word[1:-1])
    if word.startswith("arn:") and word.count(":") >= 6:
        return word.split(":", 6)[6]
    return word


def parse(text: str) -> Rule:
    """Read a rule. Raises RuleError."""
    reader = _Reader(text)
    judge = reader.any_of()
    if rest := reader.peek():
        raise RuleError(f"has {rest!r} where AND or OR should be")
    children = tuple(dict.fromkeys(reader.names))
    if len(children) > MOST_CHILDREN:
        raise RuleError(f"names more than {MOST_CHILDREN} alarms")
    return Rule(children, judge)
