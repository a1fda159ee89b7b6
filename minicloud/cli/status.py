"""`minicloud status`: all of minicloud on one screen. Gathering asks the host; what follows from it is a pure function."""

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..aws import instance_types
from ..errors import HostError
from . import own

if TYPE_CHECKING:
    from ..cloud import Cloud
    from ..host.contracts import Capacity
    from ..state.rows import Instance

_STATES = ("pending", "running", "stopping", "stopped", "shutting-down", "terminated")
_HOLDING = ("pending", "running", "stopping")
"""States in which an instance has its memory and processors."""
_MOST_PROBLEMS = 5


@dataclass(frozen=True)
class Facts:
    """What the status is made of; sizes in bytes."""

    kvm: tuple[bool, str]
    instances: "Sequence[Instance]"
    capacity: "Capacity"
    reserve: int
    images: int
    networks: int
    disks: int
    bases: int
    free: int
    daemon: bool
    fault: str = ""
    """Why the hypervisor does not answer; empty if it does."""


def gather(cloud: "Cloud") -> Facts:
    """Look at the state and the host. Raises HostError, but not for a hypervisor that does not answer: that is a fact, too."""
    from ..host import kvm
    from ..reconcile import worker

    fault = ""
    try:
        cloud.host.guests.list()
    except HostError as error:
        fault = str(error)
    else:
        cloud.worker.refresh("DescribeInstances")
    settings = cloud.settings
    return Facts(
        kvm=kvm.usable(),
        instances=cloud.state.instances.query(),
        capacity=cloud.host.machine.capacity(),
        reserve=settings.memory_reserve,
        images=len(cloud.state.images.find(state="available")),
        networks=len(cloud.host.networks.list()),
        disks=sum(cloud.host.disks.list().values()),
        bases=_occupied(settings.images),
        free=shutil.disk_usage(settings.home).free,
        daemon=worker.wake(cloud),
        fault=fault,
    )


def _occupied(directory: Path) -> int:
    """The bytes that the files under a directory take on the disk."""
    found = 0
    for root, _, names in os.walk(directory):
        for name in names:
            try:
                found += os.lstat(os.path.join(root, name)).st_blocks * 512
            except FileNotFoundError:
                continue
    return found


def status(facts: Facts) -> dict[str, Any]:
    """The answer, with names in AWS's way."""
    states = Counter(row.state for row in facts.instances)
    holding = [row for row in facts.instances if row.state in _HOLDING]
    kinds = [instance_types.with_cpus(row.instance_type, row.cpu_cores, row.cpu_threads) for row in holding]
    return {
        "Guests": "run with KVM" if facts.kvm[0] else "are emulated (TCG)",
        "Why": facts.kvm[1],
        "Hypervisor": facts.fault or "answers",
        "Daemon": "running" if facts.daemon else "not running; every command does the work itself",
        "Instances": {state: states[state] for state in _STATES if states[state]},
        "VCpus": {
            "Given": round(sum(kind.vcpus * kind.baseline for kind in kinds), 2),
            "Total": facts.capacity.threads,
        },
        "MemoryMiB": {"Given": sum(kind.memory_mib for kind in kinds), "Total": facts.capacity.memory - facts.reserve},
        "Images": facts.images,
        "Networks": facts.networks,
        "DiskMiB": {"Volumes": facts.disks >> 20, "Images": facts.bases >> 20, "Free": facts.free >> 20},
        "Problems": problems(facts.instances),
    }


def problems(instances: "Sequence[Instance]") -> list[dict[str, Any]]:
    """The latest instances that ended, or wait, for a reason that is not their user's."""
    wrong = [row for row in instances if row.reason_code.startswith("Server.") or row.failures]
    latest = sorted(wrong, key=lambda row: row.terminated or row.retry_at or row.launched, reverse=True)[:_MOST_PROBLEMS]
    return [{"InstanceId": row.id, "State": row.state, "Code": row.reason_code, "Message": row.reason_message} for row in latest]


def table_of(answer: dict[str, Any]) -> dict[str, Any]:
    """The same for a person: one line for each, and problems below."""
    counts = ", ".join(f"{number} {state}" for state, number in answer["Instances"].items())
    disk = answer["DiskMiB"]
    lines = {
        "Guests": f"{answer['Guests']}: {answer['Why']}",
        "Hypervisor": answer["Hypervisor"],
        "Daemon": answer["Daemon"],
        "Instances": counts or "none",
        "vCPUs given": f"{answer['VCpus']['Given']:g} of {answer['VCpus']['Total']}",
        "Memory given": f"{answer['MemoryMiB']['Given']} of {answer['MemoryMiB']['Total']} MiB",
        "Images": answer["Images"],
        "Networks": answer["Networks"],
        "Disk": f"{disk['Volumes']} MiB in volumes, {disk['Images']} MiB in images, {disk['Free']} MiB free",
    }
    return {**lines, **({"Problems": answer["Problems"]} if answer["Problems"] else {"Problems": "none"})}


@click.command("status", short_help="The whole of minicloud on one screen.")
@own.answers
@click.pass_context
def command(ctx: click.Context, output: str | None, query: str | None) -> None:
    """Show what runs, what is left of the host, and what went wrong lately."""
    answer = status(gather(ctx.obj.cloud))
    for_person = own.format_of(ctx, output) == "table" and not (query or ctx.obj.query)
    own.show(ctx, table_of(answer) if for_person else answer, output, query)
