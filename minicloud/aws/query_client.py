"""The query protocols from the client's side: parameters as a form, XML as an answer, both by the model.

What comes back is what the operation gave in process, in the same order: times as text, blobs as bytes.
"""

import base64
import functools
import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

from ..errors import ApiError
from . import times
from .model import Operation, Shape
from .query import Reader
from .wire import is_flat, time_of, wire_name

Pairs = Iterator[tuple[str, str]]


@functools.cache
def _reader(ec2: bool) -> Reader:
    return Reader(ec2)


def form(operation: Operation, params: dict[str, Any], *, ec2: bool) -> list[tuple[str, str]]:
    """The fields of a request. Raises KeyError for a parameter that the model does not have."""
    head = [("Action", operation.name), ("Version", str(operation.service.metadata["apiVersion"]))]
    shape = operation.input_shape
    return head + (list(_structure(shape, params, "", ec2)) if shape is not None else [])


def _fields(shape: Shape, value: Any, path: str, ec2: bool) -> Pairs:
    if shape.kind == "structure":
        yield from _structure(shape, value, path, ec2)
    elif shape.kind == "list":
        inner = path if ec2 or is_flat(shape) else f"{path}.{shape.raw['member'].get('locationName', 'member')}"
        if not value:
            yield path, ""
        for number, entry in enumerate(value, 1):
            yield from _fields(shape.element, entry, f"{inner}.{number}", ec2)
    elif shape.kind == "map":
        inner = path if is_flat(shape) else f"{path}.entry"
        key_name, value_name = (shape.raw[part].get("locationName", part) for part in ("key", "value"))
        for number, (key, entry) in enumerate(value.items(), 1):
            yield from _fields(shape.key, key, f"{inner}.{number}.{key_name}", ec2)
            yield from _fields(shape.value, entry, f"{inner}.{number}.{value_name}", ec2)
    else:
        yield path, _text(value)


def _structure(shape: Shape, value: dict[str, Any], path: str, ec2: bool) -> Pairs:
    wires = {name: (wire, inner) for wire, (name, inner) in _reader(ec2).names(shape).items()}
    for name, entry in value.items():
        if entry is not None:
            wire, inner = wires[name]
            yield from _fields(inner, entry, f"{path}.{wire}" if path else wire, ec2)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def answer(operation: Operation, body: bytes, *, ec2: bool) -> dict[str, Any]:
    """The answer in a response. Raises ApiError for what is no answer of AWS's."""
    root = _parsed(body)
    shape = operation.output
    if shape is None:
        return {}
    node: ET.Element | None = root
    if not ec2:
        wrapper = operation.raw.get("output", {}).get("resultWrapper", f"{operation.name}Result")
        node = next((child for child in root if _tag(child) == wrapper), None)
    found: dict[str, Any] = {} if node is None else _value(shape, node)
    return found


def error(body: bytes, status: int) -> ApiError:
    """The refusal in a response."""
    found = {_tag(node): node.text or "" for node in _parsed(body).iter()}
    return ApiError(found.get("Code", "InternalError"), found.get("Message", "An internal error has occurred"), status)


def _parsed(body: bytes) -> ET.Element:
    # No answer of AWS's has a document type, and without one there are no entities that could grow. Text never has this.
    if b"<!" in body:
        raise ApiError("InternalError", "The endpoint does not answer as AWS does", 500)
    try:
        return ET.fromstring(body)  # noqa: S314
    except ET.ParseError as cause:
        raise ApiError("InternalError", f"The endpoint does not answer as AWS does: {cause}", 500) from cause


def _tag(node: ET.Element) -> str:
    return node.tag.rpartition("}")[2]


@functools.cache
def _members(shape: Shape) -> dict[str, tuple[str, Shape, bool]]:
    """The members of a structure by their tags, and whether each is a list or map without an element around it."""
    found = {}
    for name, member in shape.members.items():
        inner, tag = member.shape, wire_name(member.raw, name)
        flat = inner.kind in ("list", "map") and (is_flat(inner) or bool(member.raw.get("flattened")))
        if flat and inner.kind == "list":
            tag = inner.raw["member"].get("locationName", tag)
        found[tag] = (name, inner, flat)
    return found


def _value(shape: Shape, node: ET.Element) -> Any:
    if shape.kind == "structure":
        return _read_structure(shape, node)
    if shape.kind == "list":
        return [_value(shape.element, child) for child in node]
    if shape.kind == "map":
        return dict(_entry(shape, child) for child in node)
    return _scalar(shape.kind, node.text or "")


def _read_structure(shape: Shape, node: ET.Element) -> dict[str, Any]:
    members, found = _members(shape), dict[str, Any]()
    for child in node:
        if (known := members.get(_tag(child))) is None:
            continue  # the request id, or what a newer endpoint knows
        name, inner, flat = known
        if not flat:
            found[name] = _value(inner, child)
        elif inner.kind == "list":
            found.setdefault(name, []).append(_value(inner.element, child))
        else:
            found.setdefault(name, {}).update([_entry(inner, child)])
    return found


def _entry(shape: Shape, node: ET.Element) -> tuple[str, Any]:
    names = [shape.raw[part].get("locationName", part) for part in ("key", "value")]
    parts = {_tag(child): child for child in node}
    return str(_value(shape.key, parts[names[0]])), _value(shape.value, parts[names[1]])


def _scalar(kind: str, text: str) -> Any:
    if kind in ("integer", "long"):
        return int(text)
    if kind in ("float", "double"):
        return float(text)
    if kind == "boolean":
        return text == "true"
    if kind == "timestamp":
        return times.text(times.seconds(text)) if text.endswith("Z") else time_of(float(text))
    return base64.b64decode(text) if kind == "blob" else text
