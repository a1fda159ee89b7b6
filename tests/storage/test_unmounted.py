"""Disks, or the file beside them, that are not there just now: the host began without a file system, or somebody brought the
disks and not the stamp.
"""

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from minicloud.cli import adopt
from minicloud.cli.serve import command as serve
from minicloud.cli.session import Session
from minicloud.host.disks import LocalDisks
from minicloud.reconcile import daemon, generations

from ..cloud_fixtures import Ec2, cloud_in
from .backups import Place, back_up, file, here, small, there
from .backups import restore as unpack
from .older import keep, restore
from .test_linked_disks import link
from .test_older_in_use import Patch, Scene, scene

__all__ = ["file", "here", "scene", "small", "there"]


def adopted(here: Place) -> Result:
    return CliRunner().invoke(adopt.command, ["--yes"], obj=here.ec2)


class TestNoStamp:
    def test_it_is_refused_until_it_is_adopted(self, here: Place, tmp_path: Path) -> None:
        """The state may be older: the layer that a snapshot names was merged into since."""
        volume = here.volume(Size=1)
        here.write(volume, 0, 1)
        snapshot = here.snapshot(volume)
        here.write(volume, 0, 2)
        keep(here.cloud, tmp_path / "copy")
        here.ec2("DeleteSnapshot", SnapshotId=snapshot)
        here.look()
        restore(here.cloud, tmp_path / "copy")
        stamp = here.home / "volumes" / "minicloud.json"
        stamp.unlink()
        here.open()
        here.look()
        assert not stamp.exists()
        refused = here.ec2.refused("CreateVolume", AvailabilityZone="us-east-1a", SnapshotId=snapshot)
        assert "minicloud.json is not beside the disks" in refused.message
        assert "minicloud adopt" in refused.message
        assert here.ec2("DescribeVolumes", VolumeIds=[volume])["Volumes"]
        result = adopted(here)
        assert result.exit_code == 0
        assert "may read as a later one" in result.output
        here.look()
        assert here.state.volumes.get(volume).state == "error", "its layer was merged and removed"
        assert stamp.exists()
        assert generations.refusal(here.cloud) == ""

    def test_one_that_another_process_has_just_written_is_none_that_is_lost(self, here: Place, monkeypatch: Patch) -> None:
        here.volume(Size=1)
        real, looks = LocalDisks.stamp, [None]
        monkeypatch.setattr(LocalDisks, "stamp", lambda disks: looks.pop() if looks else real(disks))
        assert generations.refusal(here.cloud) == ""
        assert looks == []

    def test_a_state_without_disks_needs_none(self, here: Place) -> None:
        volume = here.volume(Size=1)
        here.ec2("DeleteVolume", VolumeId=volume)
        here.look()
        (here.home / "volumes" / "minicloud.json").unlink()
        here.open()
        assert here.volume(Size=1)


class TestNotMounted:
    @pytest.fixture
    def away(self, scene: Scene) -> Iterator[Scene]:
        """The host has begun anew, and nothing is where the disks are."""
        scene.host.restart_machine()
        with scene.host.store.change() as held:
            kept = {part: copy.deepcopy(held.pop(part)) for part in ("disks", "stamp")}
            held["disks"] = {}
        scene.ec2 = Ec2(cloud_in(scene.directory, scene.host))
        yield scene
        with scene.host.store.change() as held:
            assert (held["disks"], held.get("stamp")) == ({}, None), "something was written there"
            held.update(kept)
        scene.ec2 = Ec2(cloud_in(scene.directory, scene.host))
        scene.rest()
        row = scene.state.instances.get(scene.instance)
        assert (row.state, row.wish) == ("running", "running")
        assert {volume.state for volume in scene.state.volumes.query()} == {"in-use"}
        assert not scene.state.failures.query()

    def test_nothing_is_changed_until_they_are_there(self, away: Scene) -> None:
        for _ in range(6):
            away.ec2.look()
        refused = away.ec2.refused("CreateVolume", AvailabilityZone="us-east-1a", Size=1)
        assert "is that mounted?" in refused.message
        assert away.ec2.refused("CreateSnapshot", VolumeId=away.volume).message == refused.message
        (failure,) = away.state.failures.query()
        assert failure.message == refused.message
        assert away.ec2("DescribeVolumes")["Volumes"]

    def test_the_daemon_begins_and_waits(self, away: Scene, monkeypatch: Patch) -> None:
        begun = []
        monkeypatch.setattr(daemon, "run", lambda *_: begun.append(True))
        session = Session(connect=lambda: away.ec2.cloud)
        result = CliRunner().invoke(serve, ["--listen", "none"], obj=session)
        assert (result.exit_code, begun) == (0, [True]), result.output


def test_they_are_adopted_as_lost(here: Place) -> None:
    volume = here.volume(Size=1)
    snapshot = here.snapshot(volume)
    (here.home / "volumes").rename(here.home / "elsewhere")
    here.open()
    result = adopted(here)
    assert "is that mounted?" in result.output
    assert f"the snapshot {snapshot} is in error" in result.output
    assert here.volume(Size=1)


@pytest.mark.parametrize("is_older", [False, True])
@pytest.mark.parametrize("place", ["empty", "a link"])
def test_a_place_where_nothing_is_mounted_is_not_adopted(here: Place, place: str, is_older: bool) -> None:
    """Whatever is asked: the disks may be brought yet, and all that is known of them would be in error."""
    volume = here.volume(Size=1)
    here.write(volume, 0, 1)
    snapshot, volumes, away = here.snapshot(volume), here.home / "volumes", here.home.parent / "away"
    content = here.of_volume(volume)
    keep(here.cloud, here.directory / "copy")
    if is_older:
        here.volume(Size=1)
        restore(here.cloud, here.directory / "copy")
    volumes.rename(away)
    if place == "empty":
        volumes.mkdir()
    else:
        volumes.symlink_to(here.home.parent / "mount" / "volumes")
    here.open()
    result = adopted(here)
    assert result.exit_code != 0
    assert f"is in {volumes}, nor minicloud.json, which is beside them: is that mounted?" in str(result.exception)
    assert f"mv {volumes} {volumes}.lost" in str(result.exception)
    assert (here.state.snapshots.get(snapshot).state, here.state.volumes.get(volume).state) == ("completed", "available")
    assert not list(volumes.iterdir() if volumes.exists() else ())
    volumes.rename(here.home / "was")
    away.rename(volumes)
    here.open()
    assert adopted(here).exit_code == 0
    here.look()
    assert (here.state.snapshots.get(snapshot).state, here.of_volume(volume)) == ("completed", content)


def test_a_backup_without_disks_waits_for_them(here: Place, there: Place, file: Path) -> None:
    """Restored nevertheless, where there are none: they may be brought then, and nothing is in error for it."""
    volume = here.volume(Size=1)
    here.write(volume, 0, 1)
    snapshot, content = here.snapshot(volume), here.of_volume(volume)
    back_up(here.cloud, file, disks=False)
    unpack(there.cloud, file, anyway=True)
    there.open()
    there.look()
    assert "is that mounted?" in there.ec2.refused("DeleteSnapshot", SnapshotId=snapshot).message
    (here.home / "volumes").rename(there.home / "volumes")
    there.open()
    there.look()
    there.snapshot(volume)
    assert there.of_volume(volume) == content
    assert there.state.snapshots.get(snapshot).state == "completed"


@pytest.mark.parametrize("is_older", [False, True])
def test_a_link_that_leads_nowhere_now_is_no_lost_disk(here: Place, tmp_path: Path, is_older: bool) -> None:
    """It was neither merged nor removed."""
    volume = here.volume(Size=1)
    here.write(volume, 0, 1)
    snapshot = here.snapshot(volume)
    here.write(volume, 0, 2)
    then, now = here.of_snapshot(snapshot), here.of_volume(volume)
    layer = here.state.snapshots.get(snapshot).layer_id
    link(here, layer, tmp_path / "big")
    keep(here.cloud, tmp_path / "copy")
    if is_older:
        here.volume(Size=1)
        restore(here.cloud, tmp_path / "copy")
    (tmp_path / "big").rename(tmp_path / "away")
    here.open()
    stamp = here.disks.stamp()
    result = adopted(here)
    assert result.exit_code != 0
    assert f"{layer}.qcow2 is a link that leads to no file" in str(result.exception)
    assert here.disks.stamp() == stamp
    (tmp_path / "away").rename(tmp_path / "big")
    here.open()
    assert adopted(here).exit_code == 0
    here.look()
    row = here.state.snapshots.get(snapshot)
    assert (row.state, row.message) == ("completed", "")
    assert (here.of_snapshot(snapshot), here.of_volume(volume)) == (then, now)
