"""A full disk under a running guest, a damaged qcow2, and a database in a Debian guest that is restored from a snapshot."""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from minicloud import config
from minicloud.cloud import Cloud
from minicloud.host import local
from minicloud.host.base_images import store
from minicloud.host.run import run
from minicloud.reconcile import halted
from minicloud.reconcile.worker import worker_for

from ..cloud_fixtures import Ec2
from ..image_forge import break_tables
from ..real_cloud import debian_name, image_named, take_away
from .live import Live, live

__all__ = ["live"]

pytestmark = [pytest.mark.lab, pytest.mark.guest]
MIB = 1 << 20


@pytest.fixture
def small() -> Iterator[Live]:
    """A cloud whose disks are on a file system of 96 MiB."""
    image = next((one.image_id for one in reversed(store(config.load()).list()) if one.name == "tiny"), None)
    if image is None:
        pytest.skip("there is no image named tiny; scripts/setup --tests builds it")
    directory = Path("/run/minicloud-small")
    directory.mkdir(mode=0o711)
    (directory / "home" / "volumes").mkdir(parents=True)
    run(["mount", "-t", "tmpfs", "-o", "size=96m,mode=0750,gid=libvirt-qemu", "small", directory / "home" / "volumes"])
    cloud = Cloud(dataclasses.replace(config.load(), home=directory / "home", run=directory / "run"), local.host)
    cloud.worker = worker_for(cloud)
    made = Live(directory, Ec2(cloud), image)
    made.minicloud("create-key-pair", "--key-name", "k", "--key-type", "ed25519", "--save", "key")
    yield made
    take_away(cloud.host)


def test_a_full_disk_halts_the_guest_and_room_lets_it_go_on(small: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halted, "ENOUGH", 16 * MIB)
    guest, volume = small.launch("a"), small.new_volume()
    small.plug(guest, volume)
    disk = small.disk(guest, volume)
    copying = f"head -c 134217728 /dev/urandom >/tmp/noise; dd if=/tmp/noise of=/dev/{disk} bs=1M conv=fsync; echo $? >/run/done"
    small.ssh(guest, f"({copying}) >/dev/null 2>&1 &")

    def status() -> str:
        found = small.ec2("DescribeVolumeStatus", VolumeIds=[volume])["VolumeStatuses"][0]["VolumeStatus"]["Status"]
        return str(found)

    small.looks("the guest is halted, and says so", lambda: status() == "impaired")
    error = small.ec2.refused("CreateVolume", AvailabilityZone="us-east-1a", Size=1)
    assert (error.code, error.status) == ("InsufficientVolumeCapacity", 500)
    run(["mount", "-o", "remount,size=512m", small.directory / "home" / "volumes"])
    small.looks("it goes on", lambda: status() == "ok")
    assert small.ssh(guest, "until [ -e /run/done ]; do sleep 0.2; done; cat /run/done") == "0"
    assert small.ssh(guest, f"cmp -n 134217728 /tmp/noise /dev/{disk} && echo same") == "same"


def test_a_damaged_disk_stops_its_own_instance_only(live: Live) -> None:
    guest, other = live.launch("b"), live.new_volume()
    live.ec2("StopInstances", InstanceIds=[guest], Force=True)
    live.looks("it is stopped", lambda: live.ec2.state(guest) == "stopped")
    row = live.ec2.cloud.state.volumes.find(instance_id=guest)[0]
    path = live.ec2.cloud.host.disks.path(row.layer_id)
    with open(path, "r+b") as file:
        whole = file.read(512)
        file.seek(0)
        file.write(os.urandom(512))
    live.ec2("StartInstances", InstanceIds=[guest])
    live.looks("the start has failed", lambda: live.ec2.state(guest) == "stopped")
    assert row.id in live.ec2.instance(guest)["StateReason"]["Message"]
    assert live.volume(row.id)["State"] == "error"
    assert live.volume(other)["State"] == "available"
    with open(path, "r+b") as file:
        file.write(whole)
    live.ec2("StartInstances", InstanceIds=[guest])
    assert live.ssh(guest, "echo whole again") == "whole again"
    assert live.volume(row.id)["State"] == "in-use"
    _one_that_is_damaged_inside(live, guest)
    assert live.volume(row.id)["State"] == "in-use"
    assert live.volume(other)["State"] == "available"
    live.ec2("TerminateInstances", InstanceIds=[guest])


def _one_that_is_damaged_inside(live: Live, guest: str) -> None:
    """Nothing is seen of it before the guest reads there; then its volume is in error, and the guest goes on."""
    damaged = live.new_volume()
    path = Path(live.ec2.cloud.host.disks.path(live.ec2.cloud.state.volumes.get(damaged).layer_id))
    run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 0 64k", path])
    whole = path.read_bytes()
    break_tables(path)
    live.ec2("AttachVolume", InstanceId=guest, VolumeId=damaged, Device="/dev/sdg")
    live.looks("it is in error", lambda: live.volume(damaged)["State"] == "error")
    assert "found" in live.ec2("DescribeVolumeStatus", VolumeIds=[damaged])["VolumeStatuses"][0]["Events"][0]["Description"]
    assert live.ssh(guest, "echo alive") == "alive"
    live.ec2("DetachVolume", VolumeId=damaged)
    live.looks("it is detached", lambda: not live.volume(damaged)["Attachments"])
    assert live.volume(damaged)["State"] == "error"
    path.write_bytes(whole)  # from a backup
    live.ec2("EnableVolumeIO", VolumeId=damaged)
    assert live.volume(damaged)["State"] == "available"
    live.ec2("DeleteVolume", VolumeId=damaged)


def test_what_a_guest_writes_at_the_start_of_its_disk_names_no_file(live: Live) -> None:
    """A qcow2 header with a backing file of the host's, written by a guest onto its own disk, is bytes like others."""
    guest, volume = live.launch("c"), live.new_volume()
    live.plug(guest, volume)
    evil = live.directory / "evil.qcow2"
    secret = live.directory / "secret"
    secret.write_text("host's secret" * 1000)
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", secret, evil, "1M"])
    live.minicloud("ssh", guest, "--", f"dd of=/dev/{live.disk(guest, volume)} conv=notrunc,fsync", input=evil.read_bytes())
    snapshot = live.ec2("CreateSnapshot", VolumeId=volume)["SnapshotId"]
    live.unplug(volume)
    restored = live.new_volume(1, SnapshotId=snapshot)
    live.ec2("DeleteSnapshot", SnapshotId=snapshot)
    live.look()
    live.plug(guest, restored)
    assert live.ssh(guest, f"head -c 3 /dev/{live.disk(guest, restored)}") == "QFI"
    found = live.ssh(guest, f"head -c 1048576 /dev/{live.disk(guest, restored)} | tr -d '\\000' | wc -c")
    assert int(found) < 1000, "the header, and nothing of the file that it names"
    live.ec2("TerminateInstances", InstanceIds=[guest])


def test_a_database_with_a_journal_is_whole_after_a_restore(live: Live) -> None:
    guest = live.launch("debian", image_named(debian_name()))
    volume = live.new_volume()
    live.plug(guest, volume)
    by_id = f"/dev/disk/by-id/virtio-{volume.replace('-', '')}"
    live.ssh(guest, f"until [ -e {by_id} ]; do sleep 0.5; done; sudo mkfs.ext4 -q {by_id} && sudo mkdir -p /db")
    live.ssh(guest, f"sudo mount {by_id} /db && sudo chown $(id -u) /db")
    writer = (
        "import sqlite3;d=sqlite3.connect('/db/d',isolation_level=None);d.execute('pragma journal_mode=wal');"
        "d.execute('create table t(a,b)');i=0\nwhile True:\n i+=1;d.execute('begin');"
        "d.execute('insert into t values(?,1)',(i,));d.execute('insert into t values(?,-1)',(i,));d.execute('commit')"
    )
    live.minicloud("ssh", guest, "--", "cat > w.py; nohup python3 w.py >/dev/null 2>&1 &", input=writer.encode())
    live.ssh(guest, 'until [ "$(stat -c %s /db/d-wal 2>/dev/null || echo 0)" -gt 65536 ]; do sleep 0.5; done')
    live.ssh(guest, "until systemctl -q is-active qemu-guest-agent; do sleep 0.5; done")
    taken = live.ec2("CreateSnapshot", VolumeId=volume)["SnapshotId"]
    shown = live.ec2("DescribeSnapshots", SnapshotIds=[taken])["Snapshots"][0]
    assert "StateMessage" not in shown, "the guest agent quiesced the file systems"
    restored = live.new_volume(1, SnapshotId=taken)
    live.ssh(guest, "pkill python3; until sudo umount /db; do sleep 0.5; done")
    live.unplug(volume)
    live.plug(guest, restored)
    by_id = f"/dev/disk/by-id/virtio-{restored.replace('-', '')}"
    reader = (
        "import sqlite3;d=sqlite3.connect('/db/d');"
        "print(*d.execute('pragma integrity_check').fetchone(),*d.execute('select sum(b),count(*)>0 from t').fetchone())"
    )
    live.ssh(guest, f"until [ -e {by_id} ]; do sleep 0.5; done; sudo mount {by_id} /db")
    assert live.minicloud("ssh", guest, "--", "python3", "-", input=reader.encode()).text.strip() == "ok 0 1"
    live.ec2("TerminateInstances", InstanceIds=[guest])
