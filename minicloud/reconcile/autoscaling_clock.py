"""Clocks that are set while groups wait for times: deadlines are moved along with the clock.

The wall's time and the host's uptime go alike. Where they do not, somebody set the clock, and everything that a group has
begun to wait for is put off or brought forward by as much, so that a jump of a day ends no cooldown, grace period or
heartbeat, and prolongs none.
"""

import time
from typing import Any

from ..aws import scheduled, times
from ..cloud import Cloud
from ..state.rows_autoscaling import ScalingClock, ScalingMember

SLACK = 30.0
"""Seconds that the two may differ by: clocks are disciplined all the time."""
_KEPT = 42 * 86400.0
_NOTED = 60.0


def uptime() -> float:
    """Seconds since this host was started, its sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def follow(cloud: Cloud, now: float) -> None:
    """See whether the clock was set since the last look, and move what waits. Old activities go on this occasion."""
    table, boot_id = cloud.state.scaling_clock, cloud.host.machine.boot_id()
    before, running = table.get(boot_id), uptime()
    jump = 0.0 if before is None else (now - before.wall) - (running - before.uptime)
    if before is not None and abs(jump) < SLACK and running - before.uptime < _NOTED:
        return
    with cloud.state.transaction():
        if table.get(boot_id) != before:
            return
        table.remove_where("1 = 1")
        table.add(ScalingClock(boot_id, now, running))
        cloud.state.scaling_activities.remove_where("started < ?", times.text(now - _KEPT))
        if abs(jump) >= SLACK:
            _shift(cloud, jump, now)


def _moved(value: str, jump: float) -> str:
    return times.text(times.seconds(value) + jump) if value else ""


def _shift(cloud: Cloud, jump: float, now: float) -> None:
    state = cloud.state
    for group in state.scaling_groups.query():
        state.scaling_groups.change(
            group.name, cooldown_until=_moved(group.cooldown_until, jump), retry_at=_moved(group.retry_at, jump)
        )
    for row in state.scaling_members.query():
        state.scaling_members.change(row.instance_id, **_member(row, jump))
    for going in state.instance_refreshes.find(ended=""):
        state.instance_refreshes.change(going.id, started=_moved(going.started, jump), paused=_moved(going.paused, jump))
    if jump < 0:
        for action in state.scheduled_actions.query("due != ''"):
            state.scheduled_actions.change(action.group_name, action.name, due=scheduled.next_due(action.settings, now))


def _member(row: ScalingMember, jump: float) -> dict[str, Any]:
    hooks = [{**hook, "deadline": _moved(hook["deadline"], jump), "limit": _moved(hook["limit"], jump)} for hook in row.hooks]
    return {
        "joined": _moved(row.joined, jump), "changed": _moved(row.changed, jump), "in_service": _moved(row.in_service, jump),
        "hooks": hooks,
    }  # fmt: skip
