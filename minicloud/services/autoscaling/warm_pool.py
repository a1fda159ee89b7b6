"""Warm pools: instances that are made ready and wait, stopped or running, beside the group."""

from typing import TypedDict

from ...api import Answer, Call, operation
from ...errors import ApiError
from .finding import changeable, invalid, members, named, touch
from .group_view import member_view, warm_pool_view


class ReuseInput(TypedDict, total=False):
    """Whether instances that are scaled in return to the pool."""

    ReuseOnScaleIn: bool


@operation()
def put_warm_pool(
    call: Call,
    *,
    auto_scaling_group_name: str,
    max_group_prepared_capacity: int | None = None,
    min_size: int | None = None,
    pool_state: str | None = None,
    instance_reuse_policy: ReuseInput | None = None,
) -> Answer:
    """PutWarmPool: makes one, or changes the members that are given."""
    group = changeable(call, auto_scaling_group_name)
    if pool_state == "Hibernated":
        raise ApiError("UnsupportedOperation", "minicloud does not hibernate instances: PoolState is Stopped or Running")
    if group.warm_pool.get("Status") == "PendingDelete":
        raise invalid(f"The warm pool of {group.name} is being deleted")
    if (min_size or 0) < 0 or (max_group_prepared_capacity or 0) < -1:
        raise invalid("Sizes of a warm pool must be 0 or more; -1 removes MaxGroupPreparedCapacity")
    pool = {"MinSize": 0, "PoolState": "Stopped", **group.warm_pool}
    given = {
        "MaxGroupPreparedCapacity": max_group_prepared_capacity, "MinSize": min_size, "PoolState": pool_state,
        "InstanceReusePolicy": instance_reuse_policy,
    }  # fmt: skip
    pool |= {name: value for name, value in given.items() if value is not None}
    if pool.get("MaxGroupPreparedCapacity") == -1:
        del pool["MaxGroupPreparedCapacity"]
    call.cloud.state.scaling_groups.change(group.name, warm_pool=pool)
    touch(call, group)
    return {}


@operation()
def delete_warm_pool(call: Call, *, auto_scaling_group_name: str, force_delete: bool = False) -> Answer:
    """DeleteWarmPool: its instances are terminated; with `force_delete` without their lifecycle hooks."""
    group = changeable(call, auto_scaling_group_name)
    if not group.warm_pool:
        raise invalid(f"No warm pool found for Auto Scaling group {group.name}")
    status = {"Status": "PendingDelete", "MinSize": 0, "MaxGroupPreparedCapacity": 0}
    call.cloud.state.scaling_groups.change(group.name, warm_pool={**group.warm_pool, **status})
    if force_delete:
        for row in members(call, group):
            if row.state.startswith("Warmed:"):
                call.cloud.state.scaling_members.change(row.instance_id, hooks=[])
    touch(call, group)
    return {}


@operation(items="Instances", key="InstanceId")
def describe_warm_pool(call: Call, *, auto_scaling_group_name: str) -> Answer:
    """DescribeWarmPool."""
    group = named(call, auto_scaling_group_name)
    warmed = [row for row in members(call, group) if row.state.startswith("Warmed:")]
    answer: Answer = {"Instances": [member_view(row) for row in warmed]}
    if group.warm_pool:
        answer["WarmPoolConfiguration"] = warm_pool_view(group)
    return answer
