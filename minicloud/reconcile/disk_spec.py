"""A volume as the disk of a guest: pure, but for where the driver keeps it."""

import dataclasses
from typing import Any

from ..aws import volume_types
from ..host.contracts import Host
from ..host.contracts_storage import DiskSpec, IoLimits
from ..state.rows import Volume

GIB = 1 << 30
_MIB = 1 << 20


def serial(volume: Volume) -> str:
    """What the guest sees: the id without its dash, as with EBS."""
    return volume.id.replace("-", "")


def limits(volume: Volume) -> IoLimits:
    """What the volume's type lets it do."""
    allowed = volume_types.limits(volume.kind, volume.size, volume.iops, volume.throughput)
    return IoLimits(
        iops=allowed.iops,
        throughput=allowed.throughput * _MIB,
        burst_iops=allowed.burst_iops,
        burst_throughput=allowed.burst_throughput * _MIB,
        burst_seconds=allowed.seconds,
    )


def of_volume(host: Host, volume: Volume) -> DiskSpec:
    """The disk."""
    return DiskSpec(volume.id, host.disks.path(volume.layer_id), serial(volume), volume.device, limits(volume))


def modified(volume: Volume, target: dict[str, Any]) -> Volume:
    """The volume as a modification wants it. None gets smaller: one that does in an older state was made larger again since."""
    return dataclasses.replace(
        volume,
        size=max(volume.size, target["Size"]),
        kind=target["VolumeType"],
        iops=target["Iops"],
        throughput=target["Throughput"],
    )
