"""Guests whose agents do everything but answer: none of it holds up a snapshot for long, another guest, the end of their own,
a command that is interrupted, or the daemon. Two tiny guests with the agent of `odd_agent.sh`, booted once.
"""

import base64
import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from minicloud.aws import times
from minicloud.cloud import Idle
from minicloud.host.contracts import Power

from ..cloud_fixtures import Ec2
from ..crashes import Point, crash
from ..host.test_serve import Daemon
from ..real_cloud import cloud_at, launch
from ..ssh import Login
from ..waits import until

pytestmark = [pytest.mark.lab, pytest.mark.guest]
CLOUD = "odd-agents"
AGENT = Path(__file__).with_name("odd_agent.sh")
WITHOUT = "taken without quiescing the guest's file systems"


@dataclass
class Scene:
    """The guest whose agent is odd, and another."""

    ec2: Ec2
    odd: Login
    other: Login

    @property
    def volume(self) -> str:
        """Of the odd one."""
        (row,) = self.ec2.cloud.state.volumes.find(instance_id=self.odd.instance_id)
        return row.id

    def agent(self, mode: str) -> None:
        """Another agent: libvirt has seen the one go and the next come."""
        for state, wanted in (("disconnected", "none"), ("connected", mode)):
            self.odd.run(f"echo {wanted} >/run/mode")
            until(f"libvirt sees it {state}", lambda state=state: f"state='{state}'" in self.domain())

    def domain(self) -> str:
        return str(self.ec2.cloud.host.guests.active(self.odd.instance_id).XMLDesc())  # type: ignore[attr-defined]

    def snapshot(self) -> str:
        """A snapshot; what is said of it."""
        made = self.ec2("CreateSnapshot", VolumeId=self.volume)["SnapshotId"]
        shown = self.ec2("DescribeSnapshots", SnapshotIds=[made])["Snapshots"][0]
        assert shown["State"] == "completed"
        return str(shown.get("StateMessage", ""))

    def frozen(self) -> bool:
        return self.odd.run("[ -e /run/frozen ] && echo frozen || echo thawed") == "frozen"

    def thawed(self) -> bool:
        """Whether a pass, for which it is time to ask, finds it thawed."""
        for row in self.ec2.cloud.state.thaws.query():
            self.ec2.cloud.state.thaws.change(row.instance_id, due=times.now())
        self.ec2.look()
        return not self.ec2.cloud.state.thaws.query()

    def asking(self) -> None:
        """Wait until somebody asks the agent."""
        until("the agent is asked", self.ec2.cloud.state.thaws.query)


def idle() -> Ec2:
    """One whose questions are no passes."""
    cloud = cloud_at(CLOUD)
    cloud.worker = Idle()
    return Ec2(cloud)


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    ec2 = Ec2(cloud_at(CLOUD))
    private = ec2("CreateKeyPair", KeyName="k", KeyType="ed25519")["KeyMaterial"]
    params = {**launch("tiny", "t2.nano"), "MinCount": 2, "MaxCount": 2, "KeyName": "k"}
    answer = ec2("RunInstances", **params, UserData=base64.b64encode(AGENT.read_bytes()).decode())
    ids = [one["InstanceId"] for one in answer["Instances"]]
    yield Scene(ec2, *(Login.of(idle(), one, "root", private) for one in ids))
    ec2("TerminateInstances", InstanceIds=ids)


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("good", ""),
        ("error", f"{WITHOUT}: its guest agent did not do it: internal error: unable to execute QEMU agent command"),
        ("garbage", f"{WITHOUT}: its guest agent did not do it"),
        ("flood", f"{WITHOUT}: its guest agent did not do it"),
        ("deaf", f"{WITHOUT}: its guest agent did not do it"),
        ("mute", f"{WITHOUT}: its guest agent did not do it"),
        ("late", f"{WITHOUT}: its guest agent did not do it"),
    ],
)
def test_a_snapshot_is_taken_whatever_the_agent_does(scene: Scene, mode: str, said: str) -> None:
    scene.agent(mode)
    message = scene.snapshot()
    assert message.startswith(said)
    assert bool(message) == bool(said)
    if mode == "late":
        until("it has frozen", scene.frozen)
    if mode in ("garbage", "flood", "deaf", "mute"):
        assert "it is asked again to thaw them" in message
        assert mode != "mute" or not scene.thawed()
        scene.agent("good")
    until("it is thawed", scene.thawed)
    assert not scene.frozen()


def test_after_a_kill_between_freeze_and_thaw_the_next_pass_thaws(scene: Scene) -> None:
    scene.agent("good")
    crash(lambda: cloud_at(CLOUD), Point("blocks.freeze", "before"), "CreateSnapshot", {"VolumeId": scene.volume})
    assert scene.frozen()
    scene.ec2.look()
    assert not scene.frozen()
    assert {row.state for row in scene.ec2.cloud.state.snapshots.query("volume_id = ?", (scene.volume,))} == {"completed"}


def environment() -> dict[str, str]:
    settings = cloud_at(CLOUD).settings
    return {**os.environ, "MINICLOUD_HOME": str(settings.home), "MINICLOUD_RUN": str(settings.run)}


def test_a_command_that_waits_for_an_agent_can_be_interrupted(scene: Scene) -> None:
    scene.agent("mute")
    argv = [sys.executable, "-m", "minicloud", "create-snapshot", "--volume-id", scene.volume]
    pid = os.posix_spawn(sys.executable, argv, environment())
    scene.asking()
    os.kill(pid, signal.SIGINT)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 130
    scene.agent("good")
    until("it is thawed", scene.thawed)


def test_the_daemon_ends_while_it_waits_for_an_agent(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    scene.agent("mute")
    idle()("CreateSnapshot", VolumeId=scene.volume)  # so it is the loop that takes it
    daemon = Daemon(tmp_path)
    scene.asking()
    assert daemon.kill(signal.SIGTERM) == 0
    scene.agent("good")
    until("it is thawed", scene.thawed)


def test_meanwhile_others_live_and_its_own_end_is_at_once(scene: Scene) -> None:
    ec2, guests = scene.ec2, scene.ec2.cloud.host.guests
    scene.agent("mute")
    volume, odd = scene.volume, scene.odd.instance_id
    taker = threading.Thread(target=lambda: Ec2(cloud_at(CLOUD))("CreateSnapshot", VolumeId=volume))
    taker.start()
    scene.asking()
    (others,) = ec2.cloud.state.volumes.find(instance_id=scene.other.instance_id)
    ec2("CreateSnapshot", VolumeId=others.id)
    assert scene.other.run("echo alive") == "alive"
    assert guests.list()[odd].power is Power.RUNNING
    ec2("TerminateInstances", InstanceIds=[odd])
    assert odd not in guests.list() or guests.list()[odd].power is not Power.RUNNING
    taker.join()
    until("it has ended", lambda: ec2.state(odd) == "terminated")
