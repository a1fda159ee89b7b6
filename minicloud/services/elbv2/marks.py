"""Pages as the load balancing APIs have them: PageSize, Marker and NextMarker."""

from collections.abc import Callable, Sequence
from typing import Any

from ...api import Answer
from ...aws import pages
from ...errors import ApiError
from .refusals import invalid

USUAL = 400
"""How many items a page has unless the request says otherwise, and the most that it may have."""


def page(name: str, items: Sequence[Any], key: Callable[[Any], str], page_size: int | None, marker: str | None) -> Answer:
    """An answer with the page of `items` that is asked for, ordered by `key`. Raises ApiError for a strange marker."""
    try:
        shown, token = pages.page(items, key, page_size, marker or None, usual=USUAL)
    except ApiError as error:
        raise invalid(f"The marker '{marker}' is not valid") from error
    return {name: shown, **({"NextMarker": token} if token else {})}
