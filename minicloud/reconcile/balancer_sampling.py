"""The collector's part for load balancers: reads their statistics at the intervals of the guests' counters."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..cloud import Cloud
from ..host.contracts_lb import Statistics, Traffic
from ..state.lb_registry import Registry
from ..state.rows_lb import LoadBalancer
from . import balancer_usage, isolation
from .balancer_usage import NAMESPACES, Figures, Passed

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

        def ask(balancer_id: str) -> None:
            now[balancer_id] = self.cloud.host.balancers.statistics(balancer_id)

        rows = [(row.id, row.id) for row in self.cloud.state.load_balancers.query()]
        isolation.each(self.cloud, "statistics of load balancers", rows, ask, at_once=[balancer_id for balancer_id, _ in rows])
        last, self._last = self._last, now
        if begin or not now:
            return []
        with self.cloud.state.transaction(write=False):
            registry = Registry(self.cloud.state)
            standings = self._standings(registry)
        found: list[Place] = []

        def compare(pair: tuple[str, Statistics]) -> None:
            balancer_id, statistics = pair
            passed = balancer_usage.between(last[balancer_id], statistics) if balancer_id in last else None
            if (balancer := registry.balancers.get(balancer_id)) is not None:
                found.extend(_places(registry, balancer, passed, standings))

        isolation.each(self.cloud, "metrics of load balancers", [(pair[0], pair) for pair in now.items()], compare, longest=0.0)
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
