"""Pages of answers that are in an order of their own: a token is the key of the last item that was given out."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from ...aws import pages

Item = TypeVar("Item")


def page(
    items: Sequence[Item], key: Callable[[Item], str], token: str, most: int, *, descending: bool = False
) -> tuple[list[Item], str]:
    """At most `most` of the items after the token, ordered by their keys; the token of the next page, empty after the last."""
    after = pages.decode(token) if token else None
    ordered = sorted(items, key=key, reverse=descending)
    if after is not None:
        ordered = [item for item in ordered if (key(item) < after if descending else key(item) > after)]
    if len(ordered) <= most:
        return ordered, ""
    return ordered[:most], pages.encode(key(ordered[most - 1]))
