"""AWS's service models as botocore ships them: operations, shapes, waiters, paginators.

A model is read as data, and of it only the parts that a process asks for (`model_cache`). `xform_name` is the only
translation between AWS's spellings (RunInstances) and ours (run_instances, run-instances).
"""

import functools
import gzip
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore import xform_name as _xform_name

from .model_cache import cache
from .waiters import OWN


def xform_name(name: str, separator: str = "_") -> str:
    """RunInstances as run_instances, or with another separator."""
    return str(_xform_name(name, separator))


class Shape:
    """A shape of a service model. `kind` is structure, list, map, string, integer, long, boolean, timestamp, blob, ..."""

    __slots__ = ("_members", "kind", "name", "raw", "service")

    def __init__(self, service: "Service", name: str) -> None:
        self.service = service
        self.name = name
        self.raw: dict[str, Any] = service.raw_shape(name)
        self.kind: str = self.raw["type"]
        self._members: dict[str, Member] | None = None

    @property
    def members(self) -> dict[str, "Member"]:
        """The members of a structure, in AWS's order; not to be changed."""
        if self._members is None:
            raw = self.raw.get("members", {})
            self._members = {name: Member(self.service, name, inner) for name, inner in raw.items()}
        return self._members

    @property
    def required(self) -> list[str]:
        """The members of a structure that must be there."""
        return list(self.raw.get("required", ()))

    @property
    def element(self) -> "Shape":
        """The shape of a list's elements."""
        return self.service.shape(self.raw["member"]["shape"])

    @property
    def key(self) -> "Shape":
        """The shape of a map's keys."""
        return self.service.shape(self.raw["key"]["shape"])

    @property
    def value(self) -> "Shape":
        """The shape of a map's values."""
        return self.service.shape(self.raw["value"]["shape"])

    @property
    def enum(self) -> list[str]:
        """The allowed values of a string; empty where any is allowed."""
        return list(self.raw.get("enum", ()))


@dataclass(frozen=True)
class Member:
    """A member of a structure: `raw` has its locationName, queryName and documentation."""

    service: "Service"
    name: str
    raw: dict[str, Any]

    @property
    def shape(self) -> Shape:
        """What it holds."""
        return self.service.shape(self.raw["shape"])

    @property
    def documentation(self) -> str:
        """AWS's text, HTML."""
        return str(self.raw.get("documentation", ""))


class Operation:
    """An operation of a service model."""

    def __init__(self, service: "Service", name: str) -> None:
        self.service = service
        self.name = name
        self.raw: dict[str, Any] = service.raw_operation(name)

    @property
    def input(self) -> dict[str, Member]:
        """The parameters, in AWS's order."""
        return self.input_shape.members if self.input_shape else {}

    @property
    def input_shape(self) -> Shape | None:
        """The structure of the parameters."""
        return self.service.shape(self.raw["input"]["shape"]) if "input" in self.raw else None

    @property
    def output(self) -> Shape | None:
        """The structure of the answer."""
        return self.service.shape(self.raw["output"]["shape"]) if "output" in self.raw else None

    @property
    def documentation(self) -> str:
        """AWS's text, HTML."""
        return str(self.raw.get("documentation", ""))


class Service:
    """The newest model of one service."""

    def __init__(self, name: str) -> None:
        self.name = name
        directory = _data() / name
        self.directory = max(path for path in directory.iterdir() if path.is_dir())
        self._source = _file(self.directory, "service-2")
        self._raw_shapes: dict[str, Any] = {}
        self._shapes: dict[str, Shape] = {}

    @functools.cached_property
    def raw(self) -> dict[str, Any]:
        """The whole model."""
        return _read(self._source)

    @functools.cached_property
    def _index(self) -> dict[str, Any]:
        part = cache.get(self._source, "index")
        if part is None:
            part = {"metadata": self.raw["metadata"], "operations": list(self.raw["operations"])}
            cache.put(self._source, "index", part)
        return part

    @property
    def metadata(self) -> dict[str, Any]:
        """Protocol, API version, XML namespace, ..."""
        return dict(self._index["metadata"])

    @property
    def operation_names(self) -> list[str]:
        """AWS's names of all operations."""
        return list(self._index["operations"])

    def operation(self, name: str) -> Operation:
        """One operation by AWS's name. Raises KeyError."""
        return Operation(self, name)

    def shape(self, name: str) -> Shape:
        """One shape by name. Raises KeyError."""
        if name not in self._shapes:
            self._shapes[name] = Shape(self, name)
        return self._shapes[name]

    def raw_shape(self, name: str) -> dict[str, Any]:
        """A shape as the model has it. Raises KeyError."""
        found: dict[str, Any] = self._raw_shapes.get(name) or self.raw["shapes"][name]
        return found

    def raw_operation(self, name: str) -> dict[str, Any]:
        """An operation as the model has it; from here on its shapes are known. Raises KeyError."""
        if name not in self.operation_names:
            raise KeyError(name)
        part = cache.get(self._source, name)
        if part is None:
            operation = self.raw["operations"][name]
            part = cache.put(self._source, name, {"operation": operation, "shapes": _closure(self.raw["shapes"], operation)})
        self._raw_shapes.update(part["shapes"])
        return dict(part["operation"])

    def named(self, ours: str) -> str:
        """AWS's name of the operation that is ours by run_instances or run-instances. Raises KeyError."""
        name = self._by_letters[ours.replace("_", "").replace("-", "")]
        if xform_name(name) != ours.replace("-", "_"):
            raise KeyError(ours)
        return name

    @functools.cached_property
    def _by_letters(self) -> dict[str, str]:
        # No two operations of a service differ in case only, so letters are enough; translating all names takes 10 ms.
        return {name.lower(): name for name in self.operation_names}

    @functools.cached_property
    def waiters(self) -> dict[str, Any]:
        """The waiter definitions, by AWS's name (InstanceRunning)."""
        return {**_read(_file(self.directory, "waiters-2")).get("waiters", {}), **OWN.get(self.name, {})}

    @functools.cached_property
    def paginators(self) -> dict[str, Any]:
        """The paginator definitions, by operation."""
        return dict(_read(_file(self.directory, "paginators-1")).get("pagination", {}))


@functools.cache
def service(name: str) -> Service:
    """The model of a service by botocore's name for it (ec2, elbv2, autoscaling, ...). Raises KeyError."""
    if not name.isidentifier() or not (_data() / name).is_dir():
        raise KeyError(name)
    return Service(name)


def _data() -> Path:
    spec = importlib.util.find_spec("botocore")
    if spec is None or spec.origin is None:
        raise KeyError("botocore is not installed; run scripts/setup")
    return Path(spec.origin).parent / "data"


def _closure(shapes: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    """All shapes that an operation's parameters and answer are made of."""
    found: dict[str, Any] = {}
    waiting = [operation[side]["shape"] for side in ("input", "output") if side in operation]
    while waiting:
        name = waiting.pop()
        if name not in found:
            raw = found[name] = shapes[name]
            parts = [*raw.get("members", {}).values(), *(raw[part] for part in ("member", "key", "value") if part in raw)]
            waiting += [part["shape"] for part in parts]
    return found


def _file(directory: Path, stem: str) -> Path:
    packed = directory / f"{stem}.json.gz"
    return packed if packed.exists() else directory / f"{stem}.json"


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    content = path.read_bytes()
    return dict(json.loads(gzip.decompress(content) if path.suffix == ".gz" else content))
