"""REST with JSON: method and path name the operation; parameters lie in the path, the query string, headers and the body."""

import base64
import functools
import re
import urllib.parse
from typing import Any

from ..errors import ApiError
from . import documents, times
from .json_protocol import dump, error_type, load
from .model import Member, Operation, Service, Shape
from .wire import Params, WireAnswer, WireRequest, time_form, time_of, wire_name

LABEL = re.compile(r"\{([A-Za-z0-9_]+)(\+?)\}")
MOST_FIELDS = 1000
_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")


@functools.cache
def _pattern(uri: str) -> re.Pattern[str]:
    """The path of an operation as a pattern; a label with a plus takes slashes too."""
    parts, at = [], 0
    for label in LABEL.finditer(uri):
        parts += [re.escape(uri[at : label.start()]), f"(?P<{label[1]}>{'.+' if label[2] else '[^/]+'})"]
        at = label.end()
    return re.compile("".join(parts) + re.escape(uri[at:]) + "/?")


def find(service: Service, request: WireRequest) -> str | None:
    """The operation that a request names by method and path; the one with fewer labels where several match."""
    fits = []
    for name, raw in service.raw["operations"].items():
        uri, _, fixed = raw.get("http", {}).get("requestUri", "").partition("?")
        here = raw.get("http", {}).get("method") == request.method and _pattern(uri).fullmatch(request.path)
        if here and all(part in request.query.split("&") for part in fixed.split("&") if part):
            fits.append((len(LABEL.findall(uri)), -len(fixed), name))
    return min(fits)[2] if fits else None


def word(shape: Shape, text: str) -> Any:
    """A scalar out of a path, a query string or a header. Raises ApiError."""
    try:
        if shape.kind in ("integer", "long"):
            return int(text) if len(text) < 20 else text
        if shape.kind in ("float", "double"):
            return float(text)
        if shape.kind == "timestamp":
            return time_of(float(text) if _SECONDS.fullmatch(text) else text)
    except (ValueError, OverflowError) as error:
        raise ApiError("SerializationException", f"{text[:80]!r} is no {shape.kind}") from error
    if shape.kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if shape.kind == "blob":
        return documents.JSON.read_blob(text)
    return text


class RestJson:
    """The protocol."""

    name = "rest-json"

    def parse(self, operation: Operation, request: WireRequest) -> Params:
        """The parameters. Raises ApiError."""
        shape = operation.input_shape
        if shape is None:
            return {}
        uri = operation.raw["http"]["requestUri"].partition("?")[0]
        labels = _pattern(uri).fullmatch(request.path)
        try:
            query = urllib.parse.parse_qs(request.query, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
        except ValueError as error:
            raise ApiError("SerializationException", f"The query string has more than {MOST_FIELDS} fields") from error
        found: Params = _payload(shape, request)
        for name, member in shape.members.items():
            value = _outside(member, name, request, labels.groupdict() if labels else {}, query)
            if value is not None:
                found[name] = value
        return found

    def answer(self, operation: Operation, answer: Params, request_id: str) -> WireAnswer:
        """An answer as JSON, with headers and status where the model wants them."""
        headers, shape = {"Content-Type": "application/json", "x-amzn-RequestId": request_id}, operation.output
        status = int(operation.raw["http"].get("responseCode", 200))
        if shape is None:
            return WireAnswer(status, headers, b"")
        members, inside = shape.members, {}
        for name, value in answer.items():
            member = members[name]
            location = member.raw.get("location")
            if location == "statusCode":
                status = int(value)
            elif location == "header":
                headers[wire_name(member.raw, name)] = header(member, value)
            else:
                inside[name] = value
        payload = shape.raw.get("payload")
        if payload is None:
            return WireAnswer(status, headers, dump(documents.write(shape, inside, documents.JSON)))
        if members[payload].shape.kind == "blob":
            return WireAnswer(status, headers, inside.get(payload, b""))
        return WireAnswer(status, headers, dump(documents.write(members[payload].shape, inside[payload], documents.JSON)))

    def error(self, service: Service | None, error: ApiError, request_id: str) -> WireAnswer:
        """A refusal as JSON."""
        kind = error_type(service, error)
        headers = {"Content-Type": "application/json", "x-amzn-RequestId": request_id, "x-amzn-ErrorType": kind}
        return WireAnswer(error.status, headers, dump({"__type": kind, "message": error.message, "Message": error.message}))


def _payload(shape: Shape, request: WireRequest) -> Params:
    """What the body has: one member, or all that lie nowhere else."""
    payload = shape.raw.get("payload")
    if payload is None:
        found = documents.read(shape, load(request.body), documents.JSON)
        if not isinstance(found, dict):
            raise ApiError("SerializationException", "The body of the request is not a JSON object")
        return found
    inner = shape.members[payload].shape
    if inner.kind in ("blob", "string"):
        return {payload: request.body if inner.kind == "blob" else request.body.decode(errors="replace")}
    return {payload: documents.read(inner, load(request.body), documents.JSON)} if request.body else {}


def _outside(member: Member, name: str, request: WireRequest, labels: dict[str, str], query: dict[str, list[str]]) -> Any:
    """The value of a member that lies in the path, the query string or a header; None where it is not there."""
    location, wire, shape = member.raw.get("location"), wire_name(member.raw, name), member.shape
    if location == "uri" and wire in labels:
        return word(shape, urllib.parse.unquote(labels[wire]))
    if location == "querystring" and wire in query:
        if shape.kind == "list":
            return [word(shape.element, text) for text in query[wire]]
        return word(shape, query[wire][-1])
    if location == "header" and wire.lower() in request.headers:
        return word(shape, request.headers[wire.lower()])
    return None


def text_of(member: Member, value: Any, usual: str = "iso8601") -> str:
    """A scalar, or an entry of a list, as it stands in a path or a query string; `usual` is the form of times."""
    shape = member.shape.element if member.shape.kind == "list" else member.shape
    if shape.kind == "timestamp":
        return str(times.written(value, time_form(member.raw, shape, usual)))
    if isinstance(value, bool):
        return "true" if value else "false"
    return base64.b64encode(value).decode() if shape.kind == "blob" else str(value)


def header(member: Member, value: Any) -> str:
    """A scalar as it stands in a header, which is one line."""
    return re.sub(r"[\r\n]+", " ", text_of(member, value, "rfc822"))
