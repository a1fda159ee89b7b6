"""External snapshots that others take with libvirt of guests of ours, with the real drivers, and the ways out that are told.

What a guest would write is written by its QEMU itself, as in test_crashes. What a message says is to be done is done as it says.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minicloud.cli import doctor_guests
from minicloud.cli.doctor_checks import OK
from minicloud.errors import Damaged
from minicloud.host.run import run
from minicloud.reconcile import backing_up

from ..real_cloud import take_away
from ..waits import until
from .test_crashes import World

pytestmark = pytest.mark.lab
ELSEWHERE = Path("/var/tmp/of-others.qcow2")


class Others(World):
    """What somebody does who knows libvirt and not minicloud."""

    def target(self) -> str:
        xml, serial = run(["virsh", "-q", "dumpxml", self.instance]).text, self.volume.replace("-", "")
        (disk,) = [each for each in re.findall(r"<disk .*?</disk>", xml, re.DOTALL) if f"<serial>{serial}</serial>" in each]
        found = re.search(r"<target dev='(\w+)'", disk)
        assert found is not None
        return found[1]

    def take_over(self, place: str) -> str:
        """An external snapshot of the volume, and of no other disk; where the guest writes to since."""
        mine = self.target()
        listed = run(["virsh", "-q", "domblklist", self.instance]).text
        others = [name for name in re.findall(r"^ *(vd\w+|sd\w+)", listed, re.MULTILINE) if name != mine]
        of = [word for name in others for word in ("--diskspec", f"{name},snapshot=no")]
        spec = f"{mine},snapshot=external" + (f",file={ELSEWHERE}" if place == "elsewhere" else "")
        words = ["snapshot-create-as", self.instance, "mine", "--disk-only", "--no-metadata", "--atomic"]
        run(["virsh", "-q", *words, "--diskspec", spec, *of])
        top = self.ec2.cloud.host.blocks.chains(self.instance)[self.volume.replace("-", "")][0]
        assert top != self.layer()
        self.write()
        return top

    def layer(self) -> str:
        return self.path(self.state.volumes.get(self.volume).layer_id)

    def refused(self) -> str:
        """A snapshot is; why."""
        made = self.ec2("CreateSnapshot", VolumeId=self.volume)["SnapshotId"]
        (row,) = self.ec2("DescribeSnapshots", SnapshotIds=[made])["Snapshots"]
        assert row["State"] == "error", row
        self.ec2("DeleteSnapshot", SnapshotId=made)
        return str(row["StateMessage"])

    def start(self) -> dict[str, Any]:
        self.ec2("StartInstances", InstanceIds=[self.instance])
        self.ec2.look()
        return self.ec2.instance(self.instance)

    def told(self) -> list[str]:
        return [check.found for check in doctor_guests.disks(self.ec2.cloud) if check.status != OK]

    def all_is_well(self) -> None:
        """It reads as it was written, a snapshot of it does, and it does after another start."""
        self.look()
        assert self.told() == []
        self.check()
        self.snapshot()
        self.check()
        self.power(on=False)
        self.check()
        self.power(on=True)
        self.write()
        self.check()
        assert self.state.failures.query() == []


@pytest.fixture(scope="module")
def only_world() -> Iterator[Others]:
    made = Others()
    yield made
    made.ec2("TerminateInstances", InstanceIds=[made.instance])
    take_away(made.ec2.cloud.host)
    shutil.rmtree(made.ec2.cloud.settings.home, ignore_errors=True)


@pytest.fixture
def world(only_world: Others) -> Iterator[Others]:
    """The volume is plugged into the guest while that is on, which is not how it was defined."""
    only_world.clear()
    only_world.power(on=True)
    detach(only_world)
    only_world.ec2("AttachVolume", VolumeId=only_world.volume, InstanceId=only_world.instance, Device="/dev/sdf")
    only_world.write()
    yield only_world
    ELSEWHERE.unlink(missing_ok=True)


def detach(world: Others) -> None:
    """No system is in the guest that would let it go: so by force, after a look that has asked it."""
    if world.state.volumes.get(world.volume).instance_id:
        world.power(on=False)
        world.ec2("DetachVolume", VolumeId=world.volume)
        world.power(on=True)
    assert world.state.volumes.get(world.volume).state == "available"


PLACES = pytest.mark.parametrize("place", ["elsewhere", "beside"])


def after(message: str, what: str) -> str:
    """The command that a message names."""
    assert what in message, message
    return message.partition(what)[2].partition(";")[0]


@PLACES
def test_of_a_guest_that_is_on(world: Others, place: str, tmp_path: Path) -> None:
    before = dict(world.now)
    top = world.take_over(place)
    said = world.refused()
    assert top in said
    assert top in world.told()[0]
    world.ec2("CreateImage", InstanceId=world.instance, Name=f"of {place}", NoReboot=True)
    (image,) = world.state.images.find(instance_id=world.instance, name=f"of {place}")
    assert (image.state, top in image.reason) == ("failed", True)
    world.ec2("DeregisterImage", ImageId=image.id, DeleteAssociatedSnapshots=True)
    made = backing_up.make(world.ec2.cloud, tmp_path / "b.tar", disks=True, say=nothing, progress=nothing)
    assert any(world.volume in each and top in each for each in made.messages), made.messages
    world.ec2("ModifyVolume", VolumeId=world.volume, Size=2)
    assert world.state.modifications.get(world.volume).state == "failed"
    world.ec2("DetachVolume", VolumeId=world.volume)
    assert top in world.state.volumes.get(world.volume).reason
    world.state.volumes.change(world.volume, attachment="attached")
    world.write()
    world.reads(world.state.volumes.get(world.volume).layer_id, before)
    run(["sh", "-c", after(said, "Write it down: ")])
    assert not Path(top).exists()
    world.all_is_well()


@PLACES
def test_of_one_that_was_off_since(world: Others, place: str) -> None:
    top = world.take_over(place)
    world.power(on=False)
    instance = world.start()
    assert instance["State"]["Name"] == "stopped"
    said = instance["StateReason"]["Message"]
    assert top in said
    assert world.state.volumes.get(world.volume).state == "error"
    assert top in world.told()[0]
    run(["sh", "-c", after(said, "Write it down: ")])
    run(["sh", "-c", after(said, "and): ")])
    assert world.start()["State"]["Name"] == "running"
    world.all_is_well()


def test_what_was_written_down_may_stay_where_it_is(world: Others) -> None:
    """It is empty then, and nothing is lost with the definition that names it."""
    top = world.take_over("elsewhere")
    world.power(on=False)
    with pytest.raises(Damaged):
        world.ec2.cloud.host.disks.stranger("/var/tmp/none.qcow2")
    assert world.ec2.cloud.host.disks.stranger(top).holds
    run(["qemu-img", "commit", "-f", "qcow2", top])
    assert not world.ec2.cloud.host.disks.stranger(top).holds
    assert world.start()["State"]["Name"] == "running"
    world.all_is_well()


def test_of_two_in_a_row_both_are_written_down(world: Others) -> None:
    first = world.take_over("beside")
    assert world.take_over("elsewhere") != first
    world.power(on=False)
    said = world.start()["StateReason"]["Message"]
    assert f"-b {world.layer()}" in said
    run(["sh", "-c", after(said, "Write it down: ")])
    assert not Path(first).exists()
    run(["sh", "-c", after(said, "and): ")])
    assert world.start()["State"]["Name"] == "running"
    world.all_is_well()


def test_of_all_disks_at_once(world: Others) -> None:
    """As backup scripts take them, with libvirt's own records of snapshots and checkpoints, and with saved memory. Whoever does
    what one message says loses nothing of the other disk, which only the definition tells of.
    """
    virsh = ["virsh", "-q"]
    run([*virsh, "checkpoint-create-as", world.instance, "of-others"])
    run([*virsh, "snapshot-create-as", world.instance, "mine", "--disk-only", "--atomic"])
    world.write()
    (root,) = (row for row in world.state.volumes.find(instance_id=world.instance) if row.id != world.volume)
    serial, xml = root.id.replace("-", ""), run([*virsh, "dumpxml", world.instance]).text
    device = re.search(rf"<serial>{serial}</serial>.*?<alias name='([^']+)'/>", xml, re.DOTALL)
    assert device is not None
    words = f'qemu-io -d /machine/peripheral/{device[1]}/virtio-backend "write -P 7 1M 64k"'
    run([*virsh, "qemu-monitor-command", "--hmp", world.instance, words])
    tops = {chain[0] for chain in world.ec2.cloud.host.blocks.chains(world.instance).values()}
    assert len(tops) == 2
    run([*virsh, "managedsave", world.instance])
    world.ec2.look()
    world.ec2.look()
    instance = world.ec2.instance(world.instance)
    assert instance["State"]["Name"] == "stopped"
    said = instance["StateReason"]["Message"]
    assert all(top in said for top in tops)
    run(["sh", "-c", after(said, "Write them down: ")])
    run(["sh", "-c", after(said, "and): ")])
    place = world.path(world.state.volumes.get(root.id).layer_id)
    assert "failed" not in run(["qemu-io", "-r", "-f", "qcow2", "-c", "read -P 7 1M 64k", place]).text
    assert world.start()["State"]["Name"] == "running"
    world.all_is_well()


def test_who_commits_without_a_base_does_not_reach_snapshots(world: Others) -> None:
    """virsh blockcommit writes into the lowest layer then, which a snapshot has."""
    taken = [world.snapshot() for _ in range(2)]
    top = world.take_over("elsewhere")
    said = run(["virsh", "-q", "blockcommit", world.instance, world.target(), "--active", "--pivot", "--wait"], check=False)
    assert "Permission denied" in said.stderr.decode()
    for snapshot in taken:
        world.reads(world.state.snapshots.get(snapshot).layer_id, world.taken[snapshot])
    run(["sh", "-c", after(world.refused(), "Write it down: ")])
    assert not Path(top).exists()
    world.all_is_well()


def nothing(*_: Any) -> None:
    """What hears of progress here."""


def test_a_volume_that_outlives_its_instance(world: Others) -> None:
    """The last test of this file, as it ends the instance."""
    top = world.take_over("elsewhere")
    world.ec2("TerminateInstances", InstanceIds=[world.instance])
    until("it is gone", lambda: (world.ec2.look(), world.ec2.state(world.instance) == "terminated")[1])
    row = world.state.volumes.get(world.volume)
    assert (row.state, top in row.reason) == ("error", True)
    run(["sh", "-c", after(row.reason, "Write it down: ")])
    world.ec2("EnableVolumeIO", VolumeId=world.volume)
    assert world.state.volumes.get(world.volume).state == "available"
    world.reads(world.state.volumes.get(world.volume).layer_id, world.now)
