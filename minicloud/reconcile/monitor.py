"""The monitoring of `minicloud serve`: a thread that samples, evaluates alarms and carries their actions out, and one that
delivers messages, which may take long.

It keeps going whatever fails: a host that does not answer makes gaps, and is told once.
"""

import copy
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ..cloud import Cloud
from ..errors import HostError
from . import alarm_actions, notifications
from .alarms import Evaluator
from .sampling import Sampler
from .worker import InDaemon

log = logging.getLogger(__name__)

TICK = 0.5
"""Seconds between two looks at what is due."""
AGE_EVERY = 600.0


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
    _silent: bool = False

    def __post_init__(self) -> None:
        self.sampler = Sampler(self.cloud)
        self.evaluator = Evaluator(self.cloud, float("inf"))

    def step(self, wall: float, steady: float) -> None:
        """Sample if a new interval has begun, evaluate what is due, act."""
        boundary = int(wall // self.sampler.interval)
        if boundary != self._sampled:
            self._sampled = boundary
            self._look(wall, steady)
        self.evaluator.watching = self.sampler.watching or float("inf")
        self.evaluator.step(wall)
        alarm_actions.carry_out(self.cloud, wall)
        if steady - self._aged >= AGE_EVERY:
            self._aged = steady
            self.cloud.metrics.age(int(wall))

    def _look(self, wall: float, steady: float) -> None:
        try:
            self.sampler.look(wall, steady)
        except HostError as error:
            if not self._silent:
                log.warning("no metrics: %s", error)
            self._silent = True
        else:
            self._silent = False


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
        self._run("messages", lambda: notifications.deliver(self._cloud, time.time()))

    def stop(self) -> None:
        """End, after the step that is under way; a message that takes long is not waited for."""
        self._ended.set()
        for thread in self._threads:
            thread.join(10.0)

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
