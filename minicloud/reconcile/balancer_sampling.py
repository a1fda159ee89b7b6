"""The collector's part for load balancers: reads their statistics at the intervals of the guests' counters."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..cloud import Cloud
from ..errors import HostError
from ..host.contracts_lb import Statistics, Traffic
from ..state.lb_registry import Registry
from ..state.rows_lb import LoadBalancer
from . import balancer_usage
from .balancer_usage import NAMESPACES, Figures, Passed

log = logging.getLogger(__name__)

Place = tuple[str, dict[str, str], Figures]
"""A namespace, dimensions, and the figures there."""


@dataclass
class BalancerSampler:
    """Remembers the last look."""

    cloud: Cloud
    _last: dict[str, Statistics] = field(default_factory=dict)

    def look(self, *, begin: bool) -> list[Place]:
        """What went through since the last look; nothing at a beginning, nor of a balancer that cannot be asked."""
        now: dict[str, Statistics] = {}
        for row in self.cloud.state.load_balancers.query():
            try:
                now[row.id] = self.cloud.host.balancers.statistics(row.id)
            except HostError as error:
                log.warning("no metrics of %s: %s", row.id, error)
        last, self._last = self._last, now
        if begin or not now:
            return []
        with self.cloud.state.transaction(write=False):
            registry = Registry(self.cloud.state)
            standings = self._standings(registry)
        found: list[Place] = []
        for balancer_id, statistics in now.items():
            passed = balancer_usage.between(last[balancer_id], statistics) if balancer_id in last else None
            if (balancer := registry.balancers.get(balancer_id)) is not None:
                found += _places(registry, balancer, passed, standings)
        return found

    def _standings(self, registry: Registry) -> dict[str, list[str]]:
        """The health of the targets of each group."""
        found: dict[str, list[str]] = {group: [] for group in registry.groups}
        for target in self.cloud.state.targets.query():
            if (group := registry.groups.get(target.group_id)) is not None:
                found[group.id].append(registry.standing(group, target).health)
        return found


def _places(registry: Registry, row: LoadBalancer, passed: Passed | None, standings: dict[str, list[str]]) -> Iterator[Place]:
    namespace, here = NAMESPACES[row.kind], balancer_usage.about(row)
    if row.kind == "classic":
        own = balancer_usage.of_classic(passed) if passed else {}
        yield namespace, here, {**own, **balancer_usage.of_health(standings.get(row.id, []))}
        return
    if passed is not None:
        of_whole = balancer_usage.of_application if row.kind == "application" else balancer_usage.of_network
        yield namespace, here, of_whole(passed)
    for group in registry.groups.values():
        used = registry.balancer_of(group)
        if used is None or used.id != row.id:
            continue
        states = standings[group.id]
        figures = balancer_usage.of_health(states)
        if passed is not None and row.kind == "application":
            traffic = passed.groups.get(group.id, Traffic())
            figures |= balancer_usage.of_application_group(traffic, states.count("healthy"))
        yield namespace, balancer_usage.about_group(row, group), figures
