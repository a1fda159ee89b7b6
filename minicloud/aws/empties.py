"""Empty values in forms: what is no parameter at all, whatever front it comes through.

In EC2's form that is each empty text, but for those of which AWS's documentation says what empty means: old SDKs and templates
send each parameter that they know, with nothing in it where nobody gave a value. In all forms it is a structure or map in which
nothing is left, and the entry of a list that is one: a form has no way to say so. Entries of lists of texts stay. Of REST it is
an empty list in a query string.
"""

import functools
from typing import Any

from .model import Operation, Shape
from .wire import protocols

_HOLDERS = ("structure", "map")

_MEAN = {"Description", "NoDevice", "UserData", "Value", "VersionDescription"}
"""Members whose empty text is a value: of a description, of a tag, of an attribute; no user data; no device."""
_MEAN_IN = {"ModifyInstancePlacementRequest": {"GroupName"}}
"""Those of one request: taken out of its placement group."""


@functools.cache
def meant(shape: Shape) -> frozenset[str]:
    """The members of a structure that may be given empty."""
    known = (_MEAN | _MEAN_IN.get(shape.name, set())) & shape.members.keys()
    return frozenset(known - {name for name in shape.required if name != "Value"})


def without(operation: Operation, given: dict[str, Any]) -> dict[str, Any]:
    """Parameters without those that are given empty. What has another type than the model's stays, for validation."""
    spoken, shape = protocols(operation.service), operation.input_shape
    if shape is None:
        return given
    if "ec2" in spoken or "query" in spoken:
        return _structure(shape, given, "ec2" in spoken)
    if "rest-json" in spoken:
        return {name: value for name, value in given.items() if value != [] or not _in_query(shape, name)}
    return given


def _in_query(shape: Shape, name: str) -> bool:
    return name in shape.members and shape.members[name].raw.get("location") == "querystring"


def _structure(shape: Shape, given: dict[str, Any], ec2: bool) -> dict[str, Any]:
    members, kept, found = shape.members, meant(shape) if ec2 else shape.members.keys(), {}
    for name, value in given.items():
        left = _value(members[name].shape, value, ec2) if name in members else value
        emptied = left is None and value is not None
        if not emptied and (left not in ("", b"") or name in kept or name not in members):
            found[name] = left
    return found


def _value(shape: Shape, value: Any, ec2: bool) -> Any:
    """The value; None for a structure or map, or a list of them, in which nothing is left."""
    if shape.kind in _HOLDERS and isinstance(value, dict):
        return (_structure(shape, value, ec2) if shape.kind == "structure" else value) or None
    if shape.kind == "list" and isinstance(value, list) and value and shape.element.kind in _HOLDERS:
        entries = [(entry, _value(shape.element, entry, ec2)) for entry in value]
        return [left for entry, left in entries if left is not None or entry is None] or None
    return value
