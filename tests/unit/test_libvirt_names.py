"""Every name of libvirt's that the code uses is there in the oldest libvirt that minicloud promises to run with.

libvirt never takes a name away, and says of each in its API description, which comes with libvirt-dev, since when it is there.
"""

import ast
import inspect
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import libvirt
import libvirt_qemu
import pytest

import minicloud
from minicloud.host.run import run

OLDEST = (9, 0, 0)
"""Debian 12's; Ubuntu 24.04 has 10.0, Debian 13 has 11.3."""
SOURCES = [path for path in sorted(Path(minicloud.__file__).parent.rglob("*.py")) if "libvirt" in path.read_text()]
CLASSES = (libvirt.virConnect, libvirt.virDomain, libvirt.virStream)


def versions(kind: str) -> dict[str, tuple[int, ...]]:
    """Since when the constants (`enum`) or functions of libvirt are there."""
    found: dict[str, tuple[int, ...]] = {}
    for variable in ("libvirt_api", "libvirt_qemu_api"):
        path = run(["pkg-config", f"--variable={variable}", "libvirt" if variable == "libvirt_api" else "libvirt-qemu"]).text
        for one in ET.parse(path.strip()).iter(kind):  # noqa: S314  Debian's own file
            if version := one.get("version"):
                found[str(one.get("name"))] = tuple(map(int, version.split(".")))
    return found


def words() -> Iterator[str]:
    """All names and texts in the code that speaks to libvirt."""
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Attribute):
                yield node.attr
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from re.findall(r"\bVIR_[A-Z0-9_]+", node.value)


CONSTANTS = sorted({word for word in words() if word.startswith("VIR_")})
METHODS = sorted(
    {word for word in words() for kind in CLASSES if not word.startswith("_") and callable(getattr(kind, word, None))}
)


def called_by(method: str) -> set[str]:
    """The functions of libvirt's that a method of its Python classes is made of."""
    sources = [inspect.getsource(getattr(kind, method)) for kind in CLASSES if hasattr(kind, method)]
    return {name for source in sources for name in re.findall(r"libvirtmod\.(vir\w+)\(", source)}


def test_there_are_names_to_look_at() -> None:
    assert {"VIR_ERR_NO_DOMAIN", "VIR_DOMAIN_STATS_VCPU", "VIR_DOMAIN_RUNNING"} <= set(CONSTANTS)
    assert {"fsFreeze", "agentSetResponseTimeout", "detachDeviceAlias", "destroy"} <= set(METHODS)


@pytest.mark.parametrize("name", CONSTANTS)
def test_a_constant_is_as_old_as_the_oldest_libvirt(name: str) -> None:
    assert hasattr(libvirt, name), f"the libvirt of this host ({libvirt.getVersion()}) has no {name}"
    assert versions("enum")[name] <= OLDEST


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_as_old_as_the_oldest_libvirt(name: str) -> None:
    since = versions("function")
    assert all(since[function] <= OLDEST for function in called_by(name) if function in since)


def test_what_speaks_to_qemu_itself_is_as_old() -> None:
    assert callable(libvirt_qemu.qemuMonitorCommand)
    assert versions("function")["virDomainQemuMonitorCommand"] <= OLDEST
