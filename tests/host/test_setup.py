"""scripts/setup: what it installs is root's alone, and interrupted anywhere it leaves nothing half made.

In a laboratory /opt, /usr/local/bin and the cache are copies that end with it, and there is no network: so these also show that
a new version of minicloud needs none. The tests run in their order: each goes on with what the one before has installed.
"""

import os
import shutil
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from tests.waits import until

pytestmark = pytest.mark.lab

ROOT = Path(__file__).resolve().parents[2]
OPT = Path("/opt/minicloud")
CACHE = Path("/var/cache/minicloud")
LINK = Path("/usr/local/bin/minicloud")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this checkout that a user may write, of another version."""
    top = tmp_path_factory.mktemp("home") / "checkout"
    for name in ("scripts", "minicloud", "images", "requirements"):
        shutil.copytree(ROOT / name, top / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, top / name)
    change(top, "0.1.1")
    for path in [top, *top.rglob("*")]:
        os.chown(path, 1000, 1000)
    return top


def change(top: Path, version: str) -> None:
    init = top / "minicloud/__init__.py"
    head = init.read_text().split("__version__")[0]
    init.write_text(f'{head}__version__ = "{version}"\n')


def words(top: Path, *arguments: str, umask: str = "022") -> list[str]:
    # Whoever runs the tests may ignore an interruption, as everything does that a shell started in the background.
    free = ["env", "--default-signal=INT,QUIT"]
    return [*free, "bash", "-c", f'umask {umask}; exec "$@"', "setup", str(top / "scripts/setup"), *arguments]


def setup(top: Path, umask: str = "022", **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words(top, umask=umask),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=300, env={**os.environ, **variables},
    )  # fmt: skip


def done(top: Path, umask: str = "022") -> str:
    ran = setup(top, umask)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def whole() -> list[Path]:
    return sorted(path.parent for path in OPT.glob("versions/*/.minicloud"))


def version() -> str:
    return subprocess.run([LINK, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]


def half_made() -> list[Path]:
    versions = [path for path in OPT.glob("versions/*") if path not in whole()]
    caches = [*CACHE.glob("*.partial"), *CACHE.glob("*/*.partial")]
    return [*versions, *caches, *OPT.glob("*.partial"), *LINK.parent.glob("*.partial")]


def writable_by_others(top: Path) -> list[Path]:
    found = ((path, path.lstat()) for path in [top, *top.rglob("*")])
    return [path for path, facts in found if not stat.S_ISLNK(facts.st_mode) and (facts.st_uid or facts.st_mode & 0o022)]


def test_what_is_installed_is_roots_alone_and_an_upgrade_leaves_one_version(checkout: Path) -> None:
    said = done(checkout, umask="000")
    assert "installing this checkout" in said
    assert os.readlink(LINK) == "/opt/minicloud/current/bin/minicloud"
    assert version() == "0.1.1"
    (first,) = whole()
    assert not writable_by_others(OPT)
    assert not writable_by_others(CACHE / "wheels")
    leading_back = subprocess.run(["grep", "-rlF", str(checkout), OPT], capture_output=True, text=True, check=False).stdout
    assert leading_back == ""
    assert "up to date" in done(checkout)

    change(checkout, "0.1.2")
    running = subprocess.Popen([first / "bin/python", "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    try:
        assert f"{first} still runs" in done(checkout)
        assert version() == "0.1.2"
    finally:
        running.communicate()
    done(checkout)
    assert whole() == [(OPT / "current").resolve()]
    assert first not in whole()
    assert half_made() == []


def test_a_link_that_is_somebody_elses_stays(checkout: Path, tmp_path: Path) -> None:
    before = os.readlink(LINK)
    other = tmp_path / "minicloud"
    other.touch()
    LINK.unlink()
    LINK.symlink_to(other)
    try:
        assert "somebody else's" in done(checkout)
        assert os.readlink(LINK) == str(other)
    finally:
        LINK.unlink()
        LINK.symlink_to(before)


def test_a_python_that_others_may_write_is_refused(checkout: Path, tmp_path: Path) -> None:
    python = tmp_path / "python3"
    shutil.copy("/usr/bin/python3", python)
    os.chown(python, 1000, 1000)
    ran = setup(checkout, PYTHON=str(python))
    assert ran.returncode == 1
    assert f"{python} is no Python to run as root" in ran.stderr
    assert version() == "0.1.2"


def begun(checkout: Path) -> subprocess.Popen[bytes]:
    """A setup that is in the midst of installing."""
    there = whole()
    running = subprocess.Popen(
        words(checkout), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )

    def installing() -> bool:
        return any(path for path in OPT.glob("versions/*/lib/python3*/site-packages/*") if path.parents[3] not in there)

    until("packages are being installed", installing, 120)
    return running


def test_interrupted_it_leaves_nothing_and_killed_the_next_run_mends_it(checkout: Path) -> None:
    change(checkout, "0.1.3")
    running = begun(checkout)
    os.killpg(running.pid, signal.SIGINT)
    assert running.wait() == 130
    assert half_made() == []
    assert version() == "0.1.2"

    running = begun(checkout)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert half_made() != []
    assert version() == "0.1.2"
    done(checkout)
    assert half_made() == []
    assert len(whole()) == 1
    assert version() == "0.1.3"


def test_a_full_disk_leaves_the_version_that_was_there(checkout: Path) -> None:
    """In mounts of its own, in which /opt has 8 MiB."""
    inside = """
        mount -t tmpfs -o size=8m none /opt
        mkdir -p /opt/minicloud/versions/old/bin && touch /opt/minicloud/versions/old/.minicloud
        ln -s versions/old /opt/minicloud/current
        "$1/scripts/setup" && exit 1
        ls /opt/minicloud/versions; readlink /opt/minicloud/current
    """
    ran = subprocess.run(
        ["unshare", "--mount", "bash", "-c", inside, "inside", checkout],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "No space left on device" in ran.stderr
    assert ran.stdout.splitlines()[-2:] == ["old", "versions/old"]


LIBRARIES = ". scripts/lib/common.sh; . scripts/lib/packages.sh; "


@pytest.mark.parametrize(
    ("what", "left"),
    [
        ("refuse_services; [ -x $POLICY ] && $POLICY; echo $?; allow_services; ls /usr/sbin", "101"),
        ("(refuse_services; kill -9 $BASHPID); ls /usr/sbin; allow_services; ls /usr/sbin", "policy-rc.d"),
        (f"bash -c '{LIBRARIES}refuse_services; kill -TERM $$; sleep 60'; ls /usr/sbin", ""),
        ("echo theirs >$POLICY; refuse_services; allow_services; cat $POLICY", "theirs"),
    ],
    ids=["while packages are installed", "killed", "ended", "somebody else's"],
)
def test_services_are_refused_only_while_packages_are_installed(what: str, left: str) -> None:
    ran = subprocess.run(
        ["unshare", "--mount", "bash", "-c", f"mount -t tmpfs none /usr/sbin; {LIBRARIES}{what}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.stdout.strip() == left, ran.stderr


@pytest.mark.parametrize(
    ("installed", "stopped"),
    [("prometheus\npacker", ["prometheus"]), ("haproxy", ["haproxy"]), ("prometheus-node-exporter", []), ("", [])],
)
def test_a_service_that_came_with_a_package_is_stopped_unless_it_was_there_before(installed: str, stopped: list[str]) -> None:
    inside = f"""
        mount -t tmpfs none /run; mkdir -p /run/systemd/system
        {LIBRARIES}
        systemctl() {{ echo "$*"; }}
        stop_services_of "$1"
    """
    ran = subprocess.run(
        ["unshare", "--mount", "bash", "-euc", inside, "inside", installed],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert ran.stdout.splitlines() == [f"disable -q --now {name}.service" for name in stopped]


@pytest.mark.parametrize(
    ("release", "wanted"), [("debian 12", "prometheus packer"), ("debian 13", "prometheus"), ("ubuntu 24.04", "prometheus")]
)
def test_clients_of_the_distribution_are_wanted_where_it_has_them(release: str, wanted: str) -> None:
    inside = f"""
        mount -t tmpfs none /etc; printf 'ID=%s\nVERSION_ID="%s"\n' $1 >/etc/os-release
        {LIBRARIES}
        known_to_apt() {{ false; }}
        echo $(client_packages)
    """
    ran = subprocess.run(
        ["unshare", "--mount", "bash", "-euc", inside, "inside", release],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert ran.stdout.strip() == wanted


CLIENTS = """
    . scripts/lib/common.sh; . scripts/lib/python.sh; . scripts/lib/clients.sh
    top=$PWD
    python() { case $1 in --version) echo Python 3.11.2 ;; -m) mkdir "$3" ;; esac; }
    install_locked() { cp "requirements/$2.lock" "$1/"; }
    node_packages() { eval "$NPM"; }
    clients_environment python
"""


def test_clients_are_made_once_and_again_after_an_interruption_or_a_change_of_their_locks(tmp_path: Path) -> None:
    for name in ("scripts", "requirements", "tests/clients/node"):
        shutil.copytree(ROOT / name, tmp_path / name)
    made = tmp_path / ".clients"

    def clients(npm: str) -> tuple[int, str]:
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", CLIENTS, "setup"], cwd=tmp_path, env={**os.environ, "NPM": npm},
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        return ran.returncode, ran.stdout + ran.stderr

    status, said = clients("false")
    assert (status, made.exists()) == (1, False)
    assert "npm could not install tests/clients/node/package-lock.json" in said
    assert clients("kill -TERM $$; sleep 60")[0] != 0
    assert not (made / ".minicloud").exists()
    assert clients("kill -KILL $$; sleep 60")[0] == -signal.SIGKILL
    (made / "half").touch()
    assert not (made / ".minicloud").exists()
    assert clients("true")[0] == 0
    assert sorted(path.name for path in made.iterdir()) == [".minicloud", "clients.lock"]
    assert "up to date" in clients("false")[1]
    for lock in ("requirements/clients.lock", "tests/clients/node/package-lock.json"):
        (tmp_path / lock).write_text((tmp_path / lock).read_text() + "\n")
        assert "up to date" not in clients("touch .clients/anew")[1]
        assert (made / "anew").exists()
    assert "up to date" in clients("false")[1]


@pytest.mark.parametrize("words", [["-h"], ["--help"], ["--yes", "--help"], ["--date"], ["data"], [""]], ids=str)
def test_uninstall_with_anything_but_its_flags_tells_its_usage_and_removes_nothing(checkout: Path, words: list[str]) -> None:
    before = sorted(OPT.rglob("*"))
    ran = subprocess.run(
        [checkout / "scripts/uninstall", *words],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert LINK.is_symlink()
    assert sorted(OPT.rglob("*")) == before
    asked = words[-1] in ("-h", "--help")
    assert (ran.stdout if asked else ran.stderr).startswith("scripts/uninstall [--data] [--yes]: undo scripts/setup")
    assert ran.returncode == (0 if asked else 252)


def test_uninstall_takes_the_command_off_and_leaves_what_others_put_there(checkout: Path) -> None:
    (OPT / "notes").touch()
    inside = """
        mount -t tmpfs none /var/cache/minicloud
        mkdir -p /var/cache/minicloud/wheels/0 /var/cache/minicloud/suites/0
        "$1/scripts/uninstall" --yes >&2
        find /opt/minicloud /var/cache/minicloud -mindepth 1
    """
    ran = subprocess.run(
        ["unshare", "--mount", "bash", "-ec", inside, "inside", checkout],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["/opt/minicloud/notes"]
    assert not LINK.is_symlink()
