"""Guests that others have had go on in files of theirs, as backup scripts do with libvirt: the newest bytes are there alone."""

from typing import Any

import pytest

from minicloud.cli import doctor_guests, uninstall
from minicloud.cli.doctor_checks import OK
from minicloud.host.fake import FakeHost
from minicloud.reconcile import backup_freeze, foreign_tops, snapshots

from ..cloud_fixtures import Ec2
from .test_older_in_use import Scene, scene

__all__ = ["scene"]

PLACES = pytest.mark.parametrize("place", ["/tmp/x.qcow2", "fake:layer-0123456789abcdef0.mine"], ids=["elsewhere", "beside"])


class Taken:
    """A volume whose guest, which is on, writes into a file of others: 1 is in its layer, 2 and 3 are in that file."""

    def __init__(self, scene: Scene, path: str = "/tmp/x.qcow2") -> None:
        self.scene, self.path = scene, path
        self.serial = scene.volume.replace("-", "")
        scene.write(scene.volume, 0, "1")
        self.layer = scene.top(scene.volume)
        scene.host.take_over(scene.instance, self.serial, path)
        scene.host.write(path, 0, "2")
        scene.host.write(path, 1, "3")

    @property
    def ec2(self) -> Ec2:
        return self.scene.ec2

    @property
    def host(self) -> FakeHost:
        return self.scene.host

    @property
    def volume(self) -> Any:
        return self.scene.state.volumes.get(self.scene.volume)

    def unharmed(self) -> None:
        """Both files read as they did, and the volume has its layer."""
        assert self.volume.layer_id == self.layer
        assert self.host.read(f"fake:{self.layer}") == {0: "1"}
        assert self.host.read(self.path) == {0: "2", 1: "3"}

    def brought_down(self) -> None:
        """Whoever took it writes it down; then all goes on by itself."""
        self.host.commit_down(self.scene.instance, self.serial)
        self.scene.rest()
        assert self.scene.of_volume(self.scene.volume) == {0: "2", 1: "3"}
        taken = self.ec2("CreateSnapshot", VolumeId=self.scene.volume)["SnapshotId"]
        assert self.scene.state.snapshots.get(taken).state == "completed"
        assert self.scene.of_snapshot(taken) == {0: "2", 1: "3"}
        assert self.scene.state.failures.query() == []
        assert self.told() == []

    def told(self) -> list[str]:
        return [check.found for check in doctor_guests.disks(self.ec2.cloud) if check.status != OK]

    def off(self, operation: str = "StopInstances", **params: Any) -> None:
        self.ec2(operation, InstanceIds=[self.scene.instance], **params)
        self.scene.rest()


@pytest.fixture
def taken(scene: Scene) -> Taken:
    return Taken(scene)


@PLACES
def test_a_snapshot_is_refused_and_says_what_to_do(scene: Scene, place: str) -> None:
    taken = Taken(scene, place)
    for _ in range(2):
        made = taken.ec2("CreateSnapshot", VolumeId=scene.volume)["SnapshotId"]
        (said,) = taken.ec2("DescribeSnapshots", SnapshotIds=[made])["Snapshots"]
        assert said["State"] == "error"
        assert f"{scene.instance} writes to {place}" in said["StateMessage"]
        assert f"blockcommit {scene.instance} vd1 --base fake:{taken.layer} --active --pivot --wait" in said["StateMessage"]
    taken.unharmed()
    assert len(scene.state.layers.find(base="")) == 2, "a layer was left over"
    taken.brought_down()


def test_of_several_volumes_at_one_moment_none_is_taken_and_alone_the_others_are(taken: Taken) -> None:
    made = taken.ec2("CreateSnapshots", InstanceSpecification={"InstanceId": taken.scene.instance})["Snapshots"]
    rows = [taken.scene.state.snapshots.get(one["SnapshotId"]) for one in made]
    assert {row.state for row in rows} == {"error"}
    assert all(taken.path in row.message for row in rows)
    (root,) = [row.id for row in taken.scene.state.volumes.query() if row.id != taken.scene.volume]
    alone = taken.ec2("CreateSnapshot", VolumeId=root)["SnapshotId"]
    assert taken.scene.state.snapshots.get(alone).state == "completed"
    taken.unharmed()


@pytest.mark.parametrize("reboot", [False, True])
def test_an_image_fails_and_its_instance_stays_on(taken: Taken, reboot: bool) -> None:
    taken.ec2("CreateImage", InstanceId=taken.scene.instance, Name="an image", NoReboot=not reboot)
    taken.scene.rest()
    (image,) = taken.scene.state.images.find(instance_id=taken.scene.instance)
    assert image.state == "failed"
    assert taken.path in image.reason
    assert taken.ec2.state(taken.scene.instance) == "running"
    assert taken.host.blocks.chains(taken.scene.instance)[taken.serial][0] == taken.path, "it was started anew"
    taken.unharmed()


def test_what_was_switched_before_is_taken_and_nothing_after_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process was killed when the guest had its new layer; then others had it go on in a file on that."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    scene.write(scene.volume, 0, "0")
    with monkeypatch.context() as patched:
        patched.setattr(snapshots, "_record", killed)
        with pytest.raises(KeyboardInterrupt):
            scene.ec2("CreateSnapshot", VolumeId=scene.volume)
    (row,) = scene.state.snapshots.find(state="pending")
    scene.host.take_over(scene.instance, serial := scene.volume.replace("-", ""), "/tmp/x.qcow2")
    scene.host.write("/tmp/x.qcow2", 0, "2")
    scene.rest()
    assert scene.state.snapshots.get(row.id).state == "completed"
    assert scene.of_snapshot(row.id) == {0: "0"}
    assert scene.top(scene.volume) == row.next_layer
    scene.host.commit_down(scene.instance, serial)
    assert scene.of_volume(scene.volume) == {0: "2"}


@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("running", [True, False])
def test_what_was_journaled_and_not_switched_is_not_taken(
    scene: Scene, running: bool, late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`late`: the request was answered meanwhile."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(snapshots, "_switch", killed)
        with pytest.raises(KeyboardInterrupt):
            scene.ec2("CreateSnapshot", VolumeId=scene.volume)
    (row,) = scene.state.snapshots.find(state="pending")
    taken = Taken(scene)
    if late:
        snapshots.miss(scene.ec2.cloud, {row.id})
    if not running:
        scene.host.power_off_by_guest(scene.instance)
    scene.rest()
    assert scene.state.snapshots.get(row.id).state == "error"
    taken.unharmed()
    if running:
        taken.brought_down()


@PLACES
@pytest.mark.parametrize("end", ["stopped", "powered off", "killed", "host restarted"])
def test_it_does_not_start_without_what_it_wrote_last(scene: Scene, place: str, end: str) -> None:
    taken = Taken(scene, place)
    if end == "stopped":
        taken.off(Force=True)
    elif end == "host restarted":
        scene.host.restart_machine()
    elif end == "killed":
        scene.host.kill(scene.instance)
    else:
        scene.host.power_off_by_guest(scene.instance)
    scene.rest()
    if end != "host restarted":
        taken.off("StartInstances")
    instance = taken.ec2.instance(scene.instance)
    assert instance["State"]["Name"] == "stopped"
    assert instance["StateReason"]["Code"] == "Client.VolumeInError"
    said = instance["StateReason"]["Message"]
    assert place in said
    assert f"qemu-img commit -f qcow2 {place}" in said
    assert f"undefine {scene.instance}" in said
    assert taken.volume.state == "error"
    (status,) = taken.ec2("DescribeVolumeStatus", VolumeIds=[scene.volume])["VolumeStatuses"]
    assert status["VolumeStatus"]["Status"] == "impaired"
    assert len(taken.told()) == 1
    taken.unharmed()
    scene.host.commit_down(scene.instance, taken.serial)  # it is empty now, and still there
    if "fake:" in place:
        with scene.host.store.change() as held:
            held["disks"].pop(place.removeprefix("fake:"))
        scene.host.undefine(scene.instance)
    taken.off("StartInstances")
    assert taken.ec2.state(scene.instance) == "running"
    assert scene.of_volume(scene.volume) == {0: "2", 1: "3"}
    assert taken.volume.state == "in-use"
    assert scene.host.blocks.chains(scene.instance)[taken.serial][0] == f"fake:{taken.layer}"


def test_who_removes_the_definition_does_without_it(taken: Taken) -> None:
    taken.off(Force=True)
    taken.off("StartInstances")
    assert taken.ec2.state(taken.scene.instance) == "stopped"
    taken.host.undefine(taken.scene.instance)
    taken.off("StartInstances")
    assert taken.ec2.state(taken.scene.instance) == "running"
    assert taken.scene.of_volume(taken.scene.volume) == {0: "1"}


def test_a_file_that_is_gone_is_told_and_one_that_was_never_written_to_is_let_go(scene: Scene) -> None:
    taken = Taken(scene)
    taken.off(Force=True)
    with scene.host.store.change() as held:
        kept = held["disks"].pop(taken.path)
    taken.off("StartInstances")
    assert "is not there" in taken.ec2.instance(scene.instance)["StateReason"]["Message"]
    with scene.host.store.change() as held:
        held["disks"][taken.path] = {**kept, "blocks": {}}
    taken.off("StartInstances")
    assert taken.ec2.state(scene.instance) == "running"


def test_a_definition_with_an_earlier_layer_of_ours_is_no_obstacle(scene: Scene) -> None:
    """A snapshot of an instance that is off changes the layer, and not the definition."""
    scene.power("StopInstances")
    scene.taken(scene.volume, 0, "1")
    scene.power("StartInstances")
    assert scene.ec2.state(scene.instance) == "running"
    assert [check.status for check in doctor_guests.disks(scene.ec2.cloud)] == [OK]


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("force", [True, False])
def test_a_volume_is_not_detached_without_it(taken: Taken, running: bool, force: bool) -> None:
    if not running:
        taken.off(Force=True)
    taken.ec2("DetachVolume", VolumeId=taken.scene.volume, Force=force)
    taken.scene.rest()
    assert taken.volume.attachment == "detaching"
    assert taken.path in taken.volume.reason
    assert taken.path in taken.scene.state.failures.query()[0].message
    taken.unharmed()
    taken.host.commit_down(taken.scene.instance, taken.serial)
    taken.scene.rest()
    assert (taken.volume.state, taken.volume.attachment, taken.volume.reason) == ("available", "", "")
    assert taken.scene.of_volume(taken.scene.volume) == {0: "2", 1: "3"}


@pytest.mark.parametrize("running", [True, False])
def test_it_does_not_grow(taken: Taken, running: bool) -> None:
    if not running:
        taken.off(Force=True)
    taken.ec2("ModifyVolume", VolumeId=taken.scene.volume, Size=2)
    taken.scene.rest()
    (row,) = taken.ec2("DescribeVolumesModifications", VolumeIds=[taken.scene.volume])["VolumesModifications"]
    assert row["ModificationState"] == "failed"
    assert taken.path in row["StatusMessage"]
    assert taken.volume.size == 1
    taken.unharmed()


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("newest", [True, False])
def test_what_it_stands_on_is_not_merged(scene: Scene, running: bool, newest: bool) -> None:
    snapshots_ = [scene.taken(scene.volume, 5, "old"), scene.taken(scene.volume, 6, "new")]
    taken = Taken(scene)
    before = scene.host.read(taken.path)
    if not running:
        taken.off(Force=True)
    scene.ec2("DeleteSnapshot", SnapshotId=snapshots_[newest])
    scene.rest()
    assert taken.path in scene.state.failures.query()[0].message
    assert scene.host.read(taken.path) == before
    assert f"fake:{taken.layer}" in scene.host.disks.path(taken.layer)
    assert taken.layer in scene.host.disks.list()
    scene.host.commit_down(scene.instance, taken.serial)
    scene.rest()
    assert scene.of_volume(scene.volume) == before
    assert len(scene.state.layers.find(base="")) == 3
    assert scene.state.failures.query() == []


@pytest.mark.parametrize("running", [True, False])
def test_a_volume_that_outlives_its_instance_says_where_the_rest_is(scene: Scene, running: bool) -> None:
    first = scene.taken(scene.volume, 5, "old")
    taken = Taken(scene)
    before = scene.host.read(taken.path)
    if not running:
        taken.off(Force=True)
    taken.off("TerminateInstances")
    assert taken.ec2.state(scene.instance) == "terminated"
    assert (taken.volume.state, taken.volume.instance_id) == ("error", "")
    assert f"qemu-img commit -f qcow2 {taken.path}" in taken.volume.reason
    scene.ec2("DeleteSnapshot", SnapshotId=first)
    scene.rest()
    assert scene.host.read(taken.path) == before, "what the file stands on was merged"
    with scene.host.store.change() as held:
        held["disks"][taken.layer]["blocks"].update(held["disks"].pop(taken.path)["blocks"])
    taken.ec2("EnableVolumeIO", VolumeId=scene.volume)
    scene.rest()
    assert taken.volume.state == "available"
    assert scene.of_volume(scene.volume) == before
    assert len(scene.state.layers.find(base="")) == 1


def test_one_that_goes_with_its_instance_goes(taken: Taken) -> None:
    taken.scene.state.volumes.change(taken.scene.volume, delete_on_termination=True)
    taken.off("TerminateInstances")
    assert taken.volume is None
    assert taken.scene.state.layers.find(base="") == []


@pytest.mark.parametrize("running", [True, False])
def test_a_backup_leaves_it_out_and_says_why(taken: Taken, running: bool) -> None:
    """Until everything is frozen for it: a fake host has no files that could be copied."""
    if not running:
        taken.off(Force=True)
    left_out: dict[str, str] = {}
    said: list[str] = []
    backup_freeze.freeze(taken.ec2.cloud, f"{backup_freeze.BATCH}0", left_out, said.append)
    assert set(left_out) == {taken.scene.volume}
    assert taken.path in left_out[taken.scene.volume]
    assert any(taken.path in each for each in said)
    (root,) = taken.scene.state.snapshots.query("batch like ?", [f"{backup_freeze.BATCH}%"])
    assert (root.state, root.volume_id == taken.scene.volume) == ("completed", False)
    taken.unharmed()


def test_a_snapshot_that_is_just_taken_is_no_file_of_others(scene: Scene) -> None:
    """Somebody looks without the volume's lock, and the row changes between their looks."""
    volume = scene.state.volumes.get(scene.volume)
    scene.ec2("CreateSnapshot", VolumeId=scene.volume)
    assert volume.layer_id != scene.top(scene.volume)
    assert foreign_tops.found(scene.ec2.cloud, [volume]) == {}


def test_uninstalling_leaves_the_guest_that_alone_knows_of_it(taken: Taken) -> None:
    left: dict[str, str] = {}
    list(uninstall.remove(taken.ec2.cloud, data=False, failed=left))
    assert taken.path in left[f"the guest {taken.scene.instance}"]
    assert set(taken.host.guests.list()) == {taken.scene.instance}
    taken.host.commit_down(taken.scene.instance, taken.serial)
    left.clear()
    list(uninstall.remove(taken.ec2.cloud, data=False, failed=left))
    assert taken.host.guests.list() == {}
