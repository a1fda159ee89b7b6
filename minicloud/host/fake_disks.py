"""Disks of a fake host: they hold what is written to them, block by block, and stand on one another as real ones do."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import Damaged, Permanent, Retry
from . import own_names
from .contracts import Power
from .contracts_storage import Merged, Stamp, Stranger
from .fake_store import Store

Held = dict[str, Any]
PREFIX = "fake:"


def read(held: Held, path: str | None) -> dict[int, str]:
    """What a disk reads as. A path that is no disk's is a base image, which reads as its own name."""
    if path is None:
        return {}
    disk = held["disks"].get(path.removeprefix(PREFIX))
    if disk is None:
        return {-1: path}
    below = read(held, disk["base"])
    return {**below, **{int(block): value for block, value in disk["blocks"].items()}}


def write(held: Held, path: str, block: int, value: str) -> None:
    """Write a block."""
    disk = held["disks"][path.removeprefix(PREFIX)]
    disk["blocks"][str(block)] = value
    disk["unflushed"] = [one for one in disk.get("unflushed", []) if one != str(block)]


def lose(held: Held, guest: Held) -> None:
    """The guest's process dies, and with it what it pulled and did not flush."""
    for plugged in guest["disks"].values():
        disk = held["disks"].get(plugged["path"].removeprefix(PREFIX), {})
        for block in disk.pop("unflushed", []):
            disk["blocks"].pop(block, None)


class FakeDisks:
    """Implements contracts_storage.Disks."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, disk_id: str, size: int, base: str | None) -> None:
        """A disk that occupies nothing."""
        with self._store.call("disks.create", disk_id) as held:
            below = held["disks"].get(base.removeprefix(PREFIX), {}) if base is not None else {}
            held["disks"].setdefault(disk_id, {"size": max(size, below.get("size", 0)), "base": base, "blocks": {}})

    def remove(self, disk_id: str) -> None:
        """Delete it."""
        with self._store.call("disks.remove", disk_id) as held:
            if above := _above(held, disk_id):
                raise Permanent(f"{disk_id} is not removed: {min(above)} stands on it")
            if readers := _readers(held, disk_id):
                raise Retry(f"{disk_id} is not removed: {readers[0]} has it open")
            held["disks"].pop(disk_id, None)

    def above(self, disk_id: str) -> set[str]:
        """By what each says it stands on."""
        with self._store.call("disks.above", disk_id) as held:
            return _above(held, disk_id)

    def all_above(self, disk_ids: Iterable[str]) -> dict[str, set[str]]:
        """The same of each."""
        with self._store.call("disks.all_above") as held:
            return {disk_id: _above(held, disk_id) for disk_id in disk_ids}

    def stamp(self) -> Stamp | None:
        """As it was written."""
        with self._store.call("disks.stamp") as held:
            identity, generation, *rest = held.get("stamp") or ["", 0]
            merged = {layer_id: Merged(*about) for layer_id, about in rest[0].items()} if rest else {}
            return Stamp(identity, generation, merged) if identity else None

    def put_stamp(self, stamp: Stamp) -> None:
        """Write it."""
        with self._store.call("disks.put_stamp") as held:
            merged = {layer_id: [one.generation, one.layer, one.volume] for layer_id, one in stamp.merged.items()}
            held["stamp"] = [stamp.identity, stamp.generation, *([merged] if merged else [])]

    def set_aside(self, disk_ids: Iterable[str], why: str) -> str:  # noqa: ARG002
        """They are kept, and no disks any more."""
        with self._store.call("disks.set_aside") as held:
            for disk_id in disk_ids:
                held.setdefault("aside", {})[disk_id] = held["disks"].pop(disk_id)
        return "fake:aside"

    def path(self, disk_id: str) -> str:
        """No file's name."""
        return f"{PREFIX}{disk_id}"

    def own(self, path: str, *, live: bool) -> str:  # noqa: ARG002
        """Nothing is moved here."""
        name = path.removeprefix(PREFIX)
        with self._store.call("disks.own", name) as held:
            ours = path == self.path(name) and not held["disks"].get(name, {}).get("strange") and own_names.is_disk(name)
            return name if ours else ""

    def stranger(self, path: str) -> Stranger:
        """What `FakeHost.take_over` made."""
        with self._store.call("disks.stranger", path) as held:
            disk = _there(held, path.removeprefix(PREFIX))
            return Stranger(bool(disk["blocks"]), disk["base"])

    def list(self) -> dict[str, int]:
        """All disks."""
        with self._store.call("disks.list") as held:
            ours = {name: disk for name, disk in held["disks"].items() if not disk.get("strange")}
            return {disk_id: 4096 * len(disk["blocks"]) for disk_id, disk in ours.items()}

    def in_use(self) -> set[str]:
        """What guests that are on read from."""
        with self._store.call("disks.in_use") as held:
            return {name for name, disk in held["disks"].items() if not disk.get("strange") and _readers(held, name)}

    def is_open(self, disk_id: str) -> bool:
        """Whether a guest that is on reads from it."""
        with self._store.call("disks.is_open", disk_id) as held:
            return bool(_readers(held, disk_id))

    def others(self) -> dict[str, int]:
        """Files of others that stand beside, and what `held` says."""
        with self._store.call("disks.others") as held:
            beside = {name: 4096 for name, disk in held["disks"].items() if disk.get("strange") and not name.startswith("/")}
            return {**beside, **held.get("others", {})}

    def size(self, disk_id: str) -> int:
        """As it was made, or resized."""
        with self._store.call("disks.size", disk_id) as held:
            return int(_there(held, disk_id)["size"])

    def resize(self, disk_id: str, size: int) -> None:
        """Never smaller."""
        with self._store.call("disks.resize", disk_id) as held:
            disk = _there(held, disk_id)
            disk["size"] = max(size, disk["size"])

    def backing(self, disk_id: str) -> str | None:
        """What it stands on."""
        with self._store.call("disks.backing", disk_id) as held:
            base: str | None = _there(held, disk_id)["base"]
            return base

    def commit(self, disk_id: str, into: str) -> None:
        """Copy blocks downwards."""
        with self._store.call("disks.commit", disk_id) as held:
            disk = _free(held, disk_id)
            if disk["base"] != self.path(into):
                raise Permanent(f"{disk_id} does not stand on {into}")
            commit(disk, _free(held, into))

    def rebase(self, disk_id: str, base: str | None) -> None:
        """Copy blocks upwards."""
        with self._store.call("disks.rebase", disk_id) as held:
            pull(held, _free(held, disk_id), base)

    def repoint(self, disk_id: str, base: str) -> None:
        """Blocks stay as they are."""
        with self._store.call("disks.repoint", disk_id) as held:
            disk = _there(held, disk_id)
            if disk["base"] != base:
                _free(held, disk_id)["base"] = base

    def seal(self, disk_ids: Iterable[str]) -> None:
        """Those that are there."""
        named = list(disk_ids)
        with self._store.call("disks.seal", *named) as held:
            for disk_id in named:
                held["disks"].get(disk_id, {})["sealed"] = True

    def unseal(self, disk_id: str) -> None:
        """It is as it was made."""
        with self._store.call("disks.unseal", disk_id) as held:
            held["disks"].get(disk_id, {}).pop("sealed", None)

    def damage(self, disk_id: str) -> str:
        """Damaged where `FakeHost.corrupt` damaged it."""
        with self._store.call("disks.damage", disk_id) as held:
            return "QEMU found it damaged" if held["disks"].get(disk_id, {}).get("damaged") else ""

    def check(self, disk_id: str) -> None:
        """Damaged where `FakeHost.corrupt` damaged it."""
        with self._store.call("disks.check", disk_id) as held:
            _there(held, disk_id)

    def export(self, path: str, destination: str) -> None:
        """A file that says what the disk reads as."""
        with self._store.call("disks.export", path) as held:
            content = read(held, path)
        if Path(destination).exists():
            raise Permanent(f"{destination} exists already")
        Path(destination).write_text(repr(content))

    def free(self) -> int:
        """Plenty, or what `held` says."""
        with self._store.call("disks.free") as held:
            return int(held.get("free", 1 << 40))


def _there(held: Held, disk_id: str) -> dict[str, Any]:
    disk: dict[str, Any] | None = held["disks"].get(disk_id)
    if disk is None:
        raise Damaged(f"{disk_id} is not there")
    if disk.get("damaged"):
        raise Damaged(f"{disk_id} is damaged")
    return disk


def _above(held: Held, disk_id: str) -> set[str]:
    every = {**held["disks"], **held.get("aside", {})}
    elsewhere = {name for name, disk in every.items() if disk.get("strange") and name.startswith("/")}
    return {name for name, disk in every.items() if disk["base"] == f"{PREFIX}{disk_id}"} - elsewhere


def _free(held: Held, disk_id: str) -> dict[str, Any]:
    """The disk, which no guest that is on may read from: QEMU's locks see to that on a real host."""
    if readers := _readers(held, disk_id):
        raise Retry(f"{disk_id} is in use by {readers[0]}")
    return _there(held, disk_id)


def _readers(held: Held, disk_id: str) -> list[str]:
    on = {name: guest["disks"].values() for name, guest in held["guests"].items() if is_on(guest)}
    return [name for name, disks in on.items() if any(f"{PREFIX}{disk_id}" in chain(held, disk) for disk in disks)]


def commit(disk: dict[str, Any], into: dict[str, Any]) -> None:
    """What a disk has comes to be in the one below."""
    into["blocks"].update(disk["blocks"])
    into["size"] = max(into["size"], disk["size"])


def pull(held: Held, disk: dict[str, Any], base: str | None) -> None:
    """What lies between a disk and its new base comes to be in it. Raises Permanent where the base is not below."""
    node, below = disk["base"], []
    while node != base:
        if node is None or node.removeprefix(PREFIX) not in held["disks"]:
            raise Permanent(f"{base} is not below")
        below.append(held["disks"][node.removeprefix(PREFIX)])
        node = below[-1]["base"]
    for layer in below:
        disk["blocks"] = {**layer["blocks"], **disk["blocks"]}
    disk["base"] = base


def is_on(guest: dict[str, Any]) -> bool:
    """Whether a guest's process is there, and has its disks open."""
    return guest["power"] in (Power.RUNNING.value, Power.PAUSED.value)


def sealed(held: Held, disks: Iterable[Held]) -> str:
    """The first of a guest's disks that it cannot open, because it may not write to it."""
    return next((disk["path"] for disk in disks if held["disks"].get(disk["path"].removeprefix(PREFIX), {}).get("sealed")), "")


def chain(held: Held, disk: dict[str, Any]) -> tuple[str, ...]:
    """The paths that a guest's disk reads from, downwards."""
    below = held["disks"].get(disk["path"].removeprefix(PREFIX), {}).get("base")
    return (disk["path"], *(chain(held, {"path": below}) if below is not None else ()))
