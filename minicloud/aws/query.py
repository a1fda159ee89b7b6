"""The query protocols: parameters as a form, `Filter.1.Name=...`, and answers as XML.

EC2's dialect has flat lists and names of its own (queryName); the others put `.member.` into lists. Both are read
tolerantly, as old clients write them: lists from 0 or 1, with or without `member` or `item`, one value for a list of one, and a
list of one for a value. A number, a truth value or a time with nothing in it is not given. What a service does not know EC2
refuses, and the others pass over, as AWS's do.
The number of parameters and their depth are bounded before anything is built from them.
"""

import base64
import binascii
import functools
import re
import urllib.parse
from typing import Any, cast

from ..errors import ApiError
from . import refusals
from .model import Operation, Service, Shape
from .refusals import Words
from .wire import Params, WireAnswer, WireRequest, ec2_name, is_flat, wire_name

MOST_PARAMETERS = 10_000
MOST_DEPTH = 16
_OF_THE_PROTOCOL = {"Action", "Version"}
_OF_OLD_SIGNATURES = {"AWSAccessKeyId", "SecurityToken", "Signature", "SignatureMethod", "SignatureVersion", "Timestamp"}
"""AWS's common parameters of former times: clients that sign by headers still send them."""
_INTEGER, _NUMBER = re.compile(r"-?[0-9]{1,19}"), re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?")
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
NO_NUMBERS = ("NaN", "Infinity", "-Infinity")
"""How floating-point values are written that are no numbers; whether one makes sense an operation says."""
_WRAPPERS = ("member", "item")
_MAY_BE_EMPTY = {"structure", "list", "map", "string", "character", "blob"}

Form = dict[str, str]
Node = dict[str, Any]
"""A tree of names; the value that stands at a name itself is under the empty name."""


def form(request: WireRequest) -> Form:
    """The fields of a GET's query string or of a POST's form. Raises ApiError (MalformedQueryString)."""
    fields: Form = {}
    try:
        texts = [request.query]
        if request.content_type in ("application/x-www-form-urlencoded", "") and request.body:
            texts.append(request.body.decode())
        for text in texts:
            fields.update(urllib.parse.parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS))
    except ValueError as error:
        raise ApiError(
            "MalformedQueryString", f"The query string is not UTF-8, or has more than {MOST_PARAMETERS} parameters"
        ) from error
    return fields


def _tree(fields: Form, words: Words) -> Node:
    root: Node = {}
    for key, value in fields.items():
        if key in _OF_THE_PROTOCOL or key.lower().startswith("x-amz-"):
            continue
        parts = key.split(".")
        if len(parts) > MOST_DEPTH or "" in parts:
            raise words.unknown(key[:200])
        node = root
        for part in parts:
            node = node.setdefault(part, {})
        node[""] = value
    return root


class Reader:
    """Trees of names into parameters, in one dialect."""

    def __init__(self, ec2: bool) -> None:
        self._ec2 = ec2
        self.names = functools.cache(self._names_of)

    def read(self, shape: Shape, node: Node, path: str = "") -> Any:
        """What stands at a node, as a value of `shape`. Raises ApiError."""
        if shape.kind == "structure":
            return self._structure(shape, node, path)
        if shape.kind == "list":
            return self._list(shape, node, path)
        if shape.kind == "map":
            return self._map(shape, node, path)
        if "" not in node and len(node) == 1 and (number := next(iter(node))) in ("0", "1"):
            node = node[number]
        if node.keys() != {""}:
            raise _words(shape).unknown(next(f"{path}.{name}" for name in node if name))
        return _scalar(shape, node[""], path)

    def _names_of(self, shape: Shape) -> dict[str, tuple[str, Shape]]:
        """The members of a structure by their names in a form."""
        found = {}
        for name, member in shape.members.items():
            raw, inner = member.raw, member.shape
            wire = wire_name(raw, name)
            if self._ec2:
                wire = ec2_name(raw, name)
            elif inner.kind == "list" and is_flat(inner):
                wire = inner.raw["member"].get("locationName", wire)
            found[wire] = (name, inner)
        return found

    def _structure(self, shape: Shape, node: Node, path: str) -> Params:
        names, found = self.names(shape), {}
        for wire, inner in node.items():
            if wire == "":
                if inner:
                    raise _words(shape).kind(path, inner, "a structure")
                continue
            here = f"{path}.{wire}" if path else wire
            if wire in names:
                name, kind = names[wire]
                if inner.get("", "absent") or len(inner) > 1 or kind.kind in _MAY_BE_EMPTY:
                    found[name] = self.read(kind, inner, here)
            elif self._ec2 and (path or wire not in _OF_OLD_SIGNATURES):
                raise _words(shape).unknown(here)
        return found

    def _list(self, shape: Shape, node: Node, path: str) -> list[Any]:
        entries = _entries(shape, node, shape.raw["member"].get("locationName", ""), path)
        if not entries:
            return [self.read(shape.element, {"": node[""]}, path)] if node.get("") else []
        return [self.read(shape.element, inner, f"{path}.{number}") for number, inner in entries]

    def _map(self, shape: Shape, node: Node, path: str) -> Params:
        key, value = (shape.raw[part].get("locationName", part) for part in ("key", "value"))
        found = {}
        for number, inner in _entries(shape, node, "entry", path):
            if key not in inner or value not in inner:
                raise _words(shape).unknown(f"{path}.{number}")
            found[self.read(shape.key, inner[key], path)] = self.read(shape.value, inner[value], path)
        return found


def _entries(shape: Shape, node: Node, own_wrapper: str, path: str) -> list[tuple[int, Node]]:
    """The numbered entries of a list or map, in the order of their numbers."""
    names = [name for name in node if name]
    if len(names) == 1 and names[0] in (*_WRAPPERS, own_wrapper) and not names[0].isdecimal():
        return _entries(shape, node[names[0]], "", path)
    for name in names:
        if not (name.isascii() and name.isdecimal() and len(name) < 10):
            raise _words(shape).unknown(f"{path}.{name}")
    return [(int(name), node[name]) for name in sorted(names, key=int)]


def _words(shape: Shape) -> Words:
    return refusals.of(shape.service)


def _scalar(shape: Shape, text: str, path: str) -> Any:
    kind = shape.kind
    if kind in ("string", "character", "timestamp"):
        return text
    if kind in ("integer", "long"):
        if not _INTEGER.fullmatch(text):
            raise _words(shape).kind(path, text, "a whole number")
        return int(text)
    if kind == "boolean":
        if text.lower() not in _TRUTH:
            raise _words(shape).kind(path, text, "true or false")
        return _TRUTH[text.lower()]
    if kind in ("float", "double"):
        if text not in NO_NUMBERS and not _NUMBER.fullmatch(text):
            raise _words(shape).kind(path, text, "a number")
        return float(text)
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _words(shape).kind(path, text, "base64") from error


class QueryProtocol:
    """The `ec2` and `query` protocols of AWS's models."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._reader = Reader(ec2=name == "ec2")

    def parse(self, operation: Operation, request: WireRequest) -> Params:
        """The parameters. Raises ApiError."""
        words = refusals.of(operation.service)
        fields = _tree(form(request), words)
        shape = operation.input_shape
        if shape is None:
            if self.name == "ec2" and (strange := fields.keys() - _OF_OLD_SIGNATURES):
                raise words.unknown(min(strange))
            return {}
        return cast("Params", self._reader.read(shape, fields))

    def answer(self, operation: Operation, answer: Params, request_id: str) -> WireAnswer:
        """An answer as XML."""
        from . import xml_writer

        return _xml(200, xml_writer.document(operation, answer, request_id, ec2=self.name == "ec2"), request_id)

    def error(self, service: Service | None, error: ApiError, request_id: str) -> WireAnswer:
        """A refusal as XML."""
        from . import query_errors

        make = query_errors.of_ec2 if self.name == "ec2" else query_errors.of_query
        return _xml(error.status, make(service, error, request_id), request_id)


def _xml(status: int, body: bytes, request_id: str) -> WireAnswer:
    return WireAnswer(status, {"Content-Type": "text/xml;charset=UTF-8", "x-amzn-RequestId": request_id}, body)
