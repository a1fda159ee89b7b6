"""Whether a value is what a shape of AWS's model allows. Answers of operations are checked with it, member by member."""

from collections.abc import Callable
from typing import Any

from minicloud.aws import times
from minicloud.aws.model import Shape

OUTSIDE_ENUMS = {"AttachmentStatus": ["available"]}
"""What AWS documents as an answer beside the enumeration: internet gateways are attached as `available`."""


def check(shape: Shape | None, value: Any, path: str) -> None:
    """Fail with an AssertionError that names the first place where `value` is not what `shape` says."""
    if shape is None:
        assert value == {}, f"{path}: the model has no answer at all, but there is {value!r}"
        return
    _CHECKS[shape.kind](shape, value, path)


def _structure(shape: Shape, value: Any, path: str) -> None:
    assert isinstance(value, dict), f"{path}: {value!r} is no structure"
    members = shape.members
    for name, inner in value.items():
        assert name in members, f"{path}: the model has no member {name}"
        check(members[name].shape, inner, f"{path}.{name}")


def _list(shape: Shape, value: Any, path: str) -> None:
    assert isinstance(value, list), f"{path}: {value!r} is no list"
    for index, inner in enumerate(value):
        check(shape.element, inner, f"{path}[{index}]")


def _map(shape: Shape, value: Any, path: str) -> None:
    assert isinstance(value, dict), f"{path}: {value!r} is no map"
    for key, inner in value.items():
        check(shape.key, key, f"{path} key")
        check(shape.value, inner, f"{path}.{key}")


def _string(shape: Shape, value: Any, path: str) -> None:
    assert isinstance(value, str), f"{path}: {value!r} is no text"
    allowed = {*shape.enum, *OUTSIDE_ENUMS.get(shape.name, ())}
    assert not shape.enum or value in allowed, f"{path}: {value!r} is none of {shape.enum}"


def _timestamp(_: Shape, value: Any, path: str) -> None:
    assert isinstance(value, str), f"{path}: {value!r} is no time"
    times.seconds(value)
    assert value.endswith("Z"), f"{path}: {value!r} is not in UTC"


def _of(*kinds: type) -> Callable[[Shape, Any, str], None]:
    def checker(shape: Shape, value: Any, path: str) -> None:
        assert type(value) in kinds, f"{path}: {value!r} is no {shape.kind}"

    return checker


_CHECKS: dict[str, Callable[[Shape, Any, str], None]] = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "string": _string,
    "character": _string,
    "timestamp": _timestamp,
    "integer": _of(int),
    "long": _of(int),
    "float": _of(float, int),
    "double": _of(float, int),
    "boolean": _of(bool),
    "blob": _of(bytes),
}
