"""scripts/lab: a laboratory of its own, its command's exit status, and nothing left. Laboratories can stand in one another."""

import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waits import until

pytestmark = pytest.mark.lab

ROOT = Path(__file__).resolve().parents[2]
LAB = str(ROOT / "scripts/lab")


def lab(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LAB, *words], capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **variables})


@pytest.mark.parametrize("status", [0, 7, 254])
def test_the_exit_status_is_the_commands(status: int) -> None:
    assert lab("sh", "-c", f"exit {status}").returncode == status


def test_it_has_only_loopback_and_a_libvirt_of_its_own() -> None:
    links = lab("ip", "-br", "link").stdout.split("\n")
    assert [line.split()[0] for line in links if line] == ["lo"]
    assert lab("virsh", "-q", "-c", "qemu:///system", "list", "--all", "--name").stdout.strip() == ""


def test_state_starts_empty_and_ends_with_it() -> None:
    mark = "/var/lib/minicloud/mark-of-a-test"
    assert lab("sh", "-c", f"ls -A /var/lib/minicloud; touch {mark} && ls {mark}").stdout.split() == [mark]
    assert not Path(mark).exists()


@pytest.mark.parametrize("directory", ["/opt", "/usr/local/bin", "/var/cache/minicloud"])
def test_what_setup_writes_in_it_stays_in_it(directory: str) -> None:
    mark = f"{directory}/mark-of-a-test"
    assert lab("sh", "-c", f"touch {mark} && ls {mark}", MINICLOUD_IN_LAB="").stdout.split() == [mark]
    assert not Path(mark).exists()


def test_it_is_of_the_release_that_was_asked_for_with_that_releases_own_programs() -> None:
    """Of this machine's, where none was."""
    codename = platform.freedesktop_os_release()["VERSION_CODENAME"]
    assert os.environ.get("MINICLOUD_LAB_SUITE", codename) == codename
    said = subprocess.run(["libvirtd", "--version"], capture_output=True, text=True, check=True).stdout
    major = int(said.split()[-1].split(".")[0])
    assert major >= {"bookworm": 9, "trixie": 11}.get(codename, 9)
    assert Path(sys.executable).is_relative_to(ROOT / ".venv")


def test_an_unknown_release_is_refused_with_the_usage() -> None:
    done = lab("--suite", "woody", "true")
    assert done.returncode == 252
    assert "scripts/suite trixie" in done.stderr


def test_settings_of_the_caller_do_not_lead_out_of_it(tmp_path: Path) -> None:
    """A homelab's own home, hypervisor, keys and accounts are not what its tests run on."""
    (tmp_path / "config.toml").write_text(f'home = "{tmp_path / "elsewhere"}"\n')
    outside = {
        "MINICLOUD_HOME": str(tmp_path), "MINICLOUD_RUN": str(tmp_path), "MINICLOUD_CONFIG": str(tmp_path / "config.toml"),
        "MINICLOUD_IMAGES_DIR": str(tmp_path), "LIBVIRT_DEFAULT_URI": "qemu+ssh://elsewhere/system", "AWS_PROFILE": "work",
        "AWS_ENDPOINT_URL": "http://192.0.2.1", "SSH_AUTH_SOCK": str(tmp_path / "agent"), "https_proxy": "http://192.0.2.1:3128",
        "XDG_CONFIG_HOME": str(tmp_path), "TMPDIR": str(tmp_path), "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
    }  # fmt: skip
    inside = "import os, tempfile; from minicloud import config; print(*os.environ, config.load().home, tempfile.gettempdir())"
    done = lab(sys.executable, "-c", inside, **outside, LC_TIME="C", CI="true", MINICLOUD_LAB_SIZE="10%")
    *names, home, temporary = done.stdout.split()
    assert outside.keys() & set(names) == set()
    assert {"PATH", "LC_TIME", "CI", "MINICLOUD_LAB_SIZE", "MINICLOUD_IN_LAB", "MINICLOUD_SHARED_IMAGES"} <= set(names)
    assert (home, temporary) == ("/var/lib/minicloud", "/tmp")
    assert list(tmp_path.iterdir()) == [tmp_path / "config.toml"]


def test_images_are_shared_and_cannot_be_changed(tmp_path: Path) -> None:
    (tmp_path / "ami-0").mkdir()
    inside = 'touch "$MINICLOUD_SHARED_IMAGES/mine"; ls "$MINICLOUD_SHARED_IMAGES"'
    done = lab("sh", "-c", inside, MINICLOUD_IMAGES=str(tmp_path))
    assert done.stdout.split() == ["ami-0"]
    assert "Read-only file system" in done.stderr


def test_kill_9_of_the_laboratory_ends_all_that_runs_in_it(tmp_path: Path) -> None:
    mark = f"7{os.getpid()}"
    running = subprocess.Popen([LAB, "sh", "-c", f"sleep {mark} & sleep {mark}"], stdout=subprocess.DEVNULL)

    def sleepers() -> list[str]:
        return subprocess.run(["pgrep", "-f", f"^sleep {mark}"], capture_output=True, text=True, check=False).stdout.split()

    until("both commands run in the laboratory", lambda: len(sleepers()) == 2, 30)
    running.send_signal(signal.SIGKILL)
    running.wait()
    until("nothing of the laboratory runs any more", lambda: not sleepers(), 30)


def test_without_root_it_says_what_to_do(tmp_path: Path) -> None:
    script = tmp_path / "lab"
    script.write_bytes(Path(LAB).read_bytes())
    script.chmod(0o755)
    tmp_path.chmod(0o755)
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--clear-groups", "bash", "-s", "true"],
        stdin=script.open(), capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.returncode == 77
    assert "sudo scripts/lab" in done.stderr
    assert done.stdout == ""


def test_without_a_command_it_says_its_usage() -> None:
    done = lab()
    assert done.returncode == 252
    assert "usage" in done.stderr
