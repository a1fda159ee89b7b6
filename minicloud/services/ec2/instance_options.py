"""Changing the options of an instance (`launch_options`) after its launch."""

from typing import Any

from ...api import Answer, Call, operation
from ...aws import instance_types
from ...errors import ApiError
from ...state.rows import Instance
from . import launch_options
from .instance_rows import named
from .launch_options import CapacityReservation


def _instance(call: Call, instance_id: str, *, stopped: bool = False) -> Instance:
    """The instance, unless it is ending, or is not stopped where it has to be. Raises ApiError."""
    row = named(call.cloud.state, [instance_id])[0]
    if row.state in ("shutting-down", "terminated"):
        raise ApiError("IncorrectInstanceState", f"The instance '{row.id}' is not in a state in which this can be changed.")
    if stopped and row.state != "stopped":
        raise ApiError("IncorrectInstanceState", f"The instance '{row.id}' is not in the 'stopped' state.")
    return row


def _change(call: Call, row: Instance, name: str, value: dict[str, Any]) -> None:
    rest = {key: kept for key, kept in row.options.items() if key != name}
    call.cloud.state.instances.change(row.id, options={**rest, **({name: value} if value else {})})


@operation()
def modify_instance_maintenance_options(call: Call, *, instance_id: str, auto_recovery: str | None = None) -> Answer:
    """ModifyInstanceMaintenanceOptions: whether the instance is started again after a restart of its host."""
    if auto_recovery is None:
        raise ApiError("MissingParameter", "The request must contain the parameter AutoRecovery")
    row = _instance(call, instance_id)
    _change(call, row, "MaintenanceOptions", {"AutoRecovery": auto_recovery})
    return {"InstanceId": row.id, "AutoRecovery": auto_recovery}


@operation()
def modify_instance_cpu_options(
    call: Call, *, instance_id: str, core_count: int | None = None, threads_per_core: int | None = None
) -> Answer:
    """ModifyInstanceCpuOptions, of an instance that is stopped."""
    row = _instance(call, instance_id, stopped=True)
    given = {"CoreCount": core_count, "ThreadsPerCore": threads_per_core}
    wanted = {name: value for name, value in given.items() if value is not None}
    if not wanted:
        raise ApiError("MissingParameter", "The request must contain the parameters CoreCount and ThreadsPerCore")
    options = launch_options.cpu_options(instance_types.get(row.instance_type), wanted)
    _change(call, row, "CpuOptions", options)
    return {"InstanceId": row.id, **options}


@operation()
def modify_instance_capacity_reservation_attributes(
    call: Call, *, instance_id: str, capacity_reservation_specification: CapacityReservation
) -> Answer:
    """ModifyInstanceCapacityReservationAttributes."""
    row = _instance(call, instance_id)
    wanted = launch_options.reservation_preference(capacity_reservation_specification)
    _change(call, row, "CapacityReservationSpecification", wanted)
    return {"Return": True}


@operation()
def modify_instance_placement(
    call: Call, *, instance_id: str, group_name: str | None = None, group_id: str | None = None, tenancy: str | None = None
) -> Answer:
    """ModifyInstancePlacement: puts a stopped instance into a placement group; an empty name takes it out."""
    if group_name is None and group_id is None and tenancy is None:
        raise ApiError("MissingParameter", "The request must contain a parameter that is to be changed")
    launch_options.check_tenancy(tenancy)
    row = _instance(call, instance_id, stopped=True)
    if group_name is not None or group_id is not None:
        _change(call, row, "PlacementGroup", launch_options.placement_group(call, group_name, group_id))
    return {"Return": True}
