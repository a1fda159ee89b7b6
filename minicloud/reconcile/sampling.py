"""The collector: reads all guests' counters at even intervals, and puts what they did into the metrics.

- An interval that was too long (the daemon was busy, the host slept) or in which the clock jumped gives nothing: a gap.
- With detailed monitoring there is a datapoint for each interval, else one for five minutes, if all of them were watched.
- An instance's metrics are also part of those of its group, and with detailed monitoring of its type, its image, and of all.
- Status checks have a datapoint a minute, CPU credits one for five minutes, volumes one for each interval.
- A clock that was ahead has written what is in the future now; that is forgotten.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..aws import distribution, instance_types, times
from ..aws.distribution import Distribution
from ..cloud import Cloud
from ..host.contracts_meters import GuestCounters
from ..state.metrics import Entry, Metric, dimensions
from ..state.rows import Instance, Volume
from . import disk_spec, isolation, usage
from .balancer_sampling import BalancerSampler
from .usage import Credits, Figures, Usage

log = logging.getLogger(__name__)

BASIC, MINUTE = 300, 60
GROUP_TAG = "aws:autoscaling:groupName"
SHORTEST, LONGEST = 0.5, 1.5
"""How many intervals lie between two looks that belong together, at least and at most."""
JUMP = 2.0
"""By how many seconds the time of day and the steady clock may differ over one interval."""
_WEEK = 7 * 86400
EC2, EBS = "AWS/EC2", "AWS/EBS"


@dataclass
class Look:
    """The counters at one moment: of the time of day, and of the steady clock."""

    wall: float
    steady: float
    guests: dict[str, GuestCounters]


@dataclass
class Sampler:
    """Takes looks. `watching` is since when there has been no gap and no jump, in seconds since 1970."""

    cloud: Cloud
    watching: float = 0.0
    _last: Look | None = None
    _windows: dict[str, list[Figures]] = field(default_factory=dict)
    _window: int = 0
    _credits: dict[str, Credits] = field(default_factory=dict)
    _bursts: dict[str, float] = field(default_factory=dict)
    _balancers: BalancerSampler = field(init=False)

    def __post_init__(self) -> None:
        self._balancers = BalancerSampler(self.cloud)

    @property
    def interval(self) -> int:
        """Seconds between two looks."""
        return max(1, self.cloud.settings.sample_seconds)

    @property
    def resolution(self) -> int:
        """That of the datapoints of one interval."""
        return MINUTE if self.interval % MINUTE == 0 else 1

    def look(self, wall: float, steady: float) -> None:
        """Read the counters, and put what was done since the last look. Raises HostError."""
        if self._last is not None and self._is_doubled(self._last, wall, steady):
            return
        now = Look(wall, steady, self.cloud.host.guests.counters())
        last, self._last = self._last, now
        if last is None:
            self._begin(wall)
            return
        elapsed, jump = steady - last.steady, (wall - last.wall) - (steady - last.steady)
        if abs(jump) > JUMP:
            log.warning("the clock jumped by %.0f s: metrics begin anew", jump)
            self._begin(wall)
            return
        if elapsed > LONGEST * self.interval:
            self._begin(wall)
            return
        begin = round((wall - elapsed) / self.interval) * self.interval
        done = {
            guest_id: found
            for guest_id, after in now.guests.items()
            if guest_id in last.guests and (found := usage.between(last.guests[guest_id], after, elapsed)) is not None
        }
        self._publish(begin, done, now)

    def _is_doubled(self, last: Look, wall: float, steady: float) -> bool:
        """Whether the clock only went back a little over the end of an interval that has been looked at."""
        elapsed = steady - last.steady
        return elapsed < SHORTEST * self.interval and abs(wall - last.wall - elapsed) <= JUMP

    def _begin(self, wall: float) -> None:
        """From here on there is something to say."""
        self.watching = wall
        self._windows.clear()
        self._balancers.look(begin=True)
        self.cloud.metrics.forget_after(int(wall), "AWS/")

    def _publish(self, begin: int, done: Mapping[str, Usage], now: Look) -> None:
        rows = {row.id: row for row in self.cloud.state.instances.query("state in ('running', 'stopping', 'shutting-down')")}
        groups = {tag.resource_id: tag.value for tag in self.cloud.state.tags.find(key=GROUP_TAG)}
        window = begin - begin % BASIC
        entries: list[Entry] = []

        def measure(row: Instance) -> None:
            figures = usage.of_instance(row, done[row.id])
            self._windows.setdefault(row.id, []).append(figures)
            if row.monitoring == "enabled":
                many = _points([figures])
                entries.extend(_entries(_places(row, groups.get(row.id), detailed=True), many, self.resolution, begin))
            self._spend(row, done[row.id])

        due = [(guest_id, rows[guest_id]) for guest_id in done if guest_id in rows]
        isolation.each(self.cloud, "metrics of instances", due, measure, longest=0.0)
        entries += self._volumes(begin, done)
        for namespace, about, figures in self._balancers.look(begin=False):
            entries += _entries([about], _points([figures]), self.resolution, begin, namespace)
        if begin % MINUTE == 0 or self.interval > MINUTE:
            entries += self._checks(rows.values(), now, begin)
        if begin + self.interval >= window + BASIC:
            entries += self._basic(rows, groups, window)
        self.cloud.metrics.put(entries)

    def _basic(self, rows: Mapping[str, Instance], groups: Mapping[str, str], window: int) -> list[Entry]:
        """The datapoints of five minutes that are over."""
        windows, self._windows = self._windows, {}
        entries: list[Entry] = []
        whole = self.watching <= window + self.interval
        for guest_id, many in windows.items():
            row = rows.get(guest_id)
            if row is not None and whole and row.monitoring != "enabled":
                entries += _entries(_places(row, groups.get(guest_id), detailed=False), _points(many), MINUTE, window)
        for guest_id, found in self._credits.items():
            if guest_id in rows:
                figures = _credit_figures(found, unlimited=rows[guest_id].credits == "unlimited")
                entries += _entries([_instance(guest_id)], _points([figures]), MINUTE, window)
                self._credits[guest_id] = Credits(found.balance, found.surplus, 0.0, 0.0)
        self._credits = {guest_id: found for guest_id, found in self._credits.items() if guest_id in rows}
        return entries

    def _spend(self, row: Instance, used: Usage) -> None:
        kind = instance_types.with_cpus(row.instance_type, row.cpu_cores, row.cpu_threads)
        if not kind.burstable:
            return
        before = self._credits.get(row.id) or self._known_credits(row)
        self._credits[row.id] = before.after(kind, used, unlimited=row.credits == "unlimited")

    def _known_credits(self, row: Instance) -> Credits:
        """What was left when it was last told: T2 loses it by a stop, others keep it for a week."""
        kind, now = instance_types.get(row.instance_type), int(self._last.wall if self._last else 0)
        since = int(times.seconds(row.launched)) if kind.family.name == "t2" else now - _WEEK
        balance = self._latest(EC2, "CPUCreditBalance", _instance(row.id), since, now)
        if balance is None:
            return usage.first_credits(kind)
        surplus = self._latest(EC2, "CPUSurplusCreditBalance", _instance(row.id), since, now)
        return Credits(balance, surplus or 0.0)

    def _latest(self, namespace: str, name: str, about: Mapping[str, str], since: int, now: int) -> float | None:
        series = self.cloud.metrics.series(namespace, name, dimensions(about), since)
        points = self.cloud.metrics.points([one.id for one in series], since, now + 1)
        return points[-1].what.high if points else None

    def _volumes(self, begin: int, done: Mapping[str, Usage]) -> list[Entry]:
        entries: list[Entry] = []
        attached = self.cloud.state.volumes.among("instance_id", done)

        def measure(volume: Volume) -> None:
            used = done[volume.instance_id]
            disk = used.disks.get(disk_spec.serial(volume))
            if disk is None:
                return
            figures = usage.of_volume(used, disk)
            if usage.bursts(volume):
                self._bursts[volume.id] = usage.burst_after(volume, self._burst(volume, begin), used, disk)
                figures["BurstBalance"] = ("Percent", self._bursts[volume.id])
            entries.extend(_entries([{"VolumeId": volume.id}], _points([figures]), self.resolution, begin, EBS))

        isolation.each(self.cloud, "metrics of volumes", [(row.id, row) for row in attached], measure, longest=0.0)
        there = {volume.id for volume in attached}
        self._bursts = {volume_id: left for volume_id, left in self._bursts.items() if volume_id in there}
        return entries

    def _burst(self, volume: Volume, now: int) -> float:
        if volume.id in self._bursts:
            return self._bursts[volume.id]
        found = self._latest(EBS, "BurstBalance", {"VolumeId": volume.id}, now - _WEEK, now)
        return 100.0 if found is None else found

    def _checks(self, rows: Iterable[Instance], now: Look, begin: int) -> list[Entry]:
        entries: list[Entry] = []
        for row in rows:
            if row.state != "running" or not row.reachable:
                continue  # initializing: not checked yet
            guest = now.guests.get(row.id)
            halted = guest is not None and guest.halted
            figures = usage.of_checks(system=guest is None, instance=row.reachable == "failed", volumes=halted)
            entries += _entries([_instance(row.id)], _points([figures]), MINUTE, begin)
        return entries


def _instance(instance_id: str) -> dict[str, str]:
    return {"InstanceId": instance_id}


def _places(row: Instance, group: str | None, *, detailed: bool) -> list[dict[str, str]]:
    """The dimensions under which an instance's metrics are kept."""
    places = [_instance(row.id)]
    if group is not None:
        places.append({"AutoScalingGroupName": group})
    return [*places, {"InstanceType": row.instance_type}, {"ImageId": row.image_id}, {}] if detailed else places


def _points(many: list[Figures]) -> dict[tuple[str, str], Distribution]:
    """What several intervals come to."""
    values: dict[tuple[str, str], list[Distribution]] = defaultdict(list)
    for figures in many:
        for name, (unit, value) in figures.items():
            values[name, unit].append(distribution.of_value(value))
    return {key: distribution.merge(parts) for key, parts in values.items()}


def _entries(
    places: list[dict[str, str]], points: Mapping[tuple[str, str], Distribution], resolution: int, time: int, namespace: str = EC2
) -> list[Entry]:
    return [
        (Metric(namespace, name, dimensions(about), unit), resolution, time, what)
        for about in places
        for (name, unit), what in points.items()
    ]


def _credit_figures(found: Credits, *, unlimited: bool) -> Figures:
    figures: Figures = {"CPUCreditUsage": ("Count", found.used), "CPUCreditBalance": ("Count", found.balance)}
    if unlimited:
        figures |= {"CPUSurplusCreditBalance": ("Count", found.surplus), "CPUSurplusCreditsCharged": ("Count", found.charged)}
    return figures
