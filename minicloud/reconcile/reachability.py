"""The instance check: does a running instance's address answer on the wire?

`initializing` until it first answers; then `passed`, and `failed` after it has been silent for two looks in a row.
"""

import time
from collections import defaultdict
from concurrent import futures
from ipaddress import IPv4Address

from ..aws import times
from ..cloud import Cloud
from ..state.rows import Instance, Interface
from . import isolation

LOOK_AGAIN = 5.0
"""Seconds between two looks at one instance."""
_AT_ONCE = 16
"""Subnets that are asked together: a guest that is silent takes the whole second of its own subnet only."""
LONGEST_BOOT = 600.0
"""Seconds for which an instance that has never answered counts as initializing."""


def verdict(row: Instance, answers: bool, now: float) -> dict[str, str]:
    """The columns to set after a look. `silent` is a passed instance that has missed one look."""
    if answers:
        new = "passed"
    elif row.reachable == "passed":
        new = "silent"
    elif row.reachable in ("silent", "failed") or times.over(row.launched, LONGEST_BOOT, now):
        new = "failed"
    else:
        new = ""
    fields = {"checked": times.text(now), "reachable": new}
    return fields if new == row.reachable else {**fields, "reachable_since": times.text(now)}


def reconcile(cloud: Cloud) -> None:
    """Look at every running instance that has not just been looked at."""
    now = time.time()
    by_subnet: dict[str, list[tuple[Instance, IPv4Address]]] = defaultdict(list)
    running = {row.id: row for row in cloud.state.instances.find(state="running")}

    def gather(interface: Interface) -> None:
        row = running[interface.instance_id]
        if not row.checked or times.over(row.checked, LOOK_AGAIN, now):
            by_subnet[interface.subnet_id].append((row, IPv4Address(interface.address)))

    primary = [(one.instance_id, one) for one in cloud.state.interfaces.among("instance_id", running) if one.device_index == 0]
    isolation.each(cloud, "reachability of instances", primary, gather)
    with futures.ThreadPoolExecutor(_AT_ONCE) as askers:
        looks = [
            (subnet_id, (asked, askers.submit(cloud.host.networks.answers, subnet_id, [address for _, address in asked])))
            for subnet_id, asked in by_subnet.items()
        ]
    isolation.each(cloud, "reachability", looks, lambda look: _note(cloud, *look, now), longest=LOOK_AGAIN)


def _note(cloud: Cloud, asked: list[tuple[Instance, IPv4Address]], answers: futures.Future[set[IPv4Address]], now: float) -> None:
    there = answers.result()
    with cloud.state.transaction():
        for row, address in asked:
            cloud.state.instances.change(row.id, **verdict(row, address in there, now))
