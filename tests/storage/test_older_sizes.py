"""An older state beside volumes that were made larger since: rows follow the files, and no layer lacks the end of what it stands
on.
"""

from pathlib import Path
from typing import Any

import pytest

from minicloud.cli import adoption
from minicloud.host.disks import LocalDisks
from minicloud.state.rows_storage import Modification

from .backups import Place, back_up, file, here, small
from .backups import restore as unpack
from .older import keep, restore
from .real_disks import SMALL
from .test_older_in_use import Scene, scene

__all__ = ["file", "here", "scene", "small"]


class Grown:
    """A volume of 1 (in the copy of the state) that has 4 since, and data in what was added."""

    def __init__(self, here: Place, copy: Path) -> None:
        self.here, self.copy = here, copy
        self.volume = here.volume(Size=1)
        here.write(self.volume, 0, 1)
        keep(here.cloud, copy)
        here.ec2("ModifyVolume", VolumeId=self.volume, Size=4)
        here.look()
        here.write(self.volume, 3 * SMALL, 7)
        self.content = here.of_volume(self.volume)

    def back(self) -> str:
        restore(self.here.cloud, self.copy)
        self.here.open()
        told = "\n".join(adoption.adopt(self.here.cloud))
        self.here.look()
        assert f"the volume {self.volume} has 4 GiB from now on, and not 1" in told
        assert self.here.of_volume(self.volume) == self.content
        return told

    def size(self) -> tuple[int, int, int]:
        row = self.here.state.volumes.get(self.volume)
        layer = self.here.state.layers.get(row.layer_id)
        return row.size, layer.size // SMALL, self.here.disks.size(layer.id) // SMALL


@pytest.fixture
def grown(here: Place, tmp_path: Path) -> Grown:
    return Grown(here, tmp_path / "copy")


def test_a_volume_has_what_its_file_has_and_so_has_a_snapshot(grown: Grown) -> None:
    here = grown.here
    grown.back()
    assert grown.size() == (4, 4, 4)
    snapshot = here.snapshot(grown.volume)
    assert here.state.snapshots.get(snapshot).size == 4
    assert grown.size() == (4, 4, 4)
    assert here.of_snapshot(snapshot) == grown.content
    assert here.of_volume(here.volume(SnapshotId=snapshot)) == grown.content
    here.ec2("DeleteSnapshot", SnapshotId=snapshot)
    here.look()
    assert here.of_volume(grown.volume) == grown.content
    assert not here.state.failures.query()


def test_nor_is_it_cut_by_what_was_asked_for_when_the_state_was_made(here: Place, tmp_path: Path) -> None:
    """A modification to 2 that was under way then, and was followed by one to 4."""
    grown = Grown(here, tmp_path / "copy")
    restore(here.cloud, grown.copy)
    here.open()
    what: dict[str, Any] = {"Size": 2, "VolumeType": "gp3", "Iops": 3000, "Throughput": 125}
    modification = Modification(grown.volume, "modifying", what, {**what, "Size": 1}, "2026-01-01T00:00:00.000Z")
    here.state.modifications.add(modification)
    adoption.adopt(here.cloud)
    here.look()
    assert here.state.modifications.get(grown.volume).state == "completed"
    assert grown.size() == (4, 4, 4)
    here.snapshot(grown.volume)
    assert here.of_volume(grown.volume) == grown.content


def test_one_that_something_stands_on_since(grown: Grown) -> None:
    """It goes on with a new layer, as large, and the snapshot that keeps what it was has its size."""
    grown.here.snapshot(grown.volume)
    grown.back()
    assert grown.size() == (4, 4, 4)
    (kept,) = grown.here.state.snapshots.find(description=adoption.DESCRIPTION)
    assert kept.size == 4
    assert grown.here.of_snapshot(kept.id) == grown.content


def test_one_that_is_backed_up_then(grown: Grown, tmp_path: Path, file: Path) -> None:
    grown.back()
    back_up(grown.here.cloud, file)
    other = Place(tmp_path / "other")
    unpack(other.cloud, file)
    other.open()
    other.look()
    assert other.of_volume(grown.volume) == grown.content


def test_a_file_that_is_smaller_than_its_row_is_told(here: Place, tmp_path: Path) -> None:
    """As one that was put there by hand: the volume has what there is, and can be made larger."""
    volume = here.volume(Size=2)
    here.write(volume, 0, 1)
    keep(here.cloud, tmp_path / "copy")
    content, path = here.of_volume(volume), Path(here.top(volume))
    here.volume(Size=1)
    restore(here.cloud, tmp_path / "copy")
    here.open()
    path.unlink()
    here.disks.create(path.stem, SMALL, None)
    here.write(volume, 0, 1)
    told = "\n".join(adoption.adopt(here.cloud))
    assert f"the volume {volume} has 1 GiB from now on, and not 2" in told
    here.look()
    here.ec2("ModifyVolume", VolumeId=volume, Size=2)
    here.look()
    assert here.of_volume(volume) == content


def test_a_layer_lacks_nothing_of_what_it_stands_on(tmp_path: Path) -> None:
    disks = LocalDisks(tmp_path / "volumes")
    disks.create("layer-a", 4 * SMALL, None)
    for size in (SMALL, 8 * SMALL):
        disks.create(f"layer-{size}", size, disks.path("layer-a"))
        assert disks.size(f"layer-{size}") == max(size, 4 * SMALL)


def test_while_its_guest_is_on_and_for_images_of_it(scene: Scene) -> None:
    """An image whose snapshot's layer was made larger, because a later one was merged into it."""
    (root,) = [row for row in scene.state.volumes.find(instance_id=scene.instance) if row.id != scene.volume]
    image = str(scene.ec2("CreateImage", InstanceId=scene.instance, Name="image", NoReboot=True)["ImageId"])
    scene.rest()
    keep(scene.ec2.cloud, scene.copy)
    for volume, size in ((scene.volume, 4), (root.id, root.size + 2)):
        scene.ec2("ModifyVolume", VolumeId=volume, Size=size)
    scene.rest()
    layer = scene.layer_of(scene.state.images.get(image).snapshot_id)
    scene.host.disks.resize(layer, (root.size + 1) * SMALL)
    scene.back()
    told = scene.adopted()
    assert f"the volume {scene.volume} has 4 GiB from now on, and not 1" in told
    scene.rest()
    row = scene.state.images.get(image)
    assert scene.state.snapshots.get(row.snapshot_id).size == row.size == root.size + 1
    assert scene.state.volumes.get(root.id).size == root.size + 2
    scene.ec2.run(ImageId=image)
    snapshot = str(scene.ec2("CreateSnapshot", VolumeId=scene.volume)["SnapshotId"])
    assert scene.state.snapshots.get(snapshot).size == 4
    assert scene.host.disks.size(scene.top(scene.volume)) == 4 * SMALL
