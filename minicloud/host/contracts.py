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
from typing import Protocol

from .firewall_spec import FirewallSpec


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
class IoLimits:
    """What a disk may do at most: operations and bytes in a second, 0 for no limit.

    For `burst_seconds` after a rest it may do `burst_iops` and `burst_throughput` in a second, where these are not 0.
    """

    iops: int = 0
    throughput: int = 0
    burst_iops: int = 0
    burst_throughput: int = 0
    burst_seconds: int = 0


@dataclass(frozen=True)
class DiskSpec:
    """A disk of a guest. `serial` is what the guest sees under /dev/disk/by-id (at most 20 characters)."""

    disk_id: str
    path: str
    serial: str
    device: str
    """The name asked for by the user, such as /dev/xvda. The first disk of a guest is the one it boots from."""
    limits: IoLimits = IoLimits()


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

    def start(self, spec: GuestSpec) -> None:
        """Define the guest as `spec` says, replacing an earlier definition, and start it. Does nothing if it runs."""

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

    def remove(self, guest_id: str) -> None:
        """Cut the power and forget the guest, with its firmware variables and console log."""

    def console_log(self, guest_id: str) -> bytes:
        """What the guest wrote to its serial port, the last 64 KiB at least; empty if nothing or unknown."""

    def console_path(self, guest_id: str) -> str:
        """The terminal device of a running guest's serial port. Raises Permanent if it is not running."""

    def screenshot(self, guest_id: str) -> bytes:
        """The screen of a running guest as a PNG. Raises Permanent if it is not running."""


class Blocks(Protocol):
    """The disks of running guests. A disk is named by its serial; of a guest that is off nothing can be asked: Permanent."""

    def chains(self, guest_id: str) -> dict[str, tuple[str, ...]]:
        """The paths that each disk reads from, the one that is written to first; empty for a guest that is off."""

    def attach(self, guest_id: str, disk: DiskSpec) -> None:
        """Plug a disk in."""

    def detach(self, guest_id: str, serial: str) -> None:
        """Ask the guest's system to let a disk go; it is gone when `chains` has it no more. May be asked again."""

    def seize(self, guest_id: str, serial: str) -> None:
        """Take a disk's contents from a guest that does not let it go: it reads and writes nothing of the disk any more."""

    def freeze(self, guest_id: str, tops: Mapping[str, str]) -> str:
        """Put each disk onto a new top, which is there and stands on the disk's present one: of all disks at one moment.

        Disks that have that top are left. Returns empty where the guest's file systems were quiesced, else why they were not.
        """

    def resume(self, guest_id: str) -> bool:
        """Let a guest go on that was halted because a disk could not be written to; whether there was one."""

    def resize(self, guest_id: str, serial: str, size: int) -> None:
        """Let the guest see a disk of `size` bytes, which is not smaller."""

    def limit(self, guest_id: str, serial: str, limits: IoLimits) -> None:
        """Other limits from now on."""

    def pull(self, guest_id: str, serial: str, base: str | None) -> None:
        """Begin to copy into a disk's top what lies between it and `base`, on which it stands in the end (None: nothing)."""

    def commit(self, guest_id: str, serial: str, top: str, base: str) -> None:
        """Begin to write what `top`, a path below the disk's own, has into `base` under it; `top` leaves the chain then."""

    def jobs(self, guest_id: str) -> set[str]:
        """The disks on which `pull` or `commit` is under way."""


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


class Disks(Protocol):
    """Where the bytes of volumes are. Sizes are in bytes.

    A disk that a guest has must not be changed by anything here but `create` of another on it and `repoint`.
    """

    def create(self, disk_id: str, size: int, base: str | None) -> None:
        """A disk of `size` that reads as `base` (a path that a driver gave) where it was not written, else as zeros.

        Constant time whatever the size. Never visible half made.
        """

    def remove(self, disk_id: str) -> None:
        """Delete a disk for ever."""

    def path(self, disk_id: str) -> str:
        """Where a guest finds the disk."""

    def list(self) -> dict[str, int]:
        """All disks of ours, with the bytes that each occupies."""

    def others(self) -> dict[str, int]:
        """What lies where disks are kept and is none, by a name that a person finds it by, with the bytes that it occupies."""

    def size(self, disk_id: str) -> int:
        """How large a guest sees it. Raises Permanent where it is not there, or is damaged so that this cannot be told."""

    def resize(self, disk_id: str, size: int) -> None:
        """Make it larger; one that is that large is left."""

    def backing(self, disk_id: str) -> str | None:
        """The path on which the disk stands as it says itself, or None. Raises Permanent where it is not there."""

    def commit(self, disk_id: str, into: str) -> None:
        """Write all that a disk holds into the disk `into`, on which it stands; both then read the same."""

    def rebase(self, disk_id: str, base: str | None) -> None:
        """Copy into a disk what it reads from what lies between it and `base`; it stands on `base` afterwards."""

    def repoint(self, disk_id: str, base: str) -> None:
        """Let a disk stand on `base`, which reads the same as what it stood on."""

    def check(self, disk_id: str) -> None:
        """Raise Permanent, with what is wrong, where a disk's own structure is damaged."""

    def export(self, path: str, destination: str) -> None:
        """Write what the disk at a driver's path reads as into a new file: one qcow2 that stands on nothing."""

    def free(self) -> int:
        """Bytes that are left for disks."""


@dataclass(frozen=True)
class Seed:
    """What a guest reads about itself at boot (cloud-init, NoCloud). `user_data` reaches the guest to the byte."""

    instance_id: str
    hostname: str
    public_keys: tuple[str, ...]
    user_data: bytes
    default_user: str


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
        """The networks of ours by id: the spec that each fully serves now, or None for one that is damaged."""

    def ensure(self, spec: NetworkSpec) -> None:
        """Make it so; leases and names follow `reservations`. Guests that are plugged in do not notice."""

    def remove(self, network_id: str) -> None:
        """Take it away, with its leases."""

    def answers(self, network_id: str, addresses: Iterable[IPv4Address]) -> set[IPv4Address]:
        """Which of these addresses answer on the wire (ARP), within a second."""


class Firewall(Protocol):
    """What guests may send and receive. Whatever else filters packets on the host is left as it is."""

    def in_force(self, spec: FirewallSpec) -> bool:
        """Whether exactly this is enforced now."""

    def apply(self, spec: FirewallSpec) -> None:
        """Enforce this and nothing else, all at once; with an empty spec nothing of ours is left.

        Connections that are under way go on, unless their address has another holder now.
        """


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
    """The base images on this host. They never change; new ones appear."""

    def list(self) -> dict[str, BaseImage]:
        """All that can be used, by id."""

    def path(self, image_id: str) -> str:
        """Where a disk finds its base. Raises Permanent if it is not there."""


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
    cards: Cards
