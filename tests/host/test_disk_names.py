"""What bears the name of a disk and is none: a directory, a pipe, a socket, a link that leads nowhere. It is somebody else's."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from minicloud.cli import adopt, adoption, storage, uninstall
from minicloud.errors import Away, Permanent
from minicloud.host import disk_use, own_names, qemu_img
from minicloud.host.disks import LocalDisks

from ..storage.older import keep, restore
from ..storage.real_disks import Real, real

__all__ = ["real"]
STRANGE = "layer-00000000"


def pipe(path: Path) -> None:
    os.mkfifo(path)


def bound(path: Path) -> None:
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{directory}/{path.name}")  # a socket's name is short
    os.close(directory)


def nowhere(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.fixture(params=[Path.mkdir, pipe, bound, nowhere], ids=["directory", "pipe", "socket", "link to nothing"])
def make(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    found: Callable[[Path], None] = request.param
    return found


def there(disks: LocalDisks, make: Callable[[Path], None]) -> Path:
    path = Path(disks.path(STRANGE))
    path.parent.mkdir(parents=True, exist_ok=True)
    make(path)
    return path


def test_it_is_no_disk_and_is_not_waited_for(tmp_path: Path, make: Callable[[Path], None]) -> None:
    disks = LocalDisks(tmp_path / "volumes")
    path = there(disks, make)
    assert (disks.list(), disks.in_use(), list(disks.others())) == ({}, set(), [str(path)])
    assert not disk_use.is_open(path)
    assert disks.above(STRANGE) == set()
    is_link = path.is_symlink()
    for look in (disks.size, disks.backing, disks.check, *([disks.damage, disks.remove] if is_link else [])):
        with pytest.raises(Away if is_link else Permanent):
            look(STRANGE)
    if not is_link:
        for ask in (qemu_img.backing, qemu_img.is_marked_corrupt):
            with pytest.raises(Permanent, match="is no regular file"):
                ask(path)
        with pytest.raises(Permanent, match="is no regular file"):
            disks.create(STRANGE, 1 << 20, None)
        disks.remove(STRANGE)
    assert os.path.lexists(path)


def test_what_bears_a_temporary_name_stays_and_keeps_no_disk_from_being_made(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    disks = LocalDisks(tmp_path / "volumes")
    path = there(disks, make)
    strange = path.with_suffix(".new")
    path.rename(strange)
    disks.create("layer-0000000000000000a", 1 << 20, None)
    assert os.path.lexists(strange)
    assert (list(disks.list()), list(disks.others())) == (["layer-0000000000000000a"], [str(strange)])


def test_adopt_goes_on_beside_it(real: Real, tmp_path: Path, make: Callable[[Path], None]) -> None:
    volume, copy = real.volume(Size=1), tmp_path / "copy.sqlite"
    path = there(real.disks, make)
    assert adopt.situation(real.ec2.cloud) == ""
    keep(real.ec2.cloud, copy)
    newer = real.volume(Size=1)
    layer = real.state.volumes.get(newer).layer_id
    restore(real.ec2.cloud, copy)
    assert adoption.movable(real.ec2.cloud) == {layer}
    assert adoption.adopt(real.ec2.cloud)
    assert os.path.lexists(path)
    assert adopt.situation(real.ec2.cloud) == ""
    assert real.state.volumes.get(volume) is not None
    assert [one["What"] for one in storage._strangers(real.ec2.cloud) if one["File"] == str(path)] == ["no disk of minicloud's"]


def test_it_stays_when_all_that_is_ours_goes(real: Real, make: Callable[[Path], None]) -> None:
    real.volume(Size=1)
    path = there(real.disks, make)
    list(uninstall.remove(real.ec2.cloud, data=True))
    assert [left for left, ours in own_names.walk(path.parents[1], own_names.HOME) if not ours] == [path]


def test_a_link_to_a_disk_is_the_disk(tmp_path: Path) -> None:
    disks = LocalDisks(tmp_path / "volumes")
    disks.create(STRANGE, 1 << 20, None)
    path = Path(disks.path(STRANGE))
    path.rename(tmp_path / "moved.qcow2")
    path.symlink_to(tmp_path / "moved.qcow2")
    assert (list(disks.list()), disks.others()) == ([STRANGE], {})
    assert (disks.size(STRANGE), disks.backing(STRANGE), disks.damage(STRANGE)) == (1 << 20, None, "")
