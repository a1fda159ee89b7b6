"""What a guest did between two looks at its counters, and what that is in EC2's and EBS's metrics. Pure functions.

A counter that was reset (the guest was started anew, the hypervisor's daemon lost it) makes a gap: never a negative or a huge
value. Rates are by the steady clock, which no change of the time of day moves.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..aws import instance_types, volume_types
from ..aws.instance_types import InstanceType
from ..host.contracts_meters import DiskCounters, GuestCounters, NicCounters
from ..state.rows import Instance, Volume

Figures = dict[str, tuple[str, float]]
"""Values by the names of their metrics, with their units."""


@dataclass(frozen=True)
class Usage:
    """What a guest did in `seconds`."""

    seconds: float
    cpu_seconds: float
    vcpus: int
    disks: Mapping[str, DiskCounters] = field(default_factory=dict)
    nics: Mapping[str, NicCounters] = field(default_factory=dict)
    lost_seconds: float = 0.0

    @property
    def utilization(self) -> float:
        """The percentage of its own time that the guest's vCPUs ran."""
        own = self.seconds * max(1, self.vcpus) - self.lost_seconds
        return min(100.0, 100.0 * self.cpu_seconds / max(own, self.cpu_seconds, 1e-9))


def between(before: GuestCounters, after: GuestCounters, seconds: float) -> Usage | None:
    """The difference, None where the counters are not of one life of the guest."""
    if before.life != after.life or seconds <= 0 or after.cpu_seconds < before.cpu_seconds:
        return None
    disks = {serial: _disk(before.disks.get(serial), now) for serial, now in after.disks.items()}
    nics = {tap: _nic(before.nics.get(tap), now) for tap, now in after.nics.items()}
    kept_disks = {serial: found for serial, found in disks.items() if found is not None}
    kept_nics = {tap: found for tap, found in nics.items() if found is not None}
    lost = max(0.0, after.lost_seconds - before.lost_seconds)
    return Usage(seconds, after.cpu_seconds - before.cpu_seconds, after.vcpus, kept_disks, kept_nics, lost)


def _disk(before: DiskCounters | None, after: DiskCounters) -> DiskCounters | None:
    """What was plugged in meanwhile began with nothing; what counts from the beginning again is left out."""
    if before is None:
        return after
    found = DiskCounters(
        after.read_ops - before.read_ops,
        after.read_bytes - before.read_bytes,
        after.read_seconds - before.read_seconds,
        after.write_ops - before.write_ops,
        after.write_bytes - before.write_bytes,
        after.write_seconds - before.write_seconds,
    )
    return found if min(found.read_ops, found.read_bytes, found.write_ops, found.write_bytes) >= 0 else None


def _nic(before: NicCounters | None, after: NicCounters) -> NicCounters | None:
    if before is None:
        return after
    found = NicCounters(
        after.in_bytes - before.in_bytes,
        after.in_packets - before.in_packets,
        after.out_bytes - before.out_bytes,
        after.out_packets - before.out_packets,
    )
    return found if min(found.in_bytes, found.in_packets, found.out_bytes, found.out_packets) >= 0 else None


def of_instance(row: Instance, usage: Usage) -> Figures:
    """EC2's metrics of an instance. Those of the instance store are there for types that have one."""
    kind = instance_types.get(row.instance_type)
    figures: Figures = {
        "CPUUtilization": ("Percent", usage.utilization),
        "NetworkIn": ("Bytes", float(sum(nic.in_bytes for nic in usage.nics.values()))),
        "NetworkOut": ("Bytes", float(sum(nic.out_bytes for nic in usage.nics.values()))),
        "NetworkPacketsIn": ("Count", float(sum(nic.in_packets for nic in usage.nics.values()))),
        "NetworkPacketsOut": ("Count", float(sum(nic.out_packets for nic in usage.nics.values()))),
    }
    if kind.family.hypervisor == "nitro":
        figures |= _io("EBS", [disk for name, disk in usage.disks.items() if name.startswith("vol")])
    if kind.disks is not None:
        figures |= _io("Disk", [disk for name, disk in usage.disks.items() if name.startswith("ephemeral")])
    return figures


def _io(prefix: str, disks: list[DiskCounters]) -> Figures:
    return {
        f"{prefix}ReadOps": ("Count", float(sum(disk.read_ops for disk in disks))),
        f"{prefix}WriteOps": ("Count", float(sum(disk.write_ops for disk in disks))),
        f"{prefix}ReadBytes": ("Bytes", float(sum(disk.read_bytes for disk in disks))),
        f"{prefix}WriteBytes": ("Bytes", float(sum(disk.write_bytes for disk in disks))),
    }


def of_checks(*, system: bool, instance: bool, volumes: bool) -> Figures:
    """The status checks; each argument says whether that one failed."""
    failed = {"System": system, "Instance": instance, "AttachedEBS": volumes}
    figures = {f"StatusCheckFailed_{name}": ("Count", float(value)) for name, value in failed.items()}
    return {"StatusCheckFailed": ("Count", float(any(failed.values()))), **figures}


def of_volume(usage: Usage, disk: DiskCounters) -> Figures:
    """EBS's metrics of a volume. It was idle while no operation was under way, as far as their times can tell."""
    busy = disk.read_seconds + disk.write_seconds
    return {
        "VolumeReadOps": ("Count", float(disk.read_ops)),
        "VolumeWriteOps": ("Count", float(disk.write_ops)),
        "VolumeReadBytes": ("Bytes", float(disk.read_bytes)),
        "VolumeWriteBytes": ("Bytes", float(disk.write_bytes)),
        "VolumeTotalReadTime": ("Seconds", disk.read_seconds),
        "VolumeTotalWriteTime": ("Seconds", disk.write_seconds),
        "VolumeIdleTime": ("Seconds", max(0.0, usage.seconds - busy)),
        "VolumeQueueLength": ("Count", busy / usage.seconds),
    }


@dataclass(frozen=True)
class Credits:
    """CPU credits, one vCPU for a minute each: what is left, and what an unlimited instance has spent beyond that."""

    balance: float = 0.0
    surplus: float = 0.0
    charged: float = 0.0
    used: float = 0.0

    def after(self, kind: InstanceType, usage: Usage, *, unlimited: bool) -> "Credits":
        """AWS's rules: earned by the hour, kept up to a day's; what is earned pays the surplus first."""
        most, used = 24 * kind.credits_per_hour, usage.cpu_seconds / 60.0
        left = self.balance - self.surplus + kind.credits_per_hour * usage.seconds / 3600.0 - used
        balance, surplus, charged = min(max(left, 0.0), most), max(-left, 0.0) if unlimited else 0.0, 0.0
        if surplus > most:
            surplus, charged = most, surplus - most
        return Credits(balance, surplus, self.charged + charged, self.used + used)


def first_credits(kind: InstanceType) -> Credits:
    """What a new instance has: launch credits for T2, nothing for later families."""
    return Credits(30.0 * kind.vcpus if kind.family.name == "t2" else 0.0)


def bursts(volume: Volume) -> bool:
    """Whether a volume has a BurstBalance."""
    found = volume_types.limits(volume.kind, volume.size, volume.iops, volume.throughput)
    return volume.kind in ("gp2", "st1", "sc1") and bool(found.burst_iops or found.burst_throughput > found.throughput)


def burst_after(volume: Volume, balance: float, usage: Usage, disk: DiskCounters) -> float:
    """What is left of a volume's burst bucket, in percent: it fills at the volume's own rate, and each use takes from it."""
    found = volume_types.limits(volume.kind, volume.size, volume.iops, volume.throughput)
    if found.burst_iops:
        size = float((found.burst_iops - found.iops) * found.seconds)
        rate, used = float(found.iops), float(disk.read_ops + disk.write_ops)
    else:
        size = float((found.burst_throughput - found.throughput) * found.seconds)
        rate, used = float(found.throughput), (disk.read_bytes + disk.write_bytes) / (1 << 20)
    return min(100.0, max(0.0, balance + 100.0 * (rate * usage.seconds - used) / max(1.0, size)))
