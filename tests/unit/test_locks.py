"""requirements/*.lock: exact, hashed, of one piece with pyproject.toml, and nothing that root installs comes from elsewhere."""

import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ("runtime", "build", "tests")
THIS = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHONS = ("3.11", "3.12", "3.13")  # of Debian 12, Ubuntu 24.04, Debian 13

DIRECT = {
    "runtime": PROJECT["project"]["dependencies"],
    "build": PROJECT["dependency-groups"]["build"],
    "tests": [
        *PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"]["dev"],
        *PROJECT["dependency-groups"]["build"],
    ],
}


@dataclass(frozen=True)
class Locked:
    """One entry of a lock."""

    requirement: Requirement
    hashes: frozenset[str]

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> str:
        return str(self.requirement.specifier).removeprefix("==")


def lines(lock: str) -> list[str]:
    text = (ROOT / f"requirements/{lock}.lock").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def entries(lock: str) -> Iterator[Locked]:
    for line in lines(lock):
        requirement, *hashes = re.split(r"\s+--hash=", line.strip())
        yield Locked(Requirement(requirement), frozenset(hashes))


def environment(python: str) -> dict[str, str]:
    facts = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64", "extra": ""}
    implementation = {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
    return {**facts, **implementation, "python_version": python, "python_full_version": f"{python}.0"}


def resolved(lock: str, python: str) -> dict[str, str]:
    """What a lock gives a Python: a version for each name."""
    found: dict[str, str] = {}
    for entry in entries(lock):
        if entry.requirement.marker is None or entry.requirement.marker.evaluate(environment(python)):
            assert entry.name not in found, f"{entry.name} twice for Python {python}"
            found[entry.name] = entry.version
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_every_entry_is_one_version_with_sha256_hashes_and_names_no_place(lock: str) -> None:
    for line in lines(lock):
        assert not line.startswith("-"), f"{line}: an option, such as an index, has no place in a lock"
        assert "://" not in line
        assert " @ " not in line
    for entry in entries(lock):
        assert re.fullmatch(r"==[^*,]+", str(entry.requirement.specifier)), entry.requirement
        assert entry.hashes
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in entry.hashes), entry.name


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_gives_each_python_all_that_pyproject_asks_for(lock: str, python: str) -> None:
    found = resolved(lock, python)
    for text in DIRECT[lock]:
        wanted = Requirement(text)
        name = canonicalize_name(wanted.name)
        assert name in found, f"{name} is in pyproject.toml and not in requirements/{lock}.lock: run scripts/lock"
        assert wanted.specifier.contains(found[name]), f"{name} {found[name]} is not {wanted.specifier}: run scripts/lock"


@pytest.mark.parametrize("part", ["runtime", "build"])
def test_users_get_what_was_tested(part: str) -> None:
    whole = {(entry.name, entry.version): entry for entry in entries("tests")}
    for entry in entries(part):
        assert whole[entry.name, entry.version] == entry


def closure(requirements: list[str]) -> set[str]:
    """All that these need, as the packages of this environment, which was made of the lock, say themselves."""
    needed: set[str] = set()
    left = [Requirement(one) for one in requirements]
    while left:
        one = left.pop()
        name = canonicalize_name(one.name)
        extras = [*one.extras, ""]
        if one.marker is not None and not one.marker.evaluate({"extra": ""}):
            continue
        if name in needed and not one.extras:
            continue
        needed.add(name)
        for text in metadata.requires(one.name) or []:
            further = Requirement(text)
            if further.marker is None or any(further.marker.evaluate({"extra": extra}) for extra in extras):
                further.marker = None
                left.append(further)
    return needed


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_all_that_its_packages_need_and_nothing_else(lock: str) -> None:
    assert set(resolved(lock, THIS)) == closure(DIRECT[lock])


def test_this_environment_is_the_lock() -> None:
    found = resolved("tests", THIS)
    assert {name: metadata.version(name) for name in found} == found


def test_the_build_requirements_are_in_the_build_lock() -> None:
    names = {canonicalize_name(Requirement(one).name) for one in PROJECT["build-system"]["requires"]}
    assert names <= {entry.name for entry in entries("build")}


def scripts() -> list[Path]:
    found = [*ROOT.glob("scripts/*"), *ROOT.glob("scripts/lib/*"), ROOT / ".ci/run"]
    return [path for path in found if path.is_file() and path.suffix in ("", ".sh")]


def test_no_script_of_roots_writes_where_others_can_put_a_link_first() -> None:
    assert len(scripts()) >= 10
    assert [path for path in scripts() if re.search(r"/tmp/|/run/lock|/dev/shm", path.read_text())] == []


def installing() -> Iterator[tuple[Path, str]]:
    """Each command of ours that runs pip's verbs for installing, its continued lines joined."""
    for path in scripts():
        for line in path.read_text().replace("\\\n", " ").splitlines():
            if re.search(r"(\bpip_in|-m pip)\b.*\s(install|wheel|download)\s", line) and not line.lstrip().startswith("#"):
                yield path, line


def test_pip_is_only_ever_given_hashes_or_files() -> None:
    found = list(installing())
    assert len(found) >= 4
    for path, line in found:
        words = set(shlex.split(line.split("||")[0]))
        assert {"--no-deps"} <= words, f"{path}: {line}"
        assert words & {"--require-hashes", "--no-index"}, f"{path}: {line}"


def test_our_package_does_not_have_the_name_that_is_somebody_elses() -> None:
    assert PROJECT["project"]["name"] != "minicloud"
    assert "Private :: Do Not Upload" in PROJECT["project"]["classifiers"]
    assert "minicloud" not in {entry.name for lock in LOCKS for entry in entries(lock)}
