"""Instances of classic balancers: registered also while they are stopped, in service when they run and are well."""

from collections.abc import Sequence
from typing import TypedDict

from ...api import Answer, Call, operation
from ...errors import ApiError
from ...state.lb_registry import Registry
from ...state.rows_lb import LoadBalancer, Target
from ...state.store import State
from ..elbv2 import targets
from . import names

MOST_INSTANCES = 1000
living = targets.living


class InstanceInput(TypedDict, total=False):
    """An instance."""

    InstanceId: str


def view(state: State, row: LoadBalancer) -> list[dict[str, str]]:
    """The registered instances, as AWS answers them; those that drain are not registered any more."""
    return [{"InstanceId": target.target_id} for target in state.targets.find(group_id=row.id, wish="registered")]


def _check(state: State, row: LoadBalancer, wanted: Sequence[str]) -> None:
    """Refuse instances that are not there, or in another VPC. Raises ApiError (InvalidInstance)."""
    there = {one.id: one for one in state.instances.among("id", wanted) if one.state not in ("shutting-down", "terminated")}
    inside = {card.instance_id for card in state.interfaces.among("instance_id", wanted) if card.vpc_id == row.vpc_id}
    for instance_id in wanted:
        if instance_id not in there:
            raise ApiError("InvalidInstance", f"Could not find EC2 instance {instance_id[:80]}.")
        if instance_id not in inside:
            raise ApiError("InvalidInstance", f"EC2 instance {instance_id} is not in the same VPC as LoadBalancer.")


@operation()
def register_instances_with_load_balancer(call: Call, *, load_balancer_name: str, instances: list[InstanceInput]) -> Answer:
    """RegisterInstancesWithLoadBalancer: all of them, or none."""
    state = call.cloud.state
    row = names.balancer(state, load_balancer_name)
    wanted = list(dict.fromkeys(one.get("InstanceId", "") for one in instances))
    _check(state, row, wanted)
    for instance_id in wanted:
        before = state.targets.get(row.id, instance_id, 0)
        if before is not None and before.wish == "registered":
            continue
        state.targets.remove(row.id, instance_id, 0)
        state.targets.add(Target(row.id, instance_id, 0, "", call.now, since=call.now))
    if len(view(state, row)) > MOST_INSTANCES:
        raise names.invalid(f"A load balancer can have at most {MOST_INSTANCES} instances")
    call.touch(row.id)
    return {"Instances": view(state, row)}


@operation()
def deregister_instances_from_load_balancer(call: Call, *, load_balancer_name: str, instances: list[InstanceInput]) -> Answer:
    """DeregisterInstancesFromLoadBalancer. With connection draining, what they are busy with is finished first."""
    state = call.cloud.state
    row = names.balancer(state, load_balancer_name)
    group, registry = names.group(state, row), Registry(state)
    for instance_id in dict.fromkeys(one.get("InstanceId", "") for one in instances):
        found = state.targets.get(row.id, instance_id, 0)
        if found is not None:
            targets.deregister(call, registry, group, found)
        elif state.instances.get(instance_id) is None:
            raise ApiError("InvalidInstance", f"Could not find EC2 instance {instance_id[:80]}.")
    call.touch(row.id)
    return {"Instances": view(state, row)}
