"""Pages put together, as the aws CLI does by AWS's paginator definitions.

--max-items may end within a page; the NextToken that is printed then says which page to ask for again and how many of its
items were already shown, in the aws CLI's own form (base64 of JSON).
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..aws import model
from ..errors import UsageError

Answer = dict[str, Any]
_SHOWN = "boto_truncate_amount"


@dataclass(frozen=True)
class Pages:
    """What the flags ask for."""

    starting_token: str | None = None
    max_items: int | None = None
    page_size: int | None = None


def collect(call: Callable[[Answer], Answer], definition: Mapping[str, Any], params: Answer, wanted: Pages) -> Answer:
    """Ask for pages until there are no more or enough; one answer with all of it. Raises UsageError for a bad token."""
    token_in, token_out, keys = definition["input_token"], definition["output_token"], _names(definition["result_key"])
    token, skip = decode(wanted.starting_token) if wanted.starting_token else (None, 0)
    request = {**params, **({definition["limit_key"]: wanted.page_size} if wanted.page_size is not None else {})}
    whole: Answer = {}
    while True:
        page = call({**request, **({token_in: token} if token else {})})
        after = page.pop(token_out, None)
        page[keys[0]] = page.get(keys[0], [])[skip:]
        shown = len(whole.get(keys[0], ()))
        room = len(page[keys[0]]) if wanted.max_items is None else wanted.max_items - shown
        if room < len(page[keys[0]]):
            page[keys[0]] = page[keys[0]][:room]
            return {**_joined(whole, page, keys), "NextToken": encode(token, skip + room)}
        whole = _joined(whole, page, keys)
        if not after:
            return whole
        if shown + len(page[keys[0]]) == wanted.max_items:
            return {**whole, "NextToken": encode(after, 0)}
        if after == token:
            raise UsageError(f"the same NextToken came twice, so the pages would never end: {after}")
        token, skip = after, 0


def everything(call: Callable[[str, str, Answer], Answer], service: str, operation: str) -> Answer:
    """All that an operation lists, whatever its pages are. `call` takes a service, an operation and parameters."""
    definition = model.service(service).paginators[operation]
    return collect(lambda params: call(service, operation, params), definition, {}, Pages())


def _joined(whole: Answer, page: Answer, keys: list[str]) -> Answer:
    lists = {key: [*whole.get(key, []), *page.get(key, [])] for key in keys if key in whole or key in page}
    return {**whole, **page, **lists}


def _names(key: str | list[str]) -> list[str]:
    return [key] if isinstance(key, str) else key


def encode(token: str | None, shown: int) -> str:
    """A NextToken: the page to ask for, and how many of its items were shown."""
    content = {"NextToken": token, **({_SHOWN: shown} if shown else {})}
    return base64.b64encode(json.dumps(content).encode()).decode()


def decode(text: str) -> tuple[str | None, int]:
    """The page and the items shown of it; a token that is not of our form is one of the service's. Raises UsageError."""
    try:
        content = json.loads(base64.b64decode(text, validate=True))
        if not isinstance(content, dict):
            return text, 0
        return content.get("NextToken"), int(content.get(_SHOWN, 0))
    except (binascii.Error, UnicodeDecodeError, json.JSONDecodeError):
        return text, 0
    except (TypeError, ValueError) as error:
        raise UsageError(f"--starting-token {text!r} is not a NextToken of an earlier answer") from error


def number(name: str, text: str) -> int:
    """The value of --max-items or --page-size. Raises UsageError unless it is 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--{name} is a number from 1, not {text!r}")
    return int(text)
