"""What can be done about a group. Each action is one transaction, and is left out if its row has changed meanwhile.

What is asked of other services are rows of the same database, so a crash finds an action done or not begun, never half.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..aws.group_launches import Place
from ..state.rows_autoscaling import InstanceRefresh, ScalingGroup, ScalingMember


@dataclass(frozen=True)
class Ask:
    """A request to another service. What is `light` may fail: it is made again, or does not matter any more.

    `makers` (callers.py) are those for whom it is made; without them it is the group's own affair with its own instances.
    """

    service: str
    operation: str
    params: Mapping[str, Any]
    light: bool = False
    makers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Launch:
    """Launch as many instances as there are causes, in one place; for the warm pool, or beyond the desired capacity."""

    place: Place
    causes: tuple[str, ...]
    warm: bool = False
    surge: bool = False


@dataclass(frozen=True)
class Move:
    """Change a member.

    `begin` is the description and the cause of an activity that it is part of from now on, `activity` what changes in the one
    that it is part of. `remove`: it is a member no longer; `failed`: a launch came to nothing, so that the next one waits;
    `tell`: the event of a notification; `hooks`: the transition whose hooks it now waits for.
    """

    row: ScalingMember
    fields: Mapping[str, Any] = field(default_factory=dict)
    asks: tuple[Ask, ...] = ()
    begin: tuple[str, str] | None = None
    activity: Mapping[str, Any] = field(default_factory=dict)
    remove: bool = False
    failed: bool = False
    tell: str = ""
    hooks: str = ""


@dataclass(frozen=True)
class SetGroup:
    """Change a group."""

    row: ScalingGroup
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class SetRefresh:
    """Change a refresh; `over`: no member is marked by it any more; `settings`: how the group launches from now on."""

    row: InstanceRefresh
    fields: Mapping[str, Any]
    over: bool = False
    settings: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ForgetGroup:
    """A group whose instances are all gone."""

    row: ScalingGroup


Action = Launch | Move | SetGroup | SetRefresh | ForgetGroup
