"""`minicloud ssh` and `minicloud console` with a guest that really boots: the whole command line, in processes of their own."""

import json
import os
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from minicloud import config
from minicloud.aws import keys
from minicloud.host.base_images import store
from minicloud.host.run import Completed, run

pytestmark = [pytest.mark.lab, pytest.mark.guest]


@dataclass(frozen=True)
class Commands:
    """minicloud over a state of its own."""

    directory: Path

    def __call__(self, *words: str, input: bytes = b"", check: bool = True) -> Completed:
        own = {name: value for name, value in os.environ.items() if name.startswith("MINICLOUD_")}
        own |= {f"MINICLOUD_{name}": str(self.directory / name.lower()) for name in ("HOME", "RUN")}
        own |= {"HOME": str(self.directory), "PYTHONPATH": os.getcwd()}
        argv = [sys.executable, "-m", "minicloud", *words]
        return run(argv, input=input, check=check, timeout=600, env=own, cwd=self.directory)

    def text(self, *words: str) -> str:
        return self(*words, "--output", "text").text.strip()

    def state(self, query: str) -> str:
        return self.text("describe-instances", "--query", f"Reservations[].Instances[].{query} | [0]")


@pytest.fixture(scope="module")
def minicloud() -> Iterator[Commands]:
    """A cloud in a directory that QEMU's account may pass through, as it may not through pytest's own."""
    with tempfile.TemporaryDirectory(dir="/run", prefix="minicloud-ssh-") as directory:
        Path(directory).chmod(0o711)
        yield Commands(Path(directory))


@pytest.fixture(scope="module")
def web(minicloud: Commands) -> Iterator[str]:
    """An instance named web of the tiny image, that was just launched."""
    image = next((one.image_id for one in reversed(store(config.load()).list()) if one.name == "tiny"), None)
    if image is None:
        pytest.skip("there is no image named tiny; scripts/setup --tests builds it")
    minicloud("create-key-pair", "--key-name", "k", "--key-type", "ed25519", "--save", "saved-key")
    launched = minicloud.text(
        "run-instances", "--image-id", image, "--instance-type", "t3.nano", "--key-name", "k",
        "--query", "Instances[0].InstanceId", "--tag-specifications", "ResourceType=instance,Tags=[{Key=Name,Value=web}]",
    )  # fmt: skip
    yield launched
    minicloud("terminate-instances", "--instance-ids", launched)
    minicloud("wait", "instance-terminated", "--instance-ids", launched)


def test_a_command_runs_in_the_guest_as_soon_as_it_is_up(minicloud: Commands, web: str) -> None:
    done = minicloud("ssh", "web", "--timeout", "300", "--", "hostname; exit 7", check=False)
    address = minicloud.state("PrivateIpAddress")
    assert done.text.strip() == "ip-" + address.replace(".", "-"), done.stderr
    assert done.status == 7
    assert done.stderr == b""


def test_input_and_output_go_through_to_the_byte(minicloud: Commands, web: str) -> None:
    data = os.urandom(100_000)
    assert minicloud("ssh", web, "cat", input=data).stdout == data


def test_by_address_with_options_of_sshs_own(minicloud: Commands, web: str) -> None:
    address = minicloud.state("PrivateIpAddress")
    assert minicloud("ssh", address, "--", "-o", "LogLevel=ERROR", "id", "-un").text == "root\n"


def test_nothing_of_it_stays_in_the_users_directory(minicloud: Commands, web: str) -> None:
    minicloud("ssh", web, "true")
    assert not (minicloud.directory / ".ssh").exists()


def test_a_guest_with_another_host_key_is_not_talked_to(minicloud: Commands, web: str) -> None:
    other = json.dumps([" ".join(keys.generate("ed25519", "pem").public_openssh.split()[:2])])
    with sqlite3.connect(minicloud.directory / "home" / "state.sqlite") as db:
        (kept,) = db.execute("select host_keys from instances where id = ?", [web]).fetchone()
        db.execute("update instances set host_keys = ? where id = ?", [other, web])
    done = minicloud("ssh", web, "echo", "reached", check=False)
    with sqlite3.connect(minicloud.directory / "home" / "state.sqlite") as db:
        db.execute("update instances set host_keys = ? where id = ?", [kept, web])
    assert done.status == 255
    assert done.text == ""
    assert b"Host key verification failed" in done.stderr


def test_the_serial_console_is_entered_and_left(minicloud: Commands, web: str) -> None:
    done = minicloud("console", "web", input=b"\recho $((6*7))-from-the-console\r\x1d")
    assert b"Ctrl-] leaves" in done.stderr
    assert b"left the console" in done.stderr


def test_a_guest_that_does_not_answer_is_waited_for_and_no_longer(minicloud: Commands, web: str) -> None:
    run(["virsh", "-q", "-c", "qemu:///system", "suspend", web])
    try:
        done = minicloud("ssh", web, "--timeout", "3", "true", check=False)
    finally:
        run(["virsh", "-q", "-c", "qemu:///system", "resume", web])
    assert done.status == 255
    assert b"waited 3 s for 172.31." in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_after_a_stop_it_says_so_and_after_a_start_it_waits_again(minicloud: Commands, web: str) -> None:
    minicloud("stop-instances", "--instance-ids", web, "--force")
    minicloud("wait", "instance-stopped", "--instance-ids", web)
    done = minicloud("ssh", web, "true", check=False)
    assert done.status == 252
    assert f"minicloud start-instances --instance-ids {web}".encode() in done.stderr
    minicloud("start-instances", "--instance-ids", web)
    assert minicloud("ssh", web, "echo", "back").text == "back\n"
