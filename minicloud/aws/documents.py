"""Values as the JSON and CBOR protocols carry them: maps with the members' wire names, times and blobs in their own forms."""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ..errors import ApiError
from . import cbor, times
from .model import Shape
from .wire import time_form, time_of, wire_name


@dataclass(frozen=True)
class Forms:
    """How times and blobs are read and written."""

    read_time: Callable[[Any], str]
    read_blob: Callable[[Any], bytes]
    write_time: Callable[[str, str], Any]
    """Of a time and the form that the model names."""
    write_blob: Callable[[bytes], Any]


def _base64(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise ApiError("SerializationException", "A blob is base64 text") from error


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise ApiError("SerializationException", "A blob is a byte string")
    return value


_PLAIN: Mapping[str, Any] = MappingProxyType({})
JSON = Forms(time_of, _base64, times.written, lambda blob: base64.b64encode(blob).decode())
CBOR = Forms(time_of, _bytes, lambda text, _: cbor.Time(times.seconds(text)), lambda blob: blob)


def read(shape: Shape, value: Any, forms: Forms) -> Any:
    """A value off the wire. What has the wrong type stays as it is: validation says so in AWS's words. Raises ApiError."""
    if isinstance(value, dict):
        if shape.kind == "structure":
            return _read_structure(shape, value, forms)
        return {key: read(shape.value, inner, forms) for key, inner in value.items()} if shape.kind == "map" else value
    if isinstance(value, list):
        return [read(shape.element, inner, forms) for inner in value if inner is not None] if shape.kind == "list" else value
    return value if value is None else _read_scalar(shape.kind, value, forms)


def _read_scalar(kind: str, value: Any, forms: Forms) -> Any:
    if kind == "timestamp":
        return forms.read_time(value)
    if kind == "blob":
        return forms.read_blob(value)
    return float(value) if kind in ("float", "double") and value in ("NaN", "Infinity", "-Infinity") else value


def _read_structure(shape: Shape, value: dict[str, Any], forms: Forms) -> dict[str, Any]:
    members = {wire_name(member.raw, name): (name, member.shape) for name, member in shape.members.items()}
    found = {}
    for wire, inner in value.items():
        if inner is None:
            continue
        if wire in members:  # AWS passes over what a service does not know
            name, kind = members[wire]
            found[name] = read(kind, inner, forms)
    return found


def write(shape: Shape, value: Any, forms: Forms, raw: Mapping[str, Any] = _PLAIN) -> Any:
    """A value for the wire; `raw` is the member that it is of. Raises KeyError for a member that the model does not have."""
    if shape.kind == "structure":
        members = shape.members
        return {
            wire_name(members[name].raw, name): write(members[name].shape, inner, forms, members[name].raw)
            for name, inner in value.items()
            if inner is not None
        }
    if shape.kind == "list":
        return [write(shape.element, inner, forms) for inner in value]
    if shape.kind == "map":
        return {key: write(shape.value, inner, forms) for key, inner in value.items()}
    if shape.kind == "timestamp":
        return forms.write_time(value, time_form(raw, shape, "unixTimestamp"))
    if shape.kind == "blob":
        return forms.write_blob(value)
    return value
