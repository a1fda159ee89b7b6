"""The volume types of EBS: AWS's ranges of size, IOPS and throughput, and what a volume of each may do.

Sizes in GiB, throughput in MiB a second. The figures are those of AWS's CreateVolume page and its guide to volume types.
"""

from dataclasses import dataclass

from ..errors import ApiError


@dataclass(frozen=True)
class Limits:
    """What a volume may do in a second: operations, MiB; and after a rest, for `seconds`."""

    iops: int
    throughput: int
    burst_iops: int = 0
    burst_throughput: int = 0
    seconds: int = 0


@dataclass(frozen=True)
class VolumeType:
    """A type. `iops` is the range that may be asked for, None where none may; `per_gib` how many IOPS a GiB allows."""

    name: str
    size: tuple[int, int]
    iops: tuple[int, int] | None = None
    default_iops: int = 0
    per_gib: int = 0
    throughput: tuple[int, int] | None = None


TYPES = {
    kind.name: kind
    for kind in (
        VolumeType("gp3", (1, 65536), (3000, 80000), 3000, 500, (125, 2000)),
        VolumeType("gp2", (1, 16384)),
        VolumeType("io1", (4, 16384), (100, 64000), 0, 50),
        VolumeType("io2", (4, 65536), (100, 256000), 0, 1000),
        VolumeType("st1", (125, 16384)),
        VolumeType("sc1", (125, 16384)),
        VolumeType("standard", (1, 1024)),
    )
}
_MIB_A_TIB = 1 << 20


@dataclass(frozen=True)
class Wanted:
    """A checked volume: `iops` as AWS shows it (0: not shown), `throughput` 0 except for gp3."""

    kind: str
    size: int
    iops: int
    throughput: int


def get(name: str) -> VolumeType:
    """The type of a name. Raises ApiError (UnknownVolumeType)."""
    if name not in TYPES:
        raise ApiError("UnknownVolumeType", f"Unsupported volume type '{name}' for volume creation.")
    return TYPES[name]


def check(name: str, size: int, iops: int | None, throughput: int | None) -> Wanted:
    """What a volume of these becomes. Raises ApiError with AWS's codes."""
    kind = get(name)
    _check_size(kind, size)
    return Wanted(name, size, _iops(kind, size, iops), _throughput(kind, iops or kind.default_iops, throughput))


def _check_size(kind: VolumeType, size: int) -> None:
    low, high = kind.size
    if size < 0:
        raise ApiError(
            "InvalidParameterValue", f"Value ({size}) for parameter size is invalid. Value must be a positive integer."
        )
    if size < low:
        raise ApiError(
            "InvalidParameterValue",
            f"The volume size is invalid for {kind.name} volumes: {size} GiB. {kind.name} volumes must be at least {low} GiB "
            "in size. Please specify a volume size above the minimum limit.",
        )
    if size > high:
        raise ApiError(
            "InvalidParameterValue", f"Volume of {size}GiB is too large for volume type {kind.name}; maximum is {high}GiB"
        )


def _iops(kind: VolumeType, size: int, wanted: int | None) -> int:
    if kind.iops is None:
        if wanted is not None:
            raise ApiError("InvalidParameterCombination", f"The parameter iops is not supported for {kind.name} volumes.")
        return gp2_iops(size) if kind.name == "gp2" else 0
    if wanted is None:
        if not kind.default_iops:
            raise ApiError("MissingParameter", f"The parameter iops must be specified for {kind.name} volumes.")
        return kind.default_iops
    low, high = kind.iops
    if not low <= wanted <= high:
        bound, word = (low, "at least") if wanted < low else (high, "at most")
        raise ApiError("InvalidParameterValue", f"Volume iops of {wanted} is invalid for {kind.name}; it must be {word} {bound}.")
    if wanted > max(kind.per_gib * size, kind.default_iops):
        raise ApiError(
            "InvalidParameterValue",
            f"Iops to volume size ratio of {wanted / size:f} is too high; maximum is {kind.per_gib} IOPS per GiB",
        )
    return wanted


def _throughput(kind: VolumeType, iops: int, wanted: int | None) -> int:
    if kind.throughput is None:
        if wanted is not None:
            raise ApiError("InvalidParameterCombination", f"The parameter throughput is not supported for {kind.name} volumes.")
        return 0
    low, high = kind.throughput
    chosen = low if wanted is None else wanted
    if not low <= chosen <= high:
        raise ApiError(
            "InvalidParameterValue", f"Throughput of {chosen} MiBps is invalid for {kind.name}; allowed: {low} to {high}."
        )
    if chosen > max(low, iops // 4):
        raise ApiError(
            "InvalidParameterValue", f"Throughput (MiBps) to iops ratio of {chosen / iops:f} is too high; maximum is 0.250000."
        )
    return chosen


def gp2_iops(size: int) -> int:
    """Three for each GiB, at least 100 and at most 16,000."""
    return min(16000, max(100, 3 * size))


def limits(kind: str, size: int, iops: int, throughput: int) -> Limits:
    """What a volume of these may do. Bursts are AWS's buckets, as the seconds that a full one lasts."""
    if kind == "gp3":
        return Limits(iops, throughput)
    if kind == "gp2":
        base, most = gp2_iops(size), 128 if size <= 170 else 250
        if base >= 3000:
            return Limits(base, most)
        return Limits(base, most, burst_iops=3000, seconds=5_400_000 // (3000 - base))
    if kind in ("io1", "io2"):
        most = min(1000, max(1, iops // 4)) if kind == "io1" else min(4000, max(1, iops // 4))
        return Limits(iops, most)
    if kind in ("st1", "sc1"):
        per_tib, burst_per_tib, most = (40, 250, 500) if kind == "st1" else (12, 80, 250)
        base, burst = max(1, size * per_tib // 1024), min(most, max(1, size * burst_per_tib // 1024))
        seconds = size * _MIB_A_TIB // 1024 // max(1, burst - base)
        return Limits(500 if kind == "st1" else 250, base, burst_throughput=burst, seconds=seconds)
    return Limits(100, 90, burst_iops=300, seconds=30)
