"""`minicloud top`: what instances do right now, and how large groups are. Rates are of the time between two looks at the host.

At a terminal the view is live until Ctrl-C; in a pipe, or with --once, there is one answer, after one interval.
"""

import functools
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from . import own

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ..cloud import Cloud
    from ..host.contracts_meters import GuestCounters
    from ..reconcile.usage import Usage
    from ..state.rows import Instance

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True)
class Look:
    """The counters of all guests at a moment of the steady clock."""

    moment: float
    guests: "Mapping[str, GuestCounters]"


def look(cloud: "Cloud") -> Look:
    """Read them. Raises HostError."""
    guests = cloud.host.guests.counters()
    return Look(time.monotonic(), guests)


def report(cloud: "Cloud", before: Look, after: Look) -> dict[str, Any]:
    """The answer: instances, the busiest first, and groups. Rates are per second; None for a guest that was not on before."""
    from ..reconcile import usage

    state = cloud.state
    rows = state.instances.query("state != 'terminated'")
    tags = state.tags_of(row.id for row in rows)
    found = []
    for row in rows:
        earlier, now = before.guests.get(row.id), after.guests.get(row.id)
        used = usage.between(earlier, now, after.moment - before.moment) if earlier and now else None
        names = {tag["Key"]: tag["Value"] for tag in tags[row.id]}
        found.append(_instance(row, names, used))
    found.sort(key=lambda one: (-(one["CPUUtilization"] or 0.0), one["InstanceId"]))
    return {"Instances": found, "AutoScalingGroups": groups(cloud)}


def _instance(row: "Instance", tags: Mapping[str, str], used: "Usage | None") -> dict[str, Any]:
    about = {
        "InstanceId": row.id,
        "Name": tags.get("Name", ""),
        "AutoScalingGroupName": tags.get("aws:autoscaling:groupName", ""),
        "InstanceType": row.instance_type,
        "State": row.state,
    }
    if used is None:
        rates = ("CPUUtilization", "NetworkIn", "NetworkOut", "DiskRead", "DiskWrite")
        return {**about, **dict.fromkeys(rates)}
    nics, disks = used.nics.values(), used.disks.values()
    return {
        **about,
        "CPUUtilization": round(used.utilization, 1),
        "NetworkIn": round(sum(nic.in_bytes for nic in nics) / used.seconds),
        "NetworkOut": round(sum(nic.out_bytes for nic in nics) / used.seconds),
        "DiskRead": round(sum(disk.read_bytes for disk in disks) / used.seconds),
        "DiskWrite": round(sum(disk.write_bytes for disk in disks) / used.seconds),
    }


def groups(cloud: "Cloud") -> list[dict[str, Any]]:
    """The Auto Scaling groups, all of them, as the answer shows them."""
    from .. import api
    from .paginate import everything

    if "autoscaling" not in api.services() or "DescribeAutoScalingGroups" not in api.operations("autoscaling"):
        return []
    answer = everything(functools.partial(api.call, cloud), "autoscaling", "DescribeAutoScalingGroups")
    return [
        {
            "AutoScalingGroupName": group["AutoScalingGroupName"],
            "MinSize": group["MinSize"],
            "DesiredCapacity": group["DesiredCapacity"],
            "MaxSize": group["MaxSize"],
            "InService": sum(one.get("LifecycleState") == "InService" for one in group.get("Instances", [])),
            "Instances": len(group.get("Instances", [])),
        }
        for group in answer["AutoScalingGroups"]
    ]


def amount(rate: float | None) -> str:
    """Bytes a second for a person."""
    if rate is None:
        return ""
    value, unit = float(rate), 0
    while value >= 1000 and unit + 1 < len(_UNITS):
        value, unit = value / 1024, unit + 1
    return f"{value:.0f} {_UNITS[unit]}/s" if unit == 0 or value >= 10 else f"{value:.1f} {_UNITS[unit]}/s"


def table_of(answer: dict[str, Any]) -> dict[str, Any]:
    """The same for a person."""
    instances = [
        {
            "Instance": one["InstanceId"],
            "Name": one["Name"],
            "Type": one["InstanceType"],
            "State": one["State"],
            "CPU": "" if one["CPUUtilization"] is None else f"{one['CPUUtilization']:.1f} %",
            **{name: amount(one[key]) for name, key in _RATES.items()},
        }
        for one in answer["Instances"]
    ]
    groups = [
        {
            "Group": one["AutoScalingGroupName"],
            "In service": f"{one['InService']} of {one['DesiredCapacity']}",
            "Bounds": f"{one['MinSize']} to {one['MaxSize']}",
        }
        for one in answer["AutoScalingGroups"]
    ]
    return {"Instances": instances or "none", **({"Groups": groups} if groups else {})}


_RATES = {"Net in": "NetworkIn", "Net out": "NetworkOut", "Disk read": "DiskRead", "Disk write": "DiskWrite"}


def _drawn(answer: dict[str, Any]) -> "RenderableType":
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from .terminal import clean

    parts: list[RenderableType] = []
    for title, rows in table_of(answer).items():
        if isinstance(rows, str):
            parts.append(Text(f"{title}: {rows}"))
            continue
        table = Table(title=title, title_justify="left", header_style="bold", box=None)
        for name in rows[0]:
            table.add_column(name, justify="right" if name in (*_RATES, "CPU") else "left", no_wrap=True)
        for row in rows:
            table.add_row(*(Text(clean(str(value))) for value in row.values()))
        parts.append(table)
    return Group(*parts)


def _live(cloud: "Cloud", interval: float) -> None:
    from rich.console import Console
    from rich.live import Live

    before = look(cloud)
    with Live(_drawn(report(cloud, before, before)), console=Console(), screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(interval)
            after = look(cloud)
            live.update(_drawn(report(cloud, before, after)), refresh=True)
            before = after


@click.command("top", short_help="What instances do right now: CPU, network, disk; sizes of groups.")
@click.option("--once", is_flag=True, help="One answer, after one interval.")
@click.option("--interval", type=click.FloatRange(0.2, 3600), default=2.0, show_default=True, help="Seconds between two looks.")
@own.answers
@click.pass_context
def command(ctx: click.Context, once: bool, interval: float, output: str | None, query: str | None) -> None:
    """Show what instances do right now, and how large groups are: live at a terminal, once in a pipe."""
    cloud = ctx.obj.cloud
    for_person = own.format_of(ctx, output) == "table" and not (query or ctx.obj.query)
    if for_person and not once and sys.stdout.isatty():
        try:
            _live(cloud, interval)
        except KeyboardInterrupt:
            return
    before = look(cloud)
    time.sleep(interval)
    answer = report(cloud, before, look(cloud))
    own.show(ctx, table_of(answer) if for_person else answer, output, query)
