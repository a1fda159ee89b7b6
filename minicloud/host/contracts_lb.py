"""What the reconcilers may ask of a host's load balancers. The rules of `contracts` hold here, too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .load_balancer_spec import LoadBalancerSpec

Place = tuple[str, str]
"""A target: its group's id, and its address and port as `address:port`."""


@dataclass(frozen=True)
class Health:
    """What probes said of a target. `up` is whether it gets requests; `problem` is empty where the last probe was answered as it
    should, else `timeout`, `codes` (with the HTTP status in `code`), or `failed`; None while there was no probe yet.
    """

    up: bool
    problem: str | None
    code: int = 0


@dataclass(frozen=True)
class Traffic:
    """What went through since the balancer was made: counts, and bytes.

    `connections` and `requests` are in all, `active` are now; `codes` are responses by the first digit of their status, and
    `response_time` is the average of the last (at most 1,024) in milliseconds. `failed` are connections to targets that could
    not be made.
    """

    connections: int = 0
    requests: int = 0
    active: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    codes: Mapping[int, int] = field(default_factory=dict)
    response_time: float = 0.0
    failed: int = 0


@dataclass(frozen=True)
class Statistics:
    """Traffic of one balancer, by the listener's port, by group, and by target.

    Counts only grow while the balancer lives, over reloads, too; one that was killed may forget its last two seconds.
    """

    listeners: Mapping[int, Traffic] = field(default_factory=dict)
    groups: Mapping[str, Traffic] = field(default_factory=dict)
    targets: Mapping[Place, Traffic] = field(default_factory=dict)


class LoadBalancers(Protocol):
    """Load balancers, each with addresses of its own."""

    def list(self) -> dict[str, str | None]:
        """The balancers of ours by id: the fingerprint of the spec that each fully serves now, None for one that is damaged."""

    def unmarked(self) -> set[str]:
        """Those of `list` that carry no state's identity: made by an older minicloud. Those of other states are not in `list`."""

    def ensure(self, spec: "LoadBalancerSpec") -> None:
        """Serve it; its networks are there already. Connections that are under way go on, those to targets that are not in the
        spec any more among them. Targets that stay keep their health; new ones get nothing before their first good probe, where
        another is healthy.

        Raises Permanent, and what was served before is served as before, where the spec makes no sense to the balancer.
        """

    def remove(self, balancer_id: str) -> None:
        """Take it away, with its names."""

    def health(self, balancer_id: str) -> dict[Place, Health]:
        """What probes say of the targets that are probed; empty for a balancer that does not run."""

    def bound_logs(self, home: Path, most: int) -> Sequence[str]:
        """Keep the access logs below a home within `most` bytes together; what was dropped, in words."""

    def statistics(self, balancer_id: str) -> Statistics:
        """What went through it; nothing for one that is unknown."""
