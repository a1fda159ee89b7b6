"""Rows of Auto Scaling: groups, their members and activities, and what steers them. A field is a column of the same name.

A group's `settings` are its parameters by AWS's names. What changes by itself has a column of its own.
"""

import secrets
from dataclasses import dataclass, field
from typing import Any

from ..aws import times


@dataclass
class ScalingGroup:
    """A group. `cause` says why `desired` is what it is, until the size agrees with it.

    `failures` counts launches that came to nothing, one after another; before `retry_at` no other is tried. `deleting` is empty,
    or `force` while its instances are terminated and it goes after them. `sources` are traffic sources: Identifier, Type, State,
    and Makers, separated by blanks. `makers` (callers.py) are who said how it launches.
    """

    name: str
    arn: str
    min_size: int
    max_size: int
    desired: int
    settings: dict[str, Any]
    created: str
    cause: str = ""
    sources: list[dict[str, str]] = field(default_factory=list)
    suspended: dict[str, str] = field(default_factory=dict)
    metrics: list[str] = field(default_factory=list)
    warm_pool: dict[str, Any] = field(default_factory=dict)
    cooldown_until: str = ""
    failures: int = 0
    retry_at: str = ""
    deleting: str = ""
    measured: str = ""
    makers: list[str] = field(default_factory=list)


@dataclass
class ScalingMember:
    """An instance of a group, in one of AWS's lifecycle states (`state`, since `changed`).

    `in_service` is when it first was InService. `hooks` are the lifecycle actions that it waits for: name, token, deadline,
    limit (times), result. `activity_id` is the activity that it is part of. `surge` is one that was launched beyond the
    desired capacity, to take the place of another. `refresh` names the instance refresh that will replace it. `to_pool`: it
    returns to the warm pool.
    """

    instance_id: str
    group_name: str
    state: str
    zone: str
    subnet_id: str
    instance_type: str
    image_id: str
    joined: str
    changed: str
    launch_configuration: str = ""
    launch_template: dict[str, str] = field(default_factory=dict)
    health: str = "Healthy"
    protected: bool = False
    in_service: str = ""
    activity_id: str = ""
    hooks: list[dict[str, str]] = field(default_factory=list)
    surge: bool = False
    refresh: str = ""
    to_pool: bool = False


def _activity_id(now: str) -> str:
    """An identifier like a UUID. Later ones come first in order, so that pages of activities are newest first, as AWS's."""
    left = format((1 << 48) - 1 - int(times.seconds(now) * 1000), "012x")
    tail = secrets.token_hex(10)
    return f"{left[:8]}-{left[8:]}-{tail[:4]}-{tail[4:8]}-{tail[8:]}"


@dataclass
class ScalingActivity:
    """An activity. `ended` is empty while it goes on; `progress` in per cent; `details` JSON text."""

    id: str
    group_name: str
    group_arn: str
    description: str
    cause: str
    started: str
    details: str
    instance_id: str = ""
    status: str = "InProgress"
    message: str = ""
    progress: int = 0
    ended: str = ""

    @classmethod
    def begun(cls, group: ScalingGroup, now: str, description: str, cause: str, **more: Any) -> "ScalingActivity":
        """A new one of a group."""
        fields = {"details": "{}", **more}
        return cls(_activity_id(now), group.name, group.arn, description, cause, now, **fields)


@dataclass
class LaunchConfiguration:
    """A launch configuration: `data` by AWS's names."""

    name: str
    arn: str
    data: dict[str, Any]
    created: str


@dataclass
class ScalingPolicy:
    """A scaling policy: `settings` and `alarms` (name and ARN) by AWS's names."""

    group_name: str
    name: str
    arn: str
    kind: str
    settings: dict[str, Any]
    created: str
    alarms: list[dict[str, str]] = field(default_factory=list)


@dataclass
class ScheduledAction:
    """A scheduled action: `settings` by AWS's names; `due` is its next time, empty after the last."""

    group_name: str
    name: str
    arn: str
    settings: dict[str, Any]
    due: str


@dataclass
class LifecycleHook:
    """A lifecycle hook: `settings` by AWS's names. `makers` (callers.py) are who said whom it tells."""

    group_name: str
    name: str
    transition: str
    settings: dict[str, Any]
    makers: list[str] = field(default_factory=list)


@dataclass
class InstanceRefresh:
    """A refresh: `total` instances are to be replaced. `before` is how the group launched until then, for a rollback.

    `checkpoint` counts the checkpoints that were passed; `paused` is when the latest was reached. `makers` (callers.py) are
    behind what is `wanted`.
    """

    id: str
    group_name: str
    status: str
    preferences: dict[str, Any]
    wanted: dict[str, Any]
    before: dict[str, Any]
    started: str
    total: int
    reason: str = ""
    ended: str = ""
    checkpoint: int = 0
    paused: str = ""
    rollback: dict[str, Any] = field(default_factory=dict)
    makers: list[str] = field(default_factory=list)


@dataclass
class ScalingTag:
    """A tag of a group; `propagate`: its new instances get it."""

    group_name: str
    key: str
    value: str
    propagate: bool


@dataclass
class ScalingNotification:
    """Whom (a topic's ARN) a group tells what. `makers` (callers.py) are who said so."""

    group_name: str
    topic: str
    kind: str
    makers: list[str] = field(default_factory=list)
