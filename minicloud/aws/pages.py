"""Pages: MaxResults and NextToken.

A token names the last item that was given out, not a position: items that come or go between two pages make no other item
appear twice or not at all. Items of a paged answer are therefore ordered by their key.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any

from .refusals import EC2, Words

MOST_RESULTS = 1000
"""A page has no more items than this, whatever was asked for, as with AWS; many operations have fewer (`page_rules`)."""
_MARK = "minicloud:"


def encode(key: str) -> str:
    """The token for the page after `key`."""
    return base64.urlsafe_b64encode(f"{_MARK}{key}".encode()).decode()


def decode(token: str, words: Words = EC2) -> str:
    """The key in a token. Raises ApiError."""
    try:
        text = base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise words.token(token) from error
    if not text.startswith(_MARK):
        raise words.token(token)
    return text.removeprefix(_MARK)


def page(
    items: Sequence[Any],
    key: Callable[[Any], str],
    most: int | None,
    token: str | None,
    *,
    usual: int | None = None,
    largest: int = MOST_RESULTS,
) -> tuple[list[Any], str | None]:
    """One page of `items`, and the token of the next one (None after the last). Without `most` it has the `usual` number of
    items, and where there is none all of them."""
    if most is None and token is None and (usual is None or len(items) <= usual):
        return list(items), None
    after, most = decode(token, EC2) if token else "", min(most or usual or largest, largest)
    rest = [item for item in sorted(items, key=key) if key(item) > after]
    if len(rest) <= most:
        return rest, None
    return rest[:most], encode(key(rest[most - 1]))
