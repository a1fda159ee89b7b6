"""A copy that virsh makes of a running guest's disk, with the real drivers: it outlives snapshots, merges and backups of ours."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from minicloud.errors import Retry
from minicloud.host.run import run
from minicloud.reconcile import backing_up

from ..waits import until
from .test_crashes import World, only_world, world

__all__ = ["only_world", "world"]
pytestmark = pytest.mark.lab
WAITS = "a disk has a job of another program: copy of "


@contextlib.contextmanager
def copying(world: World) -> Iterator[str]:
    """virsh copies the volume, and has not ended it: the guest writes to both. The name of the disk."""
    serial, place = world.volume.replace("-", ""), Path("/var/lib/minicloud/stranger.qcow2")
    (top, *_) = world.ec2.cloud.host.blocks.chains(world.instance)[serial]
    lines = run(["virsh", "-q", "domblklist", world.instance]).text.splitlines()
    name = next(line.split()[0] for line in lines if line.split()[1:] == [top])
    run(["virsh", "-q", "blockcopy", world.instance, name, str(place), "--transient-job", "--wait"])
    try:
        yield name
    finally:
        run(["virsh", "-q", "blockjob", world.instance, name, "--abort"], check=False)
        until("the job has ended", lambda: not world.ec2.cloud.host.blocks.jobs(world.instance))
        place.unlink(missing_ok=True)


def goes_on(world: World, name: str) -> None:
    assert run(["virsh", "-q", "blockjob", world.instance, name, "--raw"]).text.strip().startswith("type=Block Copy"), (
        "the copy was given up"
    )


def test_a_snapshot_and_a_merge(world: World) -> None:
    kept = world.snapshot()
    gone = world.snapshot()
    with copying(world) as name:
        made = world.ec2("CreateSnapshot", VolumeId=world.volume)["SnapshotId"]
        goes_on(world, name)
        (shown,) = world.ec2("DescribeSnapshots", SnapshotIds=[made])["Snapshots"]
        assert (shown["State"], shown["StateMessage"].startswith(WAITS)) == ("error", True)
        world.ec2("DeleteSnapshot", SnapshotId=made)
        world.ec2("DeleteSnapshot", **world.delete(gone))
        world.ec2.look()
        goes_on(world, name)
        assert any(row.message.startswith(WAITS) for row in world.state.failures.query())
        world.write()
    until("it is tried again", lambda: (world.look(), not world.state.failures.query())[1])
    world.check()
    assert list(world.taken) == [kept]
    assert world.snapshot()
    world.check()


def test_a_backup(world: World, tmp_path: Path) -> None:
    with copying(world) as name:
        with pytest.raises(Retry, match=WAITS):
            backing_up.make(world.ec2.cloud, tmp_path / "b.tar", disks=True, say=lambda _: None, progress=lambda *_: None)
        goes_on(world, name)
    world.look()
    world.check()
    backing_up.make(world.ec2.cloud, tmp_path / "b.tar", disks=True, say=lambda _: None, progress=lambda *_: None)
    assert (tmp_path / "b.tar").exists()
