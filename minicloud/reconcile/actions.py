"""The actions that the plan of an instance is made of. Plain values: a test compares them, an executor carries them out."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class MakeDisks:
    """Make the disks of the instance that are not there yet."""


@dataclass(frozen=True)
class WriteSeed:
    """Make or replace the seed."""


@dataclass(frozen=True)
class StartGuest:
    """Define and start the guest as the rows say."""


@dataclass(frozen=True)
class AskToShutDown:
    """Press the guest's power button."""


@dataclass(frozen=True)
class CutPower:
    """Stop the guest at once."""


@dataclass(frozen=True)
class RebootGuest:
    """Ask the guest's system to restart."""


@dataclass(frozen=True)
class ResetGuest:
    """Restart the guest at once."""


@dataclass(frozen=True)
class KeepOff:
    """Let nobody else start the guest, which is off; memory of it that was saved goes."""


@dataclass(frozen=True)
class DropScratchDisks:
    """Delete the instance store, which does not outlive a stop."""


@dataclass(frozen=True)
class RemoveGuest:
    """Forget the guest on the host."""


@dataclass(frozen=True)
class RemoveSeed:
    """Delete the seed."""


@dataclass(frozen=True)
class RemoveDisks:
    """Delete the instance store."""


@dataclass(frozen=True)
class Release:
    """Delete the rows that end with the instance: its interface with the address, volumes that end with it."""


@dataclass(frozen=True)
class Forget:
    """Delete the instance's own row, and its tags."""


@dataclass(frozen=True)
class Record:
    """Set columns of the instance's row."""

    fields: dict[str, Any] = field(default_factory=dict)


Action = (
    MakeDisks
    | WriteSeed
    | StartGuest
    | AskToShutDown
    | CutPower
    | RebootGuest
    | ResetGuest
    | KeepOff
    | DropScratchDisks
    | RemoveGuest
    | RemoveSeed
    | RemoveDisks
    | Release
    | Forget
    | Record
)
