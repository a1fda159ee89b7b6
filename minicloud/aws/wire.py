"""Requests and answers as bytes, and what all protocols share about them.

A protocol turns a request into parameters and an answer into bytes by AWS's models alone: no operation has code of its own
here. Inside minicloud a time is ISO 8601 text and a blob is bytes; each protocol converts them at its edge.
"""

import functools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

from ..errors import ApiError
from . import times
from .model import Operation, Service, Shape

Params = dict[str, Any]
_RFC822 = re.compile(r"[A-Z][a-z]{2}, [0-9]{1,2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT")


@dataclass(frozen=True)
class WireRequest:
    """A request as it came. `path` and `query` are still percent-encoded; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        """The media type, without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True)
class WireAnswer:
    """An answer on its way out."""

    status: int
    headers: dict[str, str]
    body: bytes


class WireProtocol(Protocol):
    """One of AWS's protocols."""

    name: str

    def parse(self, operation: Operation, request: WireRequest) -> Params:
        """The parameters. Raises ApiError for what cannot be read."""

    def answer(self, operation: Operation, answer: Params, request_id: str) -> WireAnswer:
        """An answer of the operation."""

    def error(self, service: Service | None, error: ApiError, request_id: str) -> WireAnswer:
        """A refusal. `service` is None where the request did not say to whom it speaks."""


def protocols(service: Service) -> list[str]:
    """The protocols that a service may be spoken to in, AWS's favourite first."""
    return list(service.metadata.get("protocols") or [service.metadata["protocol"]])


@functools.cache
def code_shapes(service: Service) -> dict[str, str]:
    """The names of a service's error shapes by the codes that the query protocols call them."""
    return {raw.get("error", {}).get("code", name): name for name, raw in service.raw["shapes"].items() if raw.get("exception")}


def time_of(value: Any) -> str:
    """ISO text of a time that came as text or as seconds since 1970. Raises ApiError."""
    if isinstance(value, str):
        return times.text(parsedate_to_datetime(value).timestamp()) if _RFC822.fullmatch(value) else value
    error = ApiError("SerializationException", "A time is a number of seconds since 1970, or ISO 8601 text")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise error
    try:
        return times.text(value)
    except (ValueError, OverflowError, OSError) as cause:
        raise error from cause


def wire_name(raw: Mapping[str, Any], name: str) -> str:
    """What a member is called on the wire by the JSON protocols and in XML."""
    return str(raw.get("locationName", name))


def time_form(raw: Mapping[str, Any], shape: Shape, usual: str) -> str:
    """The form of a time: the member's own, its shape's, or the one that is usual where it lies."""
    return str(raw.get("timestampFormat") or shape.raw.get("timestampFormat") or usual)


def ec2_name(raw: Mapping[str, Any], name: str) -> str:
    """What a member is called in a request of EC2's protocol: InstanceId for InstanceIds, GroupDescription for Description."""
    wire = wire_name(raw, name)
    return str(raw.get("queryName") or wire[:1].upper() + wire[1:])


def is_flat(shape: Shape) -> bool:
    """Whether a list or map has no element around its entries."""
    return bool(shape.raw.get("flattened"))
