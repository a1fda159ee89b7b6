"""Parameters against AWS's model: what must be there, what there is, of which type and within which bounds.

The same for every operation and every front; codes and texts are those of the service's family.
"""

from typing import Any

from ..errors import ApiError
from . import patterns, refusals, times
from .model import Operation, Shape

ENUMS_OF_OPERATIONS = {
    "AccountAttributeName", "ComparisonOperator", "DomainType", "InstanceType", "StateValue", "Statistic", "VolumeType",
}  # fmt: skip
"""Enumerations whose values an operation checks itself, because AWS answers with a code of its own, or takes any."""

BOUNDS_OF_OPERATIONS = {"ImageNameRequest"}
"""Lengths that an operation checks itself, for the same reason."""

BESIDE_ENUMS = {"NetworkInterfaceCreationType": ["interface"]}
"""Values that AWS documents, and that its enumerations lack, by the names of their shapes."""

PATTERNS_OF_OPERATIONS = {"Namespace", "pathType"}
"""Patterns that an operation checks itself, for the same reason."""


def validate(operation: Operation, params: dict[str, Any]) -> None:
    """Refuse what the model does not allow. Raises ApiError."""
    if operation.input_shape is not None:
        _structure(operation.input_shape, params, "")
    elif params:
        raise refusals.of(operation.service).unknown(next(iter(params)))


def _structure(shape: Shape, value: Any, path: str) -> None:
    if not isinstance(value, dict):
        raise _wrong(shape, path, value, "a structure")
    members, words = shape.members, refusals.of(shape.service)
    for name in value:
        if name not in members:
            raise words.unknown(_join(path, name))
    for name in shape.required:
        given = value.get(name)
        if words.lacks(given) or (given == "" and members[name].raw.get("location") == "uri"):
            raise words.missing(_join(path, words.label(members[name])), members[name].shape.name)
    for name, inner in value.items():
        check(members[name].shape, inner, _join(path, words.label(members[name])))


def check(shape: Shape, value: Any, path: str) -> None:
    """Check one value. Raises ApiError, naming it by `path`."""
    checker = _CHECKERS.get(shape.kind)
    if checker is not None:
        checker(shape, value, path)


def _list(shape: Shape, value: Any, path: str) -> None:
    if not isinstance(value, list):
        raise _wrong(shape, path, value, "a list")
    _bounds(shape, value, len(value), path, "entries")
    element = shape.element
    for index, inner in enumerate(value, 1):
        check(element, inner, f"{path}.{index}")


def _map(shape: Shape, value: Any, path: str) -> None:
    if not isinstance(value, dict):
        raise _wrong(shape, path, value, "a map")
    for key, inner in value.items():
        check(shape.value, inner, f"{path}.{key}")


def _string(shape: Shape, value: Any, path: str) -> None:
    if not isinstance(value, str):
        raise _wrong(shape, path, value, "text")
    if not (value.isascii() or _is_unicode(value)):
        raise _wrong(shape, path, value.encode(errors="replace").decode(), "text in UTF-8")
    if shape.enum and shape.name not in ENUMS_OF_OPERATIONS and value not in shape.enum:
        allowed = BESIDE_ENUMS.get(shape.name, []) + shape.enum
        if value not in allowed:
            raise refusals.of(shape.service).choice(path, value, allowed)
    _bounds(shape, value, len(value), path, "characters")
    pattern = shape.raw.get("pattern")
    if pattern and shape.name not in PATTERNS_OF_OPERATIONS and not patterns.fits(pattern, value):
        own = refusals.malformed(shape.service.name, shape.name)
        raise own or refusals.of(shape.service).pattern(path, _told(shape, value), pattern)


def _is_unicode(value: str) -> bool:
    """Whether a text is one, without bytes of a command line that are no UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _integer(shape: Shape, value: Any, path: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(shape, path, value, "a whole number")
    bits = 32 if shape.kind == "integer" else 64
    if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        raise _wrong(shape, path, value, f"a number of {bits} bits")
    _bounds(shape, value, value, path, "")


def _number(shape: Shape, value: Any, path: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong(shape, path, value, "a number")


def _boolean(shape: Shape, value: Any, path: str) -> None:
    if not isinstance(value, bool):
        raise _wrong(shape, path, value, "true or false")


def _timestamp(shape: Shape, value: Any, path: str) -> None:
    try:
        times.seconds(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise _wrong(shape, path, value, "a time such as 2026-01-31T12:00:00Z") from error


def _blob(shape: Shape, value: Any, path: str) -> None:
    if not isinstance(value, bytes):
        raise _wrong(shape, path, value, "bytes")


_CHECKERS = {
    "structure": _structure, "list": _list, "map": _map, "string": _string, "character": _string, "integer": _integer,
    "long": _integer, "float": _number, "double": _number, "boolean": _boolean, "timestamp": _timestamp, "blob": _blob,
}  # fmt: skip


def _bounds(shape: Shape, value: Any, size: int, path: str, unit: str) -> None:
    if shape.name in BOUNDS_OF_OPERATIONS:
        return
    low, high = shape.raw.get("min"), shape.raw.get("max")
    if (low is not None and size < low) or (high is not None and size > high):
        own = refusals.malformed(shape.service.name, shape.name)
        raise own or refusals.of(shape.service).bounds(path, size, low, high, unit, value=_told(shape, value))


def _told(shape: Shape, value: Any) -> Any:
    """A value as a refusal may show it: None for what AWS calls sensitive."""
    return None if shape.raw.get("sensitive") else value


def _wrong(shape: Shape, path: str, value: Any, wanted: str) -> ApiError:
    return refusals.of(shape.service).kind(path, value, wanted)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
