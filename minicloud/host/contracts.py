"""What the reconcilers may ask of a host: guests, disks, seeds, networks. Drivers keep these promises; the fake keeps them too.

Every method can be called again after a crash at any point: asking for what is already so does nothing, removing what is
not there does nothing. Methods raise `Retry` for what may pass (a busy daemon, a full disk) and `Permanent` for what stays.
Nothing here speaks of libvirt, and paths are opaque to callers: a driver gave them, a driver takes them back.
A driver touches only what it made itself: things named after ids of ours.
"""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface
from typing import Any, Protocol

from .contracts_lb import LoadBalancers
from .contracts_meters import GuestCounters, Messages
from .contracts_storage import Blocks, Disks, DiskSpec
from .firewall_spec import FirewallSpec

TAIL = 64 * 1024
"""Bytes of a console's log that are asked for where nobody says how many."""


class Power(enum.Enum):
    """What a guest is doing, as the hypervisor tells."""

    RUNNING = "running"
    PAUSED = "paused"
    """Halted with its memory kept; the host's disk is full, or a debugger holds it."""
    OFF_BY_GUEST = "off-by-guest"
    """The guest's own system powered off, by itself or because it was asked to."""
    OFF_BY_FAILURE = "off-by-failure"
    """The hypervisor's process died."""
    OFF = "off"
    """Not running for any other reason: never started, destroyed, or the host was restarted."""


@dataclass(frozen=True)
class NicSpec:
    """A network card: its hardware address, the network that it is plugged into, the name of the host's end of the cable."""

    mac: str
    network_id: str
    tap: str


@dataclass(frozen=True)
class BootSpec:
    """How a guest is started: by the boot loader on its disk (`kernel` is None), or with a kernel that the host holds."""

    firmware: str = "bios"
    """bios or uefi"""
    kernel: str | None = None
    initrd: str | None = None
    cmdline: str = ""


@dataclass(frozen=True)
class GuestSpec:
    """A guest: `memory` in MiB; `cpu_weight` is its share of each of its vCPUs relative to a whole one (1.0)."""

    guest_id: str
    vcpus: int
    memory: int
    cpu_weight: float
    disks: tuple[DiskSpec, ...]
    nics: tuple[NicSpec, ...]
    seed: str | None
    boot: BootSpec
    accelerators: tuple[str, ...] = ()
    """PCI addresses (0000:01:00.0) of devices that the guest has for itself."""


@dataclass(frozen=True)
class GuestSeen:
    """A guest that exists on the host, running or not."""

    guest_id: str
    power: Power


class Guests(Protocol):
    """The hypervisor."""

    def list(self) -> dict[str, GuestSeen]:
        """All guests of ours, by id."""

    def counters(self) -> dict[str, GuestCounters]:
        """The counters of all guests of ours that are on, by id: one call, whatever their number."""

    def start(self, spec: GuestSpec) -> None:
        """Define the guest as `spec` says, replacing an earlier definition, and start it. Does nothing if it runs.

        One whose memory was saved goes on where it was, if all disks and cards that it had are among these. Once it is on, nobody
        else can start it by its definition when it is off again.
        """

    def shutdown(self, guest_id: str) -> None:
        """Ask the guest's system to power off (ACPI); returns at once. Does nothing if it is off."""

    def reboot(self, guest_id: str) -> None:
        """Ask a running guest's system to restart, its file systems whole; returns at once. May be asked again."""

    def rebooting(self, guest_id: str) -> bool:
        """Whether a restart that was asked for is still waited for."""

    def reset(self, guest_id: str) -> None:
        """Restart a running guest at once, whatever its system is doing."""

    def destroy(self, guest_id: str) -> None:
        """Cut the power. The definition stays."""

    def keep_off(self, guest_id: str) -> None:
        """Let nobody but `start` start a guest that is off: not by its definition, nor by its saved memory, which goes.

        One that is on goes on, and that is so of it when it is off. Asked for before its disks change, so that nobody writes to
        what it had.
        """

    def has_save(self, guest_id: str) -> bool:
        """Whether a guest that is off goes on where it was, with its memory, when it is started with the same disks."""

    def remove(self, guest_id: str) -> None:
        """Cut the power and forget the guest, with its firmware variables and console log."""

    def console_log(self, guest_id: str, most: int = TAIL) -> bytes:
        """The last `most` bytes, or fewer, of what the guest wrote to its serial port; empty if nothing or unknown."""

    def console_path(self, guest_id: str) -> str:
        """The terminal device of a running guest's serial port. Raises Permanent if it is not running."""

    def screenshot(self, guest_id: str) -> bytes:
        """The screen of a running guest as a PNG. Raises Permanent if it is not running."""


class Cards(Protocol):
    """The network cards of running guests. A card is named by its hardware address; a guest that is off is Permanent."""

    def list(self, guest_id: str) -> set[str]:
        """The cards that a guest has, by hardware address in lower case; empty for a guest that is off."""

    def attach(self, guest_id: str, card: NicSpec) -> None:
        """Plug a card in; its network is there."""

    def detach(self, guest_id: str, mac: str) -> None:
        """Ask the guest's system to let a card go; it is gone when `list` has it no more. May be asked again."""

    def seize(self, guest_id: str, mac: str) -> None:
        """Cut the cable of a card that a guest does not let go: nothing passes any more, and its tap's name is free."""


@dataclass(frozen=True)
class Seed:
    """What a guest reads about itself at boot (cloud-init, NoCloud). `user_data` reaches the guest to the byte.

    `about` is the rest of its meta-data by AWS's names, as `metadata/cloud_init.py` has it; what it says of host name and keys
    counts.
    """

    instance_id: str
    hostname: str
    public_keys: tuple[str, ...]
    user_data: bytes
    default_user: str
    about: Mapping[str, Any] = field(default_factory=dict)


class Seeds(Protocol):
    """The seeds of guests, one each."""

    def write(self, seed: Seed) -> str:
        """Make or replace the seed; returns its path. Readable by root and the hypervisor only."""

    def path(self, instance_id: str) -> str:
        """Where a guest finds its seed."""

    def remove(self, instance_id: str) -> None:
        """Delete it."""

    def list(self) -> set[str]:
        """The instance ids that have one."""


@dataclass(frozen=True)
class Reservation:
    """An address that DHCP gives to one hardware address, and the name that DNS gives to it."""

    mac: str
    address: IPv4Address
    hostname: str


@dataclass(frozen=True)
class Name:
    """A whole DNS name, and the address that those who ask in a network are told."""

    name: str
    address: IPv4Address


@dataclass(frozen=True)
class NetworkSpec:
    """A subnet: the host's own address in it, a DNS suffix, who lives there, and names that mean something else elsewhere."""

    network_id: str
    gateway: IPv4Interface
    domain: str
    reservations: tuple[Reservation, ...] = field(default_factory=tuple)
    names: tuple[Name, ...] = ()


class Networks(Protocol):
    """Bridges with DHCP and DNS."""

    def list(self) -> dict[str, NetworkSpec | None]:
        """The networks of ours by id: the spec that each fully serves now, or None for one that is damaged.

        A running guest's cable that is not plugged in, or not switched on, is damage, too. Those of other states are not here.
        """

    def unmarked(self) -> set[str]:
        """Those of `list` that carry no state's identity: made by an older minicloud, and whose is for rows to say."""

    def strangers(self) -> dict[str, str]:
        """The networks on this host that belong to other states, each with the identity of its state."""

    def ensure(self, spec: NetworkSpec) -> None:
        """Make it so; leases and names follow `reservations`. Guests that are plugged in do not notice; those that are not are.

        Raises Permanent, with the identity, while another state has networks on this host.
        """

    def remove(self, network_id: str) -> None:
        """Take it away, with its leases. Raises Permanent where it is another state's."""

    def answers(self, network_id: str, addresses: Iterable[IPv4Address]) -> set[IPv4Address]:
        """Which of these addresses answer on the wire (ARP), within a second."""


class Firewall(Protocol):
    """What guests may send and receive. Whatever else filters packets on the host is left as it is."""

    def in_force(self, spec: FirewallSpec) -> bool:
        """Whether exactly this is enforced now."""

    def apply(self, spec: FirewallSpec) -> None:
        """Enforce this and nothing else, all at once; with an empty spec nothing of ours is left.

        Connections that are under way go on, unless their address has another holder now. Raises Permanent where that would
        change somebody else's rules.
        """

    def stranger(self) -> str:
        """The name by which rules of another minicloud's state on this host are known; empty if there are none."""


@dataclass(frozen=True)
class BaseImage:
    """A disk that instances start from. `virtual_size` in bytes; `path` is for `Disks.create`."""

    image_id: str
    name: str
    description: str
    architecture: str
    boot_mode: str
    default_user: str
    root_device_name: str
    virtual_size: int
    created: str
    source: str
    path: str
    boot: BootSpec
    """How it is started without its boot loader; `kernel` is None where that cannot be."""
    boot_loader: bool = True
    """Whether the disk starts by itself."""


class Images(Protocol):
    """The base images on this host. They never change; new ones appear, and what no minicloud needs may be removed."""

    def list(self) -> dict[str, BaseImage]:
        """All that can be used, by id."""

    def path(self, image_id: str) -> str:
        """Where a disk finds its base. Raises Permanent if it is not there."""

    def keep(self, *, build: bool = False) -> None:
        """From here on no other minicloud removes an image that rows of this one need. On the disk itself when this returns.

        Before a disk is made on an image: the rows, then this to `build`, then `path`. Raises Retry where another minicloud is
        about to remove images, and takes long.
        """


@dataclass(frozen=True)
class Capacity:
    """What the host has: hardware threads and memory in MiB; `accelerators` are PCI addresses of GPUs free to pass through."""

    threads: int
    memory: int
    accelerators: tuple[str, ...] = ()


class Machine(Protocol):
    """The host itself."""

    def capacity(self) -> Capacity:
        """What there is in all, guests or not."""

    def boot_id(self) -> str:
        """Another value after each restart of the host."""

    def uptime(self) -> float:
        """Seconds since the host was started, its sleep included."""

    def ending(self) -> bool:
        """Whether the host is being shut down: guests that power off now do not do so of their own."""

    def clock_synchronised(self) -> bool:
        """Whether the kernel has it from somebody outside (NTP) that the clock is right."""


@dataclass(frozen=True)
class Host:
    """The drivers of one host."""

    guests: Guests
    disks: Disks
    seeds: Seeds
    networks: Networks
    images: Images
    machine: Machine
    firewall: Firewall
    blocks: Blocks
    messages: Messages
    balancers: LoadBalancers
    cards: Cards
