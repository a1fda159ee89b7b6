"""What must hold, kept beside the cloud: the bytes of every volume and snapshot, and what security groups let through.

Contents are what the first blocks read as (`grounds`). A snapshot that was answered reads as its volume did at that moment;
one whose command was killed reads as the volume did at some moment since, and from then on always the same.
"""

from dataclasses import dataclass, field
from typing import Any

Content = dict[int, int]
Rule = tuple[str, int, int, str]
"""Protocol, low and high port, and the range of addresses."""

BLOCKS = 12
_NUMBERS = 250
"""A block of a real disk is filled with one byte, never 0."""


@dataclass
class Model:
    """The state of the model."""

    volumes: dict[str, Content] = field(default_factory=dict)
    snapshots: dict[str, Content] = field(default_factory=dict)
    """Of every snapshot that ever was."""
    since: dict[str, list[Content]] = field(default_factory=dict)
    """What each volume read as at some moment since the last check, oldest first."""
    ever: dict[str, list[Content]] = field(default_factory=dict)
    """What each volume has read as, from its first moment on."""
    doomed: set[str] = field(default_factory=set)
    """Volumes and snapshots that somebody asked to delete: they may be gone."""
    rules: dict[str, set[Rule]] = field(default_factory=dict)
    """What each group of ours lets in."""
    unsure: dict[str, set[Rule]] = field(default_factory=dict)
    """Rules of each group of which a change was cut off: they are there or not, until the next look."""
    owners: dict[str, tuple[str, bool]] = field(default_factory=dict)
    """The instance that each volume was attached to at the last look, and whether the volume goes with it."""
    known_snapshots: set[str] = field(default_factory=set)
    """Those that there were at the last look."""
    written: int = 0

    def next_number(self) -> int:
        """What is written next."""
        self.written += 1
        return self.written % _NUMBERS + 1

    def write(self, volume_id: str, block: int, number: int) -> None:
        """A guest has written."""
        content = {**self.volumes[volume_id], block: number}
        self.volumes[volume_id] = content
        self.since.setdefault(volume_id, []).append(content)
        self.ever.setdefault(volume_id, []).append(content)

    def answered(self, operation: str, about: tuple[str, ...], rule: Rule | None, answer: dict[str, Any]) -> None:
        """A request was answered: a snapshot's bytes are those of this moment, and a rule is in force or is not any more."""
        if operation == "CreateSnapshot" and about[0] in self.volumes:
            self.snapshots[answer["SnapshotId"]] = self.volumes[about[0]]
        if rule is not None:
            group = self.rules.setdefault(about[0], set())
            (group.add if operation.startswith("Authorize") else group.discard)(rule)
            self.unsure.get(about[0], set()).discard(rule)

    def checked(self) -> None:
        """All was looked at: what comes next starts from here."""
        self.since = {volume: [content] for volume, content in self.volumes.items()}

    def forget(self, name: str) -> None:
        """A volume or snapshot is gone, rightly. What a snapshot read as stays known: volumes may have been made of it. What a
        volume read as does until all was looked at: a snapshot may have been made of it before.
        """
        self.volumes.pop(name, None)
        self.owners.pop(name, None)
        self.known_snapshots.discard(name)
        self.doomed.discard(name)
