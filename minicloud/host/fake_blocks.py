"""Disks of a fake host's guests that are on.

What a running guest copies (`pull`, `commit`) is under way until `FakeHost.finish_jobs`, or until the guest stops. What was
pulled is in the memory of the guest's process until it is flushed, and lost with it (`fake_disks.lose`); where the disk stands
is not.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from ..errors import Permanent, Retry
from .contracts import Power
from .contracts_storage import AgentAnswer, DiskSpec, DiskTop, IoLimits, Said, refuse_strangers
from .fake_disks import PREFIX, Held, chain, commit, is_on, pull, read, sealed
from .fake_store import Store

_STRANGE = "another program's"


class FakeBlocks:
    """Implements contracts_storage.Blocks. Guests run a guest agent unless they are deaf."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def chains(self, guest_id: str) -> dict[str, tuple[str, ...]]:
        """Of the disks that are plugged in."""
        with self._store.call("blocks.chains", guest_id) as held:
            guest = held["guests"].get(guest_id)
            if guest is None or not is_on(guest):
                return {}
            return {serial: chain(held, disk) for serial, disk in guest["disks"].items() if not disk.get("seized")}

    def tops(self, guest_id: str) -> dict[str, DiskTop]:
        """A guest that is off is defined with what it last had."""
        with self._store.call("blocks.tops", guest_id) as held:
            guest = held["guests"].get(guest_id, {"disks": {}})
            of = {serial: disk for serial, disk in guest["disks"].items() if not disk.get("seized")}
            live = bool(of) and is_on(guest)
            return {serial: DiskTop(chain(held, disk), f"vd{number}", live) for number, (serial, disk) in enumerate(of.items())}

    def attach(self, guest_id: str, disk: DiskSpec) -> None:
        """At once."""
        with self._store.call("blocks.attach", guest_id, disk.serial) as held:
            guest = _on(held, guest_id)
            if disk.path.removeprefix(PREFIX) not in held["disks"]:
                raise Retry(f"{disk.path} is not there")
            if sealed(held, [{"path": disk.path}]):
                raise Retry(f"{disk.path} cannot be opened: Permission denied")
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
            _give_up(guest_id, guest)
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
                if path.removeprefix(PREFIX) not in held["disks"]:
                    raise Retry(f"{path} is not there")
                if disk["path"] not in (path, held["disks"][path.removeprefix(PREFIX)]["base"]):
                    raise Permanent(f"{path} does not stand on {disk['path']}")
                _give_up(guest_id, guest)
                held["disks"][disk["path"].removeprefix(PREFIX)].pop("unflushed", None)
                defined = guest["definition"].get(serial)
                if defined is not None and defined["path"] == disk["path"]:
                    defined["path"] = path
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
            _alone(guest_id, _on(held, guest_id), "")
            top = held["disks"][_disk(_on(held, guest_id), serial)["path"].removeprefix(PREFIX)]
            top["size"] = max(size, top["size"])

    def limit(self, guest_id: str, serial: str, limits: IoLimits) -> None:
        """At once."""
        with self._store.call("blocks.limit", guest_id, serial) as held:
            _disk(_on(held, guest_id), serial)["limits"] = dataclasses.asdict(limits)

    def pull(self, guest_id: str, serial: str, base: str | None) -> None:
        """Begins."""
        with self._store.call("blocks.pull", guest_id, serial) as held:
            guest = _on(held, guest_id)
            if base is not None and base not in chain(held, _disk(guest, serial))[1:]:
                raise Permanent(f"{base} is not below {serial}")
            _alone(guest_id, guest, serial)
            guest["jobs"].setdefault(serial, ["pull", base])

    def commit(self, guest_id: str, serial: str, top: str, base: str) -> None:
        """Begins."""
        with self._store.call("blocks.commit", guest_id, serial) as held:
            guest = _on(held, guest_id)
            paths = chain(held, _disk(guest, serial))
            if top not in paths[1:] or base not in paths[paths.index(top) + 1 :]:
                raise Permanent(f"{top} does not stand on {base} below {serial}")
            _alone(guest_id, guest, serial)
            for path in (base, paths[paths.index(top) - 1]):
                held["disks"][path.removeprefix(PREFIX)].pop("sealed", None)
            guest["jobs"].setdefault(serial, ["commit", top, base])

    def jobs(self, guest_id: str) -> dict[str, str]:
        """Those that were not finished, and `FakeHost.begin_job`."""
        with self._store.call("blocks.jobs", guest_id) as held:
            guest = held["guests"].get(guest_id)
            return _jobs(guest) if guest is not None and is_on(guest) else {}

    def flush(self, guest_id: str, serial: str) -> None:
        """What was copied is kept."""
        with self._store.call("blocks.flush", guest_id, serial) as held:
            held["disks"][_disk(_on(held, guest_id), serial)["path"].removeprefix(PREFIX)].pop("unflushed", None)

    def take_over(self, guest_id: str, serial: str, path: str) -> None:
        """As `FakeHost.take_over`."""
        with self._store.change() as held:
            disk = _disk(_on(held, guest_id), serial)
            size = held["disks"][disk["path"].removeprefix(PREFIX)]["size"]
            name = path.removeprefix(PREFIX)
            held["disks"][name] = {"size": size, "base": disk["path"], "blocks": {}, "strange": True}
            disk["path"] = path

    def commit_down(self, guest_id: str, serial: str) -> None:
        """As `FakeHost.commit_down`."""
        with self._store.change() as held:
            disk = held["guests"][guest_id]["disks"][serial]
            top = held["disks"][disk["path"].removeprefix(PREFIX)]
            commit(top, held["disks"][top["base"].removeprefix(PREFIX)])
            top["blocks"] = {}
            if is_on(held["guests"][guest_id]):
                held["disks"].pop(disk["path"].removeprefix(PREFIX))
                disk["path"] = top["base"]

    def commit_all(self, guest_id: str, serial: str) -> bool:
        """As `FakeHost.commit_all`."""
        with self._store.change() as held:
            disk = _disk(_on(held, guest_id), serial)
            lowest = chain(held, disk)[-1]
            into = held["disks"].get(lowest.removeprefix(PREFIX))
            if into is None or into.get("sealed"):
                return False
            into["blocks"] = {str(block): value for block, value in read(held, disk["path"]).items()}
            disk["path"] = lowest
            return True

    def begin(self, guest_id: str, serial: str, kind: str) -> None:
        """Another program begins a job of a disk."""
        with self._store.change() as held:
            _on(held, guest_id)["jobs"][serial] = [_STRANGE, kind]

    def finish(self, guest_id: str) -> None:
        """Carry out what is under way."""
        with self._store.change() as held:
            guest = _on(held, guest_id)
            for serial, job in guest["jobs"].items():
                if job[0] == _STRANGE:
                    continue
                path = _disk(guest, serial)["path"].removeprefix(PREFIX)
                if job[0] == "pull":
                    before = set(held["disks"][path]["blocks"])
                    pull(held, held["disks"][path], job[1])
                    held["disks"][path]["unflushed"] = sorted(set(held["disks"][path]["blocks"]) - before)
                elif not _finish_commit(held, path, job[1], job[2]):
                    guest["power"] = Power.OFF_BY_FAILURE.value
            guest["jobs"] = {}


def _finish_commit(held: Held, path: str, top: str, base: str) -> bool:
    """Whether QEMU could write into the header of what stood on the top, as it has to."""
    above = held["disks"][path]
    while above["base"] != top:
        above = held["disks"][above["base"].removeprefix(PREFIX)]
    commit(held["disks"][top.removeprefix(PREFIX)], held["disks"][base.removeprefix(PREFIX)])
    if above.get("sealed"):
        return False
    above["base"] = base
    return True


def _jobs(guest: dict[str, Any]) -> dict[str, str]:
    return {serial: job[1] if job[0] == _STRANGE else "" for serial, job in guest["jobs"].items()}


def _give_up(guest_id: str, guest: dict[str, Any]) -> None:
    refuse_strangers(guest_id, _jobs(guest))
    guest["jobs"].clear()


def _alone(guest_id: str, guest: dict[str, Any], serial: str) -> None:
    refuse_strangers(guest_id, _jobs(guest))
    if set(guest["jobs"]) - {serial}:
        raise Retry(f"a disk has a job, and it is not {serial or None}")


def _on(held: Held, guest_id: str) -> dict[str, Any]:
    guest: dict[str, Any] | None = held["guests"].get(guest_id)
    if guest is None or not is_on(guest):
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
