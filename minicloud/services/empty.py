"""Operations about kinds of things that no account can have here: their lists are empty.

Each is made of AWS's model alone. It takes all of AWS's parameters, since what narrows an empty list is harmless; a parameter
that names one thing is for the service to look at, because there is no such thing. Filters are those that AWS documents; where
its text names none, the members of the items in AWS's spelling of filters. A service has a file `empty_lists` that declares them.
"""

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ..api import Answer, Call, OperationDef, declare_as
from ..aws import pages, refusals
from ..aws.model import Shape, xform_name

_IDENTIFIES = re.compile(r"(.*(?:Id|Arn|Name|SerialNumber))(?:s|Set)?")


class EmptyList(OperationDef):
    """An operation whose answer is an empty list."""

    @property
    def reads(self) -> bool:
        """It only reads, whatever its name begins with."""
        return True

    @functools.cached_property
    def parameters(self) -> dict[str, Any]:
        """All of AWS's."""
        return dict.fromkeys(self.model.input, Any)

    @functools.cached_property
    def documented_filters(self) -> frozenset[str]:
        """Those of AWS's text, or those that the items' members are."""
        return super().documented_filters or frozenset(_members(self.model.output))


def _members(output: Shape | None) -> Iterator[str]:
    """The simple members of the items of an answer's lists, as filters spell them: IpamScopeId as ipam-scope-id."""
    for listed in output.members.values() if output else ():
        element = listed.shape.element if listed.shape.kind == "list" else None
        for name, member in element.members.items() if element and element.kind == "structure" else ():
            if member.shape.kind not in ("structure", "list", "map"):
                yield xform_name(name, "-")


def declare(service: str, names: Iterable[str], function: Callable[..., Answer]) -> None:
    """Declare operations of a service; `function(call, **parameters)` refuses what is named and answers `answer(call)`."""
    for name in names:
        declare_as(EmptyList(service, name, function))


def answer(call: Call, given: Mapping[str, Any]) -> Answer:
    """The answer: each of its lists, empty. Raises ApiError for a page that there cannot be."""
    operation = call.operation.model
    token = given.get("marker") or given.get("next_token")
    if token:
        pages.decode(token, refusals.of(operation.service))
    return _empty(operation.output) if operation.output else {}


def _empty(shape: Shape) -> Answer:
    found: Answer = {}
    for name, member in shape.members.items():
        if member.shape.kind == "list":
            found[name] = []
        elif member.shape.kind == "structure" and (inside := _empty(member.shape)):
            found[name] = inside
        elif name == "IsTruncated":
            found[name] = False
    return found


def identified(call: Call, given: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """What a request names: parameters in AWS's order, in the singular (NatGatewayId), each with its values."""
    for name, member in call.operation.model.input.items():
        values, what = given.get(xform_name(name)), _IDENTIFIES.fullmatch(name)
        if values and what:
            yield what[1], list(values) if member.shape.kind == "list" else [values]
