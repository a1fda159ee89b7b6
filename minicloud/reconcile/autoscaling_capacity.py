"""How many, where, and which: launches and terminations that bring a group to its desired capacity. Pure functions of the view.

Launches go to the zone that has fewest, terminations begin in the zone that has most. The termination policies narrow the
choice one after another, and the oldest of what is left goes.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from ..aws import autoscaling_texts as texts
from ..aws import times
from ..aws.group_launches import Place
from ..state.rows_autoscaling import ScalingMember
from .autoscaling_actions import Action, Ask, Launch, Move, SetGroup
from .autoscaling_lifecycle import enter
from .autoscaling_view import LONGEST_PAUSE, View

HOUR = 3600.0


def spread(view: View, count: int, rows: Sequence[ScalingMember]) -> list[Place]:
    """The places of so many launches, beside the members that are there."""
    zones = Counter(row.zone for row in rows)
    subnets = Counter(row.subnet_id for row in rows)
    chosen = []
    for _ in range(count):
        place = min(view.places, key=lambda one: (zones[one.zone], subnets[one.subnet_id]))
        zones[place.zone] += 1
        subnets[place.subnet_id] += 1
        chosen.append(place)
    return chosen


def _of_oldest_template(view: View, rows: list[ScalingMember]) -> list[ScalingMember]:
    """Those of another template than the group's, else those of the lowest version."""
    wanted = view.setting("LaunchTemplate") or {}
    if not wanted:
        mixed = view.setting("MixedInstancesPolicy") or {}
        wanted = mixed.get("LaunchTemplate", {}).get("LaunchTemplateSpecification", {})
    there = [row for row in rows if row.launch_template]
    if not there:
        return rows
    if others := [row for row in there if row.launch_template.get("LaunchTemplateId") != wanted.get("LaunchTemplateId")]:
        return others
    oldest = min(int(row.launch_template["Version"]) for row in there)
    return [row for row in there if int(row.launch_template["Version"]) == oldest]


def _of_oldest_configuration(view: View, rows: list[ScalingMember]) -> list[ScalingMember]:
    """Those of the launch configuration that was used first; the group's own comes last."""
    there = [row for row in rows if row.launch_configuration]
    if not there:
        return rows
    own = view.setting("LaunchConfigurationName")
    first = {
        name: min(row.joined for row in there if row.launch_configuration == name)
        for name in {r.launch_configuration for r in there}
    }
    oldest = min(first, key=lambda name: (name == own, first[name]))
    return [row for row in there if row.launch_configuration == oldest]


def _closest_to_hour(view: View, rows: list[ScalingMember]) -> list[ScalingMember]:
    left = {row.instance_id: HOUR - view.age(row.joined) % HOUR for row in rows}
    least = min(left.values())
    return [row for row in rows if left[row.instance_id] == least]


def _at_end(rows: list[ScalingMember], *, newest: bool) -> list[ScalingMember]:
    moment = (max if newest else min)(row.joined for row in rows)
    return [row for row in rows if row.joined == moment]


def _default(view: View, rows: list[ScalingMember]) -> list[ScalingMember]:
    rows = _of_oldest_configuration(view, rows)
    rows = _of_oldest_template(view, rows)
    return _closest_to_hour(view, rows)


_POLICIES: dict[str, Callable[[View, list[ScalingMember]], list[ScalingMember]]] = {
    "Default": _default,
    "OldestInstance": lambda _, rows: _at_end(rows, newest=False),
    "NewestInstance": lambda _, rows: _at_end(rows, newest=True),
    "OldestLaunchTemplate": _of_oldest_template,
    "OldestLaunchConfiguration": _of_oldest_configuration,
    "ClosestToNextInstanceHour": _closest_to_hour,
    # All is on-demand and of the first type that fits: there is nothing to align.
    "AllocationStrategy": lambda _, rows: rows,
}


def victims(view: View, count: int, rows: Sequence[ScalingMember]) -> list[ScalingMember]:
    """Which members go, at most `count`: first what a refresh or the zones ask for, then by zone and termination policies."""
    left, chosen = list(rows), []
    zones = {place.zone for place in view.places}
    for _ in range(count):
        able = [row for row in left if not row.protected]
        if not able:
            break
        able = [row for row in able if row.refresh] or able
        able = [row for row in able if row.zone not in zones] or able
        sizes = Counter(row.zone for row in left)
        most = max(sizes[row.zone] for row in able)
        able = [row for row in able if sizes[row.zone] == most]
        for name in view.setting("TerminationPolicies") or ["Default"]:
            able = _POLICIES[name](view, able)
        victim = min(able, key=lambda row: (row.joined, row.instance_id))
        left.remove(victim)
        chosen.append(victim)
    return chosen


def plan(view: View) -> list[Action]:
    """Launch what is missing, or terminate what is too much."""
    group, counted = view.group, view.counted
    if len(counted) < group.desired:
        return _grow(view, group.desired - len(counted))
    if len(counted) > group.desired:
        return _shrink(view, len(counted) - group.desired)
    settled: list[Action] = [Move(row, {"surge": False}) for row in counted if row.surge and row.state == "InService"]
    return [*settled, *([SetGroup(group, {"cause": ""})] if group.cause else [])]


def held_back(view: View) -> bool:
    """Whether nothing may be launched now."""
    retry_at = view.group.retry_at
    return not view.may("Launch") or bool(retry_at and not times.due(retry_at, LONGEST_PAUSE, view.now))


def _grow(view: View, count: int) -> list[Action]:
    if held_back(view):
        return []
    cause, size = view.group.cause, len(view.counted)
    said = texts.launched(view.moment, cause, size, size + count)
    if not cause and view.refresh is None:  # nobody has changed what is desired: something came to its end
        said = texts.replaced(view.moment)
    ready = sorted((row for row in view.members if row.state in ("Warmed:Stopped", "Warmed:Running")), key=lambda row: row.joined)
    actions: list[Action] = [_from_pool(view, row, said) for row in ready[:count]]
    return [*actions, *launches(view, count - len(actions), said)]


def launches(view: View, count: int, cause: str, *, warm: bool = False, surge: bool = False) -> list[Action]:
    """So many launches, one request a place."""
    if count <= 0 or not view.places:
        return []
    rows = [row for row in view.members if row.state.startswith("Warmed:")] if warm else view.counted
    by_place = Counter(spread(view, count, rows))
    return [Launch(place, (cause,) * number, warm=warm, surge=surge) for place, number in by_place.items()]


def _from_pool(view: View, row: ScalingMember, cause: str) -> Move:
    asks = (Ask("ec2", "StartInstances", {"InstanceIds": [row.instance_id]}),) if row.state == "Warmed:Stopped" else ()
    return Move(row, enter(view, "Pending"), asks=asks, begin=("Launching a new EC2 instance from warm pool", cause))


def _shrink(view: View, count: int) -> list[Action]:
    """Not before what was launched beyond the desired capacity, to take a place, has taken it."""
    counted = view.counted
    if not view.may("Terminate") or any(row.surge and row.state != "InService" for row in counted):
        return []
    if view.refresh is not None:  # which ends those itself that it launched others for
        count -= sum(row.surge for row in counted)
    pool = view.group.warm_pool
    back = bool(pool.get("InstanceReusePolicy", {}).get("ReuseOnScaleIn")) and pool.get("Status") != "PendingDelete"
    size, actions = len(counted), []
    for row in victims(view, count, counted):
        cause = texts.surplus(view.moment, view.group.cause, size, size - count, row.instance_id)
        fields = enter(view, "Terminating", to_pool=back, hooks=[])
        actions.append(Move(row, fields, begin=("Terminating EC2 instance", cause)))
    return list(actions)


def rebalance(view: View) -> list[Action]:
    """One launch where a zone has too few, of which the end of another follows that is where too many are."""
    group, counted = view.group, view.counted
    at_rest = len(counted) == group.desired and all(row.state == "InService" for row in counted) and not group.failures
    if not at_rest or not view.may("AZRebalance") or not view.may("Terminate") or held_back(view) or not view.places:
        return []
    zones = {place.zone: 0 for place in view.places}
    sizes = Counter(row.zone for row in counted if not row.protected)
    for row in counted:
        if row.zone in zones:
            zones[row.zone] += 1
    foreign = any(zone not in zones for zone in sizes)
    fullest = max((size for zone, size in sizes.items() if zone in zones), default=0)
    least = min(zones, key=lambda zone: zones[zone])
    if not foreign and fullest - zones[least] < 2:
        return []
    if len(counted) >= max(group.max_size + 1, int(group.max_size * 1.1)):
        return []
    place = min((one for one in view.places if one.zone == least), key=lambda one: one.subnet_id)
    return [Launch(place, (texts.rebalancing(view.moment, [least]),), surge=True)]
