"""An instance type in the words of DescribeInstanceTypes.

Sizes and rates are AWS's. A feature is reported only where minicloud has it: no hibernation, dedicated hosts, spot,
EFA, enclaves, TPM or encryption between hosts, so that a client never asks for one on the strength of this answer.
"""

import re
from typing import Any

from ...aws.instance_types import EbsRate, InstanceType

_SUPPORTED_ONLY_AT_AWS = {
    "HibernationSupported": False,
    "DedicatedHostsSupported": False,
    "NitroEnclavesSupport": "unsupported",
    "NitroTpmSupport": "unsupported",
    "PhcSupport": "unsupported",
    "RebootMigrationSupport": "unsupported",
}

FILTERS = {
    "auto-recovery-supported": "AutoRecoverySupported",
    "bare-metal": "BareMetal",
    "burstable-performance-supported": "BurstablePerformanceSupported",
    "current-generation": "CurrentGeneration",
    "dedicated-hosts-supported": "DedicatedHostsSupported",
    "ebs-info.attachment-limit-type": "EbsInfo.AttachmentLimitType",
    "ebs-info.maximum-ebs-attachments": "EbsInfo.MaximumEbsAttachments",
    "ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps": "EbsInfo.EbsOptimizedInfo.BaselineBandwidthInMbps",
    "ebs-info.ebs-optimized-info.baseline-iops": "EbsInfo.EbsOptimizedInfo.BaselineIops",
    "ebs-info.ebs-optimized-info.baseline-throughput-in-mbps": "EbsInfo.EbsOptimizedInfo.BaselineThroughputInMBps",
    "ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps": "EbsInfo.EbsOptimizedInfo.MaximumBandwidthInMbps",
    "ebs-info.ebs-optimized-info.maximum-iops": "EbsInfo.EbsOptimizedInfo.MaximumIops",
    "ebs-info.ebs-optimized-info.maximum-throughput-in-mbps": "EbsInfo.EbsOptimizedInfo.MaximumThroughputInMBps",
    "ebs-info.ebs-optimized-support": "EbsInfo.EbsOptimizedSupport",
    "ebs-info.encryption-support": "EbsInfo.EncryptionSupport",
    "ebs-info.nvme-support": "EbsInfo.NvmeSupport",
    "free-tier-eligible": "FreeTierEligible",
    "hibernation-supported": "HibernationSupported",
    "hypervisor": "Hypervisor",
    "instance-storage-info.disk.count": "InstanceStorageInfo.Disks[].Count",
    "instance-storage-info.disk.size-in-gb": "InstanceStorageInfo.Disks[].SizeInGB",
    "instance-storage-info.disk.type": "InstanceStorageInfo.Disks[].Type",
    "instance-storage-info.encryption-support": "InstanceStorageInfo.EncryptionSupport",
    "instance-storage-info.nvme-support": "InstanceStorageInfo.NvmeSupport",
    "instance-storage-info.total-size-in-gb": "InstanceStorageInfo.TotalSizeInGB",
    "instance-storage-supported": "InstanceStorageSupported",
    "instance-type": "InstanceType",
    "memory-info.size-in-mib": "MemoryInfo.SizeInMiB",
    "network-info.bandwidth-weightings": "NetworkInfo.BandwidthWeightings[]",
    "network-info.efa-info.maximum-efa-interfaces": "NetworkInfo.EfaInfo.MaximumEfaInterfaces",
    "network-info.efa-supported": "NetworkInfo.EfaSupported",
    "network-info.ena-support": "NetworkInfo.EnaSupport",
    "network-info.encryption-in-transit-supported": "NetworkInfo.EncryptionInTransitSupported",
    "network-info.flexible-ena-queues-support": "NetworkInfo.FlexibleEnaQueuesSupport",
    "network-info.ipv4-addresses-per-interface": "NetworkInfo.Ipv4AddressesPerInterface",
    "network-info.ipv6-addresses-per-interface": "NetworkInfo.Ipv6AddressesPerInterface",
    "network-info.ipv6-supported": "NetworkInfo.Ipv6Supported",
    "network-info.maximum-network-cards": "NetworkInfo.MaximumNetworkCards",
    "network-info.maximum-network-interfaces": "NetworkInfo.MaximumNetworkInterfaces",
    "network-info.network-performance": "NetworkInfo.NetworkPerformance",
    "nitro-enclaves-support": "NitroEnclavesSupport",
    "nitro-tpm-support": "NitroTpmSupport",
    "nitro-tpm-info.supported-versions": "NitroTpmInfo.SupportedVersions[]",
    "processor-info.supported-architecture": "ProcessorInfo.SupportedArchitectures[]",
    "processor-info.supported-features": "ProcessorInfo.SupportedFeatures[]",
    "processor-info.sustained-clock-speed-in-ghz": "ProcessorInfo.SustainedClockSpeedInGhz",
    "reboot-migration-support": "RebootMigrationSupport",
    "supported-boot-mode": "SupportedBootModes[]",
    "supported-root-device-type": "SupportedRootDeviceTypes[]",
    "supported-usage-class": "SupportedUsageClasses[]",
    "supported-virtualization-type": "SupportedVirtualizationTypes[]",
    "vcpu-info.default-cores": "VCpuInfo.DefaultCores",
    "vcpu-info.default-threads-per-core": "VCpuInfo.DefaultThreadsPerCore",
    "vcpu-info.default-vcpus": "VCpuInfo.DefaultVCpus",
    "vcpu-info.valid-cores": "VCpuInfo.ValidCores[]",
    "vcpu-info.valid-threads-per-core": "VCpuInfo.ValidThreadsPerCore[]",
}
"""DescribeInstanceTypes' filters: where each finds its value in what `describe` returns, `[]` after a list."""

OFFERING_FILTERS = {"instance-type": "InstanceType", "location": "Location"}
"""The same for DescribeInstanceTypeOfferings and its InstanceTypeOffering."""


def describe(type: InstanceType) -> dict[str, Any]:
    """The InstanceTypeInfo of AWS's API reference, with every part that the type has."""
    family = type.family
    info: dict[str, Any] = {
        "InstanceType": type.name,
        "CurrentGeneration": family.current,
        "FreeTierEligible": type.free_tier,
        "SupportedUsageClasses": ["on-demand"],
        "SupportedRootDeviceTypes": ["ebs"],
        "SupportedVirtualizationTypes": ["hvm"],
        "BareMetal": False,
        "SupportedInRegion": True,
        "Hypervisor": family.hypervisor,
        "ProcessorInfo": {
            "SupportedArchitectures": ["x86_64"],
            "SustainedClockSpeedInGhz": type.clock_ghz,
            "Manufacturer": family.manufacturer,
        },
        "VCpuInfo": _vcpus(type),
        "MemoryInfo": {"SizeInMiB": type.memory_mib},
        "InstanceStorageSupported": type.disks is not None,
        "EbsInfo": _ebs(type),
        "NetworkInfo": _network(type),
        "PlacementGroupInfo": {"SupportedStrategies": list(family.placement)},
        "BurstablePerformanceSupported": type.burstable,
        "AutoRecoverySupported": family.auto_recovery,
        "SupportedBootModes": list(family.boot_modes),
        **_SUPPORTED_ONLY_AT_AWS,
    }
    if type.disks:
        info["InstanceStorageInfo"] = _storage(type, *type.disks)
    if family.gpu:
        gpu, count = family.gpu, type.gpu_count
        each = {"Name": gpu.name, "Manufacturer": gpu.manufacturer, "Count": count}
        info["GpuInfo"] = {
            "Gpus": [{**each, "MemoryInfo": {"SizeInMiB": gpu.memory_mib}}],
            "TotalGpuMemoryInMiB": gpu.memory_mib * count,
        }
    return info


def _vcpus(type: InstanceType) -> dict[str, Any]:
    threads = type.family.threads_per_core
    info: dict[str, Any] = {
        "DefaultVCpus": type.vcpus,
        "DefaultCores": type.cores,
        "DefaultThreadsPerCore": threads,
    }
    if type.valid_cores:
        info["ValidCores"] = list(type.valid_cores)
        info["ValidThreadsPerCore"] = list(range(1, threads + 1))
    return info


def _ebs(type: InstanceType) -> dict[str, Any]:
    info: dict[str, Any] = {
        "EbsOptimizedSupport": type.family.ebs_optimized,
        "EncryptionSupport": "supported",
        "NvmeSupport": type.family.ebs_nvme,
        "MaximumEbsAttachments": type.max_volumes,
        "AttachmentLimitType": type.family.volume_limit,
    }
    if type.ebs_baseline and type.ebs_maximum:
        info["EbsOptimizedInfo"] = {**_rate("Baseline", type.ebs_baseline), **_rate("Maximum", type.ebs_maximum)}
    return info


def _rate(which: str, rate: EbsRate) -> dict[str, Any]:
    return {
        f"{which}BandwidthInMbps": rate.mbps,
        f"{which}ThroughputInMBps": rate.mb_per_second,
        f"{which}Iops": rate.iops,
    }


def _network(type: InstanceType) -> dict[str, Any]:
    cards = type.family.network_cards
    return {
        "NetworkPerformance": type.network,
        "MaximumNetworkInterfaces": type.max_interfaces,
        "MaximumNetworkCards": cards,
        "DefaultNetworkCardIndex": 0,
        "NetworkCards": [_card(type, index) for index in range(cards)],
        "Ipv4AddressesPerInterface": type.addresses_per_interface,
        "Ipv6AddressesPerInterface": type.addresses_per_interface,
        "Ipv6Supported": True,
        "EnaSupport": type.family.ena,
        "EfaSupported": False,
        "EncryptionInTransitSupported": False,
        "EnaSrdSupported": False,
        "FlexibleEnaQueuesSupport": "unsupported",
    }


def _card(type: InstanceType, index: int) -> dict[str, Any]:
    words = type.network.rpartition("x ")[2]
    card: dict[str, Any] = {
        "NetworkCardIndex": index,
        "NetworkPerformance": words,
        "MaximumNetworkInterfaces": type.max_interfaces // type.family.network_cards,
        "BaselineBandwidthInGbps": type.network_gbps,
    }
    if number := re.search(r"([\d.]+) Gigabit", words):
        # The words round (28.12 for 28.125), and some give less than the network sustains.
        card["PeakBandwidthInGbps"] = max(float(number[1]), type.network_gbps)
    return card


def _storage(type: InstanceType, count: int, size: int) -> dict[str, Any]:
    nvme = type.family.disk_nvme
    return {
        "TotalSizeInGB": count * size,
        "Disks": [{"SizeInGB": size, "Count": count, "Type": type.family.disk_type}],
        "NvmeSupport": nvme,
        "EncryptionSupport": "required" if nvme == "required" else "unsupported",
    }
