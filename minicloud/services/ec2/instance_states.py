"""Start, stop, reboot, terminate: what may be asked of an instance in which state. The wish is recorded; others fulfil it."""

from collections.abc import Sequence
from typing import Any

from ...api import Answer, Call, operation
from ...errors import ApiError
from ...state.rows import Instance
from . import capacity, public_addresses
from .instance_rows import named, state_view


def _changes(call: Call, before: Sequence[Instance]) -> list[dict[str, Any]]:
    """The previous and the current state of each."""
    current = {row.id: row for row in named(call.cloud.state, [row.id for row in before])}
    return [
        {
            "InstanceId": row.id,
            "CurrentState": state_view(current[row.id].state),
            "PreviousState": state_view(row.state),
        }
        for row in before
    ]


def _touch(call: Call, rows: Sequence[Instance]) -> None:
    """The instances, and the subnets that they live in."""
    for interface in call.cloud.state.interfaces.among("instance_id", [row.id for row in rows]):
        call.touch(interface.subnet_id)
    call.touch(*(row.id for row in rows))


def _by_user(call: Call) -> str:
    return f"User initiated ({call.now[:19].replace('T', ' ')} GMT)"


@operation()
def start_instances(call: Call, *, instance_ids: list[str]) -> Answer:
    """StartInstances. One that runs already is left as it is."""
    rows = named(call.cloud.state, instance_ids)
    for row in rows:
        if row.state in ("stopping", "shutting-down", "terminated") or row.wish == "terminated":
            raise ApiError("IncorrectInstanceState", f"The instance '{row.id}' is not in a state from which it can be started.")
    for row in rows:
        if row.state == "stopped":
            capacity.check_running(call, row)
            call.cloud.state.instances.change(
                row.id, wish="running", state="pending", launched=call.now, transition_reason="", reason_code="",
                reason_message="", failures=0, retry_at="", reachable="", stop_asked="", stop_began="", stop_forced=False,
                reboot_began="",
            )  # fmt: skip
            for interface in call.cloud.state.interfaces.find(instance_id=row.id):
                public_addresses.give(call, interface)
    _touch(call, rows)
    return {"StartingInstances": _changes(call, rows)}


@operation()
def stop_instances(
    call: Call,
    *,
    instance_ids: list[str],
    force: bool = False,
    skip_os_shutdown: bool = False,
    hibernate: bool = False,
) -> Answer:
    """StopInstances: asks the guest to power off, or with `force` or `skip_os_shutdown` cuts its power. One that is stopped
    stays so.
    """
    if hibernate:
        raise ApiError("UnsupportedHibernationConfiguration", "minicloud's instances cannot be hibernated")
    cut = force or skip_os_shutdown
    rows = named(call.cloud.state, instance_ids)
    for row in rows:
        if row.state in ("shutting-down", "terminated"):
            raise ApiError("IncorrectInstanceState", f"This instance '{row.id}' is not in a state from which it can be stopped.")
        if row.state == "pending" and not row.started_boot:
            raise ApiError(
                "IncorrectInstanceState", f"Instance '{row.id}' cannot be stopped as it has never reached the 'running' state."
            )
        if row.protect_stop:
            raise ApiError(
                "OperationNotPermitted",
                f"The instance '{row.id}' may not be stopped. Modify its 'disableApiStop' instance attribute and try again.",
            )
    for row in rows:
        if row.state in ("pending", "running"):
            call.cloud.state.instances.change(
                row.id, wish="stopped", state="stopping", transition_reason=_by_user(call), failures=0, retry_at="",
                stop_forced=cut, stop_asked="", stop_began="",
                reason_code="Client.UserInitiatedShutdown", reason_message="User initiated shutdown",
            )  # fmt: skip
        elif row.state == "stopping" and cut:
            call.cloud.state.instances.change(row.id, stop_forced=True)
    _touch(call, rows)
    return {"StoppingInstances": _changes(call, rows)}


@operation()
def reboot_instances(call: Call, *, instance_ids: list[str]) -> Answer:
    """RebootInstances: the same guest starts anew; disks, addresses and memory size stay."""
    rows = named(call.cloud.state, instance_ids)
    for row in rows:
        if row.state != "running":
            raise ApiError("IncorrectState", f"Cannot reboot instance {row.id} that is currently in {row.state} state.")
    for row in rows:
        call.cloud.state.instances.change(row.id, reboots_asked=row.reboots_asked + 1)
    _touch(call, rows)
    return {}


@operation()
def terminate_instances(call: Call, *, instance_ids: list[str], force: bool = False, skip_os_shutdown: bool = False) -> Answer:
    """TerminateInstances: a guest whose volumes stay is asked to power off first, unless it is told not to be. One that is
    terminated stays so.
    """
    cut = force or skip_os_shutdown
    rows = named(call.cloud.state, instance_ids)
    for row in rows:
        if row.wish == "terminated":
            continue
        for protected, name in ((row.protect_termination, "disableApiTermination"), (row.protect_stop, "disableApiStop")):
            if protected:
                raise ApiError(
                    "OperationNotPermitted",
                    f"The instance '{row.id}' may not be terminated. Modify its '{name}' instance attribute and try again.",
                )
    for row in rows:
        if row.wish == "terminated":
            if cut:
                call.cloud.state.instances.change(row.id, stop_forced=True)
        else:
            call.cloud.state.instances.change(
                row.id, wish="terminated", state="shutting-down", transition_reason=_by_user(call), failures=0, retry_at="",
                stop_forced=row.stop_forced or cut,
                reason_code="Client.UserInitiatedShutdown", reason_message="User initiated shutdown",
            )  # fmt: skip
    _touch(call, rows)
    return {"TerminatingInstances": _changes(call, rows)}
