"""AWS's service models as botocore ships them: operations, shapes, waiters, paginators. Read as data; botocore is not imported.

Reading EC2's whole model takes some 40 ms, so nothing of it is kept anywhere else. `xform_name` is the only translation
between AWS's spellings (RunInstances) and ours (run_instances, run-instances).
"""

import functools
import gzip
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore import xform_name as _xform_name


def xform_name(name: str, separator: str = "_") -> str:
    """RunInstances as run_instances, or with another separator."""
    return str(_xform_name(name, separator))


class Shape:
    """A shape of a service model. `kind` is structure, list, map, string, integer, long, boolean, timestamp, blob, ..."""

    __slots__ = ("kind", "name", "raw", "service")

    def __init__(self, service: "Service", name: str) -> None:
        self.service = service
        self.name = name
        self.raw: dict[str, Any] = service.raw["shapes"][name]
        self.kind: str = self.raw["type"]

    @property
    def members(self) -> dict[str, "Member"]:
        """The members of a structure, in AWS's order."""
        return {name: Member(self.service, name, raw) for name, raw in self.raw.get("members", {}).items()}

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
        self.raw: dict[str, Any] = service.raw["operations"][name]

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
        self.raw: dict[str, Any] = _read(self.directory, "service-2")
        self._shapes: dict[str, Shape] = {}

    @property
    def metadata(self) -> dict[str, Any]:
        """Protocol, API version, XML namespace, ..."""
        return dict(self.raw["metadata"])

    @property
    def operation_names(self) -> list[str]:
        """AWS's names of all operations."""
        return list(self.raw["operations"])

    def operation(self, name: str) -> Operation:
        """One operation by AWS's name. Raises KeyError."""
        return Operation(self, name)

    def shape(self, name: str) -> Shape:
        """One shape by name. Raises KeyError."""
        if name not in self._shapes:
            self._shapes[name] = Shape(self, name)
        return self._shapes[name]

    def named(self, ours: str) -> str:
        """AWS's name of the operation that is ours by run_instances or run-instances. Raises KeyError."""
        name = self._by_letters[ours.replace("_", "").replace("-", "")]
        if xform_name(name) != ours.replace("-", "_"):
            raise KeyError(ours)
        return name

    @functools.cached_property
    def _by_letters(self) -> dict[str, str]:
        # No two operations of a service differ in case only, so letters are enough; translating all names takes 10 ms.
        return {name.lower(): name for name in self.raw["operations"]}

    @functools.cached_property
    def waiters(self) -> dict[str, Any]:
        """The waiter definitions, by AWS's name (InstanceRunning)."""
        return dict(_read(self.directory, "waiters-2").get("waiters", {}))

    @functools.cached_property
    def paginators(self) -> dict[str, Any]:
        """The paginator definitions, by operation."""
        return dict(_read(self.directory, "paginators-1").get("pagination", {}))


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


def _read(directory: Path, stem: str) -> dict[str, Any]:
    packed = directory / f"{stem}.json.gz"
    if packed.exists():
        return dict(json.loads(gzip.decompress(packed.read_bytes())))
    plain = directory / f"{stem}.json"
    return dict(json.loads(plain.read_bytes())) if plain.exists() else {}
