"""Disks that were put aside read as they did, and come back by the commands that the README gives."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from minicloud.cli import adoption
from minicloud.cli.main import execute
from minicloud.cli.session import Session
from minicloud.host import disk_stamp
from minicloud.host.run import run
from minicloud.reconcile import images as image_reconciler

from .backups import Place, back_up, file, here, restore, small
from .older import keep
from .older import restore as put_back
from .real_disks import SMALL

__all__ = ["file", "here", "small"]

README = Path(__file__).resolve().parents[2] / "README.md"


def given() -> list[list[str]]:
    """The commands that the README gives for it, from `qemu-img` on, without their comments."""
    lines = README.read_text().splitlines()
    (first,) = [number for number, line in enumerate(lines) if line.strip().startswith("qemu-img convert")]
    block = [shlex.split(line, comments=True) for line in lines[first : first + 4] if line.startswith("    ")]
    assert [words[:2] for words in block][:2] == [["qemu-img", "convert"], ["minicloud", "images"]]
    return block


def brought_back(here: Place, aside: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Do what the README says with a disk that was put aside; the volume."""
    monkeypatch.setattr(image_reconciler, "_GIB", SMALL)
    convert, imported, create = given()
    out = here.directory / "disk.qcow2"
    run([*convert[:-2], aside, out])
    assert execute([*[str(out) if word.endswith(".qcow2") else word for word in imported[1:]], "--output", "json"],
                   Session(connect=lambda: here.cloud)) == 0  # fmt: skip
    (image_id,) = [path.name for path in (here.directory / "images").glob("ami-*")]
    here.know(image_id)
    here.look()
    (image,) = here.ec2("DescribeImages", ImageIds=[image_id])["Images"]
    snapshot = image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    assert create[1:3] == ["create-volume", "--availability-zone"]
    return here.volume(SnapshotId=snapshot)


def read(path: Path | str, directory: Path) -> bytes:
    raw = directory / "read.raw"
    run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, raw])
    return raw.read_bytes()


def two_layers(here: Place) -> tuple[str, bytes]:
    """A volume that stands on two files of its own, and what it reads as."""
    volume = here.volume(Size=1)
    here.write(volume, 0, 1)
    here.snapshot(volume)
    here.write(volume, 65536, 2)
    return volume, read(here.top(volume), here.directory)


def adopted(here: Place, tmp_path: Path) -> tuple[Path, bytes]:
    """An older state goes on beside a volume that it does not know."""
    copy = tmp_path / "copy.sqlite"
    here.volume(Size=1)
    keep(here.cloud, copy)
    volume, content = two_layers(here)
    name = Path(here.top(volume)).name
    put_back(here.cloud, copy)
    here.open()
    adoption.adopt(here.cloud)
    (aside,) = (here.home / "volumes" / disk_stamp.ASIDE).rglob(name)
    return aside, content


def replaced(here: Place, file: Path) -> tuple[Path, bytes]:
    """A backup is restored in the place of a newer state with its disks."""
    here.volume(Size=1)
    back_up(here.cloud, file)
    volume, content = two_layers(here)
    name = Path(here.top(volume)).name
    restore(here.cloud, file, replace=True)
    here.open()
    (aside,) = (here.home / "volumes" / disk_stamp.ASIDE).rglob(name)
    return aside, content


@pytest.mark.parametrize("way", ["adopted", "replaced"])
def test_a_volume_of_several_layers_comes_back(
    here: Place, file: Path, tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside, content = adopted(here, tmp_path) if way == "adopted" else replaced(here, file)
    volume = brought_back(here, aside, monkeypatch)
    assert read(here.top(volume), tmp_path).startswith(content)
    assert aside.exists(), "what was put aside stays there"


def layers(here: Place, *names: str) -> list[Path]:
    """Disks, each on the one before."""
    below = None
    for name in names:
        here.disks.create(name, SMALL, below)
        below = here.disks.path(name)
    return [Path(here.disks.path(name)) for name in names]


NAMES = tuple(f"layer-{number:017x}" for number in (3, 1, 2))


@pytest.mark.parametrize("killed_at", [1, 2, 3, 4])
def test_killed_in_between_the_rest_is_put_aside_the_next_time_and_all_reads(
    here: Place, tmp_path: Path, killed_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, left, genuine = layers(here, *NAMES), [killed_at], Path.rename
    run(["qemu-io", "-f", "qcow2", "-c", "write -q -P 5 0 65536", paths[0]])
    content = read(paths[-1], tmp_path)

    def rename(self: Path, target: Any) -> Path:
        left[0] -= self.suffix == ".qcow2"
        if left[0] == 0:
            raise KeyboardInterrupt
        return genuine(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", rename)
        try:
            here.disks.set_aside(NAMES, "a test")
        except KeyboardInterrupt:
            assert killed_at < 4
    if here.disks.list():
        here.disks.set_aside(here.disks.list(), "a test")
    (top,) = (here.home / "volumes" / disk_stamp.ASIDE).rglob(paths[-1].name)
    layers(here, *NAMES)  # others get their names
    assert read(top, tmp_path) == content


def test_a_damaged_disk_keeps_no_other_from_being_put_aside(here: Place) -> None:
    paths = layers(here, *NAMES)
    paths[0].write_bytes(b"nonsense")
    data = bytearray(paths[1].read_bytes())
    data[79] |= 2  # as QEMU marks a disk that it found to be damaged
    paths[1].write_bytes(data)
    here.disks.set_aside(NAMES, "a test")
    assert here.disks.list() == {}


def test_the_readme_names_the_place_and_where_a_disk_was() -> None:
    text = README.read_text()
    assert re.search(r"manifest\.json", text)
    assert "volumes/quarantine/" in " ".join(given()[0])
