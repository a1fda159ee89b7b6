"""What disks that were put aside stand on, itself a layer that only a snapshot names, is corrected after a move, too."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from minicloud.cli import adoption
from minicloud.host import qemu_img

from .backups import Place, here, small
from .older import keep
from .older import restore as put_back
from .test_moved_homes import WAYS, a_minute_later, copied, linked, moved, read

__all__ = ["here", "small"]


class Aside:
    """Two snapshots, the second on the first, and a disk on that which the state does not know."""

    def __init__(self, here: Place, directory: Path) -> None:
        volume = here.volume(Size=1)
        for byte in (1, 2):
            here.write(volume, 65536 * byte, byte)
            self.snapshot = here.snapshot(volume)
        here.ec2("DeleteVolume", VolumeId=volume)
        here.look()
        keep(here.cloud, directory / "c.sqlite")
        newer = here.volume(SnapshotId=self.snapshot)
        here.write(newer, 131072, 3)
        self.top, self.content = here.state.volumes.get(newer).layer_id, here.of_volume(newer)
        put_back(here.cloud, directory / "c.sqlite")
        here.open()


@pytest.mark.parametrize("way", [moved, copied])
@pytest.mark.parametrize("before", [True, False])
def test_all_that_it_stands_on_is_here(here: Place, tmp_path: Path, way: Callable[[Place, Path], None], before: bool) -> None:
    aside = Aside(here, tmp_path)
    adoption.adopt(here.cloud) if before else None
    way(here, tmp_path / "new")
    if before:
        a_minute_later(here)
    else:
        adoption.adopt(here.cloud)
    shutil.rmtree(tmp_path / "here", ignore_errors=True)
    (path,) = here.home.rglob(f"{aside.top}.qcow2")
    assert read(path, tmp_path) == aside.content


@pytest.mark.parametrize("way", WAYS)
def test_what_is_right_is_left_alone(
    here: Place, tmp_path: Path, way: Callable[[Place, Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a home that is known by two paths is not written to by turns."""
    Aside(here, tmp_path)
    adoption.adopt(here.cloud)
    way(here, tmp_path / "new")
    a_minute_later(here) if way is not linked else None
    written = list[Path]()
    monkeypatch.setattr(qemu_img, "repoint", lambda path, _: written.append(path))
    a_minute_later(here)
    assert written == []
    assert here.state.failures.query("part = 'disks put aside'") == []


def test_what_a_merge_has_left_further_down_waits_until_it_is_used(here: Place, tmp_path: Path) -> None:
    """Only what was moved is corrected."""
    aside = Aside(here, tmp_path)
    adoption.adopt(here.cloud)
    layer = here.state.snapshots.get(aside.snapshot).layer_id
    here.disks.rebase(layer, None)
    a_minute_later(here)
    assert here.disks.backing(layer) is None
