"""What a history is played on: a cloud that every process can open, and what guests and accidents do to its host.

Of a volume only 64 KiB blocks are known, each filled with one number; 0 is a block that was never written.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Protocol

from minicloud.cloud import Cloud, MakeHost
from minicloud.host import fake
from minicloud.host.contracts import Power
from minicloud.host.firewall_spec import FirewallSpec, Group, Permission
from minicloud.reconcile.worker import worker_for

from ..cloud_fixtures import IMAGE, settings

ACCIDENTS = (
    "guests die", "guests power off", "guests halt", "the host restarts", "networks break", "the firewall is flushed",
    "load balancers die", "guests are saved", "others start guests",
)  # fmt: skip


class Ground(Protocol):
    """A host, real or not."""

    image: str
    slow: bool
    """Whether an operation takes seconds."""

    def open(self) -> Cloud:
        """The cloud, as a command opens it."""

    def write(self, cloud: Cloud, volume_id: str, block: int, number: int) -> bool:
        """The volume's guest writes a block of it; False if no running guest has the volume."""

    def read(self, cloud: Cloud, layer_id: str, blocks: int) -> dict[int, int]:
        """What the first blocks of a layer read as, without those that were never written."""

    def finish_jobs(self, cloud: Cloud) -> None:
        """What guests copy comes to its end."""

    def accident(self, cloud: Cloud, what: str, number: int) -> None:
        """One of ACCIDENTS; `number` picks whom it befalls."""

    def enforced(self) -> FirewallSpec | None:
        """What the firewall enforces, where the host tells it."""

    def left_over(self) -> list[str]:
        """What is on the host though nothing of the cloud is left."""

    def aside(self) -> set[str]:
        """The disks that were put where none is looked for."""

    def spare(self) -> Path:
        """A directory for the history's own files."""

    def seen(self) -> list[str]:
        """All that is on the host, in words that change only if something there is changed."""

    def second(self) -> Cloud:
        """Another home on the same host, with disks of its own."""

    def again(self) -> "Ground | None":
        """The same home and host once more, as they are now, and apart from these; None where that cannot be had."""


class FakeGround:
    """A host that is a document in a directory."""

    slow = False

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.image = IMAGE.image_id
        self.host = fake.host(directory / "host")
        self.host.add_image(IMAGE)
        self._copies = 0

    def open(self) -> Cloud:
        """Each time anew, so that nothing but the state and the host is remembered."""
        return _cloud(self._directory, lambda _, identity: self.host.of(identity))

    def write(self, cloud: Cloud, volume_id: str, block: int, number: int) -> bool:
        """Into the file that its guest has open."""
        volume = cloud.state.volumes.get(volume_id)
        chain = self.host.blocks.chains(volume.instance_id).get(volume_id.replace("-", "")) if volume else None
        if not chain:
            return False
        self.host.write(chain[0], block, str(number))
        return True

    def read(self, cloud: Cloud, layer_id: str, blocks: int) -> dict[int, int]:
        """A base image reads as its own name, at a place before all blocks."""
        found = self.host.read(cloud.host.disks.path(layer_id))
        return {block: int(value) for block, value in found.items() if 0 <= block < blocks}

    def finish_jobs(self, cloud: Cloud) -> None:
        """At once."""
        for guest in cloud.host.guests.list().values():
            if guest.power in (Power.RUNNING, Power.PAUSED):
                self.host.finish_jobs(guest.guest_id)

    def accident(self, cloud: Cloud, what: str, number: int) -> None:
        """To every other guest or network, or to the host."""
        there = cloud.host.guests.list().values()
        guests = [guest.guest_id for guest in there if guest.power is Power.RUNNING]
        off = [guest.guest_id for guest in there if guest.power not in (Power.RUNNING, Power.PAUSED)]
        to_one: dict[str, tuple[list[str], Callable[[str], object]]] = {
            "guests die": (guests, self.host.kill), "guests power off": (guests, self.host.power_off_by_guest),
            "guests halt": (guests, self.host.pause), "guests are saved": (guests, self.host.save),
            "others start guests": (off, self.host.start_by_hand),
            "networks break": (list(cloud.host.networks.list()), self.host.damage),
        }  # fmt: skip
        if what in to_one:
            whom, befall = to_one[what]
            for one in whom[number % 2 :: 2]:
                befall(one)
        elif what == "the host restarts":
            self.host.restart_machine()
        elif what == "load balancers die":
            for balancer_id in cloud.host.balancers.list():
                self.host.kill_balancer(balancer_id)
        else:
            with self.host.store.change() as held:
                held["firewall"] = "flushed"

    def enforced(self) -> FirewallSpec | None:
        """Of the groups only: that is what a history asks for."""
        with self.host.store.change() as held:
            text = held.get("firewall")
        if text in (None, "flushed"):
            return None
        return FirewallSpec(groups=tuple(_group(one) for one in json.loads(text)["groups"]))

    def left_over(self) -> list[str]:
        """Every kind of thing that the document has a place for."""
        with self.host.store.change() as held:
            kinds = {name: held[name] for name in ("guests", "disks", "seeds", "networks", "balancers", "consoles")}
        return [f"{name}: {sorted(there)}" for name, there in kinds.items() if there]

    def aside(self) -> set[str]:
        """In the document, too."""
        with self.host.store.change() as held:
            return set(held.get("aside", {}))

    def spare(self) -> Path:
        """Beside the home."""
        return self._directory

    def seen(self) -> list[str]:
        """The document."""
        with self.host.store.change() as held:
            return [f"{name}: {json.dumps(part, sort_keys=True)}" for name, part in sorted(held.items())]

    def second(self) -> Cloud:
        """Its disks and seeds are on another fake host, because those lie in a home."""
        directory = self._directory / "second"
        own = fake.host(directory / "host")
        return _cloud(directory, lambda _, identity: replace(self.host.of(identity), disks=own.disks, seeds=own.seeds))

    def again(self) -> "FakeGround | None":
        """Copies of all files."""
        self._copies += 1
        directory = self._directory / f"copy-{self._copies}"
        for name in ("home", "host"):
            shutil.copytree(self._directory / name, directory / name)
        return FakeGround(directory)


def _cloud(directory: Path, make: MakeHost) -> Cloud:
    cloud = Cloud(settings(directory), make)
    cloud.worker = worker_for(cloud)
    return cloud


def _group(said: dict[str, Any]) -> Group:
    return Group(said["group_id"], ingress=tuple(_permission(one) for one in said["ingress"]))


def _permission(said: dict[str, Any]) -> Permission:
    peer = said["peer"]
    return Permission(said["protocol"], said["low"], said["high"], IPv4Network(peer) if "/" in peer else peer)
