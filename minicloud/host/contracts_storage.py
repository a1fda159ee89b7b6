"""What the reconcilers may ask of a host's storage: disks, and those of running guests. Promises are as in `contracts`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


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
        """Let the guest see a disk of `size` bytes, which is not smaller. Raises Retry while the guest has a job (`jobs`)."""

    def limit(self, guest_id: str, serial: str, limits: IoLimits) -> None:
        """Other limits from now on."""

    def pull(self, guest_id: str, serial: str, base: str | None) -> None:
        """Begin to copy into a disk's top what lies between it and `base`, on which it stands in the end (None: nothing)."""

    def commit(self, guest_id: str, serial: str, top: str, base: str) -> None:
        """Begin to write what `top`, a path below the disk's own, has into `base` under it; `top` leaves the chain then."""

    def jobs(self, guest_id: str) -> set[str]:
        """The disks on which `pull` or `commit` is under way: one at most, another is refused with Retry meanwhile."""

    def flush(self, guest_id: str, serial: str) -> None:
        """All that was written to a disk, and copied within it, is on the host's own disk, whatever becomes of the guest."""


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

    def damage(self, disk_id: str) -> str:
        """What a disk says itself of its being damaged, empty for nothing: a look, also while a guest has it."""

    def check(self, disk_id: str) -> None:
        """Raise Permanent, with what is wrong, where a disk's own structure is damaged. Reads all of it."""

    def export(self, path: str, destination: str) -> None:
        """Write what the disk at a driver's path reads as into a new file: one qcow2 that stands on nothing."""

    def free(self) -> int:
        """Bytes that are left for disks."""
