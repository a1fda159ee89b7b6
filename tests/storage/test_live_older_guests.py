"""An older state while real guests are on: a volume was made larger since, or went to another guest."""

import pytest

from minicloud.cli import adoption
from minicloud.cloud import Cloud
from minicloud.errors import Retry, StateError
from minicloud.host import local
from minicloud.reconcile.worker import worker_for

from ..cloud_fixtures import Ec2
from .live import Live, live
from .older import keep, restore
from .test_live_older import fill, layer

__all__ = ["live"]

pytestmark = [pytest.mark.lab, pytest.mark.guest]


def back(live: Live) -> None:
    restore(live.ec2.cloud, live.directory / "copy.sqlite")
    cloud = Cloud(live.ec2.cloud.settings, local.host)
    cloud.worker = worker_for(cloud)
    live.ec2 = Ec2(cloud)


def device(volume: str) -> str:
    return f"/dev/disk/by-id/virtio-{volume.replace('-', '')}"


def test_a_volume_that_is_larger_since_keeps_its_end(live: Live) -> None:
    guest, volume = live.launch("a"), live.new_volume()
    live.plug(guest, volume)
    keep(live.ec2.cloud, live.directory / "copy.sqlite")
    live.ec2("ModifyVolume", VolumeId=volume, Size=2)
    live.look()
    fill(live, guest, device(volume), 1500, "g")
    look = f"dd if={device(volume)} bs=1048576 skip=1500 count=1 2>/dev/null | sha256sum"
    content = live.ssh(guest, look)
    back(live)
    assert f"the volume {volume} has 2 GiB from now on, and not 1" in live.minicloud("adopt", "--yes").text
    live.look()
    snapshot = live.ec2("CreateSnapshot", VolumeId=volume)["SnapshotId"]
    live.looks("the snapshot is taken", lambda: live.ec2.cloud.state.snapshots.get(snapshot).state == "completed")
    assert live.volume(volume)["Size"] == 2
    assert live.ec2.cloud.host.disks.size(layer(live, volume)) == 2 << 30
    assert live.ssh(guest, look) == content


def test_a_volume_that_is_another_guests_since_stays_with_it(live: Live) -> None:
    first, second, volume = live.launch("a"), live.launch("b"), live.new_volume()
    live.plug(first, volume)
    keep(live.ec2.cloud, live.directory / "copy.sqlite")
    live.unplug(volume)
    live.plug(second, volume)
    fill(live, second, device(volume), 1, "b")
    back(live)
    disk = layer(live, volume)
    with pytest.raises(StateError, match=f"{second}; shut them down first"):
        adoption.adopt(live.ec2.cloud)
    live.look()
    assert "is older than the disks" in live.ec2.refused("CreateSnapshot", VolumeId=volume).message
    with pytest.raises(Retry, match="is not removed: a process has it open"):
        live.ec2.cloud.host.disks.remove(disk)
    assert live.ssh(second, f"dd if={device(volume)} bs=1048576 skip=1 count=1 2>/dev/null | head -c 3") == "bbb"
