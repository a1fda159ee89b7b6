"""Rows of storage: layers, snapshots, modifications of volumes, lifecycle policies. A field is a column of the same name.

A volume is a chain of layers, of which it writes to the topmost only. A snapshot is a layer that nobody writes to any more.
Who needs a layer: the volume that writes to it, the snapshots that show it, the layers that stand on it. Nothing counts
references; whoever wants to know asks these rows.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Layer:
    """A file of blocks that stands on `parent` (the id of another layer, or empty). `size` is what a guest sees, in bytes.

    `base` is the id of an image in the store whose file this layer is: such a layer stands on nothing and never changes.
    `made` is false until the file is there.
    """

    id: str
    parent: str
    base: str
    size: int
    created: str
    made: bool = False


@dataclass
class Snapshot:
    """A volume at one moment: `layer_id` is empty until it is taken. `size` in GiB, `state` pending, completed or error.

    Snapshots of one `batch` are taken at one moment. `next_layer` is the journal of one that is being taken: the layer that
    the volume goes on with. `settings` holds what is set by attribute operations, such as who may make volumes of it.
    """

    id: str
    volume_id: str
    layer_id: str
    size: int
    description: str
    started: str
    batch: str
    state: str = "pending"
    next_layer: str = ""
    completed: str = ""
    message: str = ""
    failures: int = 0
    users: list[str] = field(default_factory=list)
    image_id: str = ""
    ahead: float = 0.0
    """By how many seconds the wall's clock was ahead of the steady one (`HostClock`) when a policy made it."""


@dataclass
class Modification:
    """The latest change of a volume's size, type, IOPS or throughput; `target` and `original` have these by AWS's names."""

    volume_id: str
    state: str
    target: dict[str, Any]
    original: dict[str, Any]
    started: str
    ended: str = ""
    message: str = ""


DELETED = "DELETED"
"""The state of a policy that nobody sees any more, and that still has to delete what it made."""


@dataclass
class Thaw:
    """A guest whose file systems may be frozen: from before its agent is asked to freeze them until it has let them go on.

    It is asked to at `due`; `tries` counts how often it was in vain, and `message` is what came of the last: at first, that its
    agent was asked.
    """

    instance_id: str
    due: str
    tries: int = 0
    message: str = ""


@dataclass
class Policy:
    """A lifecycle policy. `details` is AWS's PolicyDetails; `state` ENABLED, DISABLED, or DELETED.

    `makers` (callers.py) is its execution role, bound to the role's unique id; where it names no role of this account, who
    changed it last.
    """

    id: str
    description: str
    state: str
    message: str
    role: str
    details: dict[str, Any]
    created: str
    modified: str
    makers: list[str] = field(default_factory=list)


@dataclass
class PolicyRun:
    """What a policy's schedule did at one time it was due: what it `made` and `removed`, and what failed."""

    policy_id: str
    schedule: str
    due: str
    ran: str
    made: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
