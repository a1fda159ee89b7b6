"""Looking: the views of all groups, by a few queries of the state and one question to each load balancer."""

import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .. import api
from ..aws.group_launches import Place, choices
from ..cloud import Cloud
from ..errors import ApiError, HostError
from ..state.rows import Instance
from ..state.rows_autoscaling import InstanceRefresh, LifecycleHook, ScalingGroup, ScalingMember
from . import clock, isolation
from .autoscaling_refresh import launch_source
from .autoscaling_view import Sight, View

log = logging.getLogger(__name__)

_LOST = ("TargetGroupNotFound", "LoadBalancerNotFound")
Row = TypeVar("Row", ScalingMember, LifecycleHook)


@dataclass
class Traffic:
    """What the load balancers say.

    Of each source the states of instances; those that could not be asked, and those that are gone.
    """

    states: dict[str, dict[str, str]] = field(default_factory=dict)
    blind: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)


def views(cloud: Cloud, now: float) -> list[View]:
    """A view of each group."""
    state = cloud.state
    with state.transaction(write=False):
        groups = state.scaling_groups.query()
        if not groups:
            return []
        members = _by_group(state.scaling_members.query())
        hooks = _by_group(state.lifecycle_hooks.query())
        refreshes = {row.group_name: row for row in state.instance_refreshes.find(ended="")}
        instances = state.instances.among("id", [row.instance_id for rows in members.values() for row in rows])
        subnets = state.subnets.query()
    traffic, doubted = ask(cloud, groups), now - clock.believed(cloud, now)
    sights = {row.id: _sight(row, traffic) for row in instances}
    known = {subnet.id: Place(subnet.id, subnet.zone) for subnet in subnets}
    defaults = {subnet.zone: Place(subnet.id, subnet.zone, by_zone=True) for subnet in reversed(subnets) if subnet.is_default}
    found: list[View] = []

    def look(group: ScalingGroup) -> None:
        view = View(
            group=group, members=members[group.name], sights=sights, hooks=hooks[group.name], now=now,
            places=_places(group, known, defaults), refresh=refreshes.get(group.name), blind=frozenset(traffic.blind),
            lost=frozenset(traffic.lost), doubted=doubted,
        )  # fmt: skip
        found.append(view if view.refresh is None else _with_current(cloud, view, view.refresh))

    isolation.each(cloud, "looks at groups", [(group.name, group) for group in groups], look)
    return found


def _by_group(rows: Iterable[Row]) -> defaultdict[str, list[Row]]:
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.group_name].append(row)
    return found


def _places(group: ScalingGroup, known: dict[str, Place], defaults: dict[str, Place]) -> list[Place]:
    wanted = [word for word in group.settings.get("VPCZoneIdentifier", "").split(",") if word]
    if wanted:
        return [known[subnet] for subnet in wanted if subnet in known]
    return [defaults[zone] for zone in group.settings["AvailabilityZones"] if zone in defaults]


def _sight(row: Instance, traffic: Traffic) -> Sight:
    state = row.state
    if row.wish == "terminated" and state != "terminated":
        state = "shutting-down"
    impaired = row.state == "running" and row.reachable == "failed"
    there = {source: states[row.id] for source, states in traffic.states.items() if row.id in states}
    return Sight(state, row.reason_message, impaired, row.protect_termination or row.protect_stop, there)


def ask(cloud: Cloud, groups: Iterable[ScalingGroup]) -> Traffic:
    """Ask each load balancer once, whatever the number of groups and instances."""
    found = Traffic()
    for name, kind in {(source["Identifier"], source["Type"]) for group in groups for source in group.sources}:
        try:
            found.states[name] = _target_health(cloud, name) if kind == "elbv2" else _classic_health(cloud, name)
        except Exception as error:
            lost = isinstance(error, ApiError) and error.code in _LOST
            (found.lost if lost else found.blind).add(name)
            unforeseen = not isinstance(error, (ApiError, HostError))
            log.info("%s: %s", name, error, exc_info=error if unforeseen else None)
    return found


def _target_health(cloud: Cloud, name: str) -> dict[str, str]:
    answer = api.call(cloud, "elbv2", "DescribeTargetHealth", {"TargetGroupArn": name})
    return {one["Target"]["Id"]: one["TargetHealth"]["State"] for one in answer["TargetHealthDescriptions"]}


def _classic_health(cloud: Cloud, name: str) -> dict[str, str]:
    answer = api.call(cloud, "elb", "DescribeInstanceHealth", {"LoadBalancerName": name})
    return {one["InstanceId"]: _classic(one) for one in answer["InstanceStates"]}


def _classic(one: dict[str, Any]) -> str:
    if one["State"] == "InService":
        return "draining" if "deregistration" in one.get("Description", "") else "healthy"
    # What the balancer itself gives as reason is not the instance's fault: it is just being registered.
    return "unhealthy" if one.get("ReasonCode") == "Instance" else "initial"


def _with_current(cloud: Cloud, view: View, going: InstanceRefresh) -> View:
    """A view that knows what the group launches now, where a refresh has to compare."""
    if not going.preferences.get("SkipMatching"):
        return view
    source = launch_source(view)
    current: tuple[str, ...] = (source["LaunchConfigurationName"],) if "LaunchConfigurationName" in source else ()
    if not current:
        wanted = choices(source)[0][0]
        template = cloud.state.launch_templates.get(wanted["LaunchTemplateId"])
        if template is not None:
            numbers = {"$Latest": template.latest_version, "$Default": template.default_version}
            current = (template.id, str(numbers.get(wanted["Version"], wanted["Version"])))
    return View(**{**view.__dict__, "current": current})
