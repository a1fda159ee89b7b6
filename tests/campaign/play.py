"""Playing histories, one after another, until the time is over: `scripts/campaign` and the tests."""

import gc
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from minicloud import api
from minicloud.reconcile import loop
from minicloud.state import chains

from .determinism import Clock, RunningClock, repeatable
from .grounds import FakeGround
from .history import History
from .operations import ANYWHERE, ON_FAKE_HOSTS
from .real_ground import RealGround
from .wires import WIRES

STEPS = 60
DEPTHS = (3, chains.MOST_DEPTH, 6)
"""Volumes of how many layers are flattened, by turns: what keeps only as many snapshots as a history does would never see it."""


def _depth(seed: int) -> "mock._patch[int]":
    return mock.patch.object(chains, "MOST_DEPTH", DEPTHS[seed // 2 % len(DEPTHS)])


def on_fake_host(seed: int, steps: int = STEPS) -> Counter[str]:
    """Play the history of a seed over a fake host; how much of everything there was. Raises Broken.

    Even seeds have one client, and play the same each time; odd ones have several at once.
    """
    with tempfile.TemporaryDirectory(dir=_quick()) as directory, _depth(seed):
        clock = Clock()
        with repeatable(f"fake {seed}", clock) as chance:
            ground = FakeGround(Path(directory))
            loop.run_pass(ground.open())
            launches = {"LaunchConfigurationName": "campaign", "ImageId": ground.image, "InstanceType": "t3.nano"}
            api.call(ground.open(), "autoscaling", "CreateLaunchConfiguration", launches)
            makers = [*ANYWHERE, *ON_FAKE_HOSTS, *WIRES]
            history = History(ground, f"fake {seed}", clock, chance, makers, alone=seed % 2 == 0)
            history.play(steps)
            return history.counts


def on_real_host(seed: int, steps: int = STEPS) -> Counter[str]:
    """Play the history of a seed in this laboratory. Raises Broken."""
    ground, clock = RealGround(f"campaign-{seed}"), RunningClock()
    with repeatable(f"real {seed}", clock) as chance, _depth(seed):
        loop.run_pass(ground.open())
        history = History(ground, f"real {seed}", clock, chance, ANYWHERE, alone=seed % 2 == 0)
        try:
            history.play(steps)
        finally:
            ground.remove()
    history.counts["QEMU died by itself"] += ground.deaths
    return history.counts


def _quick() -> str | None:
    """A directory in memory, if there is one."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() else None


def campaign(
    play: Callable[[int], Counter[str]], seed: int, minutes: float, histories: int, told: Callable[[Counter[str]], None]
) -> Counter[str]:
    """Play seed after seed until the time is over, or so many are played; what there was in all. Raises Broken."""
    end, total = time.monotonic() + minutes * 60, Counter[str]()
    while total["histories"] < histories if histories else time.monotonic() < end:
        total += play(seed)
        gc.collect()  # a history is a large circle
        total["histories"] += 1
        seed += 1
        told(total)
    return total
