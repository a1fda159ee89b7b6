"""How many cores, and threads of each, a guest sees: those of its type, or fewer of both that the type allows."""

from typing import TypedDict

from ...api import Answer, Call, operation
from ...aws import instance_types
from ...aws.instance_types import InstanceType
from ...errors import ApiError
from ...state.rows import Instance
from .instance_rows import named


class CpuOptions(TypedDict, total=False):
    """What may be chosen, both together."""

    CoreCount: int
    ThreadsPerCore: int


def wanted(kind: InstanceType, given: CpuOptions | None) -> dict[str, int]:
    """The columns of an instance's row; zeros mean the type's own. Raises ApiError for what the type does not allow."""
    if not given:
        return {"cpu_cores": 0, "cpu_threads": 0}
    if not kind.valid_cores:
        raise ApiError("InvalidParameterCombination", f"The CPU options of the instance type {kind.name} cannot be chosen.")
    if set(given) != {"CoreCount", "ThreadsPerCore"}:
        raise ApiError("InvalidParameterCombination", "CpuOptions must have both CoreCount and ThreadsPerCore")
    cores, threads = given["CoreCount"], given["ThreadsPerCore"]
    if (cores, threads) == (kind.cores, kind.family.threads_per_core):
        return {"cpu_cores": 0, "cpu_threads": 0}
    if cores not in kind.valid_cores or not 1 <= threads <= kind.family.threads_per_core:
        allowed = ", ".join(map(str, kind.valid_cores))
        raise ApiError(
            "InvalidParameterValue",
            f"CpuOptions of {cores} cores with {threads} threads each are not for {kind.name}. "
            f"Allowed: CoreCount {allowed}; ThreadsPerCore 1 to {kind.family.threads_per_core}.",
        )
    return {"cpu_cores": cores, "cpu_threads": threads}


def view(row: Instance) -> dict[str, int]:
    """As DescribeInstances answers it."""
    kind = instance_types.get(row.instance_type)
    return {"CoreCount": row.cpu_cores or kind.cores, "ThreadsPerCore": row.cpu_threads or kind.family.threads_per_core}


@operation()
def modify_instance_cpu_options(
    call: Call, *, instance_id: str, core_count: int | None = None, threads_per_core: int | None = None
) -> Answer:
    """ModifyInstanceCpuOptions: a stopped instance sees them when it starts next."""
    row = named(call.cloud.state, [instance_id])[0]
    given = {"CoreCount": core_count, "ThreadsPerCore": threads_per_core}
    chosen = CpuOptions(**{name: value for name, value in given.items() if value is not None})  # type: ignore[typeddict-item]
    if call.passed_over and not chosen:
        return {"InstanceId": row.id}
    if not chosen:
        raise ApiError("MissingParameter", "The request must contain the parameters CoreCount and ThreadsPerCore")
    columns = wanted(instance_types.get(row.instance_type), chosen)
    if row.state != "stopped":
        raise ApiError("IncorrectInstanceState", f"The instance '{row.id}' is not in the 'stopped' state.")
    call.cloud.state.instances.change(row.id, **columns)
    return {"InstanceId": row.id, **chosen}
