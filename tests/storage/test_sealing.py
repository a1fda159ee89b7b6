"""Layers that stay as they are: QEMU may not write to them, whoever starts a guest, or has one merge."""

from typing import Any

import pytest

from minicloud.errors import Retry
from minicloud.reconcile import layers, locks, sealing

from .test_older_in_use import Scene, scene

__all__ = ["scene"]


def open_to_all(scene: Scene) -> list[str]:
    """The layers that are no volume's and that QEMU may write to."""
    with scene.host.store.change() as held:
        return [layer for layer in sealing.frozen(scene.ec2.cloud, []) if not held["disks"][layer].get("sealed")]


def minute(scene: Scene) -> None:
    """A pass in which it is time to look at all layers."""
    sealing.reconcile(scene.ec2.cloud)


def test_whoever_writes_down_all_that_a_disk_stands_on_does_not_reach_what_snapshots_have(scene: Scene) -> None:
    """virsh snapshot-create-as --disk-only, and then virsh blockcommit --active --pivot without a base."""
    taken = scene.taken(scene.volume, 0, "1")
    scene.write(scene.volume, 0, "2")
    serial = scene.volume.replace("-", "")
    scene.host.take_over(scene.instance, serial, "/tmp/x.qcow2")
    scene.host.write("/tmp/x.qcow2", 0, "3")
    assert not scene.host.commit_all(scene.instance, serial)
    assert scene.of_snapshot(taken) == {0: "1"}
    scene.host.commit_down(scene.instance, serial)
    assert (scene.of_snapshot(taken), scene.of_volume(scene.volume)) == ({0: "1"}, {0: "3"})


def test_no_guest_starts_with_a_frozen_layer_by_what_others_have_kept_of_it(scene: Scene) -> None:
    """virsh create or restore, of a file from before the snapshot."""
    for operation in ("StopInstances", "StartInstances", "StopInstances"):
        scene.power(operation)
    taken = scene.taken(scene.volume, 0, "1")
    scene.host.unblock(scene.instance)
    assert not scene.host.start_by_hand(scene.instance)
    assert scene.of_snapshot(taken) == {0: "1"}
    scene.power("StartInstances")
    assert scene.ec2.state(scene.instance) == "running"


@pytest.mark.parametrize("running", [True, False])
def test_what_is_a_volumes_again_is_open_again(scene: Scene, running: bool) -> None:
    """Its snapshots are deleted, in each order."""
    for order in (slice(None), slice(None, None, -1)):
        taken = [scene.taken(scene.volume, number, "1") for number in range(3)]
        assert open_to_all(scene) == []
        if not running:
            scene.power("StopInstances")
        for snapshot in taken[order]:
            scene.ec2("DeleteSnapshot", SnapshotId=snapshot)
            scene.rest()
            minute(scene)
        if not running:
            scene.power("StartInstances")
        assert scene.ec2.state(scene.instance) == "running"
        assert scene.state.failures.query() == []
        assert scene.of_volume(scene.volume) == {0: "1", 1: "1", 2: "1"}


def test_what_a_guest_merges_is_open_until_it_is_merged(scene: Scene) -> None:
    """QEMU writes into the lower of two layers, and at the end into the header of what stands on the upper one."""
    taken = [scene.taken(scene.volume, number, "1") for number in range(3)]
    lower, _, above = (scene.layer_of(snapshot) for snapshot in taken)
    scene.ec2("DeleteSnapshot", SnapshotId=taken[0])
    minute(scene)
    scene.ec2.look()
    assert scene.host.blocks.jobs(scene.instance)
    for _ in range(2):
        minute(scene)
        with scene.host.store.change() as held:
            assert not any(held["disks"][layer].get("sealed") for layer in (lower, above))
    scene.host.finish_jobs(scene.instance)
    scene.rest()
    minute(scene)
    assert len(scene.host.blocks.chains(scene.instance)[scene.volume.replace("-", "")]) == 3
    assert open_to_all(scene) == []
    assert scene.state.failures.query() == []
    assert scene.of_snapshot(taken[1]) == {0: "1", 1: "1"}


def test_a_volume_of_one_layer_is_plugged_in_again(scene: Scene) -> None:
    spare = scene.new(Size=1)
    taken = scene.ec2("CreateSnapshot", VolumeId=spare)["SnapshotId"]
    scene.ec2("DeleteSnapshot", SnapshotId=taken)
    scene.rest()
    scene.plug(spare, "/dev/sdg")
    assert scene.state.volumes.get(spare).attachment == "attached"
    assert scene.host.blocks.chains(scene.instance)[spare.replace("-", "")] == (scene.host.disks.path(scene.top(spare)),)


def test_a_home_of_an_older_minicloud_is_sealed_within_a_minute(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sealing, "at_once", lambda *_: None)
        scene.taken(scene.volume, 0, "1")
    assert len(open_to_all(scene)) == 1
    minute(scene)
    assert open_to_all(scene) == []


@pytest.mark.parametrize("error", [Retry("read-only"), AttributeError("x")], ids=["foreseen", "unforeseen"])
def test_a_snapshot_does_not_fail_with_it(scene: Scene, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fails(*_: Any) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(type(scene.host.disks), "seal", fails)
        taken = scene.taken(scene.volume, 0, "1")
    assert scene.state.snapshots.get(taken).state == "completed"
    assert scene.of_snapshot(taken) == {0: "1"}


def test_the_layer_of_a_snapshot_that_is_just_taken_stays_open(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is killed has the guest write to the new layer, or the old one: neither is closed before the rows say which."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    for place in ("_switch", "_record"):
        with monkeypatch.context() as patched:
            patched.setattr(f"minicloud.reconcile.snapshots.{place}", killed)
            with pytest.raises(KeyboardInterrupt):
                scene.ec2("CreateSnapshot", VolumeId=scene.volume)
        (row,) = scene.state.snapshots.find(state="pending")
        minute(scene)
        with scene.host.store.change() as held:
            assert not any(held["disks"][layer].get("sealed") for layer in (row.next_layer, scene.top(scene.volume)))
        scene.rest()
        assert scene.state.snapshots.get(row.id).state == "completed"


def test_a_guest_that_cannot_be_asked_keeps_no_others_layers_open(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sealing, "at_once", lambda *_: None)
        spare = scene.new(Size=1)
        for volume in (spare, scene.volume):
            scene.ec2("CreateSnapshot", VolumeId=volume)
    scene.host.fail("blocks.jobs", Retry("libvirt does not answer"))
    with pytest.raises(Retry):
        minute(scene)
    with scene.host.store.change() as held:
        assert [layer for layer in held["disks"] if held["disks"][layer].get("sealed")] == [
            layer.parent for layer in scene.state.layers.find(id=scene.top(spare))
        ]
    minute(scene)
    assert open_to_all(scene) == []


def test_nothing_is_sealed_of_a_guest_with_a_job(scene: Scene) -> None:
    """A snapshot that was cut short when its guest was switched is finished while that merges, and nothing of it is sealed."""
    first, _ = scene.taken(scene.volume, 0, "1"), scene.taken(scene.volume, 1, "1")
    scene.ec2("DeleteSnapshot", SnapshotId=first)
    scene.ec2.look()
    assert scene.host.blocks.jobs(scene.instance)
    scene.host.disks.unseal(layer := scene.state.layers.get(scene.top(scene.volume)).parent)
    sealing.at_once(scene.ec2.cloud, scene.instance, [layer])
    minute(scene)
    assert open_to_all(scene) == []
    with scene.host.store.change() as held:
        assert "sealed" not in held["disks"][layer]
    scene.host.finish_jobs(scene.instance)
    assert scene.ec2.state(scene.instance) == "running"


def test_a_backup_that_is_made_puts_it_off(scene: Scene) -> None:
    with locks.held(scene.ec2.cloud.settings.run, layers.MERGES), pytest.raises(locks.Busy):
        minute(scene)
