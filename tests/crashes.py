"""Points at which a command is killed, and what must be so after the next one.

A point is a function that a command calls on its way, and `before` or `after`: the process kills itself there as `kill -9`
does. Everything runs in processes of its own, so that nothing but the state and the host outlives a crash.
"""

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from minicloud.cloud import Cloud
from minicloud.host.contracts import Power
from minicloud.reconcile import actions, instances

from .cloud_fixtures import Ec2
from .processes import die, killed, together, values

Make = Callable[[], Cloud]


@dataclass(frozen=True)
class Point:
    """`where`: an action's class, a driver's method as `disks.create`, or a function as `module:name`; its `nth` call."""

    where: str
    when: str
    nth: int = 1

    def __str__(self) -> str:
        return f"{self.when} {self.where}" + (f" ({self.nth})" if self.nth > 1 else "")


def both(*where: str) -> list[Point]:
    """Before and after each."""
    return [Point(name, when) for name in where for when in ("before", "after")]


INSIDE_THE_TRANSACTION = {"RunInstances": "minicloud.services.ec2.launch:_record",
                          "TerminateInstances": "minicloud.services.ec2.instance_states:_touch"}  # fmt: skip
COMMITTED = Point("minicloud.reconcile.worker:SelfOrDaemon.work", "before")
OF_RUN = [
    *both(INSIDE_THE_TRANSACTION["RunInstances"]), COMMITTED,
    *both("networks.ensure", "MakeDisks", "disks.put_stamp", "disks.create", "WriteSeed", "seeds.write"),
    *both("StartGuest", "guests.start", "Record"),
]  # fmt: skip
OF_TERMINATE = [
    *both(INSIDE_THE_TRANSACTION["TerminateInstances"]), COMMITTED,
    *both("RemoveGuest", "guests.remove", "RemoveSeed", "RemoveDisks", "Release", "Record", "networks.remove"),
]  # fmt: skip


def dying(function: Callable[..., Any], point: Point) -> Callable[..., Any]:
    """The function, at the chosen call of which this process dies."""
    left = point.nth

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0 and point.when == "before":
            die()
        answer = function(*args, **kwargs)
        if left == 0:
            die()
        return answer

    return wrapper


def arm(cloud: Cloud, point: Point) -> None:
    """Make this process die at a point."""
    module, _, name = point.where.partition(":")
    if name:
        owner: Any = importlib.import_module(module)
        *path, attribute = name.split(".")
        owner = functools.reduce(getattr, path, owner)
    elif "." in point.where:
        driver, attribute = point.where.split(".")
        owner = type(getattr(cloud.host, driver))
    else:
        kind = getattr(actions, point.where)
        instances._EXECUTORS[kind] = dying(instances._EXECUTORS[kind], point)
        return
    setattr(owner, attribute, dying(getattr(owner, attribute), point))


def crash(make: Make, point: Point, operation: str, params: dict[str, Any]) -> None:
    """Have a command killed. Fails if it does not come to the point."""

    def command() -> None:
        cloud = make()
        arm(cloud, point)
        Ec2(cloud)(operation, **params)

    assert killed(command), f"{operation} does not come to {point}"


def command(make: Make, operation: str, **params: Any) -> dict[str, Any]:
    """The answer of a command in a process of its own."""
    (answer,) = values(together(lambda: Ec2(make())(operation, **params)))
    return dict(answer)


def states(make: Make) -> dict[str, str]:
    """What describe-instances says, in a process of its own."""
    found = command(make, "DescribeInstances")["Reservations"]
    return {one["InstanceId"]: one["State"]["Name"] for entry in found for one in entry["Instances"]}


def orphans(make: Make) -> list[str]:
    """What is on the host and belongs to no row, or should be there and is not; guests that do not run as their rows say."""

    def look() -> list[str]:
        cloud = make()
        host, state = cloud.host, cloud.state
        rows = [row for row in state.instances.query() if row.state != "terminated"]
        lived_in = {interface.subnet_id for interface in state.interfaces.query()}
        pairs = {
            "guests": (set(host.guests.list()), {row.id for row in rows}),
            "running": (
                {guest.guest_id for guest in host.guests.list().values() if guest.power is Power.RUNNING},
                {row.id for row in rows if row.state == "running"},
            ),
            "disks": (set(host.disks.list()), {layer.id for layer in state.layers.find(base="")}),
            "seeds": (host.seeds.list(), {row.id for row in rows}),
            "networks": (set(host.networks.list()), lived_in),
            "interfaces": ({one.instance_id for one in state.interfaces.query()}, {row.id for row in rows}),
            "volumes": ({one.instance_id for one in state.volumes.query()}, {row.id for row in rows}),
        }
        found = [f"{name}: {there ^ wanted}" for name, (there, wanted) in pairs.items() if there != wanted]
        files = [path for directory in ("volumes", "seeds") for path in (cloud.settings.home / directory).glob("*")]
        temporary = [str(path) for path in files if path.name.startswith(".") or path.suffix not in (".qcow2", ".iso", ".json")]
        return found + temporary

    return list(values(together(look))[0])


def run_is_mended(make: Make, point: Point, params: dict[str, Any]) -> None:
    """A launch that is killed: fulfilled by the next command, or never recorded. Then all of it goes."""
    crash(make, point, "RunInstances", params)
    found = states(make)
    recorded = point.where != INSIDE_THE_TRANSACTION["RunInstances"]
    assert list(found.values()) == (["running"] if recorded else [])
    assert orphans(make) == []
    if found:
        command(make, "TerminateInstances", InstanceIds=list(found))
        assert list(states(make).values()) == ["terminated"]
        assert orphans(make) == []


def terminate_is_mended(make: Make, point: Point, params: dict[str, Any]) -> None:
    """A termination that is killed: fulfilled by the next command, or never recorded."""
    instance_id = command(make, "RunInstances", **params)["Instances"][0]["InstanceId"]
    crash(make, point, "TerminateInstances", {"InstanceIds": [instance_id]})
    recorded = point.where != INSIDE_THE_TRANSACTION["TerminateInstances"]
    assert states(make) == {instance_id: "terminated" if recorded else "running"}
    assert orphans(make) == []
    command(make, "TerminateInstances", InstanceIds=[instance_id])
    assert states(make) == {instance_id: "terminated"}
    assert orphans(make) == []
