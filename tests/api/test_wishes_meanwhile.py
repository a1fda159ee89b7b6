"""A wish that is given while another is carried out is kept: every wish that takes time, held up at every point where it is
about to change something of a guest or disk, and every operation about the same things in that moment.

What comes of it is what comes of the same two requests one after the other, before anything is carried out or when the first
is done; and nothing stays on its way. Operations are found in the model by the identifiers that they take, points by what
changes in the fake host.
"""

import contextlib
import copy
import functools
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from minicloud import api
from minicloud.aws.model import Shape
from minicloud.cloud import Cloud
from minicloud.errors import ApiError
from minicloud.host import fake
from minicloud.host.contracts import Power
from minicloud.host.fake import FakeHost
from minicloud.reconcile import loop

from ..cloud_fixtures import IMAGE, RUN, Ec2, cloud_in, waited
from ..holding import held_up
from ..injection import methods

IDENTIFIERS = {"InstanceId", "InstanceIds", "VolumeId", "VolumeIds", "NetworkInterfaceId", "AttachmentId"}
DRIVERS = ("guests", "cards", "blocks", "disks")
SETTINGS = ("Modify", "Reset", "Monitor", "Unmonitor", "Assign", "Unassign", "Associate", "Enable")
"""How the names of operations begin that start nothing: these are given at one point only. ModifyVolume is none of them."""
MADE = re.compile(r"\b(?:(i|vol|eni|snap|ami|layer)-?[0-9a-f]{17}|(0a)(?::[0-9a-f]{2}){5})\b")
COLUMNS = {
    "instances": "id wish state instance_type monitoring reboots_asked reboots_done",
    "volumes": "id state attachment instance_id device size kind",
    "interfaces": "id attachment instance_id device_index secondary",
    "snapshots": "volume_id state",
    "images": "name state reboot",
    "modifications": "volume_id state target",
    "failures": "part subject message",
}
"""What two histories must have in common of the rows of each table."""
Params = dict[str, Any]


@dataclass
class World:
    """A running instance `i` with a volume and an interface, `held`, and one of each that are free; no request does any work."""

    cloud: Cloud
    host: FakeHost
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def ec2(self) -> Ec2:
        return Ec2(self.cloud)

    def copied(self, directory: Path) -> "World":
        """Another world that is as this one."""
        host = fake.host()
        host.store._memory = copy.deepcopy(self.host.store._memory)
        shutil.copytree(self.cloud.settings.home, directory / "home")
        return World(cloud_in(directory, host, work=False), host, dict(self.ids))

    def work(self) -> None:
        """Passes, until two of them leave the same."""
        before: object = None
        for _ in range(20):
            waited(self.cloud)
            for row in self.cloud.state.instances.query("retry_at != ''"):
                self.cloud.state.instances.change(row.id, retry_at="")
            loop.run_pass(self.cloud)
            if (now := self.outcome()) == before:
                return
            before = now
        pytest.fail("it does not come to rest")

    def outcome(self) -> str:
        """What is so. Identifiers that are made only now no two histories have in common, so these are left out."""
        rows = {
            table: sorted(
                self._named({name: getattr(row, name) for name in columns.split()})
                for row in getattr(self.cloud.state, table).query()
            )
            for table, columns in COLUMNS.items()
        }
        guests = self.host.guests.list()
        return "\n".join([*(f"{table} {row}" for table in rows for row in rows[table]), *sorted(map(self._guest, guests))])

    def _guest(self, guest_id: str) -> str:
        on = self.host.guests.list()[guest_id].power in (Power.RUNNING, Power.PAUSED)
        return self._named([guest_id, on, sorted(self.host.cards.list(guest_id)), sorted(self.host.blocks.chains(guest_id))])

    def _named(self, value: Any) -> str:
        names = {value: key for key, value in self.ids.items()}
        return MADE.sub(lambda found: names.get(found[0], found[1] or found[2]), json.dumps(value, default=str))


def first_world(directory: Path) -> World:
    """The world that all others are copies of."""
    host = fake.host()
    host.add_image(IMAGE)
    world = World(cloud_in(directory, host, work=False), host)
    loop.run_pass(world.cloud)
    ec2, ids = world.ec2, world.ids
    ids["i"] = ec2.run(Placement={"AvailabilityZone": "us-east-1a"}, InstanceType="m5.xlarge")
    subnet = ec2.instance(ids["i"])["SubnetId"]
    for name in ("held", "free"):
        ids[f"vol-{name}"] = ec2("CreateVolume", Size=4, AvailabilityZone="us-east-1a")["VolumeId"]
        ids[f"eni-{name}"] = ec2("CreateNetworkInterface", SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    world.work()
    ec2("AttachVolume", VolumeId=ids["vol-held"], InstanceId=ids["i"], Device="/dev/sdf")
    card = {"NetworkInterfaceId": ids["eni-held"], "InstanceId": ids["i"], "DeviceIndex": 1}
    ids["attachment"] = ec2("AttachNetworkInterface", **card)["AttachmentId"]
    world.work()
    api.call(world.cloud, "iam", "CreateInstanceProfile", {"InstanceProfileName": "profile"})
    return world


@dataclass(frozen=True)
class First:
    """A wish that takes time. `about` says which volume, interface and attachment the second one is about, where it is not
    those that the instance has; an `=` stands before a part of the first one's answer."""

    operation: str
    params: Callable[[dict[str, str]], Params]
    about: dict[str, str] = field(default_factory=dict)
    stopped: bool = False


FIRSTS = {
    "attach an interface": First(
        "AttachNetworkInterface",
        lambda ids: {"NetworkInterfaceId": ids["eni-free"], "InstanceId": ids["i"], "DeviceIndex": 2},
        {"eni": "eni-free", "attachment": "=AttachmentId"},
    ),
    "detach an interface": First("DetachNetworkInterface", lambda ids: {"AttachmentId": ids["attachment"]}),
    "create a volume": First("CreateVolume", lambda _: {"Size": 2, "AvailabilityZone": "us-east-1a"}, {"vol": "=VolumeId"}),
    "attach a volume": First(
        "AttachVolume",
        lambda ids: {"VolumeId": ids["vol-free"], "InstanceId": ids["i"], "Device": "/dev/sdg"},
        {"vol": "vol-free"},
    ),
    "detach a volume": First("DetachVolume", lambda ids: {"VolumeId": ids["vol-held"]}),
    "enlarge a volume": First("ModifyVolume", lambda ids: {"VolumeId": ids["vol-held"], "Size": 9}),
    "enlarge a free one": First("ModifyVolume", lambda ids: {"VolumeId": ids["vol-free"], "Size": 9}, {"vol": "vol-free"}),
    "take a snapshot": First("CreateSnapshot", lambda ids: {"VolumeId": ids["vol-held"]}),
    "make an image": First("CreateImage", lambda ids: {"InstanceId": ids["i"], "Name": "first"}),
    "launch": First("RunInstances", lambda _: RUN, {"i": "=Instances"}),
    "start": First("StartInstances", lambda ids: {"InstanceIds": [ids["i"]]}, stopped=True),
    "stop": First("StopInstances", lambda ids: {"InstanceIds": [ids["i"]]}),
    "reboot": First("RebootInstances", lambda ids: {"InstanceIds": [ids["i"]]}),
    "terminate": First("TerminateInstances", lambda ids: {"InstanceIds": [ids["i"]]}),
}
MORE: dict[str, list[Params]] = {
    "AssignPrivateIpAddresses": [{"SecondaryPrivateIpAddressCount": 1}],
    "AssociateIamInstanceProfile": [{"IamInstanceProfile": {"Name": "profile"}}],
    "AttachNetworkInterface": [{"DeviceIndex": 3}],
    "AttachVolume": [{"Device": "/dev/sdh"}],
    "CreateImage": [{"Name": "second"}, {"Name": "second", "NoReboot": True}],
    "DetachNetworkInterface": [{}, {"Force": True}],
    "DetachVolume": [{}, {"Force": True}],
    "ModifyInstanceAttribute": [{"DisableApiStop": {"Value": True}}, {"InstanceType": {"Value": "t3.micro"}}],
    "ModifyInstanceCapacityReservationAttributes": [
        {"CapacityReservationSpecification": {"CapacityReservationPreference": "none"}}
    ],
    "ModifyInstanceCpuOptions": [{"CoreCount": 1, "ThreadsPerCore": 1}],
    "ModifyInstanceMaintenanceOptions": [{"AutoRecovery": "disabled"}],
    "ModifyInstanceMetadataOptions": [{"HttpTokens": "required"}],
    "ModifyInstancePlacement": [{"Tenancy": "default"}],
    "ModifyNetworkInterfaceAttribute": [{"Description": {"Value": "changed"}}, {"SourceDestCheck": {"Value": False}}],
    "ModifyVolume": [{"Size": 11}],
    "ModifyVolumeAttribute": [{"AutoEnableIO": {"Value": True}}],
    "ResetInstanceAttribute": [{"Attribute": "sourceDestCheck"}],
    "ResetNetworkInterfaceAttribute": [{"SourceDestCheck": "true"}],
    "StopInstances": [{}, {"Force": True}],
    "TerminateInstances": [{}, {"Force": True}],
    "UnassignPrivateIpAddresses": [{"PrivateIpAddresses": ["172.31.0.250"]}],
}
"""What operations are given beside identifiers; those that need nothing more are not here."""
NESTED: dict[str, Callable[[dict[str, str]], Params]] = {
    "CreateSnapshots": lambda at: {"InstanceSpecification": {"InstanceId": at["i"]}},
    "ModifyInstanceCreditSpecification": lambda at: {
        "InstanceCreditSpecifications": [{"InstanceId": at["i"], "CpuCredits": "standard"}]
    },
}
"""Operations that take an identifier inside something."""
NO_CHANGE = {"CreateRoute", "ReplaceRoute", "RunInstances", "CreateLaunchTemplate", "CreateLaunchTemplateVersion"}
"""Operations that take an identifier and ask nothing of what has it."""


def identifiers(shape: Shape, depth: int = 2) -> Iterator[str]:
    """The identifiers that a structure takes, at any depth."""
    for name, member in shape.members.items():
        if name in IDENTIFIERS:
            yield name
        inner = member.shape.element if member.shape.kind == "list" else member.shape
        if inner.kind == "structure" and depth:
            yield from identifiers(inner, depth - 1)


@functools.cache
def seconds() -> list[str]:
    """All operations that change something and name an instance, a volume or an interface."""
    found = []
    for name, one in api.operations("ec2").items():
        shape = one.model.input_shape
        if not one.reads and shape is not None and name not in NO_CHANGE:
            supported = Part(shape, set(one.parameters))
            if supported.identifiers():
                found.append(name)
    return found


@dataclass(frozen=True)
class Part:
    """A structure, of which only some members count."""

    shape: Shape
    names: set[str]

    def identifiers(self) -> set[str]:
        """Those that these members are or take."""
        found = set(self.names & IDENTIFIERS)
        for name in self.names - IDENTIFIERS:
            inner = self.shape.members[name].shape
            inner = inner.element if inner.kind == "list" else inner
            found |= set(identifiers(inner)) if inner.kind == "structure" else set()
        return found


def requests(at: dict[str, str]) -> Iterator[tuple[str, Params]]:
    """Every second wish about these."""
    values = {"InstanceId": at["i"], "InstanceIds": [at["i"]], "VolumeId": at["vol"], "NetworkInterfaceId": at["eni"],
              "AttachmentId": at["attachment"]}  # fmt: skip
    for name in seconds():
        if name in NESTED:
            yield name, NESTED[name](at)
            continue
        taken = {key: values[key] for key in api.find("ec2", name).parameters if key in values}
        if name == "AssociateAddress":
            del taken["InstanceId"]
        for more in MORE.get(name, [{}]):
            yield name, {**taken, **more}


def test_operations_are_found_and_each_has_all_that_it_needs() -> None:
    at = {"i": "i-1", "vol": "vol-1", "eni": "eni-1", "attachment": "eni-attach-1"}
    assert {"StopInstances", "DetachVolume", "DetachNetworkInterface", "CreateSnapshots", "ModifyVolume"} <= set(seconds())
    for name, params in requests(at):
        shape = api.find("ec2", name).model.input_shape
        assert shape is not None
        assert set(shape.required) <= set(params), name
    assert set(MORE) | set(NESTED) <= set(seconds())


def begun(world: World, first: First) -> dict[str, str]:
    """Give the first wish; what the second is about."""
    if first.stopped:
        world.ec2("StopInstances", InstanceIds=[world.ids["i"]])
        world.work()
    answer = world.ec2(first.operation, **first.params(world.ids))
    at = {"i": world.ids["i"], "vol": world.ids["vol-held"], "eni": world.ids["eni-held"], "attachment": world.ids["attachment"]}
    for kind, name in first.about.items():
        value = answer[name[1:]] if name.startswith("=") else world.ids[name]
        at[kind] = value[0]["InstanceId"] if isinstance(value, list) else value
    return at


def passed(world: World) -> None:
    """One pass, in a thread of its own."""
    loop.run_pass(world.cloud)
    world.cloud.state.close()


def points(world: World) -> list[str]:
    """The methods by which guests and disks are changed until all is done, in their order."""
    found: list[str] = []

    def noted(method: str, genuine: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        before = json.dumps(world.host.store._memory, sort_keys=True)
        answer = genuine(*args, **kwargs)
        if json.dumps(world.host.store._memory, sort_keys=True) != before and method not in found:
            found.append(method)
        return answer

    for method in methods():
        driver, name = method.split(".")
        if driver in DRIVERS and method != "disks.put_stamp":
            owner = getattr(world.host, driver)
            setattr(owner, name, functools.partial(noted, method, getattr(owner, name)))
    loop.run_pass(world.cloud)
    return found


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The first world."""
    return first_world(tmp_path_factory.mktemp("origin"))


def give(world: World, request: tuple[str, Params], instance_id: str) -> None:
    """Give the second wish, which may be refused. What is to be cut off is so at once, whatever a pass is at."""
    with contextlib.suppress(ApiError):
        world.ec2(request[0], **request[1])
        loop.end(world.cloud, {instance_id})


@pytest.mark.parametrize("name", FIRSTS)
def test_a_second_wish_is_kept(origin: World, tmp_path: Path, name: str) -> None:
    first, wrong = FIRSTS[name], list[str]()
    sample = origin.copied(tmp_path / "sample")
    wishes, stops = len(list(requests(begun(sample, first)))), points(sample)
    assert stops
    for number in range(wishes):
        for stop in stops:
            try_out = functools.partial(outcome_of, origin, tmp_path, first, number)
            request, outcome = try_out(stop)
            in_turn = (try_out(when)[1] for when in ("before", "after"))
            if outcome not in in_turn:
                wrong.append(f"{request} at {stop}\n{outcome}")
            if request[0].startswith(SETTINGS) and request[0] != "ModifyVolume":
                break
    assert not wrong, "\n\n".join(wrong)


def outcome_of(origin: World, directory: Path, first: First, number: int, when: str) -> tuple[tuple[str, Params], str]:
    """What comes of the first wish and a second: given while a pass is at a point, or before the first pass or after it."""
    with tempfile.TemporaryDirectory(dir=directory) as own:
        world = origin.copied(Path(own))
        at = begun(world, first)
        request = list(requests(at))[number]
        if when == "after":
            world.work()
        if when in ("before", "after"):
            give(world, request, at["i"])
        else:
            driver, name = when.split(".")
            act, meanwhile = functools.partial(passed, world), functools.partial(give, world, request, at["i"])
            held_up(getattr(world.host, driver), name, act, meanwhile)
        world.work()
        outcome = world.outcome()
        world.cloud.state.close()
    return request, outcome
