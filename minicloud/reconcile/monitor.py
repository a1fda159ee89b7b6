"""The threads of `minicloud serve` beside its loop. Each step is a stage of its own: it keeps going whatever fails.

- One samples, evaluates alarms and carries their actions out. A host that does not answer makes gaps.
- One has messages delivered, each topic's by a thread of its own.
- One cuts off guests that are to be off, and so does not wait for anything that the others, or the loop, wait for.
- Two do what asks guests' agents, and waits for them: thawing file systems, and lifecycle policies, which take snapshots.
"""

import copy
import functools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ..cloud import Cloud
from . import alarm_actions, clock, ending, generations, isolation, lifecycle, notifications, quiesce
from .alarms import Evaluator
from .sampling import Sampler
from .worker import InDaemon

log = logging.getLogger(__name__)

TICK = 0.5
"""Seconds between two looks at what is due."""
AGE_EVERY = 600.0
_SECONDS_TO_END = 10.0


@dataclass
class Steps:
    """What is done, one step at a time, by whatever clocks the caller has: of the time of day, and a steady one."""

    cloud: Cloud
    sampler: Sampler = field(init=False)
    evaluator: Evaluator = field(init=False)
    _sampled: int = 0
    _wall: float = 0.0
    _steady: float = 0.0
    _aged: float = -AGE_EVERY

    def __post_init__(self) -> None:
        self.sampler = Sampler(self.cloud)
        self.evaluator = Evaluator(self.cloud, float("inf"))

    def step(self, wall: float, steady: float) -> None:
        """Sample if a new interval has begun, evaluate what is due, act."""
        boundary = int(wall // self.sampler.interval)
        if boundary != self._sampled:
            self._sampled = boundary
            isolation.stage(self.cloud, "metrics", lambda: self.sampler.look(wall, steady))
        self.evaluator.watching = self.sampler.watching or float("inf")
        isolation.stage(self.cloud, "alarms", lambda: self.evaluator.step(wall))
        isolation.stage(self.cloud, "actions of alarms", lambda: alarm_actions.carry_out(self.cloud, wall))
        if steady - self._aged >= AGE_EVERY:
            self._aged = steady
            isolation.stage(self.cloud, "age of metrics", lambda: self.cloud.metrics.age(int(clock.believed(self.cloud, wall))))


def bound_logs(cloud: Cloud) -> None:
    """Keep the access logs within their bound, and tell what goes."""
    if (cloud.settings.home / "logs").is_dir():
        isolation.stage(cloud, "access logs", lambda: _bound_logs(cloud))


def _bound_logs(cloud: Cloud) -> None:
    for told in cloud.host.balancers.bound_logs(cloud.settings.home, cloud.settings.access_logs_mib << 20):
        log.warning("access logs: %s", told)


BESIDE: dict[str, Callable[[Cloud], object]] = {
    "ends": ending.reconcile,
    "thaws": quiesce.reconcile,
    "lifecycle policies": lifecycle.reconcile,
}
"""The stages that have a thread each, so that nothing else waits for the guests that they wait for."""


def carry_out(cloud: Cloud, name: str) -> None:
    """Once; nothing with a state that may change nothing on this host."""

    def act() -> None:
        if not generations.known_refusal(cloud):
            isolation.stage(cloud, name, lambda: BESIDE[name](cloud))

    isolation.guarded(cloud, act)


class Monitor:
    """The threads."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = copy.copy(cloud)
        self._cloud.worker = InDaemon(self._cloud)
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin."""
        steps = Steps(self._cloud)
        self._run("metrics", lambda: steps.step(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME)))
        deliveries = notifications.Deliveries(self._cloud)
        self._run("logs", lambda: bound_logs(self._cloud))
        self._run("messages", lambda: isolation.stage(self._cloud, "messages", lambda: deliveries.step(time.time())))
        for name in BESIDE:
            self._run(name, functools.partial(carry_out, self._cloud, name))

    def stop(self) -> None:
        """End, after the steps that are under way; those that take long are not waited for."""
        self._ended.set()
        deadline = time.monotonic() + _SECONDS_TO_END
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self, name: str, step: Callable[[], object]) -> None:
        thread = threading.Thread(target=self._loop, args=(name, step), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _loop(self, name: str, step: Callable[[], object]) -> None:
        failing = False
        while not self._ended.is_set():
            try:
                step()
                failing = False
            except Exception:  # whatever it is, it must not be the last step
                if not failing:
                    log.exception("a step of the %s failed; it goes on", name)
                failing = True
            self._ended.wait(TICK)
        self._cloud.state.close()
        self._cloud.metrics.close()
