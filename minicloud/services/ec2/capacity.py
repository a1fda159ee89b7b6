"""What fits on the host.

Memory is given out once, all but what the host keeps. A type of full performance gets whole vCPUs, so these are given out
once too; a burstable one takes its baseline, which is the share that it is sure of. No type has more vCPUs than the host has
hardware threads.
"""

from collections.abc import Sequence

from ...api import Call
from ...aws import instance_types
from ...aws.instance_types import InstanceType
from ...errors import ApiError
from ...state.rows import Instance
from ...state.rows_access import CapacityReservation
from . import reserved


def how_many(call: Call, kind: InstanceType, most: int) -> tuple[int, str]:
    """How many more guests of this type the host takes, at most `most`, and what stands against more, in words.

    Places that are reserved and empty count as taken.
    """
    host, settings = call.cloud.host.machine.capacity(), call.cloud.settings
    if kind.vcpus > host.threads:
        return 0, f"{kind.name} has {kind.vcpus} vCPUs, and this host {host.threads} hardware threads"
    memory, share = _left(call, reserved.active(call))
    by_memory = max(0, memory) // kind.memory_mib
    by_share = int((max(0.0, share) + 1e-9) / (kind.vcpus * kind.baseline))
    if by_memory <= by_share:
        why = (
            f"{kind.name} takes {kind.memory_mib} MiB; of the host's {host.memory} MiB, {settings.memory_reserve} are its own "
            f"and {host.memory - settings.memory_reserve - memory} are given out, so {max(0, memory)} are left"
        )
    else:
        why = (
            f"{kind.name} takes {kind.vcpus * kind.baseline:g} of the host's {host.threads} hardware threads, "
            f"of which {max(0.0, share):g} are left"
        )
    return min(most, by_memory, by_share), why


def _kind(row: Instance) -> InstanceType:
    """The type of an instance, with the vCPUs that its guest sees."""
    return instance_types.with_cpus(row.instance_type, row.cpu_cores, row.cpu_threads)


def _left(call: Call, reservations: Sequence[CapacityReservation]) -> tuple[int, float]:
    """Memory (MiB) and hardware threads that neither an instance nor an empty place of a reservation has; may be negative."""
    host = call.cloud.host.machine.capacity()
    memory, share = host.memory - call.cloud.settings.memory_reserve, float(host.threads)
    if reservations:
        instances = reserved.taking(call)
        inside = reserved.assign(reservations, instances)
        # A place is kept as a whole, however few CPUs the instance in it has: the next one may have them all.
        kinds = [(instance_types.get(row.instance_type), row.count) for row in reservations]
        kinds += [(_kind(row), 1) for row in instances if row.id not in inside]
    else:  # then it is enough to count
        kinds = [(instance_types.with_cpus(*like), count) for like, count in reserved.counts(call).items()]
    for kind, count in kinds:
        memory -= count * kind.memory_mib
        share -= count * kind.vcpus * kind.baseline
    return memory, share


def check_reservations(call: Call, wanted: Sequence[CapacityReservation], kind: InstanceType, zone: str) -> None:
    """Whether the host has room for all these reservations beside its instances; `kind` is what the new one is for."""
    memory, share = _left(call, wanted)
    if memory < 0 or share < -1e-9 or kind.vcpus > call.cloud.host.machine.capacity().threads:
        raise _insufficient(kind, zone, f"the host lacks {max(0, -memory)} MiB and {max(0.0, -share):g} hardware threads for it")


def _with_reserved(call: Call, kind: InstanceType, zone: str, most: int, preference: str) -> tuple[int, str]:
    """How many fit, and why not more: in the reservations that may be used, and where it may be beside them."""
    rows = [row for row in reserved.active(call) if (row.instance_type, row.zone) == (kind.name, zone)]
    free = reserved.free(call) if rows else {}
    if preference in ("", reserved.ONLY):
        usable = [row for row in rows if row.matches == reserved.OPEN]
    else:
        usable = [row for row in rows if row.id == preference]
    inside = sum(free[row.id] for row in usable)
    if preference not in ("", reserved.NONE):
        return min(most, inside), f"{inside} places are free in the capacity reservations that it may use"
    fits, why = how_many(call, kind, most)
    return min(most, inside + fits), why


def check(call: Call, kind: InstanceType, zone: str, least: int, most: int, *, preference: str = "") -> int:
    """How many to launch. Raises ApiError: InsufficientInstanceCapacity for fewer than `least`, Unsupported without a GPU."""
    fits, why = _with_reserved(call, kind, zone, most, preference)
    if kind.gpu_count:
        free = len(free_accelerators(call))
        if free < kind.gpu_count * least:
            raise ApiError(
                "Unsupported",
                "The requested configuration is currently not supported. Please check the documentation for supported "
                f"configurations. ({kind.name} has {kind.gpu_count} GPUs; of this host's GPUs {free} can be passed through now. "
                "A GPU can when it is bound to the vfio-pci driver and no other instance has it.)",
            )
        fits = min(fits, free // kind.gpu_count)
    if fits < least:
        raise _insufficient(kind, zone, why)
    return fits


def free_accelerators(call: Call) -> list[str]:
    """The PCI addresses of GPUs that can be passed through and that no instance has."""
    taken = {address for row in call.cloud.state.instances.query("state != 'terminated'") for address in row.accelerators}
    return [address for address in call.cloud.host.machine.capacity().accelerators if address not in taken]


def check_running(call: Call, row: Instance) -> None:
    """Whether a stopped instance has room to start. Raises as `check` does, but its GPUs are its own already."""
    kind = _kind(row)
    fits, why = _with_reserved(call, kind, row.zone, 1, row.capacity_reservation)
    if not fits:
        raise _insufficient(kind, row.zone, why)


def _insufficient(kind: InstanceType, zone: str, why: str) -> ApiError:
    return ApiError(
        "InsufficientInstanceCapacity",
        f"We currently do not have sufficient {kind.name} capacity in the Availability Zone you requested ({zone}). "
        f"Our system will be working on provisioning additional capacity. ({why}.)",
        500,
    )
