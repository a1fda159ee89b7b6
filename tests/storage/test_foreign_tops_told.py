"""What is told of files of others that guests write to, as in test_foreign_tops: messages, DescribeVolumeStatus, the doctor."""

import dataclasses

import pytest

from minicloud.cli import doctor_guests, doctor_leftovers, uninstall
from minicloud.cli.doctor_checks import WARN
from minicloud.errors import Retry
from minicloud.reconcile import clock

from .older import keep
from .test_foreign_tops import Taken, taken
from .test_older_in_use import Scene, scene

__all__ = ["scene", "taken"]


def test_of_several_files_each_is_named_before_the_definition_goes_that_alone_tells_of_them(taken: Taken) -> None:
    """As `virsh snapshot-create-as --disk-only` takes them: of all disks. Whoever does what he is told loses none of it."""
    scene, other = taken.scene, "/tmp/root.qcow2"
    (root,) = [row.id for row in scene.state.volumes.query() if row.id != scene.volume]
    scene.write(root, 0, "1")
    scene.host.take_over(scene.instance, root.replace("-", ""), other)
    scene.host.write(other, 0, "2")
    taken.off(Force=True)
    taken.off("StartInstances")
    said = [taken.ec2.instance(scene.instance)["StateReason"]["Message"], *taken.told()]
    assert len(said) == 3
    for each in said:
        written, _, last = each.partition("; then (or, ")
        assert all(f"qemu-img commit -f qcow2 {path} && rm {path}" in written for path in (other, taken.path)), each
        assert all(f"wrote last to {path}" in written for path in (other, taken.path)), each
        assert last.count("virsh") == last.count("undefine") == 1
    scene.host.commit_down(scene.instance, taken.serial)
    with scene.host.store.change() as held:
        held["disks"].pop(taken.path)
    assert other in taken.told()[0]
    assert taken.path in taken.told()[0], "whoever saw to one only is told of both"


def test_the_definition_goes_whatever_else_is_kept_with_it(taken: Taken) -> None:
    taken.off(Force=True)
    (said,) = taken.told()
    for flag in ("--keep-nvram", "--managed-save", "--snapshots-metadata", "--checkpoints-metadata"):
        assert f" {flag}" in said.partition(" undefine ")[2]


def test_of_files_in_a_row_all_go(taken: Taken) -> None:
    taken.host.take_over(taken.scene.instance, taken.serial, "/tmp/y.qcow2")
    taken.host.write("/tmp/y.qcow2", 0, "4")
    (said,) = taken.told()
    assert said.endswith(f"--base fake:{taken.layer} --active --pivot --wait && rm /tmp/y.qcow2 {taken.path}")
    taken.off(Force=True)
    (said,) = taken.told()
    assert f"qemu-img commit -f qcow2 -b fake:{taken.layer} /tmp/y.qcow2 && rm /tmp/y.qcow2 {taken.path};" in said


def status(taken: Taken) -> tuple[str, str]:
    (found,) = taken.ec2("DescribeVolumeStatus", VolumeIds=[taken.scene.volume])["VolumeStatuses"]
    return found["VolumeStatus"]["Status"], " ".join(event["Description"] for event in found["Events"])


@pytest.mark.parametrize("running", [True, False])
def test_the_volumes_status_tells_it_within_a_minute(taken: Taken, running: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not running:
        taken.off(Force=True)
    assert status(taken) == ("ok", "")
    with monkeypatch.context() as minute:
        minute.setattr(clock, "follow", lambda _: True)
        taken.ec2.look()
    assert status(taken)[0] == "impaired"
    assert taken.path in status(taken)[1]
    assert taken.volume.state == "in-use"
    taken.host.commit_down(taken.scene.instance, taken.serial)
    taken.ec2.look()
    assert status(taken) == ("ok", "")


def test_what_cannot_be_told_impairs_no_volume(taken: Taken, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "follow", lambda _: True)
    taken.host.commit_down(taken.scene.instance, taken.serial)
    taken.host.fail("blocks.tops", Retry("libvirt does not answer"), times=2)
    taken.ec2.look()
    assert status(taken) == ("ok", "libvirt does not answer")
    taken.ec2.look()
    assert status(taken) == ("ok", "")


def test_the_doctor_tells_it(taken: Taken) -> None:
    (check,) = doctor_guests.disks(taken.ec2.cloud)
    assert check.status == WARN
    assert taken.scene.volume in check.found
    assert taken.path in check.found
    taken.brought_down()


def remedy_of_guest(scene: Scene) -> str:
    """What the doctor has to say of the guest, which no row knows."""
    settings = scene.ec2.cloud.settings
    own = dataclasses.replace(settings, images=settings.home / "images")  # the machine's own have nothing to do with this
    scene.ec2.cloud.settings = own
    found = doctor_leftovers.checks(scene.ec2.cloud)
    (remedy,) = [check.remedy for check in found if check.found == f"the guest {scene.instance} belongs to no instance"]
    return remedy


def test_a_guest_of_no_instance_goes_whatever_is_kept_with_it_unless_it_alone_knows_of_a_file(scene: Scene) -> None:
    scene.state.instances.remove(scene.instance)
    flags = "--nvram --managed-save --snapshots-metadata --checkpoints-metadata"
    assert remedy_of_guest(scene).endswith(f"virsh -c qemu:///system undefine {flags} {scene.instance}")
    scene.host.take_over(scene.instance, scene.volume.replace("-", ""), "/tmp/x.qcow2")
    said = remedy_of_guest(scene)
    assert "/tmp/x.qcow2" in said
    assert "undefine" not in said


def test_a_disk_that_somebody_has_plugged_in_is_none_of_minicloud(taken: Taken) -> None:
    """virsh attach-disk --serial backup --config: it is not told of, and its file stays whatever becomes of the guest."""
    scene = taken.scene
    with scene.host.store.change() as held:
        held["guests"][scene.instance]["disks"]["backup"] = {"serial": "backup", "path": "/srv/backup.raw"}
    taken.off(Force=True)
    (said,) = taken.told()
    assert "/srv/backup.raw" not in said
    scene.host.commit_down(scene.instance, taken.serial)
    left = dict[str, str]()
    list(uninstall.remove(taken.ec2.cloud, data=False, failed=left))
    assert left == {}
    assert scene.host.guests.list() == {}


def test_a_guest_that_an_older_state_does_not_know_is_left(scene: Scene) -> None:
    keep(scene.ec2.cloud, scene.copy)
    scene.instance = scene.ec2.run()
    scene.back()
    said = remedy_of_guest(scene)
    assert "older" in said
    assert "virsh" not in said
