"""Volumes, snapshots and images of a guest that really runs. One tiny guest at a time."""

import hashlib
import json
import re
import urllib.request
from pathlib import Path

import pytest

from minicloud.host.run import run
from minicloud.state.table import Table

from ..real_cloud import bootable
from ..ssh import BOOT
from ..waits import until
from .live import Live, live

__all__ = ["live"]

pytestmark = [pytest.mark.lab, pytest.mark.guest]


@pytest.fixture(scope="module")
def guest(live: Live) -> str:
    return live.launch("a")


WRITTEN = 16
"""MiB at the start of a volume that the guest here writes to; the rest stays as it was made."""


def digest_of(live: Live, path: str) -> str:
    raw = live.directory / "raw"
    run(["qemu-img", "dd", "-U", "-f", "qcow2", "-O", "raw", "bs=1M", f"count={WRITTEN}", f"if={path}", f"of={raw}"])
    with raw.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    raw.unlink()
    return found


def of_snapshot(live: Live, snapshot_id: str) -> str:
    row = live.ec2.cloud.state.snapshots.get(snapshot_id)
    assert row is not None
    return digest_of(live, live.ec2.cloud.host.disks.path(row.layer_id))


def processes(guest: str) -> dict[str, Path]:
    """What serves a guest: its QEMU, libvirt's daemon, and this process, which has the cloud."""
    found = {"own": Path("/proc/self")}
    for process in Path("/proc").glob("[0-9]*"):
        words = (process / "cmdline").read_bytes().split(b"\0")
        if any(word.startswith(f"guest={guest},".encode()) for word in words):
            found["qemu"] = process
        elif words[0].endswith(b"libvirtd"):
            found["libvirtd"] = process
    assert set(found) == {"own", "qemu", "libvirtd"}
    return found


def open_files(guest: str) -> dict[str, int]:
    """How many file descriptors each of them has."""
    return {name: len(list((process / "fd").iterdir())) for name, process in processes(guest).items()}


def test_the_guest_sees_the_volume_by_its_id_and_zeros_on_it(live: Live, guest: str) -> None:
    volume = live.new_volume()
    live.plug(guest, volume)
    assert live.volume(volume)["Attachments"][0]["State"] == "attached"
    by_id = f"/dev/disk/by-id/virtio-{volume.replace('-', '')}"
    assert live.ssh(guest, f"readlink -f {by_id}") == f"/dev/{live.disk(guest, volume)}"
    assert live.ssh(guest, f"head -c 1048576 {by_id} | tr -d '\\000' | wc -c") == "0"
    live.unplug(volume)
    assert live.ssh(guest, f"grep -c {volume.replace('-', '')} /sys/block/*/serial || true").count(":1") == 0
    live.ec2("DeleteVolume", VolumeId=volume)


def test_a_hundred_attachments_leave_nothing(live: Live, guest: str) -> None:
    volume = live.new_volume()
    live.plug(guest, volume)
    live.unplug(volume)
    files, disks = open_files(guest), live.ec2.cloud.host.blocks.chains(guest)
    devices, rows = addresses(guest), numbers_of_rows(live)
    for _ in range(100):
        live.ec2("AttachVolume", InstanceId=guest, VolumeId=volume, Device="/dev/sdf")
        until("the guest has looked at its disks", lambda: all(reads(live, guest)))
        live.unplug(volume)
    until("no file is open that was not before", lambda: all(now <= files[name] for name, now in open_files(guest).items()))
    assert live.ec2.cloud.host.blocks.chains(guest) == disks
    assert addresses(guest) == devices
    assert numbers_of_rows(live) == rows
    live.ec2("DeleteVolume", VolumeId=volume)


def reads(live: Live, guest: str) -> list[int]:
    """How often a guest has read from each of its disks: its kernel does so as soon as it has one."""
    stats = live.ec2.cloud.host.guests.monitor(guest, "query-blockstats")  # type: ignore[attr-defined]
    return [one["stats"]["rd_operations"] for one in stats if one.get("qdev")]


def addresses(guest: str) -> list[str]:
    """The slots that a guest's devices take."""
    return re.findall(r"<address type='pci' [^>]*/>", run(["virsh", "-q", "-c", "qemu:///system", "dumpxml", guest]).text)


def numbers_of_rows(live: Live) -> dict[str, int]:
    """How many rows each table has."""
    state = live.ec2.cloud.state
    return {name: len(table.query()) for name, table in vars(state).items() if isinstance(table, Table)}


def test_size_and_limits_change_while_it_is_used(live: Live, guest: str) -> None:
    volume = live.new_volume(1)
    live.plug(guest, volume)
    disk = live.disk(guest, volume)
    live.ec2("ModifyVolume", VolumeId=volume, Size=20, Iops=5000, Throughput=250)
    assert live.ssh(guest, f"cat /sys/block/{disk}/size") == str(20 << 21)
    name = re.search(
        rf"(vd\w)[^\n]*{live.ec2.cloud.state.volumes.get(volume).layer_id}", run(["virsh", "domblklist", guest]).text
    )
    assert name is not None
    tune = dict(line.split(":") for line in run(["virsh", "blkdeviotune", guest, name[1]]).text.split("\n") if ":" in line)
    found = {key.strip(): value.strip() for key, value in tune.items()}
    assert (found["total_iops_sec"], found["total_bytes_sec"]) == ("5000", str(250 << 20))
    live.unplug(volume)
    live.ec2("DeleteVolume", VolumeId=volume)


def test_five_snapshots_under_a_writing_guest_then_deleted_while_it_writes(live: Live, guest: str) -> None:
    volume = live.new_volume()
    live.plug(guest, volume)
    device = f"/dev/disk/by-id/virtio-{volume.replace('-', '')}"
    live.ssh(
        guest,
        f"(i=0; while [ ! -e /run/enough ]; do i=$((i+1)); head -c 65536 /dev/urandom "
        f"| dd of={device} bs=65536 seek=$((i % 200)) conv=notrunc,fsync 2>/dev/null; done) >/dev/null 2>&1 &",
    )
    recorded = {}
    for _ in range(5):
        snapshot = live.ec2("CreateSnapshot", VolumeId=volume)["SnapshotId"]
        recorded[snapshot] = of_snapshot(live, snapshot)
        live.ssh(guest, "sleep 0.5")
    assert len(set(recorded.values())) == 5
    for snapshot in list(recorded):
        live.ec2("DeleteSnapshot", SnapshotId=snapshot)
        del recorded[snapshot]
        live.looks("layers are merged", lambda: _settled(live, volume, len(recorded)))
        assert {other: of_snapshot(live, other) for other in recorded} == recorded
    live.ssh(guest, "touch /run/enough; sync")
    before = live.ssh(guest, f"head -c {WRITTEN << 20} {device} | sha256sum | cut -d' ' -f1")
    live.unplug(volume)
    assert digest_of(live, live.ec2.cloud.host.disks.path(live.ec2.cloud.state.volumes.get(volume).layer_id)) == before
    live.ec2("DeleteVolume", VolumeId=volume)


def _settled(live: Live, volume: str, snapshots: int) -> bool:
    """Whether a volume stands on as many layers as it has snapshots."""
    state = live.ec2.cloud.state
    layer, depth = state.layers.get(state.volumes.get(volume).layer_id), 0
    while layer is not None and layer.parent:
        layer, depth = state.layers.get(layer.parent), depth + 1
    return depth == snapshots


def test_what_is_written_after_the_call_is_not_in_the_snapshot(live: Live, guest: str) -> None:
    volume = live.new_volume()
    live.plug(guest, volume)
    disk = live.disk(guest, volume)
    live.ssh(guest, f"mkfs.ext2 /dev/{disk} >/dev/null; mkdir -p /mnt; mount /dev/{disk} /mnt; echo yes >/mnt/before; sync")
    taken = live.ec2("CreateSnapshot", VolumeId=volume)["SnapshotId"]
    shown = live.ec2("DescribeSnapshots", SnapshotIds=[taken])["Snapshots"][0]
    assert "without quiescing" in shown["StateMessage"]
    live.ssh(guest, "echo no >/mnt/after; sync; umount /mnt")
    restored = live.new_volume(2, SnapshotId=taken)
    live.plug(guest, restored, "/dev/sdg")
    assert live.ssh(guest, f"mount /dev/{live.disk(guest, restored)} /mnt; ls /mnt; umount /mnt").split() == [
        "before",
        "lost+found",
    ]
    live.unplug(restored)
    live.unplug(volume)


def test_snapshots_of_all_volumes_are_of_one_moment(live: Live, guest: str) -> None:
    """The guest writes a number to one volume and then to another; the second is never ahead of the first."""
    first, second = live.new_volume(), live.new_volume()
    live.plug(guest, first, "/dev/sdh")
    live.plug(guest, second, "/dev/sdi")
    a, b = live.disk(guest, first), live.disk(guest, second)
    live.ssh(
        guest,
        f"(i=100000; while [ ! -e /run/both ]; do i=$((i+1)); for d in {a} {b}; do "
        "printf %s $i | dd of=/dev/$d bs=512 count=1 conv=notrunc,fsync 2>/dev/null; done; done) >/dev/null 2>&1 &",
    )
    live.ssh(guest, "sleep 1")
    made = live.ec2("CreateSnapshots", InstanceSpecification={"InstanceId": guest, "ExcludeBootVolume": True})["Snapshots"]
    live.ssh(guest, "touch /run/both")
    numbers = {}
    for snapshot in made:
        row = live.ec2.cloud.state.snapshots.get(snapshot["SnapshotId"])
        raw = live.directory / "number"
        run(["qemu-img", "dd", "-U", "-f", "qcow2", "-O", "raw", f"if={live.ec2.cloud.host.disks.path(row.layer_id)}",
             f"of={raw}", "bs=512", "count=1"])  # fmt: skip
        numbers[snapshot["VolumeId"]] = int(raw.read_bytes()[:6])
    assert numbers[first] - numbers[second] in (0, 1)
    for volume in (first, second):
        live.unplug(volume)


def test_a_guest_that_holds_on_is_waited_for_and_then_forced(live: Live, guest: str) -> None:
    volume = live.new_volume()
    live.plug(guest, volume)
    run(["virsh", "-q", "suspend", guest])  # so that it cannot answer
    try:
        live.ec2("DetachVolume", VolumeId=volume)
        live.looks("it is shown as busy", lambda: live.volume(volume)["Attachments"][0]["State"] == "busy")
        live.ec2("DetachVolume", VolumeId=volume, Force=True)
        live.looks("it was taken away", lambda: live.volume(volume)["State"] == "available")
        live.ec2("DeleteVolume", VolumeId=volume)  # its file is nobody's any more
    finally:
        run(["virsh", "-q", "resume", guest])
    serial = volume.replace("-", "")
    live.looks("the husk is gone", lambda: serial not in live.ec2.cloud.host.blocks.chains(guest))
    assert live.ssh(guest, "echo alive") == "alive"


def test_three_instances_of_an_image_of_ones_own(live: Live, guest: str) -> None:
    live.ssh(guest, "mkdir -p /data/www; echo served >/data/www/index.html")
    live.ssh(guest, "printf '#!/bin/sh\\nexec httpd -f -h /data/www\\n' >/data/etc/start; chmod 700 /data/etc/start; sync")
    taken = live.ec2("CreateImage", InstanceId=guest, Name="with a web server", NoReboot=True)["ImageId"]
    live.ec2("TerminateInstances", InstanceIds=[guest])
    image = live.ec2("DescribeImages", ImageIds=[taken])["Images"][0]
    assert (image["State"], image["SourceInstanceId"]) == ("available", guest)
    params = {"ImageId": taken, "InstanceType": bootable("t3.nano"), "KeyName": "k", "MinCount": 3, "MaxCount": 3}
    launched = live.ec2("RunInstances", **params)["Instances"]
    clones = {clone["InstanceId"]: clone["PrivateIpAddress"] for clone in launched}
    for address in clones.values():
        until(f"{address} serves the page after its one boot", lambda address=address: page(address) == "served\n", BOOT)
    whoami = "hostname; cat /etc/machine-id; dropbearkey -y -f /data/etc/host_key | grep ssh-"
    assert len({live.ssh(clone, whoami) for clone in clones}) == 3
    live.ec2("TerminateInstances", InstanceIds=list(clones))
    assert json.dumps(live.ec2("DeregisterImage", ImageId=taken, DeleteAssociatedSnapshots=True)).count("success") == 1


def page(address: str) -> str:
    """What a web server there answers; nothing while there is none."""
    try:
        with urllib.request.urlopen(f"http://{address}/", timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""
