"""Metric math as text: an expression becomes a tree. The page is "Using math expressions with CloudWatch metrics".

From what binds least to what binds most: OR ||, AND &&, comparisons, + -, * /, a minus in front, ^. Functions are in upper
case, identifiers of queries begin with a small letter.
"""

import re
from dataclasses import dataclass

MOST_DEPTH = 60
_WORDS = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z][A-Za-z0-9_]*)"
    r"|(?P<text>\"[^\"]*\"|'[^']*')|(?P<mark>&&|\|\||==|!=|<=|>=|[-+*/^<>(),\[\]]))"
)
_LEVELS: tuple[dict[str, str], ...] = (
    {"OR": "or", "||": "or"},
    {"AND": "and", "&&": "and"},
    {name: name for name in ("==", "!=", "<", "<=", ">", ">=")},
    {"+": "+", "-": "-"},
    {"*": "*", "/": "/"},
)


class ExpressionError(ValueError):
    """An expression that cannot be read or worked out; the text says why."""


@dataclass(frozen=True)
class Number:
    """A number."""

    value: float


@dataclass(frozen=True)
class Text:
    """A text in quotes."""

    value: str


@dataclass(frozen=True)
class Name:
    """The identifier of a query, or a word such as REPEAT."""

    name: str


@dataclass(frozen=True)
class Array:
    """Several in square brackets."""

    items: tuple["Node", ...]


@dataclass(frozen=True)
class Apply:
    """A function, or an operator by its sign, with what it is applied to."""

    name: str
    arguments: tuple["Node", ...]


Node = Number | Text | Name | Array | Apply


def parse(text: str) -> Node:
    """Read an expression. Raises ExpressionError."""
    reader = _Reader(_words(text))
    node = reader.level(0)
    if reader.word:
        raise ExpressionError(f"{reader.word!r} is not expected there")
    return node


def names(node: Node) -> set[str]:
    """The identifiers that an expression speaks of."""
    found, left = set(), [node]
    while left:
        one = left.pop()
        if isinstance(one, Name) and one.name[0].islower():
            found.add(one.name)
        left += one.items if isinstance(one, Array) else one.arguments if isinstance(one, Apply) else ()
    return found


def _words(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while text[at:].strip():
        word = _WORDS.match(text, at)
        if word is None:
            raise ExpressionError(f"it cannot be read at {text[at : at + 20].strip()!r}")
        found.append((str(word.lastgroup), word[str(word.lastgroup)]))
        at = word.end()
    return found


class _Reader:
    def __init__(self, words: list[tuple[str, str]]) -> None:
        self._words, self._at, self._depth = words, 0, 0

    @property
    def word(self) -> str:
        return self._words[self._at][1] if self._at < len(self._words) else ""

    @property
    def _kind(self) -> str:
        return self._words[self._at][0] if self._at < len(self._words) else ""

    def _take(self) -> str:
        word = self.word
        self._at += 1
        return word

    def _expect(self, mark: str) -> None:
        if self._kind != "mark" or self._take() != mark:
            raise ExpressionError(f"a {mark} is missing")

    def level(self, number: int) -> Node:
        """What operators of this level, and of those that bind more, make."""
        if number == len(_LEVELS):
            return self._signed()
        left = self.level(number + 1)
        while self._kind != "text" and self.word in _LEVELS[number]:
            sign = _LEVELS[number][self._take()]
            left = Apply(sign, (left, self.level(number + 1)))
        return left

    def _signed(self) -> Node:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise ExpressionError(f"it is nested more than {MOST_DEPTH} deep")
        try:
            if self.word in ("-", "+") and self._kind == "mark":
                return Apply("-", (Number(0.0), self._signed())) if self._take() == "-" else self._signed()
            base = self._atom()
            if self.word == "^" and self._kind == "mark":
                self._take()
                return Apply("^", (base, self._signed()))
            return base
        finally:
            self._depth -= 1

    def _atom(self) -> Node:
        kind, word = self._kind, self._take()
        if kind == "number":
            return Number(float(word))
        if kind == "text":
            return Text(word[1:-1])
        if kind == "name":
            if self.word == "(" and self._kind == "mark":
                return Apply(word, self._several("(", ")"))
            return Name(word)
        if word == "(":
            inner = self.level(0)
            self._expect(")")
            return inner
        if word == "[":
            self._at -= 1
            return Array(self._several("[", "]"))
        raise ExpressionError(f"{word!r} is not expected there" if word else "it ends too early")

    def _several(self, first: str, last: str) -> tuple[Node, ...]:
        self._expect(first)
        found: list[Node] = []
        while self.word != last or self._kind != "mark":
            found.append(self.level(0))
            if self.word != ",":
                break
            self._take()
        self._expect(last)
        return tuple(found)
