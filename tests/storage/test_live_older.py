"""An older state that is adopted while a real guest of its own is on, whose QEMU has merged layers since."""

import pytest

from minicloud.cloud import Cloud
from minicloud.host import local
from minicloud.host.run import run
from minicloud.reconcile import layers
from minicloud.reconcile.worker import worker_for
from minicloud.state import chains

from ..cloud_fixtures import Ec2
from .live import Live, live
from .older import keep, restore

__all__ = ["live"]

pytestmark = [pytest.mark.lab, pytest.mark.guest]
MIB = 1 << 20


def fill(live: Live, guest: str, device: str, mib: int, letter: str) -> None:
    """The guest fills one MiB of a disk."""
    live.ssh(guest, f"head -c {MIB} /dev/zero | tr '\\000' {letter} | dd of={device} bs={MIB} seek={mib} conv=notrunc,fsync")


def layer(live: Live, volume: str) -> str:
    row = live.ec2.cloud.state.volumes.get(volume)
    assert row is not None
    return row.layer_id


def parent(live: Live, volume: str) -> str:
    row = live.ec2.cloud.state.layers.get(layer(live, volume))
    assert row is not None
    return row.parent


def test_a_volume_that_its_guest_has_flattened_reads_on(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it stood on is another volume's since. Its guest stays on for the adoption, and is off after it."""
    guest, volume, copy = live.launch("a"), live.new_volume(), live.directory / "copy.sqlite"
    live.plug(guest, volume)
    device = f"/dev/disk/by-id/virtio-{volume.replace('-', '')}"
    taken = []
    for mib, letter in enumerate("ab"):
        fill(live, guest, device, mib, letter)
        taken.append(live.ec2("CreateSnapshot", VolumeId=volume)["SnapshotId"])
    keep(live.ec2.cloud, copy)
    fill(live, guest, device, 0, "c")
    with monkeypatch.context() as patched:
        patched.setattr(chains, "MOST_DEPTH", 2)
        live.looks("the volume stands on nothing", lambda: not parent(live, volume))
    row = live.ec2.cloud.state.snapshots.get(taken[1])
    assert row is not None
    other = live.new_volume(SnapshotId=taken[1])
    live.ec2("DeleteSnapshot", SnapshotId=taken[1])
    live.looks("its layer is the other volume's", lambda: layer(live, other) == row.layer_id)
    disks = live.ec2.cloud.host.disks
    run(["qemu-io", "-f", "qcow2", "-c", f"write -q -P 9 {2 * MIB} {MIB}", disks.path(row.layer_id)])
    read = f"head -c {4 * MIB} {device} | sha256sum"
    before, top = live.ssh(guest, read), layer(live, volume)

    restore(live.ec2.cloud, copy)
    cloud = Cloud(live.ec2.cloud.settings, local.host)
    cloud.worker = worker_for(cloud)
    live.ec2 = Ec2(cloud)
    assert parent(live, volume) == row.layer_id
    assert f"{top} stands on nothing from now on" in live.minicloud("adopt", "--yes").text
    live.look()
    assert live.ssh(guest, read) == before
    live.unplug(volume)
    layers.correct_headers(cloud, top)
    live.plug(guest, volume)
    assert live.ssh(guest, read) == before
    for snapshot in taken:
        live.ec2("DeleteSnapshot", SnapshotId=snapshot)
    live.looks("no layer is left over", lambda: len(cloud.state.layers.find(base="")) == 2)
    assert live.ssh(guest, read) == before
