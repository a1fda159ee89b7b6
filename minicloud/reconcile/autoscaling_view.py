"""What is known of a group at one moment: its rows, and what EC2 and the load balancers say of its instances."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..aws import times
from ..aws.group_launches import Place
from ..state.rows_autoscaling import InstanceRefresh, LifecycleHook, ScalingGroup, ScalingMember

HELD = ("Pending", "Pending:Wait", "Pending:Proceed", "InService")
"""The states that count as the group's capacity."""
LONGEST_PAUSE, LONGEST_HOOK = 600.0, 172_800.0
"""Seconds that launches wait after failures at most, and that anybody waits for a lifecycle hook."""
GONE = ("", "terminated")
DOWN = ("stopping", "stopped", "shutting-down", *GONE)
"""The states of instances that do not serve and will not by themselves."""


@dataclass(frozen=True)
class Sight:
    """An instance as others see it: EC2's state (empty: there is none) and what speaks against it; its state at each traffic
    source.

    `traffic` has healthy, initial, unhealthy, draining or unused by the source's identifier; a source is absent where the
    instance is not registered.
    """

    state: str = ""
    reason: str = ""
    impaired: bool = False
    protected: bool = False
    traffic: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class View:
    """A group at the moment `now`, seconds since 1970.

    `blind` are the traffic sources that nothing could be learned of, `lost` those that are no longer there. `current` is what the
    group launches now, as members have it: a launch configuration's name, or a template's id and version.
    """

    group: ScalingGroup
    members: list[ScalingMember]
    sights: Mapping[str, Sight]
    hooks: list[LifecycleHook]
    places: list[Place]
    now: float
    refresh: InstanceRefresh | None = None
    blind: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()
    current: tuple[str, ...] = ()
    doubted: float = 0.0
    """Seconds by which the clock may lately have been set forward."""

    @property
    def moment(self) -> str:
        """The time as text."""
        return times.text(self.now)

    @property
    def counted(self) -> list[ScalingMember]:
        """The members that are the group's capacity."""
        return [row for row in self.members if row.state in HELD]

    def sight(self, row: ScalingMember) -> Sight:
        """What others say of a member."""
        return self.sights.get(row.instance_id, Sight())

    def may(self, process: str) -> bool:
        """Whether a process is not suspended."""
        return process not in self.group.suspended

    def setting(self, name: str, default: Any = None) -> Any:
        """A setting by AWS's name."""
        return self.group.settings.get(name, default)

    def sources(self, *states: str) -> list[dict[str, str]]:
        """The traffic sources in these states."""
        return [source for source in self.group.sources if source["State"] in states]

    def age(self, since: str) -> float:
        """Seconds since a time, as far as the clock is believed; none for one that is empty."""
        return self.now - self.doubted - times.seconds(since) if since else 0.0

    def over(self, since: str, patience: float) -> bool:
        """Whether a wait that began at a time is over; at an empty one it begins now."""
        return times.over(since or self.moment, patience, self.now)


def identity(row: ScalingMember) -> tuple[str, ...]:
    """What a member was launched from, to compare with a view's `current`."""
    if row.launch_configuration:
        return (row.launch_configuration,)
    return (row.launch_template.get("LaunchTemplateId", ""), row.launch_template.get("Version", ""))
