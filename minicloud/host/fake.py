"""A host of the imagination, which runs nothing: for tests, and for trying minicloud out.

`FakeHost` has the drivers of any host, and what a test does to a host: cut power, kill, fail the next call, restart the
machine. Of one directory all processes see the same host.
"""

import copy
import dataclasses
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import HostError, Permanent
from .contracts import BaseImage, Capacity, Host, Power
from .contracts_lb import Place
from .contracts_storage import Said
from .fake_blocks import FakeBlocks
from .fake_cards import FakeCards
from .fake_disks import FakeDisks, is_on, lose, read, sealed, write
from .fake_drivers import FakeGuests, FakeImages, FakeMachine, FakeMessages, FakeNetworks, FakeSeeds, keep
from .fake_firewall import FakeFirewall
from .fake_load_balancers import FakeLoadBalancers
from .fake_store import Store


@dataclass(frozen=True)
class FakeHost(Host):
    """The drivers, and what happens to a host."""

    store: Store

    def of(self, identity: str) -> "FakeHost":
        """The same host by the drivers of one state."""
        return dataclasses.replace(
            self,
            guests=FakeGuests(self.store, identity),
            networks=FakeNetworks(self.store, identity),
            firewall=FakeFirewall(self.store, identity),
            balancers=FakeLoadBalancers(self.store, identity),
        )

    def power_off_by_guest(self, guest_id: str) -> None:
        """The guest's own system powers off."""
        self._set(guest_id, "power", Power.OFF_BY_GUEST.value)

    def kill(self, guest_id: str) -> None:
        """The hypervisor's process dies."""
        with self.store.change() as held:
            lose(held, held["guests"][guest_id])
        self._set(guest_id, "power", Power.OFF_BY_FAILURE.value)

    def save(self, guest_id: str) -> None:
        """Somebody saves the memory of a guest that is on, with which it is off (virsh managedsave)."""
        with self.store.change() as held:
            guest = held["guests"][guest_id]
            keep(held, guest)
            guest.update(power=Power.OFF.value, saved=copy.deepcopy(guest["disks"]), jobs={})

    def unblock(self, guest_id: str) -> None:
        """The guest's definition is as an older minicloud left it, or one that was killed when it had just started it."""
        self._set(guest_id, "blocked", False)

    def start_by_hand(self, guest_id: str) -> bool:
        """Somebody starts a guest by what the hypervisor has kept of it (virsh start); whether that can be."""
        with self.store.change() as held:
            guest = held["guests"].get(guest_id)
            if guest is None or is_on(guest) or (guest["blocked"] and "saved" not in guest):
                return False
            disks = guest.get("saved") or copy.deepcopy(guest["definition"])
            if sealed(held, disks.values()):
                return False
            guest.pop("saved", None)
            guest.update(power=Power.RUNNING.value, disks=disks, jobs={}, deaf=False)
            return True

    def end_machine(self, *, ending: bool = True) -> None:
        """Somebody begins to shut the host down."""
        with self.store.change() as held:
            held["ending"] = ending

    def pause(self, guest_id: str) -> None:
        """The guest halts, as it does on a full disk."""
        self._set(guest_id, "power", Power.PAUSED.value)

    def deafen(self, guest_id: str) -> None:
        """Until its next start the guest neither minds its power button nor answers on the network."""
        self._set(guest_id, "deaf", True)

    def agent(self, guest_id: str, *, freeze: Said = Said.DONE, thaw: Said = Said.DONE, late: bool = False) -> None:
        """What the guest's agent answers until the guest's next start; `late` freezes whatever it said."""
        self._set(guest_id, "agent", {"freeze": freeze.value, "thaw": thaw.value, "late": late})

    def frozen(self, guest_id: str) -> bool:
        """Whether the guest's file systems are frozen."""
        with self.store.change() as held:
            return bool(held["guests"][guest_id].get("frozen", False))

    def say(self, guest_id: str, text: bytes) -> None:
        """The guest writes to its serial port."""
        with self.store.change() as held:
            said = held["consoles"].get(guest_id, "")
            held["consoles"][guest_id] = said + text.decode("utf-8", "surrogateescape")

    def work(self, guest_id: str, **done: float) -> None:
        """A running guest does something: cpu_seconds, and of its first disk and card read_bytes, out_packets and so on."""
        with self.store.change() as held:
            counters = held["guests"][guest_id].setdefault("counters", {})
            for name, amount in done.items():
                counters[name] = counters.get(name, 0) + amount

    def sent(self) -> list[dict[str, Any]]:
        """The messages that were posted, or given to commands."""
        with self.store.change() as held:
            return [dict(message) for message in held.get("messages", [])]

    def fail(self, method: str, error: HostError, times: int = 1) -> None:
        """The next calls of a driver's method, such as `guests.start`, raise a Retry or Permanent like this one."""
        kind = "Permanent" if isinstance(error, Permanent) else "Retry"
        with self.store.change() as held:
            held["failures"].setdefault(method, []).extend([[kind, error.message, error.code]] * times)

    def restart_machine(self) -> None:
        """Guests are off, networks gone, and the host is in another life; disks, seeds and definitions stay."""
        with self.store.change() as held:
            held["booted"] = time.clock_gettime(time.CLOCK_BOOTTIME)
            held["boot_id"], held["networks"], held["balancers"], held["ending"] = str(uuid.uuid4()), {}, {}, False
            for guest in held["guests"].values():
                lose(held, guest)
                guest["power"] = Power.OFF.value

    def synchronise(self, synchronised: bool) -> None:
        """Whether the kernel says that its clock is right."""
        with self.store.change() as held:
            held["synchronised"] = synchronised

    def write(self, path: str, block: int, value: str) -> None:
        """Somebody writes to the disk at a driver's path: a guest, whose disks' paths `blocks.chains` tells."""
        with self.store.change() as held:
            write(held, path, block, value)

    def read(self, path: str) -> dict[int, str]:
        """What the disk at a driver's path reads as, without the blocks that were never written."""
        with self.store.change() as held:
            return read(held, path)

    def corrupt(self, disk_id: str) -> None:
        """The disk's own structure is damaged."""
        with self.store.change() as held:
            held["disks"][disk_id]["damaged"] = True

    def lose_disk(self, disk_id: str) -> None:
        """Somebody deletes the disk's file, whatever stands on it."""
        with self.store.change() as held:
            held["disks"].pop(disk_id)

    def take_over(self, guest_id: str, serial: str, path: str) -> None:
        """Somebody takes an external snapshot: the guest, which is on, writes into a new file of theirs from now on.

        The file is beside the disks where `path` begins as paths of ours do, else elsewhere.
        """
        FakeBlocks(self.store).take_over(guest_id, serial, path)

    def commit_down(self, guest_id: str, serial: str) -> None:
        """They write that file down into what it stands on, and remove it; of a guest that is off only the first."""
        FakeBlocks(self.store).commit_down(guest_id, serial)

    def commit_all(self, guest_id: str, serial: str) -> bool:
        """They write all that a disk of a guest stands on down into the lowest layer (virsh blockcommit without a base), which
        it writes to then; whether QEMU may.
        """
        return FakeBlocks(self.store).commit_all(guest_id, serial)

    def undefine(self, guest_id: str) -> None:
        """Somebody removes the definition of a guest that is off."""
        with self.store.change() as held:
            held["guests"].pop(guest_id)

    def hold_disk(self, guest_id: str, serial: str) -> None:
        """The guest does not let this disk go."""
        with self.store.change() as held:
            held["guests"][guest_id]["disks"][serial]["held"] = True

    def hold_card(self, guest_id: str, mac: str) -> None:
        """The guest does not let this card go."""
        with self.store.change() as held:
            held["guests"][guest_id].setdefault("held_cards", []).append(mac)

    def finish_jobs(self, guest_id: str) -> None:
        """What a guest copies comes to its end; until then jobs go on."""
        FakeBlocks(self.store).finish(guest_id)

    def begin_job(self, guest_id: str, serial: str, kind: str) -> None:
        """Another program begins a job of a guest's disk, until `finish_jobs`."""
        FakeBlocks(self.store).begin(guest_id, serial, kind)

    def damage(self, network_id: str) -> None:
        """Somebody deletes a bridge, or kills its dnsmasq."""
        with self.store.change() as held:
            held["networks"][network_id] = None

    def kill_balancer(self, balancer_id: str) -> None:
        """Somebody kills its process: it is damaged until it is made so again."""
        with self.store.change() as held:
            held["balancers"][balancer_id]["fingerprint"] = None

    def probe(self, balancer_id: str, place: Place, problem: str | None, *, up: bool, code: int = 0) -> None:
        """What the last probe of a target said, from now on."""
        with self.store.change() as held:
            held["balancers"][balancer_id]["health"]["|".join(place)] = [up, problem, code]

    def carry(self, balancer_id: str, port: int, requests: int) -> None:
        """So many requests come to a listener, and are answered."""
        with self.store.change() as held:
            carried = held["balancers"][balancer_id]["carried"]
            carried[str(port)] = carried.get(str(port), 0) + requests

    def set_capacity(self, capacity: Capacity) -> None:
        """What the host has, from now on."""
        with self.store.change() as held:
            held["capacity"] = dataclasses.asdict(capacity)

    def add_image(self, image: BaseImage) -> None:
        """A base image appears."""
        with self.store.change() as held:
            held["images"][image.image_id] = dataclasses.asdict(image)

    def spec(self, guest_id: str) -> dict[str, Any]:
        """How the guest was last started: a GuestSpec as a dictionary."""
        with self.store.change() as held:
            return copy.deepcopy(dict(held["guests"][guest_id]["spec"]))

    def calls(self) -> list[list[str]]:
        """Each driver's method that was called, with what it was called for."""
        return self.store.calls()

    def _set(self, guest_id: str, name: str, value: object) -> None:
        with self.store.change() as held:
            held["guests"][guest_id][name] = value


def host(directory: Path | None = None) -> FakeHost:
    """A fake host: this process's own, or the one that all processes with the same directory share."""
    store = Store(directory)
    return FakeHost(
        guests=FakeGuests(store),
        disks=FakeDisks(store),
        blocks=FakeBlocks(store),
        cards=FakeCards(store),
        seeds=FakeSeeds(store),
        networks=FakeNetworks(store),
        images=FakeImages(store),
        machine=FakeMachine(store),
        firewall=FakeFirewall(store),
        messages=FakeMessages(store),
        balancers=FakeLoadBalancers(store),
        store=store,
    )
