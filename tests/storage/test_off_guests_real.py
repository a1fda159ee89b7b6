"""Guests that are off, as in test_off_guests, started in libvirt's own ways: `virsh start`, and a managed save."""

import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from minicloud.errors import ApiError
from minicloud.host import libvirt_starts
from minicloud.host.run import run
from minicloud.reconcile import sealing
from minicloud.reconcile.worker import InDaemon, worker_for

from ..campaign.real_ground import _restart_libvirtd
from ..crashes import Point, both, crash
from .test_crashes import World, only_world, pid_of

__all__ = ["only_world"]

pytestmark = pytest.mark.lab
SAVES = Path("/var/lib/libvirt/qemu/save")
OF_SNAPSHOT = [*both("guests.keep_off", "minicloud.reconcile.snapshots:_record"), Point("disks.create", "after")]


@pytest.fixture
def world(only_world: World) -> World:
    """With a running guest that has the volume, and no snapshots."""
    only_world.clear()
    only_world.ec2.cloud.worker = worker_for(only_world.ec2.cloud)
    only_world.power(on=True)
    if not only_world.state.volumes.get(only_world.volume).instance_id:
        only_world.ec2("AttachVolume", VolumeId=only_world.volume, InstanceId=only_world.instance, Device="/dev/sdf")
    only_world.write()
    return only_world


def virsh(*words: str) -> str:
    """What it says, well or badly."""
    said = run(["virsh", "-q", *words], check=False)
    return said.text + said.stderr.decode()


def unblock(world: World) -> None:
    """Its definition is as an older minicloud left it."""
    root = ET.fromstring(virsh("dumpxml", "--inactive", world.instance))  # noqa: S314
    devices = root.find("devices")
    assert devices is not None
    (block,) = (disk for disk in devices.findall("disk") if disk.find(f"source[@file='{libvirt_starts.NOWHERE}']") is not None)
    devices.remove(block)
    file = Path("/run/unblocked.xml")
    file.write_bytes(ET.tostring(root))
    run(["virsh", "-q", "define", str(file)])


def save(world: World) -> None:
    """Somebody saves the memory of the guest."""
    assert "saved" in virsh("managedsave", world.instance) or world.ec2.cloud.host.guests.has_save(world.instance), how(world)
    assert how(world) == "shut off (saved)"


def how(world: World) -> str:
    return virsh("domstate", "--reason", world.instance).strip()


def test_a_stopped_guest_cannot_be_started_beside_minicloud(world: World) -> None:
    world.power(on=False)
    taken = world.snapshot()
    assert "only minicloud starts this guest: minicloud start-instances" in virsh("start", world.instance)
    assert not world.on()
    world.ec2.look()
    world.power(on=True)
    world.write()
    world.check()
    assert taken in world.taken


@pytest.mark.parametrize("point", OF_SNAPSHOT, ids=str)
def test_nor_by_an_older_definition_whatever_was_killed(world: World, point: Point) -> None:
    """If it can be started, nothing was done yet, and it writes where the row says."""
    world.power(on=False)
    unblock(world)
    before = dict(world.now)
    crash(world.make, point, "CreateSnapshot", {"VolumeId": world.volume})
    for row in world.state.snapshots.find(volume_id=world.volume, state="completed"):
        world.taken[row.id] = before
    run(["virsh", "-q", "start", world.instance], check=False)
    if world.on():
        world.write()
        world.look()
        virsh("destroy", world.instance)  # nothing has booted that could hear its power button
    world.look()
    world.check()
    world.power(on=True)
    world.write()
    world.look()
    world.check()
    assert len(world.taken) == 1


def test_a_volume_that_was_taken_from_a_running_guest_is_not_in_what_starts_it(world: World) -> None:
    unblock(world)
    world.ec2("DetachVolume", VolumeId=world.volume)
    for _ in range(10):
        world.ec2.look()
        if not world.state.volumes.get(world.volume).instance_id:
            break
        try:
            world.ec2("DetachVolume", VolumeId=world.volume, Force=True)
        except ApiError:
            break  # the guest has just let it go
        world.state.volumes.change(world.volume, detach_asked="2026-01-01T00:00:00.000Z")
    assert not world.state.volumes.get(world.volume).instance_id
    taken = str(world.ec2("CreateSnapshot", VolumeId=world.volume)["SnapshotId"])
    world.taken[taken] = dict(world.now)
    virsh("destroy", world.instance)
    assert "only minicloud starts this guest" in virsh("start", world.instance)
    world.look()
    world.check()


def test_saved_memory_goes_on_before_a_snapshot(world: World) -> None:
    """A request to the daemon, whose loop has not yet come to start the guest: it is refused, and nothing is frozen."""
    save(world)
    world.ec2.cloud.worker = InDaemon(world.ec2.cloud)
    snapshot = str(world.ec2("CreateSnapshot", VolumeId=world.volume)["SnapshotId"])
    world.ec2.cloud.worker = worker_for(world.ec2.cloud)
    world.ec2.look()
    assert how(world) == "running (restored)"
    assert "saved its memory" in world.state.snapshots.get(snapshot).message
    world.ec2("DeleteSnapshot", SnapshotId=snapshot)
    world.write()
    world.look()
    world.check()
    world.snapshot()
    world.check()
    virsh("destroy", world.instance)
    assert "only minicloud starts this guest" in virsh("start", world.instance)
    world.look()


def test_a_command_starts_it_first(world: World) -> None:
    save(world)
    world.snapshot()
    assert how(world) == "running (restored)"
    world.look()
    world.check()


def test_memory_with_other_disks_is_not_gone_on_with(world: World) -> None:
    """Somebody has brought it back from where nobody knew of it."""
    save(world)
    file = SAVES / f"{world.instance}.save"
    kept = shutil.copy(file, "/run/kept.save")
    world.power(on=True)
    world.power(on=False)
    assert not file.exists()
    world.snapshot()
    shutil.copy(kept, file)
    _restart_libvirtd()
    assert world.ec2.cloud.host.guests.has_save(world.instance)
    world.power(on=True)
    assert how(world) == "running (booted)"
    world.write()
    world.look()
    world.check()


def test_a_stop_ends_it(world: World) -> None:
    save(world)
    world.ec2.cloud.worker = InDaemon(world.ec2.cloud)
    world.ec2("StopInstances", InstanceIds=[world.instance])
    world.ec2.look()
    assert world.ec2.state(world.instance) == "stopped"
    assert not world.ec2.cloud.host.guests.has_save(world.instance)
    assert "only minicloud starts this guest" in virsh("start", world.instance)


def test_one_that_runs_though_it_is_stopped_is_shut_down(world: World) -> None:
    world.power(on=False)
    unblock(world)
    virsh("start", world.instance)
    assert world.on()
    world.ec2.look()
    row = world.ec2.row(world.instance)
    assert (row.state, bool(row.stop_began)) == ("stopped", True)
    virsh("destroy", world.instance)  # nothing has booted that could hear its power button
    world.ec2.look()
    assert world.ec2.row(world.instance).stop_began == ""
    assert "only minicloud starts this guest" in virsh("start", world.instance)


def test_nor_by_what_was_saved_in_a_file_before_a_snapshot(world: World) -> None:
    virsh("save", world.instance, "/run/before.save")
    world.power(on=True)
    world.power(on=False)
    world.snapshot()
    assert "Permission denied" in virsh("restore", "/run/before.save")
    assert not world.on()
    world.look()
    world.check()


def test_what_a_guest_merges_below_what_is_sealed(world: World) -> None:
    """Three layers stand on the one that it merges into; QEMU writes into the header of the one between at the end."""
    taken = [world.snapshot() for _ in range(4)]
    sealing.reconcile(world.ec2.cloud)
    before = pid_of(world.instance)
    for snapshot in (taken[1], taken[0], taken[2]):
        world.ec2("DeleteSnapshot", **world.delete(snapshot))
        world.look()
        sealing.reconcile(world.ec2.cloud)
        world.check()
    assert pid_of(world.instance) == before
    assert len(world.ec2.cloud.host.blocks.chains(world.instance)[world.volume.replace("-", "")]) == 2
    world.power(on=False)
    world.ec2("DeleteSnapshot", **world.delete(taken[3]))
    world.look()
    world.power(on=True)
    world.write()
    world.check()


def test_memory_with_a_card_of_another_is_not_gone_on_with(world: World) -> None:
    """As an older minicloud left it: the row of the interface is free, and the saved memory has the card."""
    zone = world.ec2.row(world.instance).zone
    (subnet,) = (one["SubnetId"] for one in world.ec2("DescribeSubnets")["Subnets"] if one["AvailabilityZone"] == zone)
    card = world.ec2("CreateNetworkInterface", SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    world.ec2("AttachNetworkInterface", NetworkInterfaceId=card, InstanceId=world.instance, DeviceIndex=1)
    mac = world.state.interfaces.get(card).mac
    assert mac in world.ec2.cloud.host.cards.list(world.instance)
    save(world)
    world.ec2.look()
    assert how(world) == "running (restored)"
    assert mac in world.ec2.cloud.host.cards.list(world.instance)
    save(world)
    world.state.interfaces.change(card, instance_id="", attachment="", attachment_id="", device_index=0)
    world.ec2.look()
    assert how(world) == "running (booted)"
    assert mac not in world.ec2.cloud.host.cards.list(world.instance)
    world.ec2("DeleteNetworkInterface", NetworkInterfaceId=card)
