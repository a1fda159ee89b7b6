"""GetInstanceTypesFromInstanceRequirements: which instance types fit a description, as AWS's table has them."""

import fnmatch
from collections.abc import Callable, Mapping
from typing import Any, TypedDict

from ...api import Answer, Call, operation
from ...aws import instance_types
from ...aws.instance_types import InstanceType

_MANUFACTURERS = {"Intel": "intel", "AMD": "amd", "AWS": "amazon-web-services"}


class Whole(TypedDict, total=False):
    """From `Min` to `Max`, either of which may be missing."""

    Min: int
    Max: int


class Range(TypedDict, total=False):
    """The same with fractions."""

    Min: float
    Max: float


class InstanceRequirements(TypedDict, total=False):
    """What an instance type must be; what is not said does not matter."""

    VCpuCount: Whole
    MemoryMiB: Whole
    CpuManufacturers: list[str]
    MemoryGiBPerVCpu: Range
    ExcludedInstanceTypes: list[str]
    AllowedInstanceTypes: list[str]
    InstanceGenerations: list[str]
    BareMetal: str
    BurstablePerformance: str
    NetworkInterfaceCount: Whole
    LocalStorage: str
    LocalStorageTypes: list[str]
    TotalLocalStorageGB: Range
    BaselineEbsBandwidthMbps: Whole
    AcceleratorTypes: list[str]
    AcceleratorCount: Whole
    AcceleratorManufacturers: list[str]
    AcceleratorTotalMemoryMiB: Whole
    NetworkBandwidthGbps: Range


@operation(items="InstanceTypes", key="InstanceType")
def get_instance_types_from_instance_requirements(
    call: Call, *, architecture_types: list[str], virtualization_types: list[str], instance_requirements: InstanceRequirements
) -> Answer:
    """GetInstanceTypesFromInstanceRequirements. As with AWS, burstable and bare metal types must be asked for."""
    del call
    if "x86_64" not in architecture_types or "hvm" not in virtualization_types:
        return {"InstanceTypes": []}
    fits = [name for name, kind in instance_types.all_types().items() if matches(kind, instance_requirements)]
    return {"InstanceTypes": [{"InstanceType": name} for name in fits]}


def matches(kind: InstanceType, wanted: InstanceRequirements) -> bool:
    """Whether a type is what is wanted."""
    return _in_ranges(kind, wanted) and _among(kind, wanted) and _named(kind, wanted)


def _in_ranges(kind: InstanceType, wanted: Mapping[str, Any]) -> bool:
    gpu, disks = kind.family.gpu, kind.disks or (0, 0)
    figures: dict[str, float] = {
        "VCpuCount": kind.vcpus,
        "MemoryMiB": kind.memory_mib,
        "MemoryGiBPerVCpu": kind.memory_mib / 1024 / kind.vcpus,
        "NetworkInterfaceCount": kind.max_interfaces,
        "TotalLocalStorageGB": disks[0] * disks[1],
        "BaselineEbsBandwidthMbps": kind.ebs_baseline.mbps if kind.ebs_baseline else 0,
        "AcceleratorCount": kind.gpu_count,
        "AcceleratorTotalMemoryMiB": gpu.memory_mib * kind.gpu_count if gpu else 0,
        "NetworkBandwidthGbps": kind.network_gbps,
    }
    return all(
        wanted[name].get("Min", 0) <= figure <= wanted[name].get("Max", float("inf"))
        for name, figure in figures.items()
        if name in wanted
    )


def _among(kind: InstanceType, wanted: Mapping[str, Any]) -> bool:
    gpu = kind.family.gpu
    kinds = {
        "CpuManufacturers": _MANUFACTURERS.get(kind.family.manufacturer, ""),
        "InstanceGenerations": "current" if kind.family.current else "previous",
        "LocalStorageTypes": kind.family.disk_type if kind.disks else "",
        "AcceleratorTypes": "gpu" if gpu else "",
        "AcceleratorManufacturers": gpu.manufacturer.lower() if gpu else "",
    }
    lists = all(value in wanted[name] for name, value in kinds.items() if wanted.get(name))
    return (
        lists
        and _choice(kind.burstable, wanted.get("BurstablePerformance", "excluded"))
        and _choice(kind.disks is not None, wanted.get("LocalStorage", "included"))
        and _choice(False, wanted.get("BareMetal", "excluded"))
    )


def _choice(there: bool, wanted: str) -> bool:
    return {"included": True, "required": there, "excluded": not there}[wanted]


def _named(kind: InstanceType, wanted: InstanceRequirements) -> bool:
    like: Callable[[str], bool] = lambda pattern: fnmatch.fnmatchcase(kind.name, pattern)  # noqa: E731
    allowed, excluded = wanted.get("AllowedInstanceTypes"), wanted.get("ExcludedInstanceTypes") or []
    return (not allowed or any(map(like, allowed))) and not any(map(like, excluded))
