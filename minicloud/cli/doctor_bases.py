"""Base images that rows of this state need, and that are gone from the store, or cannot be used."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .doctor_checks import WARN, Check

if TYPE_CHECKING:
    from ..cloud import Cloud
    from ..state.store import State

_SHOWN = 5


@dataclass(frozen=True)
class Lost:
    """A base image: where it is to be, why it cannot be used, and what needs it: disks and instances, and AMIs."""

    path: Path
    reason: str
    disks: tuple[str, ...]
    amis: tuple[str, ...]


def lost(cloud: "Cloud") -> Iterator[Lost]:
    """Those that are needed and cannot be used. Raises HostError, ApiError."""
    from ..host.base_images import store

    with cloud.state.transaction(write=False):
        found = {base: (_disks(cloud.state, base), _amis(cloud.state, base)) for base in _bases(cloud.state)}
    there = cloud.host_as_found.images.list()
    reasons = {damaged.path.name: damaged for damaged in store(cloud.settings).damaged()}
    for base, (disks, amis) in found.items():
        if base not in there and (disks or amis):
            damaged = reasons.get(base)
            path = damaged.path if damaged else cloud.settings.images / base
            yield Lost(path, f"cannot be used: {damaged.reason}" if damaged else "is gone", tuple(disks), tuple(amis))


def _bases(state: "State") -> list[str]:
    layers, images = state.layers.query("base != ''"), state.images.query("base != ''")
    return sorted({row.base for row in layers} | {row.base for row in images})


def _disks(state: "State", base: str) -> list[str]:
    """Volumes and snapshots, and the instances that no volume speaks of."""
    from .images import users

    found = users(state, base)
    images = [row.id for row in state.images.find(base=base)]
    instances = [row.id for row in state.instances.among("image_id", images) if row.state != "terminated"]
    return found + [name for name in instances if not any(name in one for one in found)]


def _amis(state: "State", base: str) -> list[str]:
    rows = state.images.query("base = ? and state in ('available', 'pending', 'disabled')", [base])
    return [f"the AMI {row.id} ({row.name})" for row in rows]


def judge(found: Iterable[Lost]) -> Iterator[Check]:
    """A check for each."""
    for one in found:
        users = [*one.disks, *one.amis]
        more = f" and {len(users) - _SHOWN} more" if users[_SHOWN:] else ""
        told = f"the base image {one.path} {one.reason}; what needs it: {', '.join(users[:_SHOWN])}{more}"
        yield Check("images", WARN, told, _remedy(one))


def _remedy(one: Lost) -> str:
    """What disks stand on is this very file: the same image built anew is another one."""
    if not one.disks:
        return f"minicloud deregister-image --image-id {one.path.name}; then build or import it anew"
    again = f"bring {one.path} back as it was: a backup --with-disks has it as images/{one.path.name} (owner and mode as its "
    return again + "neighbours'); or delete these"
