"""The instance types: AWS's figures, read once from two tables beside this file.

`instance_types.tsv` has a row a type and `instance_families.tsv` a row a family; their first lines explain the columns.
The figures are AWS's, so that a client that sizes or prices by them comes to the same result here. Nothing of this
host is in them: whether a type fits is for others to say. Reading takes a few milliseconds, and only who asks pays.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..errors import ApiError

Kind = Literal["General purpose", "Compute optimized", "Memory optimized", "Storage optimized", "Accelerated computing"]
FREE_TIER = frozenset({"t2.micro", "t3.micro"})
_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Gpu:
    """One model of GPU; `memory_mib` is that of one."""

    manufacturer: str
    name: str
    memory_mib: int


@dataclass(frozen=True, slots=True)
class Family:
    """What all sizes of a family share. The words are those of DescribeInstanceTypes."""

    name: str
    kind: str
    manufacturer: str
    hypervisor: str
    threads_per_core: int
    ena: str
    ebs_optimized: str
    ebs_nvme: str
    volume_limit: str
    boot_modes: tuple[str, ...]
    placement: tuple[str, ...]
    auto_recovery: bool
    current: bool
    network_cards: int
    disk_type: str | None
    disk_nvme: str
    gpu: Gpu | None


@dataclass(frozen=True, slots=True)
class EbsRate:
    """What EBS gives an instance: bandwidth in Mbps, operations a second."""

    mbps: int
    iops: int

    @property
    def mb_per_second(self) -> float:
        """The same bandwidth in MB/s."""
        return self.mbps / 8


@dataclass(frozen=True, slots=True)
class InstanceType:
    """One instance type. `network_gbps` is what a network card sustains; the peak is in the words of `network`."""

    name: str
    family: Family
    vcpus: int
    memory_mib: int
    network: str
    network_gbps: float
    max_interfaces: int
    addresses_per_interface: int
    """IPv4 addresses, and as many IPv6 addresses."""
    max_volumes: int
    ebs_baseline: EbsRate | None
    ebs_maximum: EbsRate | None
    valid_cores: tuple[int, ...]
    """The numbers of cores that CpuOptions may choose; empty where there is no choice."""
    clock_ghz: float
    baseline: float
    """The part of each vCPU that is always there: 1.0, or less for burstable types."""
    burstable: bool
    disks: tuple[int, int] | None
    """The instance store: how many disks, and the size of each in GB."""
    gpu_count: int
    usd_per_hour: float
    """What AWS asks for an hour of Linux on demand in us-east-1."""

    @property
    def cores(self) -> int:
        """The cores a guest sees by default."""
        return self.vcpus // self.family.threads_per_core

    @property
    def credits_per_hour(self) -> float:
        """CPU credits earned in an hour; one credit is one vCPU for a minute. 0 for types that are not burstable."""
        return self.vcpus * self.baseline * 60 if self.burstable else 0.0

    @property
    def cpu_weight(self) -> float:
        """The share of each vCPU when the host is busy, where 1.0 is a whole vCPU."""
        return self.baseline

    @property
    def free_tier(self) -> bool:
        """Whether AWS's free tier covers it."""
        return self.name in FREE_TIER


def all_types() -> dict[str, InstanceType]:
    """Every instance type by name, in the order of the table. The caller must not change the dictionary."""
    return _load()


def get(name: str) -> InstanceType:
    """The type called `name`. Raises ApiError InvalidParameterValue."""
    try:
        return _load()[name]
    except KeyError:
        raise ApiError("InvalidParameterValue", f"Invalid value '{name}' for InstanceType.") from None


def with_cpus(name: str, cores: int, threads: int) -> InstanceType:
    """The type called `name` with the vCPUs of so many cores, and threads of each; 0 for its own. Raises ApiError."""
    kind = get(name)
    return replace(kind, vcpus=cores * threads) if cores else kind


def similar(name: str) -> list[str]:
    """Names of at most three types that somebody who typed `name` may have meant, the likeliest first."""
    import difflib

    return difflib.get_close_matches(name.strip().lower(), _load(), n=3, cutoff=0.7)


@functools.cache
def _load() -> dict[str, InstanceType]:
    families = {row["family"]: _family(row) for row in _rows("instance_families.tsv")}
    types = (_type(row, families[row["type"].split(".")[0]]) for row in _rows("instance_types.tsv"))
    return {each.name: each for each in types}


def _rows(file: str) -> Iterator[dict[str, str]]:
    lines = (line for line in (_HERE / file).read_text("utf-8").splitlines() if not line.startswith("#"))
    header = next(lines).split("\t")
    for line in lines:
        yield dict(zip(header, line.split("\t"), strict=True))


def _family(row: dict[str, str]) -> Family:
    manufacturer, name, memory = row["gpu"].split() if row["gpu"] != "-" else ("", "", "0")
    return Family(
        name=row["family"],
        kind=row["kind"],
        manufacturer=row["manufacturer"],
        hypervisor=row["hypervisor"],
        threads_per_core=int(row["threads"]),
        ena=row["ena"],
        ebs_optimized=row["ebs_optimized"],
        ebs_nvme=row["ebs_nvme"],
        volume_limit=row["volume_limit"],
        boot_modes=tuple(row["boot_modes"].split(",")),
        placement=tuple(row["placement"].split(",")),
        auto_recovery=row["recovery"] == "yes",
        current=row["current"] == "yes",
        network_cards=int(row["cards"]),
        disk_type=None if row["disk"] == "-" else row["disk"],
        disk_nvme=row["disk_nvme"],
        gpu=Gpu(manufacturer, name, int(memory)) if name else None,
    )


def _type(row: dict[str, str], family: Family) -> InstanceType:
    burstable = row["baseline"] != "-"
    count, _, size = row["disks"].partition("x")
    return InstanceType(
        name=row["type"],
        family=family,
        vcpus=int(row["vcpus"]),
        memory_mib=int(row["memory"]),
        network=row["network"],
        network_gbps=float(row["gbps"]),
        max_interfaces=int(row["enis"]),
        addresses_per_interface=int(row["addresses"]),
        max_volumes=int(row["volumes"]),
        ebs_baseline=_rate(row["ebs_mbps"], row["iops"]),
        ebs_maximum=_rate(row["ebs_max_mbps"], row["max_iops"]),
        valid_cores=_numbers(row["cores"]),
        clock_ghz=float(row["ghz"]),
        baseline=float(row["baseline"]) / 100 if burstable else 1.0,
        burstable=burstable,
        disks=(int(count), int(size)) if size else None,
        gpu_count=0 if row["gpus"] == "-" else int(row["gpus"]),
        usd_per_hour=float(row["usd"]),
    )


def _rate(mbps: str, iops: str) -> EbsRate | None:
    return None if mbps == "-" else EbsRate(int(mbps), int(iops))


@functools.cache
def _numbers(text: str) -> tuple[int, ...]:
    """The numbers that "1-4,8-16/2,24" stands for: ranges with both ends in, "/2" counting by two."""
    found: list[int] = []
    for part in () if text == "-" else text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        found.extend(range(int(first), int(last or first) + 1, int(step or 1)))
    return tuple(found)
