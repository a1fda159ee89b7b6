"""What iproute2 says as JSON.

Its objects may have a name twice: of a route with an encapsulation `dst` is the destination, and then where its packets are
sent inside others. What it says of the object itself comes first, and is what counts here.
"""

import json
from typing import Any


def rows(text: str) -> list[dict[str, Any]]:
    """The objects of one answer; none for an empty one. Raises ValueError."""
    found: list[dict[str, Any]] = json.loads(text or "[]", object_pairs_hook=_first)
    return found


def _first(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(reversed(pairs))
