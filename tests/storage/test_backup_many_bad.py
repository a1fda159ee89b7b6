"""A backup of which many disks cannot be read: each is left out, and the archive is written anew once for all of them."""

import errno
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from minicloud.errors import Permanent
from minicloud.host import archive
from minicloud.host.backup_manifest import Manifest
from minicloud.reconcile import backing_up, backup_freeze, backup_unfit

from .backups import Place, back_up, file, here, restore, small, there

__all__ = ["file", "here", "small", "there"]

BAD = 6


class Reads:
    """Reads of the disks of a backup, from when it has frozen them, of which some fail; and how often an archive was begun."""

    def __init__(self, place: Place, failing: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
        self.place, self.failing, self.patch = place, failing, monkeypatch
        self.known, self.data, self.bytes, self.archives = dict[int, str](), dict[str, int](), Counter[str](), 0
        settle, write = backup_freeze.settle_jobs, backing_up._write

        def settled(*given: Any) -> None:
            settle(*given)
            self.begin()

        def written(*given: Any) -> None:
            self.archives += 1
            write(*given)

        monkeypatch.setattr(backup_unfit, "_PAUSE", 0.0)
        monkeypatch.setattr(backup_freeze, "settle_jobs", settled)
        monkeypatch.setattr(backing_up, "_write", written)

    def begin(self) -> None:
        pread, state = os.pread, self.place.state
        for volume in state.volumes.query():
            layer = state.layers.get(state.layers.get(volume.layer_id).parent)
            with Path(self.place.disks.path(layer.id)).open("rb") as disk:
                self.known[os.fstat(disk.fileno()).st_ino] = volume.id
                self.data[volume.id] = sum(length for _, length in archive.segments_of(disk.fileno()))

        def read(descriptor: int, size: int, offset: int) -> bytes:
            volume = self.known.get(os.fstat(descriptor).st_ino, "")
            if volume in self.failing:
                raise OSError(self.failing[volume], os.strerror(self.failing[volume]))
            found = pread(descriptor, size, offset)
            self.bytes[volume] += len(found)
            return found

        self.patch.setattr(archive.os, "pread", read)  # type: ignore[attr-defined]


@pytest.fixture
def volumes(here: Place) -> list[str]:
    made = [here.volume(Size=1) for _ in range(BAD + 2)]
    for volume in made:
        here.write(volume, 0, 5)
    return made


def told(made: Manifest, volume: str) -> bool:
    return any(volume in sentence and "is not in the backup: " in sentence for sentence in made.messages)


def test_the_archive_is_written_anew_once(
    here: Place, there: Place, file: Path, volumes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = volumes[BAD:], volumes[:BAD]
    with monkeypatch.context() as patch:
        reads = Reads(here, dict.fromkeys(bad, errno.EIO), patch)
        made = back_up(here.cloud, file)
    assert [volume for volume in volumes if told(made, volume)] == bad
    assert reads.archives == 2
    for volume in good:
        assert reads.bytes[volume] // reads.data[volume] == 2, "but for its header, which others look at, too"
    restore(there.cloud, file)
    there.open()
    for volume in good:
        assert there.of_volume(volume) == here.of_volume(volume)
    assert {there.state.volumes.get(volume).state for volume in bad} == {"error"}


def test_what_may_pass_ends_it(here: Place, file: Path, volumes: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while it is looked whether all others can be read."""
    layers = sorted(volumes, key=lambda volume: here.state.volumes.get(volume).layer_id)
    with monkeypatch.context() as patch:
        Reads(here, {layers[0]: errno.EIO, layers[-1]: errno.ENOMEM}, patch)
        with pytest.raises(Permanent, match=os.strerror(errno.ENOMEM)):
            back_up(here.cloud, file)
    assert list(file.parent.iterdir()) == []
