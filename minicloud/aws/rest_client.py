"""REST with JSON from the client's side: members go where the model puts them, and come back from there."""

import urllib.parse

from ..errors import ApiError
from . import documents
from .json_protocol import dump, load
from .model import Operation, Shape
from .rest_json import LABEL, header, text_of, word
from .wire import Params, WireAnswer, WireRequest, wire_name


def request(operation: Operation, params: Params) -> WireRequest:
    """A request, unsigned and without a host. Raises KeyError for a parameter that the model does not have."""
    shape, inside, headers = operation.input_shape, Params(), dict[str, str]()
    labels, query = dict[str, str](), list[tuple[str, str]]()
    for name, value in params.items():
        member = shape.members[name] if shape else None
        if member is None or value is None:
            continue
        location, wire = member.raw.get("location"), wire_name(member.raw, name)
        if location == "uri":
            labels[wire] = text_of(member, value)
        elif location == "querystring":
            query += [(wire, text_of(member, entry)) for entry in (value if member.shape.kind == "list" else [value])]
        elif location == "header":
            headers[wire.lower()] = header(member, value)
        else:
            inside[name] = value
    path, _, fixed = operation.raw["http"]["requestUri"].partition("?")
    path = LABEL.sub(lambda label: _quoted(labels[label[1]], "/" if label[2] else ""), path)
    method, body = operation.raw["http"]["method"], _body(shape, inside)
    kind = {"content-type": "application/json"} if body else {}
    return WireRequest(method, path, "&".join(filter(None, (fixed, urllib.parse.urlencode(query)))), {**kind, **headers}, body)


def _quoted(label: str, safe: str) -> str:
    """A part of a path; one of dots alone would be taken for a step in it."""
    return urllib.parse.quote(label, safe=safe) if label.strip(".") else label.replace(".", "%2E")


def _body(shape: Shape | None, inside: Params) -> bytes:
    if shape is None or not inside:
        return b""
    payload = shape.raw.get("payload")
    if payload is None:
        return dump(documents.write(shape, inside, documents.JSON))
    inner, value = shape.members[payload].shape, inside[payload]
    if inner.kind in ("blob", "string"):
        return bytes(value) if inner.kind == "blob" else str(value).encode()
    return dump(documents.write(inner, value, documents.JSON))


def answer(operation: Operation, sent: WireAnswer) -> Params:
    """The answer in a response. Raises ApiError for a refusal."""
    if sent.status >= 300:
        raise _error(sent)
    shape = operation.output
    if shape is None:
        return {}
    inside, found = _inside(shape, sent.body), Params()
    for name, member in shape.members.items():  # in the model's order, not that of the parts of a response
        location, wire = member.raw.get("location"), wire_name(member.raw, name).lower()
        if location == "statusCode":
            found[name] = sent.status
        elif location == "header" and wire in sent.headers:
            found[name] = word(member.shape, sent.headers[wire])
    return {**inside, **found}


def _inside(shape: Shape, body: bytes) -> Params:
    payload = shape.raw.get("payload")
    if payload is None:
        found: Params = documents.read(shape, load(body), documents.JSON)
        return found
    inner = shape.members[payload].shape
    if inner.kind in ("blob", "string"):
        return {payload: body if inner.kind == "blob" else body.decode(errors="replace")}
    return {payload: documents.read(inner, load(body), documents.JSON)} if body else {}


def _error(sent: WireAnswer) -> ApiError:
    try:
        found = load(sent.body)
    except ApiError:
        found = {}
    code = sent.headers.get("x-amzn-errortype") or str(found.get("__type", "InternalFailure"))
    text = str(found.get("message") or found.get("Message") or "The endpoint does not answer as AWS does")
    return ApiError(code.partition(":")[0].rpartition("#")[2], text, sent.status)
