"""Which state this is, and how far its disks have come."""

from dataclasses import dataclass


@dataclass
class Identity:
    """The one row of its table. `id` is 32 hexadecimal digits, made with the database; whatever minicloud puts on the host
    carries it, so that what another state put there is told from what is left of this one's.
    """

    id: str
    generation: int
    created: str
