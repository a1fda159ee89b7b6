"""SEARCH expressions: which metrics a text means. The page is "CloudWatch search expression syntax".

`{Namespace,DimensionA,DimensionB}` are metrics with exactly these dimensions; then terms: words that stand in any part of a
metric's name, or name=value pairs (MetricName, Namespace, a dimension); AND, OR, NOT and parentheses. A value in quotes is
the whole of it, one without is a part of it; letters of both cases are the same without quotes.
"""

import re
from collections.abc import Callable

from ..state.metrics import Metric, MetricsStore
from .expression import ExpressionError

MOST_FOUND = 500
_SCHEMA = re.compile(r"\s*\{([^}]*)\}(.*)", re.DOTALL)
_WORDS = re.compile(r'\s*(?:(\(|\))|((?:"[^"]*"|[^\s()="]+)(?:\s*=\s*(?:"[^"]*"|[^\s()="]+|\((?:[^()]*)\)))?))')
_MOST_DEPTH, _MOST_TERMS = 40, 400
Fits = Callable[[Metric], bool]


def search(store: MetricsStore, text: str, since: int) -> list[Metric]:
    """The metrics with data not before `since`. Raises ExpressionError."""
    schema, rest = _SCHEMA.fullmatch(text), text
    namespace, names = "", None
    if schema is not None:
        namespace, *names = [part.strip().strip('"') for part in schema[1].split(",")]
        rest = schema[2]
    fits = _Terms(rest).all() if rest.strip() else lambda _: True
    found: dict[Metric, None] = {}
    for one in store.series(namespace, since=since):
        metric = Metric(one.metric.namespace, one.metric.name, one.metric.dimensions)
        if (names is None or {key for key, _ in metric.dimensions} == set(names)) and fits(metric):
            found[metric] = None
    return sorted(found, key=lambda metric: (metric.name, metric.dimensions))[:MOST_FOUND]


class _Terms:
    def __init__(self, text: str) -> None:
        self._words, at = [], 0
        while text[at:].strip():
            word = _WORDS.match(text, at)
            if word is None:
                raise ExpressionError(f"SEARCH cannot be read at {text[at : at + 20].strip()!r}")
            self._words.append(word[1] or word[2])
            at = word.end()
        self._at, self._depth, self._terms = 0, 0, 0

    def _peek(self) -> str:
        return self._words[self._at] if self._at < len(self._words) else ""

    def all(self) -> Fits:
        fits = self._any()
        if self._peek():
            raise ExpressionError("SEARCH has a parenthesis too many")
        return fits

    def _any(self) -> Fits:
        parts = [self._every()]
        while self._peek() == "OR":
            self._at += 1
            parts.append(self._every())
        return lambda metric: any(part(metric) for part in parts)

    def _every(self) -> Fits:
        parts = [self._one()]
        while self._peek() not in ("", "OR", ")"):
            self._at += self._peek() == "AND"
            parts.append(self._one())
        return lambda metric: all(part(metric) for part in parts)

    def _one(self) -> Fits:
        self._depth, self._terms = self._depth + 1, self._terms + 1
        if self._depth > _MOST_DEPTH or self._terms > _MOST_TERMS:
            raise ExpressionError(f"SEARCH is nested more than {_MOST_DEPTH} deep, or has more than {_MOST_TERMS} terms")
        try:
            return self._inner()
        finally:
            self._depth -= 1

    def _inner(self) -> Fits:
        word = self._peek()
        self._at += 1
        if word == "NOT":
            inner = self._one()
            return lambda metric: not inner(metric)
        if word == "(":
            inner = self._any()
            if self._peek() != ")":
                raise ExpressionError("SEARCH lacks a closing parenthesis")
            self._at += 1
            return inner
        if word in ("", ")", "AND", "OR"):
            raise ExpressionError("SEARCH lacks a term")
        return _term(word)


def _term(word: str) -> Fits:
    name, sign, wanted = (part.strip() for part in word.partition("="))
    if not sign:
        part = name.strip('"')
        return lambda metric: any(_same(part, text, name) for text in _texts(metric))
    values = re.findall(r'"[^"]*"|[^\s()"]+', wanted) if wanted.startswith("(") else [wanted]
    values = [value for value in values if value != "OR"]
    key = name.strip('"')
    return lambda metric: any(_same(value.strip('"'), _value(metric, key), value) for value in values)


def _texts(metric: Metric) -> list[str]:
    return [metric.namespace, metric.name, *(part for pair in metric.dimensions for part in pair)]


def _value(metric: Metric, key: str) -> str:
    own = {"MetricName": metric.name, "Namespace": metric.namespace}
    return own.get(key) or dict(metric.dimensions).get(key, "")


def _same(part: str, text: str, written: str) -> bool:
    return part == text if written.startswith('"') else bool(part) and part.lower() in text.lower()
