"""Where a value is not what a shape of AWS's model says.

A check is made once for each place in an answer and kept, with its path ready: every answer of every test goes through one.
Paths are of places, not of values: `Reservations[].Instances[].State.Name`. A member that is None is not there, as on the wire.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from minicloud.aws import times
from minicloud.aws.model import Shape


@dataclass(frozen=True)
class Difference:
    """One difference: of a value from its shape (`unknown`, `type`, `enum`, `missing`), or of a refusal from what AWS says."""

    path: str
    kind: str
    value: Any = None


Report = Callable[[Difference], None]
Check = Callable[[Any, Report], None]


def differences(shape: Shape | None, value: Any, path: str = "") -> list[Difference]:
    """All that there are."""
    found: list[Difference] = []
    check_of(shape, path)(value, found.append)
    return found


def check_of(shape: Shape | None, path: str = "") -> Check:
    """What reports the differences of values from `shape`; None is the shape of an answer without members."""
    if shape is None:
        return lambda value, report: None if value == {} else report(Difference(path, "unknown", value))
    if shape.kind in _OF_PARTS:
        return _OF_PARTS[shape.kind](shape, path)
    return _scalar(shape, path)


def _structure(shape: Shape, path: str) -> Check:
    checks: dict[str, Check] = {}
    members, required, before = shape.members, shape.required, f"{path}." if path else ""

    def prepare(name: str) -> Check:
        known = members.get(name)
        check = check_of(known.shape, before + name) if known else _unknown(before + name)
        return checks.setdefault(name, check)

    def check(value: Any, report: Report) -> None:
        if not isinstance(value, dict):
            report(Difference(path, "type", value))
            return
        for name, inner in value.items():
            if inner is not None:
                (checks.get(name) or prepare(name))(inner, report)
        for name in required:
            if value.get(name) is None:
                report(Difference(before + name, "missing"))

    return check


def _unknown(path: str) -> Check:
    return lambda value, report: report(Difference(path, "unknown", value))


def _list(shape: Shape, path: str) -> Check:
    element: list[Check] = []

    def check(value: Any, report: Report) -> None:
        if not isinstance(value, list):
            report(Difference(path, "type", value))
        elif value:
            if not element:  # shapes may hold themselves
                element.append(check_of(shape.element, f"{path}[]"))
            inner_check = element[0]
            for inner in value:
                inner_check(inner, report)

    return check


def _map(shape: Shape, path: str) -> Check:
    parts: list[Check] = []

    def check(value: Any, report: Report) -> None:
        if not isinstance(value, dict):
            report(Difference(path, "type", value))
        elif value:
            if not parts:
                parts.extend((check_of(shape.key, f"{path}{{key}}"), check_of(shape.value, f"{path}{{}}")))
            for key, inner in value.items():
                parts[0](key, report)
                parts[1](inner, report)

    return check


def _scalar(shape: Shape, path: str) -> Check:
    kinds, allowed = _KINDS[shape.kind], frozenset(shape.enum)

    def check(value: Any, report: Report) -> None:
        if type(value) not in kinds:
            report(Difference(path, "type", value))
        elif allowed and value not in allowed:
            report(Difference(path, "enum", value))

    def moment(value: Any, report: Report) -> None:
        try:
            times.seconds(value)
            fits = value.endswith("Z")
        except (TypeError, ValueError):
            fits = False
        if not fits:
            report(Difference(path, "type", value))

    return moment if shape.kind == "timestamp" else check


_OF_PARTS: dict[str, Callable[[Shape, str], Check]] = {"structure": _structure, "list": _list, "map": _map}
_KINDS: dict[str, frozenset[type]] = {
    "string": frozenset({str}),
    "character": frozenset({str}),
    "timestamp": frozenset({str}),
    "integer": frozenset({int}),
    "long": frozenset({int}),
    "float": frozenset({float, int}),
    "double": frozenset({float, int}),
    "boolean": frozenset({bool}),
    "blob": frozenset({bytes}),
}
