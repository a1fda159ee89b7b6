"""`minicloud status`: all of minicloud on one screen. Gathering asks the host; what follows from it is a pure function."""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..aws import instance_types
from ..errors import host_error
from ..state.rows_failures import Failure
from . import own

if TYPE_CHECKING:
    from ..cloud import Cloud
    from ..host.contracts import Capacity
    from ..state.rows import Instance
    from ..state.rows_cloudwatch import Notification

_STATES = ("pending", "running", "stopping", "stopped", "shutting-down", "terminated")
_HOLDING = ("pending", "running", "stopping")
"""States in which an instance has its memory and processors."""
_MOST_PROBLEMS = 5
Answer = TypeVar("Answer")


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
    messages: "Sequence[Notification]" = ()
    """Those whose delivery has failed so far."""
    clock: str = ""
    """What lately happened to the clock; empty if nothing did."""
    fault: str = ""
    """Why the hypervisor does not answer; empty if it does."""
    strangers: Mapping[str, str] = field(default_factory=dict)
    """The networks of other states, each with its state's identity."""
    damaged: Sequence[str] = ()
    """Networks that are not as they should be, although minicloud has just tried."""
    refusal: str = ""
    """Why nothing is changed with this state; empty if it is that of the disks."""
    failures: "Sequence[Failure]" = ()
    """What cannot be done at present."""


def gather(cloud: "Cloud") -> Facts:
    """Look at the state and the host. A part of the host that does not answer is a fact, too: it is among the failures."""
    from ..host import kvm
    from ..host.contracts import Capacity
    from ..reconcile import clock, generations, networks, worker

    settings, failed = cloud.settings, list[Failure]()
    guests = _asked("guests.list", cloud.host.guests.list, None, failed)
    if guests is not None:
        cloud.worker.refresh("DescribeInstances")
    return Facts(
        kvm=kvm.usable(),
        instances=cloud.state.instances.query(),
        capacity=_asked("machine.capacity", cloud.host.machine.capacity, Capacity(0, 0), failed),
        reserve=settings.memory_reserve,
        images=len(cloud.state.images.find(state="available")),
        networks=_asked("networks.list", lambda: len(cloud.host.networks.list()), 0, failed),
        disks=_asked("disks.list", lambda: sum(cloud.host.disks.list().values()), 0, failed),
        bases=_occupied(settings.images),
        free=shutil.disk_usage(settings.home).free,
        daemon=worker.wake(cloud),
        messages=cloud.state.notifications.query("attempts > 0"),
        clock=clock.doubt(cloud),
        strangers=_asked("networks.strangers", cloud.host.networks.strangers, {}, failed),
        damaged=_asked("networks.list", lambda: networks.damaged(cloud), [], failed),
        refusal=_asked("disks.stamp", lambda: generations.refusal(cloud), "", failed),
        fault=failed[0].message if guests is None else "",
        failures=[*(failed if guests is not None else failed[1:]), *cloud.state.failures.query()],
    )


def _asked(what: str, ask: Callable[[], Answer], otherwise: Answer, failed: list[Failure]) -> Answer:
    """What a driver says; where it fails, whatever it raises, that is noted and something else is taken."""
    try:
        return ask()
    except Exception as error:  # noqa: BLE001  it is told as what it is
        known = host_error(error)
        failed.append(Failure("host", what, known.code, known.message))
        return otherwise


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
        "State": facts.refusal or "is that of the disks",
        "Daemon": "running" if facts.daemon else "not running; every command does the work itself",
        "Instances": {state: states[state] for state in _STATES if states[state]},
        "VCpus": {
            "Given": round(sum(kind.vcpus * kind.baseline for kind in kinds), 2),
            "Total": facts.capacity.threads,
        },
        "MemoryMiB": {"Given": sum(kind.memory_mib for kind in kinds), "Total": facts.capacity.memory - facts.reserve},
        "Images": facts.images,
        "Networks": facts.networks,
        "NetworksOfOthers": dict(facts.strangers),
        "DamagedNetworks": list(facts.damaged),
        "DiskMiB": {"Volumes": facts.disks >> 20, "Images": facts.bases >> 20, "Free": facts.free >> 20},
        "Topics": [
            {"TopicArn": topic, "Waiting": count, "Reason": [row for row in facts.messages if row.topic == topic][-1].reason}
            for topic, count in Counter(row.topic for row in facts.messages).items()
        ],
        "Clock": facts.clock or "has not been set lately",
        "Problems": [*problems(facts.instances), *failing(facts)],
    }


def problems(instances: "Sequence[Instance]") -> list[dict[str, Any]]:
    """The latest instances that ended, or wait, for a reason that is not their user's."""
    wrong = [row for row in instances if row.reason_code.startswith("Server.") or row.failures]
    latest = sorted(wrong, key=lambda row: row.terminated or row.retry_at or row.launched, reverse=True)[:_MOST_PROBLEMS]
    return [{"InstanceId": row.id, "State": row.state, "Code": row.reason_code, "Message": row.reason_message} for row in latest]


def failing(facts: Facts) -> list[dict[str, Any]]:
    """What cannot be done at present, the longest first, but for what instances say themselves."""
    shown = {row["InstanceId"] for row in problems(facts.instances)}
    rows = [failure for failure in facts.failures if failure.subject not in shown]
    latest = sorted(rows, key=lambda failure: failure.since)[:_MOST_PROBLEMS]
    return [
        {
            "Resource": row.subject,
            "Part": row.part,
            "Code": row.code,
            "Message": row.message,
            "Since": row.since,
            "Tried": row.count,
        }
        for row in latest
    ]


def table_of(answer: dict[str, Any]) -> dict[str, Any]:
    """The same for a person: one line for each, and problems below."""
    counts = ", ".join(f"{number} {state}" for state, number in answer["Instances"].items())
    disk = answer["DiskMiB"]
    lines = {
        "Guests": f"{answer['Guests']}: {answer['Why']}",
        "Hypervisor": answer["Hypervisor"],
        "State": answer["State"],
        "Daemon": answer["Daemon"],
        "Instances": counts or "none",
        "vCPUs given": f"{answer['VCpus']['Given']:g} of {answer['VCpus']['Total']}",
        "Memory given": f"{answer['MemoryMiB']['Given']} of {answer['MemoryMiB']['Total']} MiB",
        "Images": answer["Images"],
        "Networks": _networks(answer),
        "Disk": f"{disk['Volumes']} MiB in volumes, {disk['Images']} MiB in images, {disk['Free']} MiB free",
    }
    if answer["Topics"]:
        lines["Topics"] = answer["Topics"]
    if answer["Clock"] != "has not been set lately":
        lines["Clock"] = answer["Clock"]
    return {**lines, **({"Problems": answer["Problems"]} if answer["Problems"] else {"Problems": "none"})}


def _networks(answer: dict[str, Any]) -> str:
    """How many, and what is wrong with them."""
    if others := answer["NetworksOfOthers"]:
        return f"this host's belong to another minicloud, the state {min(others.values())}: no instance starts here"
    damaged = answer["DamagedNetworks"]
    return str(answer["Networks"]) + (f"; not as they should be: {', '.join(damaged)}" if damaged else "")


@click.command("status", short_help="The whole of minicloud on one screen.")
@own.answers
@click.pass_context
def command(ctx: click.Context, output: str | None, query: str | None) -> None:
    """Show what runs, what is left of the host, and what went wrong lately."""
    answer = status(gather(ctx.obj.cloud))
    for_person = own.format_of(ctx, output) == "table" and not (query or ctx.obj.query)
    own.show(ctx, table_of(answer) if for_person else answer, output, query)
