"""What the reconcilers may ask of a host's storage: disks, and those of running guests. Promises are as in `contracts`."""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ..errors import Permanent, Retry


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
class Merged:
    """What was last written down into a layer: with which change that was begun, which layer it was, and the volume whose top
    that was, or empty.
    """

    generation: int
    layer: str
    volume: str = ""


@dataclass(frozen=True)
class Stamp:
    """What is written beside the disks: which state they belong to, the last change of layers that it has begun, and of the
    layers that are there those that others were merged into, or may be in part.
    """

    identity: str
    generation: int
    merged: Mapping[str, Merged] = field(default_factory=dict)


class StampDamaged(Permanent):
    """The file with the stamp is not what was written. Until somebody has seen to it, no disk is changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found = f"{path} is damaged: it says whose the disks are and how new, and without it none of them is changed"
        super().__init__(f"{self.found} (minicloud doctor says what to do)")


class Said(enum.Enum):
    """What a guest's agent said when it was asked to do something."""

    DONE = "done"
    REFUSED = "refused"
    """It answered that it does not."""
    NOTHING = "nothing"
    """It has not answered, or with nonsense: nobody knows whether it does it, or will."""
    NOTHING_ASKED = "nothing-asked"
    """There was nobody to ask: it is halted."""
    NO_AGENT = "no-agent"
    """No agent is connected, which was not asked therefore."""


@dataclass(frozen=True)
class AgentAnswer:
    """The answer of a guest's agent, and what is to be told of it where it is not `DONE`."""

    said: Said
    message: str = ""


@dataclass(frozen=True)
class DiskTop:
    """What a guest writes to as one of its disks: the paths that it reads from, the one that is written to first, as far as that
    is known, and the hypervisor's name of the disk. `live`: the guest is on; else it is how it would be started by others.
    """

    chain: tuple[str, ...]
    target: str
    live: bool


@dataclass(frozen=True)
class Stranger:
    """A file that is no disk of ours: whether it holds anything of its own, and the path that it stands on, or None."""

    holds: bool
    below: str | None


class Blocks(Protocol):
    """The disks of running guests. A disk is named by its serial; of a guest that is off nothing can be asked: Permanent."""

    def chains(self, guest_id: str) -> dict[str, tuple[str, ...]]:
        """The paths that each disk reads from, the one that is written to first; empty for a guest that is off."""

    def tops(self, guest_id: str) -> dict[str, DiskTop]:
        """What each disk writes to; of a guest that is off by its definition, which others may have changed while it was on.

        Empty where there is no such guest. Waits for nothing that a guest can keep.
        """

    def attach(self, guest_id: str, disk: DiskSpec) -> None:
        """Plug a disk in."""

    def detach(self, guest_id: str, serial: str) -> None:
        """Ask the guest's system to let a disk go; it is gone when `chains` has it no more. May be asked again.

        Asked once more for what is gone, it is no disk of the guest's definition either.

        Raises Retry while the disk has a job (`jobs`).
        """

    def seize(self, guest_id: str, serial: str) -> None:
        """Take a disk's contents from a guest that does not let it go: it reads and writes nothing of the disk any more.

        What `pull` and `commit` began for the guest's disks is given up for it. Raises Retry while another program has a job.
        """

    def has_agent(self, guest_id: str) -> bool:
        """Whether a guest's agent is connected, which may answer or not."""

    def quiesce(self, guest_id: str) -> AgentAnswer:
        """Ask the guest's agent to write out and freeze its file systems. It has seconds to answer, however it is."""

    def thaw(self, guest_id: str) -> AgentAnswer:
        """Ask the guest's agent to let its file systems go on, frozen or not. It has seconds to answer."""

    def freeze(self, guest_id: str, tops: Mapping[str, str]) -> None:
        """Put each disk onto a new top, which is there and stands on the disk's present one: of all disks at one moment.

        Disks that have that top are left. What `pull` and `commit` began is given up for it. Raises Retry while another program
        has a job of the guest's disks, Permanent where a new top does not stand on the present one.
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

    def jobs(self, guest_id: str) -> dict[str, str]:
        """The disks that have a job. It says nothing where `pull` or `commit` is under way: of one disk at most, another is
        refused with Retry meanwhile. Else it says what kind of job another program has there, which is left alone.
        """

    def flush(self, guest_id: str, serial: str) -> None:
        """All that was written to a disk, and copied within it, is on the host's own disk, whatever becomes of the guest."""


def refuse_strangers(guest_id: str, jobs: Mapping[str, str]) -> None:
    """Raise Retry where other programs have jobs of a guest's disks (`Blocks.jobs`): they are not given up for ours."""
    if found := sorted(f"{kind} of {serial}" for serial, kind in jobs.items() if kind):
        raise Retry(f"a disk has a job of another program: {', '.join(found)} in {guest_id} (see virsh blockjob)")


class Disks(Protocol):
    """Where the bytes of volumes are. Sizes are in bytes.

    A disk that a guest has must not be changed by anything here but `create` of another on it and `repoint`. What may be another
    home's as well, by a link, is changed by nothing: Permanent. One that is away with the file system that it is on, as a link
    tells, is not taken for lost: Away.
    """

    def create(self, disk_id: str, size: int, base: str | None) -> None:
        """A disk of `size` that reads as `base` (a path that a driver gave) where it was not written, else as zeros.

        As large as `base` where that is larger: it lacks nothing of it. Constant time whatever the size. Never visible half made.
        """

    def remove(self, disk_id: str) -> None:
        """Delete a disk for ever. Raises Permanent where another stands on it, whoever made that, Retry where it is `in_use`."""

    def path(self, disk_id: str) -> str:
        """Where a guest finds the disk."""

    def own(self, path: str, *, live: bool) -> str:
        """The id of the disk of ours that is at a path, or was before the disks were moved; empty for a file of others.

        `live`: a guest writes to it now, so that a copy of ours elsewhere is none.
        """

    def stranger(self, path: str) -> Stranger:
        """What a file that is none of ours holds. Raises Damaged where it is not there, or is no layer, Retry where it is on what
        does not answer.
        """

    def list(self) -> dict[str, int]:
        """All disks of ours, with the bytes that each occupies."""

    def in_use(self) -> set[str]:
        """Those of `list` that a process of QEMU has open, whoever started it: guests of any state, and what merges disks."""

    def is_open(self, disk_id: str) -> bool:
        """Whether one is `in_use`; one that is not there is not."""

    def others(self) -> dict[str, int]:
        """What lies where disks are kept and is none, by a name that a person finds it by, with the bytes that it occupies."""

    def size(self, disk_id: str) -> int:
        """How large a guest sees it. Raises Damaged where it is not there, or so damaged that this cannot be told."""

    def resize(self, disk_id: str, size: int) -> None:
        """Make it larger; one that is that large is left."""

    def backing(self, disk_id: str) -> str | None:
        """The path on which the disk stands as it says itself, or None. Raises Damaged where it is not there.

        After the disks were moved it is one of the place where they were, until `repoint`.
        """

    def commit(self, disk_id: str, into: str) -> None:
        """Write all that a disk holds into the disk `into`, on which it stands; both then read the same."""

    def above(self, disk_id: str) -> set[str]:
        """What stands directly on a disk, or may, as it says itself: disks by id, others by a name that a person finds them by.

        What says so by a path of a place where the disks were before is among it. What cannot be read stands on what it stood on
        when it last could be, as far as that is known: `backing` tells that it cannot be read.
        """

    def all_above(self, disk_ids: Iterable[str]) -> dict[str, set[str]]:
        """The same of many disks, by one look at all."""

    def stamp(self) -> Stamp | None:
        """What is written beside the disks; None where nothing was written yet. Raises StampDamaged where that is not it."""

    def put_stamp(self, stamp: Stamp) -> None:
        """Write it, as a whole, and on the disk itself when this returns."""

    def set_aside(self, disk_ids: Iterable[str], why: str) -> str:
        """Put disks where none is looked for, with a note of what they were and why; where that is. Nothing of them changes."""

    def rebase(self, disk_id: str, base: str | None) -> None:
        """Copy into a disk what it reads from what lies between it and `base`; it stands on `base` afterwards."""

    def repoint(self, disk_id: str, base: str) -> None:
        """Let a disk stand on `base`, which reads the same as what it stood on."""

    def seal(self, disk_ids: Iterable[str]) -> None:
        """Let no guest that is started from now on write to these disks, whoever starts it. One that is on goes on.

        What is not there, or may be another home's, is left. This driver itself writes to sealed ones as to others. Not of what a
        guest reads that has a job (`Blocks.jobs`): it may have to write to that.
        """

    def unseal(self, disk_id: str) -> None:
        """Let guests write to a disk. `Blocks.commit` does so itself of what it writes to."""

    def damage(self, disk_id: str) -> str:
        """What a disk says itself of its being damaged, empty for nothing: a look, also while a guest has it."""

    def check(self, disk_id: str) -> None:
        """Raise Damaged, with what is wrong, where a disk's own structure is damaged. Reads all of it."""

    def export(self, path: str, destination: str) -> None:
        """Write what the disk at a driver's path reads as into a new file: one qcow2 that stands on nothing."""

    def free(self) -> int:
        """Bytes that are left for disks."""
