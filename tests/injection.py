"""Failures that nobody foresaw, injected into any method of any driver of the fake host; found by looking at the contracts.

`World` is a cloud with a victim, to which things happen, and a bystander, to which nothing may happen by that. They share no
subnet and no disk. `World.arrange` has a method called for the victim by the next pass.
"""

import contextlib
import copy
import dataclasses
import importlib
import inspect
import itertools
import pkgutil
import shutil
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import minicloud.host
from minicloud import api
from minicloud.cloud import Cloud
from minicloud.config import Settings
from minicloud.errors import Permanent, Retry
from minicloud.host import fake
from minicloud.host.contracts import Host
from minicloud.host.fake import FakeHost
from minicloud.host.fake_disks import PREFIX
from minicloud.host.fake_drivers import FakeMachine
from minicloud.reconcile import daemon, monitor, notifications
from minicloud.reconcile.monitor import Steps, bound_logs
from minicloud.reconcile.worker import worker_for
from minicloud.topics import Topic

from .cloud_fixtures import IMAGE, RUN, Ec2, settings

ERRORS: dict[str, Callable[[], Exception]] = {
    "AttributeError": lambda: AttributeError("module 'libvirt' has no attribute 'VIR_ERR_UNHEARD_OF'"),
    "ValueError": lambda: ValueError("not enough values to unpack"),
    "KeyError": lambda: KeyError("vda"),
    "OSError": lambda: OSError(5, "Input/output error"),
    "Retry": lambda: Retry("libvirt does not answer"),
    "Permanent": lambda: Permanent("this host cannot"),
}
TOPICS = {"ops": Topic(webhook="http://127.0.0.1:1/hook", command=("/bin/page",))}


def protocols() -> set[type]:
    """All Protocols of all files of contracts."""
    names = [module.name for module in pkgutil.iter_modules(minicloud.host.__path__) if module.name.startswith("contracts")]
    modules = [importlib.import_module(f"minicloud.host.{name}") for name in names]
    return {
        kind
        for module in modules
        for kind in vars(module).values()
        if inspect.isclass(kind) and getattr(kind, "_is_protocol", False) and kind.__module__ == module.__name__
    }


def methods() -> list[str]:
    """Every method of every driver of a host, as `guests.start`."""
    hints = typing.get_type_hints(Host, localns={"LoadBalancerSpec": object})
    drivers = {field.name: hints[field.name] for field in dataclasses.fields(Host)}
    assert set(drivers.values()) == protocols(), "a contract that is no driver of a host"
    return [
        f"{driver}.{name}"
        for driver, protocol in drivers.items()
        for name, member in vars(protocol).items()
        if inspect.isfunction(member) and not name.startswith("_")
    ]


def subject_of(args: tuple[Any, ...]) -> str:
    """What a call is about: an id, or that of a spec; empty where it is about all."""
    if not args:
        return ""
    names = ("guest_id", "instance_id", "network_id", "balancer_id")
    return args[0] if isinstance(args[0], str) else next((getattr(args[0], name) for name in names if hasattr(args[0], name)), "")


@dataclass
class Template:
    """A world that others begin as: the files of its state, and what its host holds."""

    home: Path
    held: dict[str, Any]
    victim: str
    bystander: str


class Clock:
    """Time that passes when it is told to."""

    def __init__(self, monkeypatch: Any) -> None:
        self.now, self.moved = 1_800_000_000.0, 1_799_900_000.0
        self.monkeypatch = monkeypatch
        monkeypatch.setattr("time.time", lambda: self.now)
        monkeypatch.setattr(FakeMachine, "uptime", lambda _: self.now - self.moved)

    def set(self, seconds: float) -> None:
        """Somebody sets the clock."""
        self.now += seconds
        self.moved += seconds


class World:
    """One cloud over a fake host, with the clocks of a daemon."""

    def __init__(self, directory: Path, clock: Clock, template: Template | None = None) -> None:
        self.host: FakeHost = fake.host()
        self.clock, self.monkeypatch = clock, clock.monkeypatch
        own: Settings = settings(directory, topics=TOPICS, sample_seconds=60)
        self.victim = self.bystander = ""
        if template is not None:
            clock.now += 3600.0
            shutil.copytree(template.home, own.home)
            self.host.store._memory = copy.deepcopy(template.held)
            self.victim, self.bystander = template.victim, template.bystander
        self.cloud = Cloud(own, lambda *_: self.host)
        self.cloud.worker = worker_for(self.cloud)
        self.ec2 = Ec2(self.cloud)
        self.steps = Steps(self.cloud)

    @classmethod
    def build(cls, directory: Path, clock: Clock) -> Template:
        """A victim and a bystander, both running, with a load balancer of the victim's in a third subnet."""
        world = cls(directory, clock)
        world.host.add_image(IMAGE)
        world.victim = world.ec2.run(Placement={"AvailabilityZone": "us-east-1a"})
        world.bystander = world.ec2.run(Placement={"AvailabilityZone": "us-east-1b"})
        world.balancer()
        world.turn()
        world.cloud.state.close()
        return Template(world.cloud.settings.home, copy.deepcopy(world.host.store._memory), world.victim, world.bystander)

    def balancer(self) -> None:
        (subnet,) = self.ec2("DescribeSubnets", Filters=[{"Name": "availability-zone", "Values": ["us-east-1c"]}])["Subnets"]
        params = {"Name": "web", "Type": "network", "Subnets": [subnet["SubnetId"]]}
        self.elbv2("CreateLoadBalancer", **params)

    def elbv2(self, operation: str, **params: Any) -> dict[str, Any]:
        """A command about load balancers."""
        return api.call(self.cloud, "elbv2", operation, params)

    def call(self, operation: str, **params: Any) -> dict[str, Any]:
        """A command."""
        return self.ec2(operation, **params)

    def turn(self) -> None:
        """What `minicloud serve` does in a while: its loop, and its other threads."""
        self.clock.now += 60.0
        daemon.turn(self.cloud)
        self.steps.step(self.clock.now, self.clock.now)
        notifications.deliver(self.cloud, self.clock.now)
        bound_logs(self.cloud)
        for name in monitor.BESIDE:
            monitor.carry_out(self.cloud, name)

    def settle(self) -> None:
        """Turns, until nothing fails any more, and nothing is on its way."""
        for quiet in self._quiet():
            if quiet:
                return
            self.turn()
            for row in self.cloud.state.instances.query("retry_at != ''"):
                self.cloud.state.instances.change(row.id, retry_at="")
            for guest_id in self.host.guests.list():
                with contextlib.suppress(Permanent):
                    self.host.finish_jobs(guest_id)

    def _quiet(self) -> Iterator[bool]:
        """Whether the rows are as they were before the last turn, and none fails; at most for 12 turns."""
        before: object = None
        for _ in range(12):
            state = self.cloud.state
            tables = (state.instances, state.volumes, state.snapshots, state.interfaces, state.layers, state.notifications)
            now = [
                {name: value for name, value in vars(row).items() if name not in ("checked", "reachable_since")}
                for table in tables
                for row in table.query()
            ]
            yield now == before and not state.failures.query()
            before = now

    @contextlib.contextmanager
    def injected(self, method: str, errors: list[str], *, all_rows: bool) -> Iterator[list[str]]:
        """All calls of a method fail, or all but those about the bystander; gives the list of those that did."""
        driver, name = method.split(".")
        owner, hits, kinds = getattr(self.host, driver), list[str](), itertools.cycle(errors)
        genuine, spared = getattr(owner, name), self.of_bystander()

        def failing(*args: Any, **kwargs: Any) -> Any:
            subject = subject_of(args)
            if not all_rows and (not subject or subject in spared):
                return genuine(*args, **kwargs)
            hits.append(subject)
            raise ERRORS[next(kinds)]()

        setattr(owner, name, failing)
        try:
            yield hits
        finally:
            delattr(owner, name)

    def of_bystander(self) -> set[str]:
        """The ids of all that is the bystander's."""
        state = self.cloud.state
        volumes, cards = state.volumes.find(instance_id=self.bystander), state.interfaces.find(instance_id=self.bystander)
        layers = [row.layer_id for row in volumes]
        paths = [f"{PREFIX}{layer_id}" for layer_id in layers]
        return {self.bystander, IMAGE.image_id, *layers, *paths, *(row.subnet_id for row in cards)}


__all__ = ["ERRORS", "RUN", "Clock", "Template", "World", "methods"]
