"""What goes wrong in a history: commands that are killed, drivers that fail, a disk that is full, clocks that are set.

Each works on the cloud of one process, which a fork made for it: nothing has to be put back.
"""

import dataclasses
import sqlite3
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from minicloud.cloud import Cloud
from minicloud.errors import Retry
from minicloud.state.store import State

from .. import crashes, processes
from ..crashes import Point
from ..injection import methods

LOOKING = frozenset({
    "guests.list", "guests.counters", "guests.rebooting", "guests.has_save", "guests.console_log", "guests.console_path",
    "guests.screenshot",
    "disks.path", "disks.list", "disks.others", "disks.size", "disks.backing", "disks.above", "disks.all_above", "disks.stamp",
    "disks.damage", "disks.check", "disks.free", "disks.is_open", "seeds.path", "seeds.list", "networks.list",
    "networks.unmarked", "networks.strangers",
    "networks.answers", "images.list", "images.path", "machine.capacity", "machine.boot_id", "machine.uptime",
    "machine.ending", "machine.clock_synchronised", "firewall.in_force", "firewall.stranger", "blocks.chains", "blocks.jobs",
    "balancers.list",
    "balancers.unmarked", "balancers.health", "balancers.statistics", "cards.list",
})  # fmt: skip
"""The methods of drivers that change nothing on the host."""
CHANGING = tuple(method for method in methods() if method not in LOOKING)
"""All others of every contract: each is a place to be killed before and after, and one that can fail."""
OF_LIBVIRT = tuple(method for method in methods() if method.partition(".")[0] in ("guests", "blocks", "cards"))
"""What nobody answers while libvirtd is restarted."""
PLACES = (
    crashes.COMMITTED.where, *crashes.INSIDE_THE_TRANSACTION.values(), "minicloud.reconcile.snapshots:_journal",
    "minicloud.reconcile.snapshots:_record", "minicloud.reconcile.layers:_replace",
)  # fmt: skip
JUMPS = (86400.0 * 400, 86400.0 * 3, 7200.0, -600.0, -86400.0 * 3)
"""Seconds by which the time of day is set."""


ANY = "a change to the host"
"""The place that is any of CHANGING, counted together."""


def point(random: Random) -> Point:
    """Where a command is killed: mostly at one of its changes to the host, whichever they are."""
    when = random.choice(["before", "after"])
    return Point(random.choice(PLACES), when) if random.random() < 0.3 else Point(ANY, when, random.choice([1, 1, 2, 2, 3, 4, 5]))


def arm(cloud: Cloud, where: Point) -> None:
    """Have this process killed there, if it comes there."""
    if where.where != ANY:
        crashes.arm(cloud, where)
        return
    left = [where.nth]
    for name in CHANGING:
        driver, method = name.split(".")
        owner = type(getattr(cloud.host, driver))
        setattr(owner, method, _counted(getattr(owner, method), left, where.when))


def _counted(real: Callable[..., Any], left: list[int], when: str) -> Callable[..., Any]:
    def counted(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        mine = left[0] == 0
        if mine and when == "before":
            processes.die()
        answer = real(*args, **kwargs)
        if mine:
            processes.die()
        return answer

    return counted


def fail(cloud: Cloud, failed: Sequence[str], times: int) -> None:
    """The next calls of some methods of drivers, counted together, fail in a way that passes."""
    left = [times]
    for method in failed:
        driver, name = method.split(".")
        owner = type(getattr(cloud.host, driver))
        setattr(owner, name, _failing(getattr(owner, name), method, left))


def _failing(real: Callable[..., Any], method: str, left: list[int]) -> Callable[..., Any]:
    def failing(*args: Any, **kwargs: Any) -> Any:
        if left[0] > 0:
            left[0] -= 1
            raise Retry(f"{method} fails in this campaign", delay=1.0)
        return real(*args, **kwargs)

    return failing


def fill_disk(cloud: Cloud, random: Random) -> None:
    """The state's file cannot grow by more than a few pages: SQLite says that the disk is full."""
    spare, real = random.randrange(2), State._open

    def full(state: State) -> sqlite3.Connection:
        connection = real(state)
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages + spare}")
        return connection

    State._open = full  # type: ignore[method-assign]
    cloud.state.close()


@dataclasses.dataclass(frozen=True)
class Trouble:
    """What befalls one request, in words for the log."""

    kind: str
    where: Point | None = None
    method: str = ""
    times: int = 0

    def __str__(self) -> str:
        words = {"killed": f"killed {self.where}", "fails": f"{self.method} fails", "libvirt is away": "libvirt is away"}
        return words.get(self.kind, self.kind) + (f" {self.times} times" if self.times else "")

    def befall(self, cloud: Cloud, random: Random) -> None:
        """Arrange it for this process."""
        if self.kind == "killed":
            assert self.where is not None
            arm(cloud, self.where)
        elif self.kind == "fails":
            fail(cloud, [self.method], self.times)
        elif self.kind == "libvirt is away":
            fail(cloud, OF_LIBVIRT, self.times)
        else:
            fill_disk(cloud, random)


def trouble(random: Random) -> Trouble:
    """One of them."""
    kind = random.choice(["killed", "killed", "killed", "killed", "fails", "full disk", "libvirt is away"])
    if kind == "killed":
        return Trouble(kind, where=point(random))
    if kind == "fails":
        return Trouble(kind, method=random.choice(CHANGING), times=random.randint(1, 2))
    if kind == "libvirt is away":
        return Trouble(kind, times=random.randint(1, 12))
    return Trouble(kind)
