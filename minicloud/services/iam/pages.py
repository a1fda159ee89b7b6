"""Pages of IAM's lists: Marker and MaxItems in a request, IsTruncated and Marker in its answer."""

from collections.abc import Callable, Sequence
from typing import Any

from ...api import Answer
from ...aws import model, pages, refusals

USUAL = 100
"""How many items a page has unless the request says otherwise."""


def page(name: str, views: Sequence[Any], key: Callable[[Any], str], marker: str | None, max_items: int | None) -> Answer:
    """The page of a list, as the member `name` of an answer. Raises ApiError for a marker that was never given out."""
    if marker:
        pages.decode(marker, refusals.of(model.service("iam")))
    shown, token = pages.page(views, key, max_items, marker, usual=USUAL)
    return {name: shown, "IsTruncated": token is not None, **({"Marker": token} if token else {})}
