"""Every name of libvirt's that the code uses is there in the oldest and in the newest libvirt that minicloud promises to run on.

libvirt says of each name in its API description, which comes with libvirt-dev, since when it is there. It means never to take one
away; whether that is so is told by the names of the newest, which are kept beside this file, and by what is installed.
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
NEWEST = Path(__file__).with_name("libvirt_names_11.3.0.txt")
"""The names of Debian 13's."""
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


def newest() -> set[str]:
    """The constants and functions of the newest libvirt."""
    return {line for line in NEWEST.read_text().splitlines() if not line.startswith("#")}


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


@pytest.mark.parametrize("name", CONSTANTS)
def test_a_constant_is_there_in_the_newest_libvirt(name: str) -> None:
    assert name in newest()


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_as_old_as_the_oldest_libvirt(name: str) -> None:
    since = versions("function")
    assert all(since[function] <= OLDEST for function in called_by(name) if function in since)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_there_in_the_newest_libvirt(name: str) -> None:
    public = {function for function in called_by(name) if function in versions("function")}
    assert public <= newest()


def test_the_list_of_the_newest_is_of_all_its_names() -> None:
    """It has all that the oldest has, and what came since."""
    oldest = {name for kind in ("enum", "function") for name, since in versions(kind).items() if since <= OLDEST}
    assert {name for name in oldest if name.lower().startswith("vir")} <= newest()
    assert {"VIR_ERR_AGENT_COMMAND_TIMEOUT", "virDomainGraphicsReload"} <= newest()


def test_what_speaks_to_qemu_itself_is_as_old() -> None:
    assert callable(libvirt_qemu.qemuMonitorCommand)
    assert versions("function")["virDomainQemuMonitorCommand"] <= OLDEST
    assert "virDomainQemuMonitorCommand" in newest()
