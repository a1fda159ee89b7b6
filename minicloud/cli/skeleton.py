"""--generate-cli-skeleton: an empty input that minicloud would take, and an example of an output, made from AWS's model."""

from collections.abc import Mapping
from typing import Any

from ..aws.harmless import nested
from ..aws.model import Operation, Shape

_SCALARS: dict[str, Any] = {"integer": 0, "long": 0, "float": 0.0, "double": 0.0, "boolean": True, "blob": ""}


def input_skeleton(operation: Operation, supported: Mapping[str, Any]) -> dict[str, Any]:
    """Every supported parameter with an empty value. `supported` are annotations: a TypedDict limits a structure."""
    shape = operation.input_shape
    return _structure(shape, supported, False, ()) if shape else {}


def output_skeleton(operation: Operation) -> dict[str, Any]:
    """Every member of the answer; texts are the members' own names."""
    return _structure(operation.output, None, True, ()) if operation.output else {}


def _structure(shape: Shape, hints: Mapping[str, Any] | None, named: bool, above: tuple[str, ...]) -> dict[str, Any]:
    if shape.name in above:
        return {}
    inside = (*above, shape.name)
    return {
        name: _value(member.shape, hints[name] if hints else None, name if named else "", inside)
        for name, member in shape.members.items()
        if hints is None or name in hints
    }


def _value(shape: Shape, hint: Any, name: str, above: tuple[str, ...]) -> Any:
    if shape.kind == "structure":
        return _structure(shape, nested(hint), bool(name), above)
    if shape.kind == "list":
        return [_value(shape.element, hint, shape.element.name if name else "", above)]
    if shape.kind == "map":
        return {"KeyName": _value(shape.value, None, name, above)}
    if shape.kind == "timestamp":
        return "1970-01-01T00:00:00"
    if shape.kind in _SCALARS:
        return _SCALARS[shape.kind]
    return name or next(iter(shape.enum), "")
