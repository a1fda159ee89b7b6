"""What somebody else keeps in quarantine is told as his, and nobody is told how to delete it."""

import os
from pathlib import Path

import pytest

from minicloud.cli import doctor_leftovers
from minicloud.cli.doctor_checks import Check
from minicloud.host import disk_stamp

from .backups import Place, here, small

__all__ = ["here", "small"]
DAY = 86400.0
NAME = "layer-0123456789abcdef0"


def checks(here: Place) -> list[Check]:
    """The doctor's, after a year."""
    place = here.home / "volumes" / disk_stamp.ASIDE
    for path in place.iterdir():
        os.utime(path, (path.stat().st_mtime - 365 * DAY,) * 2, follow_symlinks=False)
    found = doctor_leftovers.judge(doctor_leftovers.gather(here.cloud), "qemu:///system", here.home)
    return [check for check in found if check.name == "quarantine"]


def aside(here: Place) -> Path:
    here.disks.create(NAME, 1 << 20, None)
    return Path(here.disks.set_aside([NAME], "a test"))


def empty(_: Path) -> None:
    """Nothing in it."""


def own_note(path: Path) -> None:
    (path / "manifest.json").write_text('{"files": ["a.tar"], "name": "backup"}')


def nonsense(path: Path) -> None:
    (path / "manifest.json").write_bytes(b"\xff{")


def pipe(path: Path) -> None:
    os.mkfifo(path / "manifest.json")


def disk(path: Path) -> None:
    (path / f"{NAME}.qcow2").write_bytes(b"mine")


@pytest.mark.parametrize("fill", [empty, own_note, nonsense, pipe, disk])
@pytest.mark.parametrize("name", ["20260101T000000Z", "mine", os.fsdecode(b"caf\xe9")])
def test_a_directory_that_adopt_did_not_make(here: Place, name: str, fill: object) -> None:
    place = aside(here)
    strange = place.parent / name
    strange.mkdir()
    assert callable(fill)
    fill(strange)
    found = {check.found.partition(" ")[0]: check for check in checks(here)}
    assert found.keys() == {str(place), str(strange)}
    assert found[str(place)].remedy.endswith(f"rm -r {place}")
    assert "is somebody's" in found[str(strange)].found
    assert "rm " not in found[str(strange)].remedy
    assert [path for path, _ in disk_stamp.asides(here.home / "volumes")] == [place]


def test_a_file_and_a_link(here: Place, tmp_path: Path) -> None:
    place = aside(here)
    (place.parent / "note.txt").write_text("mine")
    (tmp_path / "elsewhere").mkdir()
    (place.parent / "link").symlink_to(place)
    told = [check for check in checks(here) if "is somebody's" in check.found]
    assert len(told) == 2
    assert not [check for check in told if "rm " in check.remedy]


def test_what_somebody_keeps_beside_disks_that_were_put_aside(here: Place) -> None:
    place = aside(here)
    (place / "notes.txt").write_text("mine")
    (place / f"{NAME}.qcow2").rename(place / "kept.qcow2")
    found = checks(here)
    assert len(found) == 3
    assert not [check for check in found if "rm " in check.remedy]


def test_disks_of_somebody_there_are_not_pointed_elsewhere(here: Place) -> None:
    """What was put aside is what minicloud sees to, and nothing that lies beside it."""
    below, above = "layer-0000000000000000a", "layer-0000000000000000b"
    here.disks.create(below, 1 << 20, None)
    here.disks.create(above, 1 << 20, here.disks.path(below))
    mine = here.home / "volumes" / disk_stamp.ASIDE / "mine"
    mine.mkdir(parents=True)
    Path(here.disks.path(above)).rename(mine / f"{above}.qcow2")
    before = (mine / f"{above}.qcow2").read_bytes()
    here.disks.set_aside([below], "a test")
    disk_stamp.follow(here.home / "volumes")
    assert (mine / f"{above}.qcow2").read_bytes() == before
