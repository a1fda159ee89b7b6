"""scripts/suite, scripts/test and .ci/run where another release cannot be had, and where it can and something fails.

Package sources, mmdebstrap and pip are stood in for; the cache is the laboratory's.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.waits import until

pytestmark = pytest.mark.lab

ROOT = Path(__file__).resolve().parents[2]
UNAVAILABLE = 75


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/bash\n" + text)
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """With a Python and an mmdebstrap that do as $LISTS, $MAKE, $SIMULATE and $INDEX say, each a status; more are seconds."""
    top = tmp_path / "checkout"
    shutil.copytree(ROOT / "scripts", top / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "requirements", top / "requirements")
    (top / ".venv").mkdir()
    (top / ".venv/.minicloud").touch()
    script(
        top / ".venv/bin/python",
        """case "$*" in
             *suite_sources*) [ $LISTS = 0 ] && touch "${!#}"/{sources,options} || { echo "no sources" >&2; exit $LISTS; } ;;
             *" pip "*) exit $INDEX ;;
           esac""",
    )
    script(top / ".venv/bin/pip", "echo /nowhere/pip")
    script(
        top / "bin/mmdebstrap",
        """[[ "$*" != *--simulate* ]] || exit $SIMULATE
           [ $MAKE != 0 ] || mkdir "${@: -2:1}"
           [ $MAKE -le 255 ] || exec sleep $MAKE
           exit $MAKE""",
    )
    script(top / "bin/apt-get", "exit 100")
    return top


def variables(top: Path, **statuses: int) -> dict[str, str]:
    """What scripts/suite finds in its environment."""
    given = {"LISTS": 0, "MAKE": 0, "SIMULATE": 0, "INDEX": 0} | statuses
    return {**os.environ, **{name: str(status) for name, status in given.items()}, "PATH": f"{top}/bin:{os.environ['PATH']}"}


def suite(top: Path, **statuses: int) -> tuple[int, str]:
    """What scripts/suite says, on an empty cache: in mounts of its own."""
    inside = """
        mount -t tmpfs none /var/cache/minicloud
        "$1/scripts/suite" trixie; status=$?
        ls /var/cache/minicloud/suites; exit $status
    """
    ran = subprocess.run(
        ["unshare", "--mount", "bash", "-uc", inside, "inside", top],
        env=variables(top, **statuses), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert ".partial" not in ran.stdout
    return ran.returncode, ran.stderr


@pytest.mark.parametrize(
    ("statuses", "status", "said"),
    [
        ({"LISTS": UNAVAILABLE}, UNAVAILABLE, "trixie cannot be had on this host"),
        ({"LISTS": 1}, 1, "the package sources of this host could not be read"),
        ({"MAKE": 25, "SIMULATE": 25}, UNAVAILABLE, "trixie cannot be had from the package sources of this host"),
        ({"MAKE": 25}, 1, "mmdebstrap could not make trixie, which the package sources of this host have"),
        ({"INDEX": 1}, UNAVAILABLE, "the package index of this host is not reachable"),
        ({}, 1, "requirements/tests.lock could not be installed there"),
    ],
    ids=["no sources", "a fault of ours", "not reachable", "it cannot be made", "no index", "its environment cannot be made"],
)
def test_what_cannot_be_had_is_told_from_what_fails(checkout: Path, statuses: dict[str, int], status: int, said: str) -> None:
    found = suite(checkout, **statuses)
    assert (found[0], said in found[1]) == (status, True), found


def test_what_makes_it_dies_with_it(checkout: Path) -> None:
    """The next run removes what is half made, so nobody may still write to it."""
    seconds = 100000 + os.getpid()
    inside = 'mount -t tmpfs none /var/cache/minicloud; exec "$1/scripts/suite" trixie'
    running = subprocess.Popen(
        ["unshare", "--mount", "bash", "-c", inside, "inside", checkout],
        env=variables(checkout, MAKE=seconds), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def made() -> str:
        return subprocess.run(["pgrep", "-f", f"sleep {seconds}$"], capture_output=True, text=True, check=False).stdout

    until("mmdebstrap runs", made, 60)
    running.kill()
    running.wait()
    until("it does not run any more", lambda: not made(), 60)


@pytest.mark.parametrize(
    ("script_that_fails", "status", "wanted"),
    [
        ("none", 0, (0, ["setup", "lint", "test", "test --suite trixie"], False)),
        ("test", 1, (1, ["setup", "lint", "test"], False)),
        ("test --suite trixie", UNAVAILABLE, (0, ["setup", "lint", "test", "test --suite trixie"], True)),
        ("test --suite trixie", 1, (1, ["setup", "lint", "test", "test --suite trixie"], False)),
        ("test --suite trixie", 124, (124, ["setup", "lint", "test", "test --suite trixie"], False)),
    ],
)
def test_ci_passes_over_the_other_release_only_where_it_cannot_be_had(
    tmp_path: Path, script_that_fails: str, status: int, wanted: tuple[int, list[str], bool]
) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", tmp_path / ".ci/run")
    for name in ("setup", "lint", "test"):
        script(tmp_path / "scripts" / name, f'said="{name} $*"; said=${{said% }}; said=${{said% --tests}}; echo "$said"; '
               f'[ "$said" != "{script_that_fails}" ] || exit {status}')  # fmt: skip
    ran = subprocess.run([tmp_path / ".ci/run"], capture_output=True, text=True, check=False, timeout=60)
    lines = ran.stdout.splitlines()
    skipped = [line for line in lines if line.startswith("skipped: scripts/test --suite trixie: ")]
    assert (ran.returncode, [line for line in lines if line not in skipped], bool(skipped)) == wanted


@pytest.mark.parametrize("status", [UNAVAILABLE, 1])
def test_no_test_is_run_without_the_other_release(tmp_path: Path, status: int) -> None:
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    script(tmp_path / "scripts/setup", "")
    script(tmp_path / "scripts/suite", f'echo "of $1" >&2; exit {status}')
    script(tmp_path / "scripts/lab", 'echo "a laboratory"')
    ran = subprocess.run(
        [tmp_path / "scripts/test", "--suite", "trixie"], capture_output=True, text=True, check=False, timeout=60
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (status, "", "of trixie\n")
