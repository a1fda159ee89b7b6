"""Storage: what snapshots cost in time and space, what depth costs in reads, and that a volume's limits limit.

1. CreateSnapshot of a 1 GB and of a 10 GB volume with the same dirty data (ratio at most 1.2), against a full
   `qemu-img convert` (at least 20 times as long).
2. Random 4 K reads with five layers against one (at least 0.8 of the speed): all from the host's memory, where a layer costs
   the most; with a real disk, or a guest, in between it costs less.
3. Disk space of five snapshots against the bytes that were changed (at most 10 % more).
4. Loads inside a guest against the IOPS and the throughput that its volumes may have, before and after they are changed.
"""

import dataclasses
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from minicloud import api, config
from minicloud.cloud import Cloud
from minicloud.host import local
from minicloud.reconcile import loop
from minicloud.reconcile.worker import worker_for

from .measure import command, in_turn, report, seconds

MIB, GIB = 1 << 20, 1 << 30
DIRTY = 896 * MIB
RUNS = 15


class Bench:
    """A cloud in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        settings = dataclasses.replace(config.load(), home=directory / "home", run=directory / "run")
        self.cloud = Cloud(settings, local.host)
        self.cloud.worker = worker_for(self.cloud)
        self.directory = directory

    def __call__(self, name: str, **params: Any) -> dict[str, Any]:
        """An operation of EC2."""
        return api.call(self.cloud, "ec2", name, params)

    def volume(self, size: int, dirty: int = 0) -> str:
        """A volume of `size` GiB, with so many bytes of noise in it."""
        made = self("CreateVolume", AvailabilityZone="us-east-1a", Size=size, VolumeType="gp3")["VolumeId"]
        self.fill(made, 0, dirty)
        return str(made)

    def top(self, volume: str) -> str:
        """The file that a volume writes to."""
        row = self.cloud.state.volumes.get(volume)
        assert row is not None
        return self.cloud.host.disks.path(row.layer_id)

    def fill(self, volume: str, start: int, size: int) -> None:
        """Write noise to a volume."""
        noise = self.directory / "noise"
        noise.write_bytes(random.Random(start + size).randbytes(16 * MIB))
        words = [f"write -q -s {noise} {at} {min(16 * MIB, start + size - at)}" for at in range(start, start + size, 16 * MIB)]
        if words:
            command("qemu-io", "-f", "qcow2", *(part for word in words for part in ("-c", word)), self.top(volume))

    def snapshot(self, volume: str) -> str:
        """A snapshot, taken."""
        return str(self("CreateSnapshot", VolumeId=volume)["SnapshotId"])

    def delete(self, volume: str) -> None:
        """A volume with all its snapshots."""
        for row in self.cloud.state.snapshots.find(volume_id=volume):
            self("DeleteSnapshot", SnapshotId=row.id)
        self("DeleteVolume", VolumeId=volume)
        loop.run_pass(self.cloud, look=True)


@contextmanager
def bench() -> Iterator[Bench]:
    """The cloud, in the laboratory's memory."""
    with tempfile.TemporaryDirectory(dir="/var/lib/minicloud") as name:
        Path(name).chmod(0o711)
        yield Bench(Path(name))


def time_of_snapshots(cloud: Bench) -> None:
    """The first claim. The same snapshot is deleted again, outside the clock, so that no chain grows."""
    small, large = cloud.volume(1, DIRTY), cloud.volume(10, DIRTY)
    times: dict[str, list[float]] = {"10 GB": [], "1 GB": []}
    for run in range(RUNS + 1):
        for name, volume in (("10 GB", large), ("1 GB", small)):
            cloud.fill(volume, run * MIB, MIB)
            took = seconds(lambda volume=volume: cloud.snapshot(volume))
            if run:
                times[name].append(took)
            cloud("DeleteSnapshot", SnapshotId=cloud.cloud.state.snapshots.find(volume_id=volume)[-1].id)
    report("create-snapshot, the same dirty data", times, "at most 1.2")
    copy = cloud.directory / "copy.qcow2"
    converted = []
    for _ in range(3):
        converted.append(
            seconds(lambda: command("qemu-img", "convert", "-f", "qcow2", "-O", "qcow2", cloud.top(large), str(copy)))
        )
        copy.unlink()  # each copy is a new file, as each snapshot is
    report("a full qemu-img convert against it", {"convert": converted, "snapshot": times["10 GB"][:3]}, "at least 20")
    for volume in (small, large):
        cloud.delete(volume)


def reads_in_depth(cloud: Bench) -> None:
    """The second claim, by `qemu-img bench` over a region that lies in the lowest layer."""
    flat, deep = cloud.volume(1, DIRTY), cloud.volume(1, DIRTY)
    for number in range(4):
        cloud.snapshot(deep)
        cloud.fill(deep, DIRTY + number * MIB, MIB)

    def read(volume: str) -> None:
        """Steps of a prime number of blocks go over the region in an order that no read-ahead helps."""
        load = ("-c", "150000", "-d", "8", "-s", "4096", "-S", str(4096 * 4099), "-t", "writeback")
        command("qemu-img", "bench", "-f", "qcow2", *load, cloud.top(volume))

    times = in_turn({"depth 1": lambda: read(flat), "depth 5": lambda: read(deep)}, RUNS)
    report("150000 scattered reads of 4 KB: the speed at depth 5 is that at depth 1 times", times, "at least 0.8")
    for volume in (flat, deep):
        cloud.delete(volume)


def space_of_snapshots(cloud: Bench) -> None:
    """The third claim."""
    volume = cloud.volume(10, 64 * MIB)
    before = sum(cloud.cloud.host.disks.list().values())
    changed = 0
    for number in range(5):
        cloud.snapshot(volume)
        cloud.fill(volume, number * 16 * MIB, 32 * MIB)
        changed += 32 * MIB
    used = sum(cloud.cloud.host.disks.list().values()) - before
    print(f"\ndisk space of five snapshots: {used / MIB:.1f} MiB for {changed / MIB:.1f} MiB changed")
    print(f"  ratio (wanted: at most 1.10): {used / changed:.3f}")
    cloud.delete(volume)


def main() -> None:
    """All of it."""
    with bench() as cloud:
        time_of_snapshots(cloud)
        reads_in_depth(cloud)
        space_of_snapshots(cloud)
    from .storage_limits import limits

    limits()


if __name__ == "__main__":
    main()
