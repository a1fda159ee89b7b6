"""The host's clock, watched beside its uptime: where the two do not go alike, somebody set the clock.

- Of one boot it is known by how much. All that waits (`WAITS`) is moved along, so that a jump of a year ends no patience and
  prolongs none. What lies further ahead than its own patience all the same is over: `times.over` and `times.due`.
- `steady` is a time of day that nobody sets: it goes on with the uptime. Lifecycle policies tell ages by it.
- Over a restart the wall's clock is all there is. A short time off is believed; a long one may be a clock that was set
  meanwhile, and counts when the kernel says that its clock is synchronised (NTP), or when the host has been up for a day.
"""

import dataclasses
import logging
import time
from collections.abc import Callable
from typing import Any

from ..aws import times
from ..cloud import Cloud
from ..state.rows_clock import HostClock

log = logging.getLogger(__name__)

SLACK = times.SLACK
BRIEF, DAY = 3600.0, 86400.0
_NOTED, _AT_ONCE = 60.0, 1.0
WAITS: dict[str, tuple[str, ...]] = {
    "instances": ("stop_asked", "stop_began", "reboot_began", "retry_at", "terminated", "checked", "reachable_since"),
    "volumes": ("detach_asked",),
    "interfaces": ("detach_asked",),
    "images": ("deregistered_at",),
    "targets": ("drain_until", "since"),
    "notifications": ("due",),
    "failures": ("retry_at",),
    "alarms": ("acted", "suppressed_at"),
    "client_tokens": ("created",),
    "scaling_groups": ("cooldown_until", "retry_at"),
    "scaling_members": ("joined", "changed", "in_service"),
    "instance_refreshes": ("started", "paused"),
}
"""Columns with times at which a wait began or ends, by the table's name in State."""


def follow(cloud: Cloud) -> bool:
    """See whether the clock was set since the last look, and move what waits; whether the look was noted, as one a minute is."""
    table, boot_id = cloud.state.host_clock, cloud.host.machine.boot_id()
    now, running = _both(cloud)
    before = next(iter(table.query()), None)
    after, jump = looked(before, boot_id, now, running, cloud.host.machine.clock_synchronised)
    same = before is not None and before.boot_id == boot_id
    if before is not None and same and abs(jump) < SLACK and running - before.uptime < _NOTED and _doubt(before) == _doubt(after):
        return False
    with cloud.state.transaction():
        if next(iter(table.query()), None) != before:
            return False
        table.remove_where("1 = 1")
        table.add(after)
        if abs(jump) >= SLACK:
            _shift(cloud, jump if same else 0.0, now, back=jump < 0)
    if abs(jump) >= SLACK:
        log.warning("%s", told(after, jump))
    return True


def _both(cloud: Cloud) -> tuple[float, float]:
    """The two clocks at one moment: this process may be stopped between the one look and the other."""
    while True:
        before, now, after = cloud.host.machine.uptime(), time.time(), cloud.host.machine.uptime()
        if after - before < _AT_ONCE:
            return now, after


def _doubt(row: HostClock) -> tuple[float, float]:
    return row.gap, row.doubted


def looked(
    before: HostClock | None, boot_id: str, wall: float, running: float, synchronised: Callable[[], bool]
) -> tuple[HostClock, float]:
    """What to note after a look, and by how much the clock was moved since the one before, as far as that can be told."""
    if before is None:
        return HostClock(boot_id, wall, running, wall), 0.0
    same = before.boot_id == boot_id
    up = running - before.uptime if same else running
    moved = (wall - before.wall) - up
    after = dataclasses.replace(before, boot_id=boot_id, wall=wall, uptime=running, steady=before.steady + up)
    if not same and moved > 0 and (moved <= BRIEF or synchronised()):
        after.steady += moved
        moved = 0.0
    if abs(moved) >= SLACK:
        # Of one boot the wall's move is no time that passed, but it may put right what it said over a restart.
        after.gap += moved if not same or before.gap else 0.0
        after.jump, after.doubted = before.jump + moved, after.steady
    else:
        moved = 0.0
    if after.doubted >= 0 and (after.steady - after.doubted >= DAY or synchronised()):
        after.steady += max(0.0, after.gap)
        after.gap, after.jump, after.doubted = 0.0, 0.0, -1.0
    return after, moved


def steady(cloud: Cloud) -> float:
    """The time of day as it would be had nobody ever set the clock, seconds since 1970."""
    row = next(iter(cloud.state.host_clock.query()), None)
    return time.time() if row is None else row.steady + cloud.host.machine.uptime() - row.uptime


def ahead(cloud: Cloud) -> float:
    """By how many seconds the wall's clock is ahead of the steady one."""
    return time.time() - steady(cloud)


def believed(cloud: Cloud, now: float) -> float:
    """The time for telling what is old enough to be forgotten: as if a clock that was lately set forward had not been."""
    row = next(iter(cloud.state.host_clock.query()), None)
    return now - max(0.0, row.jump) if row is not None else now


def doubt(cloud: Cloud) -> str:
    """What lately happened to the clock, in words; nothing where all is well."""
    row = next(iter(cloud.state.host_clock.query()), None)
    return told(row, row.jump or row.gap) if row is not None and row.doubted >= 0 and (row.jump or row.gap) else ""


def told(row: HostClock, jump: float) -> str:
    """What happened to the clock, in words."""
    which = "forward" if jump > 0 else "back"
    said = f"the host's clock was set {which} by {_span(abs(jump))}"
    if row.gap > 0:
        said = f"the host was off for {_span(jump)}, or its clock was set forward meanwhile"
    return f"{said}; nothing is deleted for an age that did not pass, until the clock is synchronised (NTP) or a day is over"


def _span(seconds: float) -> str:
    for length, name in ((365 * DAY, "years"), (DAY, "days"), (3600.0, "hours")):
        if seconds >= length:
            return f"{seconds / length:.1f} {name}"
    return f"{seconds:.0f} s"


def _shift(cloud: Cloud, jump: float, now: float, *, back: bool) -> None:
    state = cloud.state
    for name, columns in WAITS.items() if jump else ():
        table = getattr(state, name)
        for row in table.query(" or ".join(f"{column} != ''" for column in columns)):
            moved = {column: _moved(getattr(row, column), jump) for column in columns}
            table.change(*(getattr(row, part) for part in table.key), **moved)
    for member in state.scaling_members.query("hooks != '[]'") if jump else ():
        state.scaling_members.change(member.instance_id, hooks=[_hook(one, jump) for one in member.hooks])
    from ..aws import scheduled  # few commands need it

    for action in state.scheduled_actions.query("due != ''") if back else ():
        state.scheduled_actions.change(action.group_name, action.name, due=scheduled.next_due(action.settings, now))


def _hook(hook: dict[str, Any], jump: float) -> dict[str, Any]:
    return {**hook, "deadline": _moved(hook["deadline"], jump), "limit": _moved(hook["limit"], jump)}


def _moved(value: str, jump: float) -> str:
    return times.text(times.seconds(value) + jump) if value else ""
