"""An older state that goes on, of which layers were merged since: their files are gone, what stood on them stands elsewhere."""

from pathlib import Path

import pytest

from minicloud.cli import adopt, adoption
from minicloud.errors import Permanent
from minicloud.reconcile import layers, snapshots

from ..cloud_fixtures import Ec2, cloud_in
from .older import keep, restore
from .real_disks import Real, real

__all__ = ["real"]


class Older:
    """A state that is put back: `volume` stands on the layer of `second`, that on the one of `first`, which was deleted since."""

    def __init__(self, real: Real, directory: Path) -> None:
        self.real, self.copy, self.directory = real, directory / "copy.sqlite", directory
        self.volume = real.volume(Size=1)
        self.other = real.volume(Size=1)
        self.first = self.taken(1)
        self.second = self.taken(2)
        real.write(self.volume, 0, 3)
        keep(real.ec2.cloud, self.copy)
        self.rows = {layer.id: layer.parent for layer in real.state.layers.query()}
        self.gone = real.state.snapshots.get(self.second).layer_id
        self.bytes = real.of_volume(self.volume)
        real.ec2("DeleteSnapshot", SnapshotId=self.first)
        real.look()
        assert self.gone not in real.disks.list(), "it was not merged into what it stood on"

    def taken(self, byte: int) -> str:
        self.real.write(self.volume, 65536 * byte, byte)
        return self.real.snapshot(self.volume)

    def back(self) -> None:
        restore(self.real.ec2.cloud, self.copy)
        self.real.ec2 = Ec2(cloud_in(self.directory, self.real.host))

    def layer(self) -> str:
        row = self.real.state.volumes.get(self.volume)
        assert row is not None
        return str(row.layer_id)


@pytest.fixture
def older(real: Real, tmp_path: Path) -> Older:
    return Older(real, tmp_path)


def test_a_volume_reads_on_where_what_it_stood_on_was_merged(older: Older) -> None:
    older.back()
    told = adoption.adopt(older.real.ec2.cloud)
    older.real.look()
    assert older.real.of_volume(older.volume) == older.bytes
    assert f"{older.layer()} stands on" in "\n".join(told)
    older.real.snapshot(older.volume)
    older.real.write(older.volume, 0, 4)
    assert older.real.state.volumes.get(older.volume).state == "available"


def test_a_snapshot_whose_layer_is_gone_says_so(older: Older) -> None:
    older.back()
    assert older.second in "\n".join(adoption.adopt(older.real.ec2.cloud))
    (said,) = older.real.ec2("DescribeSnapshots", SnapshotIds=[older.second])["Snapshots"]
    assert said["State"] == "error"
    assert "is not there" in said["StateMessage"]
    assert older.real.ec2.refused("CreateVolume", AvailabilityZone="us-east-1a", SnapshotId=older.second).code == "IncorrectState"
    (said,) = older.real.ec2("DescribeSnapshots", SnapshotIds=[older.first])["Snapshots"]
    assert "may read as a later one" in said["StateMessage"]
    for snapshot in (older.second, older.first):
        older.real.ec2("DeleteSnapshot", SnapshotId=snapshot)
        older.real.look()
        assert older.real.of_volume(older.volume) == older.bytes


def test_a_volume_whose_own_layer_is_gone_is_in_error(older: Older) -> None:
    older.real.ec2("DeleteVolume", VolumeId=older.other)
    older.real.look()
    older.back()
    assert older.other in "\n".join(adoption.adopt(older.real.ec2.cloud))
    assert older.real.ec2("DescribeVolumes", VolumeIds=[older.other])["Volumes"][0]["State"] == "error"


def test_a_newer_snapshot_of_it_is_kept_and_the_volume_goes_on(older: Older) -> None:
    """What stands on its layer is unknown: it gets a new layer, and the header of the old one stays as it is."""
    older.real.snapshot(older.volume)
    layer, other = older.layer(), older.real.state.snapshots.query("volume_id = ?", [older.volume])[-1].layer_id
    frozen = older.real.digest(other)
    older.back()
    below = older.real.disks.backing(older.layer())
    adoption.adopt(older.real.ec2.cloud)
    assert older.real.disks.backing(other) == below
    assert older.layer() not in (layer, other)
    older.real.write(older.volume, 0, 9)
    assert older.real.digest(other) == frozen


def test_no_file_is_put_onto_one_that_is_not_there(older: Older) -> None:
    """Whatever a row says: nothing could be read of it then."""
    layer = older.layer()
    below = older.real.disks.backing(layer)
    older.back()
    older.real.state.advance(beyond=1000)
    with pytest.raises(Permanent, match="not there"):
        layers.correct_headers(older.real.ec2.cloud, layer)
    assert older.real.disks.backing(layer) == below


def test_a_volume_that_cannot_go_on_keeps_no_other_from_it(older: Older, monkeypatch: pytest.MonkeyPatch) -> None:
    real, genuine = older.real, snapshots.take
    for volume in (older.other, older.volume):
        real.snapshot(volume)
    older.back()
    failing = [older.other]

    def take(cloud: object, batch: str, wait: float = 0.0) -> bool:
        if failing and real.state.snapshots.get(batch).volume_id == failing[0]:
            raise Permanent("in the midst")
        return genuine(cloud, batch, wait)  # type: ignore[arg-type]

    before = older.layer()
    monkeypatch.setattr(snapshots, "take", take)
    with pytest.raises(Permanent, match=f"{older.other}.*in the midst"):
        adoption.adopt(real.ec2.cloud)
    assert older.layer() != before
    assert adopt.situation(real.ec2.cloud).startswith("volumes and layers (1)")
    failing.clear()
    adoption.adopt(real.ec2.cloud)
    assert adopt.situation(real.ec2.cloud) == ""
