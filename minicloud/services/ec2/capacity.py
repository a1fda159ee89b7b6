"""What fits on the host.

Memory is given out once, all but what the host keeps. A type of full performance gets whole vCPUs, so these are given out
once too; a burstable one takes its baseline, which is the share that it is sure of. No type has more vCPUs than the host has
hardware threads.
"""

from ...api import Call
from ...aws import instance_types
from ...aws.instance_types import InstanceType
from ...errors import ApiError
from ...state.rows import Instance

_TAKING = ("pending", "running", "stopping")


def how_many(call: Call, kind: InstanceType, most: int) -> tuple[int, str]:
    """How many more guests of this type the host takes, at most `most`, and what stands against more, in words."""
    host, settings = call.cloud.host.machine.capacity(), call.cloud.settings
    if kind.vcpus > host.threads:
        return 0, f"{kind.name} has {kind.vcpus} vCPUs, and this host {host.threads} hardware threads"
    running = [instance_types.of_instance(row.instance_type, row.options) for row in call.cloud.state.instances.query(
        f"state in ({', '.join('?' * len(_TAKING))}) and wish != 'terminated'", _TAKING)]  # fmt: skip
    memory = host.memory - settings.memory_reserve - sum(other.memory_mib for other in running)
    share = host.threads - sum(other.vcpus * other.baseline for other in running)
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


def check(call: Call, kind: InstanceType, zone: str, least: int, most: int) -> int:
    """How many to launch. Raises ApiError: InsufficientInstanceCapacity for fewer than `least`, Unsupported without a GPU."""
    fits, why = how_many(call, kind, most)
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
    kind = instance_types.of_instance(row.instance_type, row.options)
    fits, why = how_many(call, kind, 1)
    if not fits:
        raise _insufficient(kind, row.zone, why)


def _insufficient(kind: InstanceType, zone: str, why: str) -> ApiError:
    return ApiError(
        "InsufficientInstanceCapacity",
        f"We currently do not have sufficient {kind.name} capacity in the Availability Zone you requested ({zone}). "
        f"Our system will be working on provisioning additional capacity. ({why}.)",
        500,
    )
