"""Instance refreshes: a group's instances are replaced, some at a time, by such as it launches now or is to launch."""

import uuid
from typing import Any, TypedDict

from ...api import Answer, Call, operation
from ...errors import ApiError
from ...state.rows_autoscaling import InstanceRefresh, ScalingGroup
from ..ec2.launch_template_rows import LaunchTemplateSpecification
from . import group_request, rehearsal
from .finding import HELD, changeable, invalid, members, named, touch
from .group_request import LAUNCH, MixedInstancesInput

ACTIVE = ("Pending", "InProgress", "Cancelling", "RollbackInProgress")
_MARKED = (*HELD, "Standby", "EnteringStandby")


class ConfigurationInput(TypedDict, total=False):
    """How the group launches after the refresh."""

    LaunchTemplate: LaunchTemplateSpecification
    MixedInstancesPolicy: MixedInstancesInput


class PreferencesInput(TypedDict, total=False):
    """How fast and how carefully."""

    MinHealthyPercentage: int
    MaxHealthyPercentage: int
    InstanceWarmup: int
    CheckpointPercentages: list[int]
    CheckpointDelay: int
    SkipMatching: bool
    AutoRollback: bool
    ScaleInProtectedInstances: str
    StandbyInstances: str


def active(call: Call, group: ScalingGroup) -> InstanceRefresh | None:
    """The refresh that goes on."""
    found = call.cloud.state.instance_refreshes.find(group_name=group.name, ended="")
    return found[0] if found else None


@operation()
def start_instance_refresh(
    call: Call,
    *,
    auto_scaling_group_name: str,
    strategy: str = "Rolling",
    desired_configuration: ConfigurationInput | None = None,
    preferences: PreferencesInput | None = None,
) -> Answer:
    """StartInstanceRefresh. With a desired configuration the group itself has it once the refresh succeeds."""
    group, state = changeable(call, auto_scaling_group_name), call.cloud.state
    if strategy != "Rolling":
        raise ApiError("UnsupportedOperation", f"minicloud does not have the refresh strategy {strategy}")
    if active(call, group):
        raise ApiError(
            "InstanceRefreshInProgress",
            "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh.",
        )
    chosen = _preferences(group, dict(preferences or {}))
    before = {name: value for name, value in group.settings.items() if name in LAUNCH}
    wanted = group_request.launch_source(call, desired_configuration or {})
    if wanted:
        plain = {name: value for name, value in group.settings.items() if name not in LAUNCH}
        rehearsal.check(call, plain | wanted)
    if chosen["AutoRollback"] and not wanted:
        raise invalid("AutoRollback needs a DesiredConfiguration to roll back from")
    row = InstanceRefresh(
        id=str(uuid.uuid4()), group_name=group.name, status="Pending", preferences=chosen, wanted=wanted, before=before,
        started=call.now, total=0, makers=call.makers,
    )  # fmt: skip
    marked = [one for one in members(call, group) if one.state in _MARKED and _counts(one.protected, one.state, chosen)]
    for one in marked:
        state.scaling_members.change(one.instance_id, refresh=row.id)
    row.total = len(marked)
    state.instance_refreshes.add(row)
    touch(call, group)
    return {"InstanceRefreshId": row.id}


def _counts(protected: bool, state: str, chosen: dict[str, Any]) -> bool:
    """Whether the refresh is about a member at all."""
    if state in ("Standby", "EnteringStandby"):
        return bool(chosen["StandbyInstances"] != "Ignore")
    return not (protected and chosen["ScaleInProtectedInstances"] == "Ignore")


def _preferences(group: ScalingGroup, given: dict[str, Any]) -> dict[str, Any]:
    """The preferences, complete. Raises ApiError."""
    warmup = group.settings.get("DefaultInstanceWarmup", group.settings["HealthCheckGracePeriod"])
    chosen = {
        "MinHealthyPercentage": 90, "MaxHealthyPercentage": 100, "InstanceWarmup": warmup, "SkipMatching": False,
        "AutoRollback": False, "ScaleInProtectedInstances": "Ignore", "StandbyInstances": "Ignore", **given,
    }  # fmt: skip
    low, high = chosen["MinHealthyPercentage"], chosen["MaxHealthyPercentage"]
    if not 0 <= low <= 100 or not 100 <= high <= 200 or high - low > 100:
        raise invalid("MinHealthyPercentage is 0 to 100, MaxHealthyPercentage 100 to 200, and they differ by 100 at most")
    points = chosen.get("CheckpointPercentages")
    if points is not None:
        if not points or points != sorted(set(points)) or not 1 <= points[0] <= points[-1] <= 100:
            raise invalid("CheckpointPercentages must be numbers of 1 to 100 that rise")
        chosen.setdefault("CheckpointDelay", 3600)
    if not 0 <= chosen.get("CheckpointDelay", 0) <= 172_800:
        raise invalid("CheckpointDelay is 0 to 172800 seconds")
    if chosen["InstanceWarmup"] < 0:
        raise invalid("InstanceWarmup must be 0 or more")
    return chosen


def _none() -> ApiError:
    return ApiError("ActiveInstanceRefreshNotFound", "No in progress or pending Instance Refresh found for Auto Scaling group.")


@operation()
def cancel_instance_refresh(call: Call, *, auto_scaling_group_name: str, wait_for_transitioning_instances: bool = True) -> Answer:
    """CancelInstanceRefresh: what is replaced stays so, the rest stays as it is."""
    del wait_for_transitioning_instances  # instances that are just coming or going do so anyway
    group = changeable(call, auto_scaling_group_name)
    row = active(call, group)
    if row is None:
        raise _none()
    call.cloud.state.instance_refreshes.change(row.id, status="Cancelling", reason="Cancelled by the user.")
    touch(call, group)
    return {"InstanceRefreshId": row.id}


@operation()
def rollback_instance_refresh(call: Call, *, auto_scaling_group_name: str) -> Answer:
    """RollbackInstanceRefresh: back to how the group launched before."""
    group = changeable(call, auto_scaling_group_name)
    row = active(call, group)
    if row is None:
        raise _none()
    if not row.wanted:
        raise ApiError(
            "IrreversibleInstanceRefresh", "An instance refresh without a desired configuration cannot be rolled back."
        )
    if row.status == "RollbackInProgress":
        raise invalid("The instance refresh is being rolled back already")
    call.cloud.state.instance_refreshes.change(
        row.id, status="RollbackInProgress", rollback={"RollbackReason": "Rolled back by the user."}
    )
    touch(call, group)
    return {"InstanceRefreshId": row.id}


@operation(items="InstanceRefreshes", key="InstanceRefreshId")
def describe_instance_refreshes(
    call: Call, *, auto_scaling_group_name: str, instance_refresh_ids: list[str] | None = None
) -> Answer:
    """DescribeInstanceRefreshes, newest first."""
    group, state = named(call, auto_scaling_group_name), call.cloud.state
    rows = state.instance_refreshes.query("group_name = ?", [group.name], "started desc, rowid desc")
    left = sum(1 for one in members(call, group) if one.refresh)
    return {
        "InstanceRefreshes": [
            _view(row, left if not row.ended else 0) for row in rows if not instance_refresh_ids or row.id in instance_refresh_ids
        ]
    }


def _view(row: InstanceRefresh, left: int) -> dict[str, Any]:
    done = 100 if not row.total else round(100 * (row.total - left) / row.total)
    if row.ended and row.status not in ("Successful", "RollbackSuccessful"):
        done, left = row.rollback.get("PercentageComplete", 0), row.rollback.get("InstancesToUpdate", 0)
    view: dict[str, Any] = {
        "InstanceRefreshId": row.id, "AutoScalingGroupName": row.group_name, "Status": row.status, "StartTime": row.started,
        "PercentageComplete": done, "InstancesToUpdate": left, "Preferences": row.preferences, "Strategy": "Rolling",
    }  # fmt: skip
    if row.wanted:
        view["DesiredConfiguration"] = {name: value for name, value in row.wanted.items() if name != "LaunchConfigurationName"}
    if row.reason:
        view["StatusReason"] = row.reason
    if row.ended:
        view["EndTime"] = row.ended
    if "RollbackReason" in row.rollback:
        view["RollbackDetails"] = {"RollbackReason": row.rollback["RollbackReason"]}
    return view
