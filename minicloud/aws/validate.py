"""Parameters against AWS's model: what must be there, what there is, of which type and within which bounds.

The same for every operation and every front. Codes and texts are EC2's.
"""

import re
import typing
from collections.abc import Iterator
from typing import Any

from ..errors import ApiError
from . import times
from .model import Member, Operation, Shape

ENUMS_OF_OPERATIONS = {"InstanceType", "VolumeType"}
"""Enumerations whose values an operation checks itself, because AWS answers with a code of its own."""

BOUNDS_OF_OPERATIONS = {"ImageNameRequest"}
"""Lengths that an operation checks itself, for the same reason."""


def validate(operation: Operation, params: dict[str, Any]) -> None:
    """Refuse what the model does not allow. Raises ApiError."""
    if operation.input_shape is not None:
        _structure(operation.input_shape, params, "")
    elif params:
        raise ApiError("UnknownParameter", f"The parameter {next(iter(params))} is not recognized")


def _structure(shape: Shape, value: Any, path: str) -> None:
    if not isinstance(value, dict):
        raise _wrong(path, value, "a structure")
    members = shape.members
    for name in value:
        if name not in members:
            raise ApiError("UnknownParameter", f"The parameter {_join(path, name)} is not recognized")
    for name in shape.required:
        if value.get(name) is None:
            raise ApiError("MissingParameter", f"The request must contain the parameter {_join(path, name)}")
    for name, inner in value.items():
        check(members[name].shape, inner, _join(path, name))


def check(shape: Shape, value: Any, path: str) -> None:
    """Check one value. Raises ApiError, naming it by `path`."""
    checker = _CHECKERS.get(shape.kind)
    if checker is not None:
        checker(shape, value, path)


def _list(shape: Shape, value: Any, path: str) -> None:
    if not isinstance(value, list):
        raise _wrong(path, value, "a list")
    _bounds(shape, len(value), path, "entries")
    element = shape.element
    for index, inner in enumerate(value, 1):
        check(element, inner, f"{path}.{index}")


def _map(shape: Shape, value: Any, path: str) -> None:
    if not isinstance(value, dict):
        raise _wrong(path, value, "a map")
    for key, inner in value.items():
        check(shape.value, inner, f"{path}.{key}")


def _string(shape: Shape, value: Any, path: str) -> None:
    if not isinstance(value, str):
        raise _wrong(path, value, "text")
    if shape.enum and shape.name not in ENUMS_OF_OPERATIONS and value not in shape.enum:
        name = path[:1].lower() + path[1:]
        raise ApiError(
            "InvalidParameterValue",
            f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{', '.join(shape.enum)}]",
        )
    _bounds(shape, len(value), path, "characters")


def _integer(shape: Shape, value: Any, path: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(path, value, "a whole number")
    bits = 32 if shape.kind == "integer" else 64
    if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        raise _wrong(path, value, f"a number of {bits} bits")
    _bounds(shape, value, path, "")


def _number(_: Shape, value: Any, path: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong(path, value, "a number")


def _boolean(_: Shape, value: Any, path: str) -> None:
    if not isinstance(value, bool):
        raise _wrong(path, value, "true or false")


def _timestamp(_: Shape, value: Any, path: str) -> None:
    try:
        times.seconds(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise _wrong(path, value, "a time such as 2026-01-31T12:00:00Z") from error


def _blob(_: Shape, value: Any, path: str) -> None:
    if not isinstance(value, bytes):
        raise _wrong(path, value, "bytes")


_CHECKERS = {
    "structure": _structure, "list": _list, "map": _map, "string": _string, "character": _string, "integer": _integer,
    "long": _integer, "float": _number, "double": _number, "boolean": _boolean, "timestamp": _timestamp, "blob": _blob,
}  # fmt: skip


def _bounds(shape: Shape, size: int, path: str, unit: str) -> None:
    if shape.name in BOUNDS_OF_OPERATIONS:
        return
    low, high = shape.raw.get("min"), shape.raw.get("max")
    if (low is not None and size < low) or (high is not None and size > high):
        allowed = f"at least {low}" if high is None else f"at most {high}" if low is None else f"{low} to {high}"
        what = f"{size} {unit}".strip()
        raise ApiError("InvalidParameterValue", f"Value ({what}) for parameter {path} is invalid. Allowed: {allowed}.")


def _wrong(path: str, value: Any, wanted: str) -> ApiError:
    shown = re.sub(r"\s+", " ", str(value))[:80]
    return ApiError("InvalidParameterValue", f"Value ({shown}) for parameter {path} is invalid. It must be {wanted}.")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def nested(hint: Any) -> dict[str, Any] | None:
    """The members of the TypedDict in an annotation such as `list[Ebs] | None`; None where there is none."""
    if typing.is_typeddict(hint):
        return typing.get_type_hints(hint)
    return next((found for part in typing.get_args(hint) if (found := nested(part)) is not None), None)


def unsupported(members: dict[str, Member], hints: dict[str, Any], value: dict[str, Any], path: str = "") -> Iterator[str]:
    """The names in `value` that AWS knows and `hints` (a signature's annotations, TypedDicts inside) do not."""
    for name, inner in value.items():
        here = _join(path, name)
        if name not in hints:
            yield here
            continue
        inside, shape = nested(hints[name]), members[name].shape
        if inside is None:
            continue
        entries = inner if shape.kind == "list" else [inner]
        deeper = shape.element if shape.kind == "list" else shape
        for entry in entries:
            yield from unsupported(deeper.members, inside, entry, here)
