"""Carrying out what is planned for a group: each action one transaction, with the requests to other services inside it.

An action is left out where its row is not what the plan was made for: the next pass makes another plan.
"""

import dataclasses
import logging
from typing import Any

from .. import api
from ..callers import acting
from ..cloud import Cloud
from ..errors import ApiError, HostError
from ..state.rows_autoscaling import ScalingGroup, ScalingMember
from . import autoscaling_launches, autoscaling_tell
from .autoscaling_actions import Action, Ask, ForgetGroup, Launch, Move, SetGroup, SetRefresh
from .autoscaling_health import pause
from .autoscaling_tell import begun
from .autoscaling_view import View

log = logging.getLogger(__name__)

LAUNCH_SOURCES = ("LaunchTemplate", "LaunchConfigurationName", "MixedInstancesPolicy")
GROUP_TAG = "aws:autoscaling:groupName"


def execute(cloud: Cloud, view: View, action: Action) -> bool:
    """Carry one action out; whether anything was done. Raises ApiError, HostError where another service refuses it."""
    if isinstance(action, Launch):
        return autoscaling_launches.launch(cloud, view, action)
    if isinstance(action, Move):
        return _move(cloud, view, action)
    if isinstance(action, SetGroup):
        return _set_group(cloud, action)
    if isinstance(action, SetRefresh):
        return _set_refresh(cloud, view, action)
    return _forget(cloud, action)


def _ask(cloud: Cloud, ask: Ask) -> None:
    api.call(cloud, ask.service, ask.operation, ask.params, caller=acting(cloud, ask.makers))


def _light(cloud: Cloud, ask: Ask) -> bool:
    try:
        _ask(cloud, ask)
    except Exception as error:
        foreseen = isinstance(error, (ApiError, HostError))
        log.warning("%s %s: %s", ask.operation, ask.params, error, exc_info=None if foreseen else error)
        return False
    return True


def _move(cloud: Cloud, view: View, action: Move) -> bool:
    light = [ask for ask in action.asks if ask.light]
    asked = [_light(cloud, ask) for ask in light]
    if light and not any(asked) and len(light) == len(action.asks) and not action.fields and not action.remove:
        return False
    state = cloud.state
    with state.transaction():
        row = state.scaling_members.get(action.row.instance_id)
        if row != action.row:
            return False
        for ask in action.asks:
            if not ask.light:
                _ask(cloud, ask)
        return _record(cloud, view, row, action) or bool(action.asks)


def _record(cloud: Cloud, view: View, row: ScalingMember, action: Move) -> bool:
    """The rows of a move: the activity that it is part of, the one that it begins, the member itself."""
    state, fields = cloud.state, dict(action.fields)
    group = state.scaling_groups.get(row.group_name)
    if group is None:
        return False
    _activity(cloud, view, row, action)
    if action.failed:
        _failed(cloud, view, group)
    if action.begin:
        made = begun(cloud, view, row, *action.begin)
        fields["activity_id"] = made
    if action.hooks:
        fields["hooks"] = autoscaling_tell.hooks(cloud, view, row, action.hooks)
    if action.remove:
        state.scaling_members.remove(row.instance_id)
        state.tags.remove(row.instance_id, GROUP_TAG)
    elif fields:
        state.scaling_members.change(row.instance_id, **fields)
    return True


def _activity(cloud: Cloud, view: View, row: ScalingMember, action: Move) -> None:
    """Change the activity that a member was part of, and tell of it once it is over."""
    state = cloud.state
    before = state.scaling_activities.get(row.activity_id) if row.activity_id else None
    if before is None or before.ended:
        return
    if action.begin and "status" not in action.activity:
        # It is taken out again before it was there.
        state.scaling_activities.change(before.id, status="Cancelled", progress=100, ended=view.moment)
        return
    if not action.activity:
        return
    over = action.activity.get("status") in ("Successful", "Failed", "Cancelled")
    changed: dict[str, Any] = {**action.activity, **({"ended": view.moment} if over else {})}
    state.scaling_activities.change(before.id, **changed)
    if over and action.tell:
        autoscaling_tell.of_activity(cloud, dataclasses.replace(before, **changed), action.tell)


def _failed(cloud: Cloud, view: View, group: ScalingGroup) -> None:
    autoscaling_launches.count_failure(cloud, view, group, pause(group.failures + 1))


def _set_group(cloud: Cloud, action: SetGroup) -> bool:
    with cloud.state.transaction():
        if cloud.state.scaling_groups.get(action.row.name) != action.row:
            return False
        cloud.state.scaling_groups.change(action.row.name, **action.fields)
    return True


def _set_refresh(cloud: Cloud, view: View, action: SetRefresh) -> bool:
    state = cloud.state
    with state.transaction():
        if state.instance_refreshes.get(action.row.id) != action.row:
            return False
        state.instance_refreshes.change(action.row.id, **action.fields)
        if action.over:
            for row in state.scaling_members.find(group_name=view.group.name, refresh=action.row.id):
                state.scaling_members.change(row.instance_id, refresh="")
        group = state.scaling_groups.get(view.group.name)
        if action.settings and group is not None:
            kept = {name: value for name, value in group.settings.items() if name not in LAUNCH_SOURCES}
            state.scaling_groups.change(group.name, settings={**kept, **action.settings}, makers=action.row.makers)
    return True


def _forget(cloud: Cloud, action: ForgetGroup) -> bool:
    """The group and all that is its own. Alarms of target tracking go, too; activities stay for their six weeks."""
    state, name = cloud.state, action.row.name
    alarms = [alarm["AlarmName"] for row in state.scaling_policies.find(group_name=name) for alarm in row.alarms]
    if alarms:
        _light(cloud, Ask("cloudwatch", "DeleteAlarms", {"AlarmNames": alarms}))
    with state.transaction():
        if state.scaling_members.find(group_name=name):
            return False
        for table in (
            state.scaling_policies, state.scheduled_actions, state.lifecycle_hooks, state.instance_refreshes, state.scaling_tags,
            state.scaling_notifications,
        ):  # fmt: skip
            table.remove_where("group_name = ?", name)
        return state.scaling_groups.remove(name)
