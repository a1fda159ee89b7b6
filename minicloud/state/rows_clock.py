"""Rows about time, and about what is on its way out. A field is a column of the same name."""

from dataclasses import dataclass


@dataclass
class HostClock:
    """The last look at the host's clocks: the wall's (seconds since 1970) and the uptime (seconds, sleep included) of one boot.

    `steady` is the wall's time as it would be had nobody ever set it: it goes on with the uptime, over a restart by the time that
    the host is believed to have been off. `gap` are seconds of such a time that are not believed yet. `jump` is by how much the
    wall was moved lately, and `doubted` the steady time of the last move; -1 where there was none.
    """

    boot_id: str
    wall: float
    uptime: float
    steady: float
    gap: float = 0.0
    jump: float = 0.0
    doubted: float = -1.0


@dataclass
class EndedKey:
    """The file of a private key whose certificate was deleted or replaced: it is to be removed."""

    name: str
