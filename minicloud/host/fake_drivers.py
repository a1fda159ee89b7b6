"""The drivers of a fake host: they keep the promises of `contracts`, and change nothing but a document.

Guests obey at once, unless they are told to be deaf; a running guest answers at its reserved addresses.
"""

import base64
import copy
import dataclasses
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address
from typing import Any

from ..errors import Damaged, Permanent, Retry
from .contracts import (
    TAIL,
    BaseImage,
    BootSpec,
    Capacity,
    GuestSeen,
    GuestSpec,
    NetworkSpec,
    Power,
    Seed,
)
from .contracts_meters import DiskCounters, GuestCounters, NicCounters
from .fake_disks import PREFIX, sealed
from .fake_store import Store
from .networks import from_json, to_json

PICTURE = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==")
"""A PNG of one black pixel: the screen of every guest."""


class FakeGuests:
    """Implements contracts.Guests."""

    def __init__(self, store: Store, identity: str = "") -> None:
        self._store = store
        self._identity = identity

    def list(self) -> dict[str, GuestSeen]:
        """All guests of this state, and those of none."""
        with self._store.call("guests.list") as held:
            ours = {name: guest for name, guest in held["guests"].items() if guest.get("owner", "") in ("", self._identity)}
            return {name: GuestSeen(name, Power(guest["power"])) for name, guest in ours.items()}

    def counters(self) -> dict[str, GuestCounters]:
        """What `FakeHost.work` made a guest do since its last start; its first disk and its first card do it all."""
        with self._store.call("guests.counters") as held:
            return {
                name: _counters(name, guest)
                for name, guest in held["guests"].items()
                if guest["power"] in (Power.RUNNING.value, Power.PAUSED.value)
            }

    def start(self, spec: GuestSpec) -> None:
        """Run, if what the spec names is there."""
        with self._store.call("guests.start", spec.guest_id) as held:
            guest = held["guests"].get(spec.guest_id)
            if guest is not None and guest["power"] in (Power.RUNNING.value, Power.PAUSED.value):
                guest["power"] = Power.RUNNING.value
                return
            _need(held, spec)
            disks = {disk.serial: dataclasses.asdict(disk) for disk in spec.disks}
            if closed := sealed(held, disks.values()):
                raise Retry(f"starting {spec.guest_id}: {closed} cannot be opened: Permission denied")
            saved = guest.pop("saved", None) if guest is not None else None
            if guest is not None and saved is not None and _fits(saved, guest["spec"]["nics"], spec):
                had = guest["spec"]["nics"]
                guest.update(power=Power.RUNNING.value, spec={**dataclasses.asdict(spec), "nics": had}, blocked=True)
                guest.update(disks=saved, definition=disks)
                return
            held["guests"][spec.guest_id] = {
                "power": Power.RUNNING.value, "spec": dataclasses.asdict(spec), "deaf": False, "disks": disks, "jobs": {},
                "life": held["lives"], "owner": self._identity, "definition": copy.deepcopy(disks), "blocked": True,
            }  # fmt: skip
            held["lives"] += 1
            said = held["consoles"].get(spec.guest_id, "")
            held["consoles"][spec.guest_id] = said + f"{spec.guest_id} login: \n"

    def _set(self, method: str, guest_id: str, power: Power, *, unless_deaf: bool = False) -> None:
        with self._store.call(method, guest_id) as held:
            guest = held["guests"].get(guest_id)
            running = guest is not None and guest["power"] in (Power.RUNNING.value, Power.PAUSED.value)
            if running and not (unless_deaf and guest["deaf"]):
                keep(held, guest)
                guest["power"] = power.value

    def shutdown(self, guest_id: str) -> None:
        """The guest powers off at once, unless it is deaf."""
        self._set("guests.shutdown", guest_id, Power.OFF_BY_GUEST, unless_deaf=True)

    def reboot(self, guest_id: str) -> None:
        """The guest restarts at once, unless it is deaf: then it is waited for. One that is off stays off."""
        with self._store.call("guests.reboot", guest_id) as held:
            guest = held["guests"].get(guest_id)
            if guest is not None and guest["power"] in (Power.RUNNING.value, Power.PAUSED.value):
                guest["rebooting"] = guest["deaf"]
                guest["power"] = guest["power"] if guest["deaf"] else Power.RUNNING.value
                guest["frozen"] = guest["deaf"] and guest.get("frozen", False)

    def rebooting(self, guest_id: str) -> bool:
        """Whether it was deaf when it was asked."""
        with self._store.call("guests.rebooting", guest_id) as held:
            return bool(held["guests"].get(guest_id, {}).get("rebooting", False))

    def reset(self, guest_id: str) -> None:
        """A guest that is off stays off."""
        with self._store.call("guests.reset", guest_id) as held:
            guest = held["guests"].get(guest_id)
            if guest is not None and guest["power"] in (Power.RUNNING.value, Power.PAUSED.value):
                guest.update(rebooting=False, power=Power.RUNNING.value, frozen=False)

    def destroy(self, guest_id: str) -> None:
        """Cut the power."""
        self._set("guests.destroy", guest_id, Power.OFF)

    def keep_off(self, guest_id: str) -> None:
        """`FakeHost.start_by_hand` fails from now on."""
        with self._store.call("guests.keep_off", guest_id) as held:
            if (guest := held["guests"].get(guest_id)) is not None:
                guest["blocked"] = True
                guest.pop("saved", None)

    def has_save(self, guest_id: str) -> bool:
        """Of `FakeHost.save`."""
        with self._store.call("guests.has_save", guest_id) as held:
            return "saved" in held["guests"].get(guest_id, {})

    def remove(self, guest_id: str) -> None:
        """Forget the guest."""
        with self._store.call("guests.remove", guest_id) as held:
            held["guests"].pop(guest_id, None)
            held["consoles"].pop(guest_id, None)

    def console_log(self, guest_id: str, most: int = TAIL) -> bytes:
        """What `FakeHost.say` had it write, after a login prompt for each start."""
        with self._store.call("guests.console_log", guest_id) as held:
            return str(held["consoles"].get(guest_id, "")).encode("utf-8", "surrogateescape")[-most:]

    def console_path(self, guest_id: str) -> str:
        """A terminal that says nothing."""
        self._running("guests.console_path", guest_id)
        return os.devnull

    def screenshot(self, guest_id: str) -> bytes:
        """A black pixel."""
        self._running("guests.screenshot", guest_id)
        return PICTURE

    def _running(self, method: str, guest_id: str) -> None:
        with self._store.call(method, guest_id) as held:
            if held["guests"].get(guest_id, {}).get("power") not in (Power.RUNNING.value, Power.PAUSED.value):
                raise Permanent(f"{guest_id} is not running", "IncorrectInstanceState")


def keep(held: dict[str, Any], guest: dict[str, Any]) -> None:
    """The guest's process ends as it should: all is flushed."""
    for plugged in guest["disks"].values():
        held["disks"].get(plugged["path"].removeprefix(PREFIX), {}).pop("unflushed", None)


def _fits(disks: Mapping[str, Any], nics: Sequence[Mapping[str, Any]], spec: GuestSpec) -> bool:
    """Whether a guest whose memory was saved is to have all that it had."""
    own = {disk.serial: disk.path for disk in spec.disks}
    return places(disks).items() <= own.items() and {nic["mac"] for nic in nics} <= {nic.mac for nic in spec.nics}


def places(disks: Mapping[str, Any]) -> dict[str, str]:
    """Where the disks of a guest, by serial, write to."""
    return {serial: disk["path"] for serial, disk in disks.items()}


def _counters(name: str, guest: dict[str, Any]) -> GuestCounters:
    done = guest.get("counters", {})

    def of(kind: Any) -> Any:
        names = [each.name for each in dataclasses.fields(kind)]
        return kind(**{each: done.get(each, 0) for each in names})

    serials, taps = list(guest["disks"]), [nic["tap"] for nic in guest["spec"]["nics"]]
    disks = {serial: of(DiskCounters) if number == 0 else DiskCounters() for number, serial in enumerate(serials)}
    nics = {tap: of(NicCounters) if number == 0 else NicCounters() for number, tap in enumerate(taps)}
    halted, vcpus = guest["power"] == Power.PAUSED.value, guest["spec"]["vcpus"]
    return GuestCounters(name, str(guest["life"]), halted, done.get("cpu_seconds", 0.0), vcpus, disks, nics)


def _need(held: dict[str, Any], spec: GuestSpec) -> None:
    """What a hypervisor would miss at the start of a guest."""
    lacking = [disk.path for disk in spec.disks if disk.path not in {f"fake:{name}" for name in held["disks"]}]
    lacking += [spec.seed] if spec.seed is not None and spec.seed not in {f"fake:{name}" for name in held["seeds"]} else []
    lacking += [nic.network_id for nic in spec.nics if held["networks"].get(nic.network_id) is None]
    if lacking:
        raise Retry(f"starting {spec.guest_id}: {lacking[0]} is not there")


class FakeSeeds:
    """Implements contracts.Seeds."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def write(self, seed: Seed) -> str:
        """Keep it."""
        with self._store.call("seeds.write", seed.instance_id) as held:
            user_data = base64.b64encode(seed.user_data).decode()
            held["seeds"][seed.instance_id] = {**dataclasses.asdict(seed), "user_data": user_data}
        return self.path(seed.instance_id)

    def path(self, instance_id: str) -> str:
        """No file's name."""
        return f"fake:{instance_id}"

    def remove(self, instance_id: str) -> None:
        """Delete it."""
        with self._store.call("seeds.remove", instance_id) as held:
            held["seeds"].pop(instance_id, None)

    def list(self) -> set[str]:
        """The instance ids that have one."""
        with self._store.call("seeds.list") as held:
            return set(held["seeds"])


def strange_networks(held: dict[str, Any], identity: str) -> dict[str, str]:
    """The networks of other states than this one."""
    return {name: owner for name in held["networks"] if (owner := held["owners"].get(name, "")) not in ("", identity)}


def refuse_strange(held: dict[str, Any], identity: str) -> None:
    """Raise Permanent where there are such."""
    if found := strange_networks(held, identity):
        raise Permanent(f"the networks of this host belong to another minicloud, the state {min(found.values())}")


class FakeNetworks:
    """Implements contracts.Networks. A running guest answers at the addresses that its cards have reserved."""

    def __init__(self, store: Store, identity: str = "") -> None:
        self._store = store
        self._identity = identity

    def list(self) -> dict[str, NetworkSpec | None]:
        """All networks; those that `FakeHost.damage` damaged are None."""
        with self._store.call("networks.list") as held:
            strange = strange_networks(held, self._identity)
            return {name: from_json(said) if said else None for name, said in held["networks"].items() if name not in strange}

    def unmarked(self) -> set[str]:
        """Those that drivers without an identity made."""
        with self._store.call("networks.unmarked") as held:
            return {name for name in held["networks"] if self._identity and not held["owners"].get(name)}

    def strangers(self) -> dict[str, str]:
        """Those that other drivers made."""
        with self._store.call("networks.strangers") as held:
            return strange_networks(held, self._identity)

    def ensure(self, spec: NetworkSpec) -> None:
        """Make it so."""
        with self._store.call("networks.ensure", spec.network_id) as held:
            others = [from_json(said) for name, said in held["networks"].items() if said and name != spec.network_id]
            refuse_strange(held, self._identity)
            held["owners"][spec.network_id] = self._identity
            if any(other.gateway.network.overlaps(spec.gateway.network) for other in others):
                raise Permanent(f"this host already uses addresses of {spec.gateway.network}", "InvalidSubnet.Conflict")
            held["networks"][spec.network_id] = to_json(spec)

    def remove(self, network_id: str) -> None:
        """Take it away."""
        with self._store.call("networks.remove", network_id) as held:
            if network_id in strange_networks(held, self._identity):
                refuse_strange(held, self._identity)
            held["networks"].pop(network_id, None)

    def answers(self, network_id: str, addresses: Iterable[IPv4Address]) -> set[IPv4Address]:
        """Which of these belong to guests that run and are not deaf."""
        with self._store.call("networks.answers", network_id) as held:
            network = held["networks"].get(network_id)
            awake = [guest for guest in held["guests"].values() if guest["power"] == Power.RUNNING.value and not guest["deaf"]]
            cards = {(nic["network_id"], nic["mac"]) for guest in awake for nic in guest["spec"]["nics"]}
            reserved = from_json(network).reservations if network else ()
            return {one.address for one in reserved if (network_id, one.mac) in cards} & set(addresses)


class FakeImages:
    """Implements contracts.Images."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list(self) -> dict[str, BaseImage]:
        """What `FakeHost.add_image` added."""
        with self._store.call("images.list") as held:
            return {name: BaseImage(**{**said, "boot": BootSpec(**said["boot"])}) for name, said in held["images"].items()}

    def path(self, image_id: str) -> str:
        """The image's own path."""
        with self._store.call("images.path", image_id) as held:
            if image_id not in held["images"]:
                raise Damaged(f"the base image {image_id} is gone")
            return str(held["images"][image_id]["path"])

    def keep(self, *, build: bool = False) -> None:  # noqa: ARG002
        """Nobody removes one here but `FakeHost`."""
        with self._store.call("images.keep"):
            pass


class FakeMachine:
    """Implements contracts.Machine."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def capacity(self) -> Capacity:
        """16 threads and 64 GiB, or what `FakeHost.set_capacity` set."""
        with self._store.change() as held:
            said = held["capacity"]
            return Capacity(said["threads"], said["memory"], tuple(said["accelerators"]))

    def boot_id(self) -> str:
        """Another value after `FakeHost.restart_machine`."""
        with self._store.change() as held:
            return str(held["boot_id"])

    def uptime(self) -> float:
        """Since `FakeHost.restart_machine`, or since this host was started."""
        with self._store.change() as held:
            return time.clock_gettime(time.CLOCK_BOOTTIME) - float(held.get("booted", 0.0))

    def ending(self) -> bool:
        """Not, or what `FakeHost.end_machine` said."""
        with self._store.call("machine.ending") as held:
            return bool(held.get("ending", False))

    def clock_synchronised(self) -> bool:
        """Not, or what `FakeHost.synchronise` said."""
        with self._store.change() as held:
            return bool(held.get("synchronised", False))


class FakeMessages:
    """Implements contracts.Messages: keeps them, for `FakeHost.sent`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Keep it."""
        with self._store.call("messages.post", url) as held:
            held.setdefault("messages", []).append({"url": url, "body": body.decode(), "headers": dict(headers)})

    def run(self, command: Sequence[str], body: bytes) -> None:
        """Keep it."""
        with self._store.call("messages.run", command[0]) as held:
            held.setdefault("messages", []).append({"command": list(command), "body": body.decode()})
