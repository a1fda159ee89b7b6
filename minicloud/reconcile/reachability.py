"""The instance check: does a running instance's address answer on the wire?

`initializing` until it first answers; then `passed`, and `failed` after it has been silent for two looks in a row.
"""

import time
from collections import defaultdict
from ipaddress import IPv4Address

from ..aws import times
from ..cloud import Cloud
from ..state.rows import Instance

LOOK_AGAIN = 5.0
"""Seconds between two looks at one instance."""
LONGEST_BOOT = 600.0
"""Seconds for which an instance that has never answered counts as initializing."""


def verdict(row: Instance, answers: bool, now: float) -> dict[str, str]:
    """The columns to set after a look. `silent` is a passed instance that has missed one look."""
    if answers:
        new = "passed"
    elif row.reachable == "passed":
        new = "silent"
    elif row.reachable in ("silent", "failed") or now - times.seconds(row.launched) > LONGEST_BOOT:
        new = "failed"
    else:
        new = ""
    fields = {"checked": times.text(now), "reachable": new}
    return fields if new == row.reachable else {**fields, "reachable_since": times.text(now)}


def reconcile(cloud: Cloud) -> None:
    """Look at every running instance that has not just been looked at."""
    now = time.time()
    due = [
        row
        for row in cloud.state.instances.find(state="running")
        if not row.checked or not 0 <= now - times.seconds(row.checked) < LOOK_AGAIN
    ]
    by_subnet: dict[str, list[tuple[Instance, IPv4Address]]] = defaultdict(list)
    rows = {row.id: row for row in due}
    for interface in cloud.state.interfaces.among("instance_id", rows):
        if interface.device_index == 0:
            by_subnet[interface.subnet_id].append((rows[interface.instance_id], IPv4Address(interface.address)))
    for subnet_id, asked in by_subnet.items():
        there = cloud.host.networks.answers(subnet_id, [address for _, address in asked])
        with cloud.state.transaction():
            for row, address in asked:
                cloud.state.instances.change(row.id, **verdict(row, address in there, now))
