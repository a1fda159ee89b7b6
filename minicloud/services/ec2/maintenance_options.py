"""Whether an instance is started again after a restart of its host (`reconcile/instance_plan.py`)."""

from typing import TypedDict

from ...api import Answer, Call, operation
from ...errors import ApiError
from .instance_rows import named


class MaintenanceOptions(TypedDict, total=False):
    """`default`, or `disabled` for an instance that stays off."""

    AutoRecovery: str


@operation()
def modify_instance_maintenance_options(call: Call, *, instance_id: str, auto_recovery: str | None = None) -> Answer:
    """ModifyInstanceMaintenanceOptions, of an instance in any state but the last two."""
    if auto_recovery is None and not call.passed_over:
        raise ApiError("MissingParameter", "The request must contain the parameter AutoRecovery")
    row = named(call.cloud.state, [instance_id])[0]
    if row.wish == "terminated":
        raise ApiError("IncorrectInstanceState", f"The instance '{row.id}' is {row.state}.")
    wanted = auto_recovery or row.auto_recovery
    call.cloud.state.instances.change(row.id, auto_recovery=wanted)
    return {"InstanceId": row.id, "AutoRecovery": wanted}
