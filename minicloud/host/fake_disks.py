"""Disks of a fake host: they hold what is written to them, block by block, and stand on one another as real ones do.

What a running guest copies (`pull`, `commit`) is under way until `FakeHost.finish_jobs`, or until the guest stops. What was
pulled is in the memory of the guest's process until it is flushed, and lost with it (`lose`); where the disk stands is not.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import Damaged, Permanent, Retry
from .contracts import Power
from .contracts_storage import AgentAnswer, DiskSpec, IoLimits, Said, Stamp
from .fake_store import Store

Held = dict[str, Any]
PREFIX = _PREFIX = "fake:"


def read(held: Held, path: str | None) -> dict[int, str]:
    """What a disk reads as. A path that is no disk's is a base image, which reads as its own name."""
    if path is None:
        return {}
    disk = held["disks"].get(path.removeprefix(_PREFIX))
    if disk is None:
        return {-1: path}
    below = read(held, disk["base"])
    return {**below, **{int(block): value for block, value in disk["blocks"].items()}}


def write(held: Held, path: str, block: int, value: str) -> None:
    """Write a block."""
    disk = held["disks"][path.removeprefix(_PREFIX)]
    disk["blocks"][str(block)] = value
    disk["unflushed"] = [one for one in disk.get("unflushed", []) if one != str(block)]


def lose(held: Held, guest: Held) -> None:
    """The guest's process dies, and with it what it pulled and did not flush."""
    for plugged in guest["disks"].values():
        disk = held["disks"].get(plugged["path"].removeprefix(_PREFIX), {})
        for block in disk.pop("unflushed", []):
            disk["blocks"].pop(block, None)


class FakeDisks:
    """Implements contracts_storage.Disks."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, disk_id: str, size: int, base: str | None) -> None:
        """A disk that occupies nothing."""
        with self._store.call("disks.create", disk_id) as held:
            below = held["disks"].get(base.removeprefix(_PREFIX), {}) if base is not None else {}
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

    def stamp(self) -> Stamp | None:
        """As it was written."""
        with self._store.call("disks.stamp") as held:
            return Stamp(*held["stamp"]) if held.get("stamp") else None

    def put_stamp(self, stamp: Stamp) -> None:
        """Write it."""
        with self._store.call("disks.put_stamp") as held:
            held["stamp"] = [stamp.identity, stamp.generation]

    def set_aside(self, disk_ids: Iterable[str], why: str) -> str:  # noqa: ARG002
        """They are kept, and no disks any more."""
        with self._store.call("disks.set_aside") as held:
            for disk_id in disk_ids:
                held.setdefault("aside", {})[disk_id] = held["disks"].pop(disk_id)
        return "fake:aside"

    def path(self, disk_id: str) -> str:
        """No file's name."""
        return f"{_PREFIX}{disk_id}"

    def list(self) -> dict[str, int]:
        """All disks."""
        with self._store.call("disks.list") as held:
            return {disk_id: 4096 * len(disk["blocks"]) for disk_id, disk in held["disks"].items()}

    def in_use(self) -> set[str]:
        """What guests that are on read from."""
        with self._store.call("disks.in_use") as held:
            return {name for name in held["disks"] if _readers(held, name)}

    def is_open(self, disk_id: str) -> bool:
        """Whether a guest that is on reads from it."""
        with self._store.call("disks.is_open", disk_id) as held:
            return bool(_readers(held, disk_id))

    def others(self) -> dict[str, int]:
        """Nothing, or what `held` says."""
        with self._store.call("disks.others") as held:
            return dict(held.get("others", {}))

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
            _commit(disk, _free(held, into))

    def rebase(self, disk_id: str, base: str | None) -> None:
        """Copy blocks upwards."""
        with self._store.call("disks.rebase", disk_id) as held:
            _pull(held, _free(held, disk_id), base)

    def repoint(self, disk_id: str, base: str) -> None:
        """Blocks stay as they are."""
        with self._store.call("disks.repoint", disk_id) as held:
            disk = _there(held, disk_id)
            if disk["base"] != base:
                _free(held, disk_id)["base"] = base

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
    return {name for name, disk in every.items() if disk["base"] == f"{_PREFIX}{disk_id}"}


def _free(held: Held, disk_id: str) -> dict[str, Any]:
    """The disk, which no guest that is on may read from: QEMU's locks see to that on a real host."""
    if readers := _readers(held, disk_id):
        raise Retry(f"{disk_id} is in use by {readers[0]}")
    return _there(held, disk_id)


def _readers(held: Held, disk_id: str) -> list[str]:
    on = {name: guest["disks"].values() for name, guest in held["guests"].items() if _is_on(guest)}
    return [name for name, disks in on.items() if any(f"{_PREFIX}{disk_id}" in _chain(held, disk) for disk in disks)]


def _commit(disk: dict[str, Any], into: dict[str, Any]) -> None:
    into["blocks"].update(disk["blocks"])
    into["size"] = max(into["size"], disk["size"])


def _pull(held: Held, disk: dict[str, Any], base: str | None) -> None:
    node, below = disk["base"], []
    while node != base:
        if node is None or node.removeprefix(_PREFIX) not in held["disks"]:
            raise Permanent(f"{base} is not below")
        below.append(held["disks"][node.removeprefix(_PREFIX)])
        node = below[-1]["base"]
    for layer in below:
        disk["blocks"] = {**layer["blocks"], **disk["blocks"]}
    disk["base"] = base


def _is_on(guest: dict[str, Any]) -> bool:
    return guest["power"] in (Power.RUNNING.value, Power.PAUSED.value)


def _chain(held: Held, disk: dict[str, Any]) -> tuple[str, ...]:
    below = held["disks"].get(disk["path"].removeprefix(_PREFIX), {}).get("base")
    return (disk["path"], *(_chain(held, {"path": below}) if below is not None else ()))


class FakeBlocks:
    """Implements contracts_storage.Blocks. Guests run a guest agent unless they are deaf."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def chains(self, guest_id: str) -> dict[str, tuple[str, ...]]:
        """Of the disks that are plugged in."""
        with self._store.call("blocks.chains", guest_id) as held:
            guest = held["guests"].get(guest_id)
            if guest is None or not _is_on(guest):
                return {}
            return {serial: _chain(held, disk) for serial, disk in guest["disks"].items() if not disk.get("seized")}

    def attach(self, guest_id: str, disk: DiskSpec) -> None:
        """At once."""
        with self._store.call("blocks.attach", guest_id, disk.serial) as held:
            guest = _on(held, guest_id)
            if disk.path.removeprefix(_PREFIX) not in held["disks"]:
                raise Retry(f"{disk.path} is not there")
            guest["disks"].setdefault(disk.serial, dataclasses.asdict(disk))

    def detach(self, guest_id: str, serial: str) -> None:
        """At once, unless `FakeHost.hold_disk` has the guest hold it."""
        with self._store.call("blocks.detach", guest_id, serial) as held:
            guest = _on(held, guest_id)
            disks = guest["disks"]
            if serial in disks and serial in guest["jobs"]:
                raise Retry(f"{serial} has a job")
            if not disks.get(serial, {}).get("held"):
                disks.pop(serial, None)

    def seize(self, guest_id: str, serial: str) -> None:
        """The guest keeps a husk."""
        with self._store.call("blocks.seize", guest_id, serial) as held:
            guest = _on(held, guest_id)
            guest["jobs"].clear()
            guest["disks"].pop(serial, None)

    def has_agent(self, guest_id: str) -> bool:
        """As `FakeHost.agent` told: one that answers both questions with NO_AGENT is none."""
        with self._store.call("blocks.has_agent", guest_id) as held:
            return _agent(_on(held, guest_id), "thaw") is not Said.NO_AGENT

    def quiesce(self, guest_id: str) -> AgentAnswer:
        """As `FakeHost.agent` told the guest's; a deaf guest's says nothing."""
        with self._store.call("blocks.quiesce", guest_id) as held:
            guest = _on(held, guest_id)
            said = _agent(guest, "freeze")
            if said is Said.DONE or guest.get("agent", {}).get("late"):
                guest["frozen"] = True
            return _answer(said)

    def thaw(self, guest_id: str) -> AgentAnswer:
        """As `FakeHost.agent` told the guest's; a deaf guest's says nothing."""
        with self._store.call("blocks.thaw", guest_id) as held:
            guest = _on(held, guest_id)
            said = _agent(guest, "thaw")
            if said is Said.DONE:
                guest["frozen"] = False
            return _answer(said)

    def freeze(self, guest_id: str, tops: Mapping[str, str]) -> None:
        """At once."""
        with self._store.call("blocks.freeze", guest_id, *tops) as held:
            guest = _on(held, guest_id)
            for serial, path in tops.items():
                disk = _disk(guest, serial)
                if path.removeprefix(_PREFIX) not in held["disks"]:
                    raise Retry(f"{path} is not there")
                guest["jobs"].clear()
                held["disks"][disk["path"].removeprefix(_PREFIX)].pop("unflushed", None)
                disk["path"] = path

    def resume(self, guest_id: str) -> bool:
        """At once."""
        with self._store.call("blocks.resume", guest_id) as held:
            guest = held["guests"].get(guest_id)
            if guest is None or guest["power"] != Power.PAUSED.value:
                return False
            guest["power"] = Power.RUNNING.value
            return True

    def resize(self, guest_id: str, serial: str, size: int) -> None:
        """The disk grows, and its file."""
        with self._store.call("blocks.resize", guest_id, serial) as held:
            _alone(_on(held, guest_id), "")
            top = held["disks"][_disk(_on(held, guest_id), serial)["path"].removeprefix(_PREFIX)]
            top["size"] = max(size, top["size"])

    def limit(self, guest_id: str, serial: str, limits: IoLimits) -> None:
        """At once."""
        with self._store.call("blocks.limit", guest_id, serial) as held:
            _disk(_on(held, guest_id), serial)["limits"] = dataclasses.asdict(limits)

    def pull(self, guest_id: str, serial: str, base: str | None) -> None:
        """Begins."""
        with self._store.call("blocks.pull", guest_id, serial) as held:
            guest = _on(held, guest_id)
            _disk(guest, serial)
            _alone(guest, serial)
            guest["jobs"].setdefault(serial, ["pull", base])

    def commit(self, guest_id: str, serial: str, top: str, base: str) -> None:
        """Begins."""
        with self._store.call("blocks.commit", guest_id, serial) as held:
            guest = _on(held, guest_id)
            chain = _chain(held, _disk(guest, serial))
            if top not in chain[1:] or base not in chain[chain.index(top) + 1 :]:
                raise Permanent(f"{top} does not stand on {base} below {serial}")
            _alone(guest, serial)
            guest["jobs"].setdefault(serial, ["commit", top, base])

    def jobs(self, guest_id: str) -> set[str]:
        """Those that were not finished."""
        with self._store.call("blocks.jobs", guest_id) as held:
            guest = held["guests"].get(guest_id)
            return set(guest["jobs"]) if guest is not None and _is_on(guest) else set()

    def flush(self, guest_id: str, serial: str) -> None:
        """What was copied is kept."""
        with self._store.call("blocks.flush", guest_id, serial) as held:
            held["disks"][_disk(_on(held, guest_id), serial)["path"].removeprefix(_PREFIX)].pop("unflushed", None)

    def finish(self, guest_id: str) -> None:
        """Carry out what is under way."""
        with self._store.change() as held:
            guest = _on(held, guest_id)
            for serial, job in guest["jobs"].items():
                path = _disk(guest, serial)["path"].removeprefix(_PREFIX)
                if job[0] == "pull":
                    before = set(held["disks"][path]["blocks"])
                    _pull(held, held["disks"][path], job[1])
                    held["disks"][path]["unflushed"] = sorted(set(held["disks"][path]["blocks"]) - before)
                else:
                    _finish_commit(held, path, job[1], job[2])
            guest["jobs"] = {}


def _finish_commit(held: Held, path: str, top: str, base: str) -> None:
    above = held["disks"][path]
    while above["base"] != top:
        above = held["disks"][above["base"].removeprefix(_PREFIX)]
    _commit(held["disks"][top.removeprefix(_PREFIX)], held["disks"][base.removeprefix(_PREFIX)])
    above["base"] = base


def _alone(guest: dict[str, Any], serial: str) -> None:
    if set(guest["jobs"]) - {serial}:
        raise Retry(f"a disk has a job, and it is not {serial or None}")


def _on(held: Held, guest_id: str) -> dict[str, Any]:
    guest: dict[str, Any] | None = held["guests"].get(guest_id)
    if guest is None or not _is_on(guest):
        raise Permanent(f"{guest_id} is not running", "IncorrectInstanceState")
    return guest


def _agent(guest: dict[str, Any], question: str) -> Said:
    silent = guest["deaf"] or guest["power"] == Power.PAUSED.value
    return Said.NOTHING if silent else Said(guest.get("agent", {}).get(question, Said.DONE.value))


def _answer(said: Said) -> AgentAnswer:
    words = {Said.DONE: "", Said.NO_AGENT: "the guest runs no guest agent"}
    return AgentAnswer(said, words.get(said, "the guest agent does not answer"))


def _disk(guest: dict[str, Any], serial: str) -> dict[str, Any]:
    disk: dict[str, Any] | None = guest["disks"].get(serial)
    if disk is None:
        raise Permanent(f"no disk {serial}")
    return disk
