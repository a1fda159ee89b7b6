"""Filters of describe-* operations: names that AWS documents, values with wildcards, applied to finished answers.

A declaration maps a filter's name to a path in an item of the answer: `State.Name`, or `Groups[].GroupId` where a list lies
on the way; `Groups[].=false` is a value that every group has without the answer saying it. A function gives the values that
only the state has. `tag:<key>`, `tag-key` and `tag-value` work on every item that has Tags. A name that AWS documents and
nobody declares is about what no item can have, and matches none. All filters must match; of a filter's values one is enough.
Names that end in LowerBound or UpperBound compare times.
"""

import fnmatch
import functools
import html
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..errors import ApiError
from . import times
from .refusals import EC2, Words

Values = Callable[[Any], Iterable[str]]
Declared = Mapping[str, "str | Values"]
MOST_VALUES = 200
_INNER_LIST = re.compile(r"(<li>(?:(?!<li>|</li>).)*)<ul>(?:(?!<ul>).)*?</ul>", re.DOTALL)


@functools.cache
def documented(text: str) -> frozenset[str]:
    """The filters that AWS's text (HTML) on an operation's Filters names: each the first word of an entry of its list."""
    # A list inside an entry names values, not filters.
    while (shorter := _INNER_LIST.sub(r"\1", text)) != text:
        text = shorter
    return frozenset(html.unescape(name) for name in re.findall(r"<li>\s*<p>\s*<code>([A-Za-z][^<]+)</code>", text))


def values_at(item: Any, path: str) -> Iterator[str]:
    """The values that stand at a path, as the texts that filters are compared with."""
    if path.startswith("="):
        yield path[1:]
        return
    head, _, rest = path.partition(".")
    name = head.removesuffix("[]")
    value = item.get(name) if name else item
    for found in value or () if head.endswith("[]") else (value,):
        if found is None:
            continue
        if rest:
            yield from values_at(found, rest)
        else:
            yield _text(found)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def pattern(value: str) -> re.Pattern[str]:
    """A filter value as a pattern: `*` any characters, `?` one, a backslash takes the next one as it stands."""
    parts = []
    for piece in re.findall(r"\\.|[^\\]+|\\", value, re.DOTALL):
        if piece.startswith("\\") and len(piece) == 2:
            parts.append(f"[{piece[1]}]" if piece[1] in "*?[" else piece[1])
        else:
            parts.append(piece.replace("[", "[[]"))
    return re.compile(fnmatch.translate("".join(parts)))


def _tags(item: Any) -> Sequence[Any]:
    """The tags of an item: most have Tags, network interfaces TagSet, and an item of DescribeTags is a tag itself."""
    found: Sequence[Any] = item.get("Tags", item.get("TagSet", [item] if "Key" in item else []))
    return found


def _extractor(name: str, declared: Declared, words: Words, known: frozenset[str]) -> Values:
    if name.startswith("tag:"):
        key = name.removeprefix("tag:")
        return lambda item: (tag["Value"] for tag in _tags(item) if tag.get("Key") == key)
    if name in ("tag-key", "tag-value") and name not in declared:
        member = "Key" if name == "tag-key" else "Value"
        return lambda item: (tag[member] for tag in _tags(item))
    if name not in declared:
        if name not in known:
            raise words.filter(name)
        return lambda _: ()
    path = declared[name]
    return path if callable(path) else lambda item: values_at(item, path)


def _test(name: str, value: str, words: Words) -> Callable[[str], object]:
    """Whether a text is what one value of a filter asks for."""
    if not name.endswith(("LowerBound", "UpperBound")):
        return pattern(value).fullmatch
    try:
        bound = times.seconds(value)
    except ValueError as error:
        raise words.filter(name, f": {value} is no time") from error
    if name.endswith("LowerBound"):
        return lambda text: times.seconds(text) >= bound
    return lambda text: times.seconds(text) <= bound


def compile_filters(
    filters: Sequence[Mapping[str, Any]], declared: Declared, words: Words = EC2, known: frozenset[str] = frozenset()
) -> Callable[[Any], bool]:
    """A test for items out of `[{"Name": ..., "Values": [...]}, ...]`; `known` are the names that AWS documents.

    Raises ApiError for a filter that AWS does not know.
    """
    if sum(len(entry.get("Values") or ()) for entry in filters) > MOST_VALUES:
        raise ApiError("FilterLimitExceeded", f"The maximum number of filter values specified on a single call is {MOST_VALUES}.")
    tests = []
    for entry in filters:
        name, values = entry.get("Name", ""), entry.get("Values") or []
        if not values:
            raise words.filter(name, ": it has no values")
        tests.append((_extractor(name, declared, words, known), [_test(name, value, words) for value in values]))

    def matches(item: Any) -> bool:
        return all(any(test(text) for text in extract(item) for test in wanted) for extract, wanted in tests)

    return matches
