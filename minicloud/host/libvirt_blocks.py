"""Implements contracts_storage.Blocks: the disks of running guests, by libvirt's jobs, snapshots and hot plug.

A disk is found by its serial in the guest's live XML, which also tells what it reads from. Names of libvirt's own (vda) are
not kept anywhere: they are looked up each time, because what is plugged out gives its name to what is plugged in next.
"""

import contextlib
import errno
import functools
import itertools
import secrets
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import Permanent, Retry
from . import account, disk_places, failures, libvirt_agent, libvirt_pulls, qemu_img
from .contracts_storage import AgentAnswer, DiskSpec, DiskTop, IoLimits, refuse_strangers
from .domain_xml import device_name, iotune, overlays, plugged
from .libvirt import LibvirtGuests, unplug
from .libvirt import _xml as xml_of
from .libvirt_errors import errors, gone_is_fine
from .libvirt_link import library

_MOST_DISKS = 64
_HUSK = "mc-husk-"
_NAMED = ("file", "dev", "name", "volume")
"""The attributes by which libvirt's XML names what a disk is on: a file, a device, something over a network or in a pool."""
_LIMITED = ("total_iops_sec", "total_bytes_sec")
_TUNABLE = (*_LIMITED, *(f"{key}_max" for key in _LIMITED))


class LibvirtBlocks:
    """The disks of the guests of `guests`."""

    def __init__(self, guests: LibvirtGuests) -> None:
        self._guests = guests

    def chains(self, guest_id: str) -> dict[str, tuple[str, ...]]:
        """From the live XML."""
        dom = self._guests.active(guest_id)
        if dom is None:
            return {}
        with errors(f"the disks of {guest_id}"):
            return {serial: _chain(disk) for serial, disk in _disks(dom).items()}

    def tops(self, guest_id: str) -> dict[str, DiskTop]:
        """From the live XML, or the definition: libvirt changes both when it takes a snapshot."""
        dom = self._guests.known(guest_id)
        if dom is None:
            return {}
        with errors(f"the disks of {guest_id}"), gone_is_fine():
            live = bool(dom.isActive())
            return {serial: DiskTop(_chain(disk), _name(disk), live) for serial, disk in _disks(dom).items()}
        return {}

    def attach(self, guest_id: str, disk: DiskSpec) -> None:
        """As the next of libvirt's names that is free."""
        dom = self._running(guest_id)
        with errors(f"plugging {disk.disk_id} into {guest_id}"):
            if (there := _disks(dom).get(disk.serial)) is not None:
                if self._is_husk(guest_id, there):
                    raise Retry(f"{guest_id} has not let go what was left of {disk.disk_id} when it was taken from it")
                return
            taken = {target.get("dev") for target in xml_of(dom).findall("./devices/disk/target")}
            number = next(number for number in range(1, _MOST_DISKS) if device_name(number) not in taken)
            dom.attachDeviceFlags(plugged(disk, number), library().VIR_DOMAIN_AFFECT_LIVE | self._defining(dom, disk, number))

    def _defining(self, dom: Any, disk: DiskSpec, number: int) -> int:
        """The flag by which the definition has the disk as well, so that it tells of the guest's last file when that is off.

        What the definition has in that place, of a disk that was plugged out since, goes.
        """
        if not dom.isPersistent():
            return 0
        _drop_from_definition(dom, lambda old: old.findtext("serial") == disk.serial or _name(old) == device_name(number))
        return int(library().VIR_DOMAIN_AFFECT_CONFIG)

    def detach(self, guest_id: str, serial: str) -> None:
        """Asks. What has gone goes from the definition, too."""
        dom = self._running(guest_id)
        with errors(f"unplugging {serial} from {guest_id}"):
            disk = _disks(dom).get(serial)
            if disk is not None:
                unplug(dom, disk)
            else:
                _drop_from_definition(dom, lambda old: old.findtext("serial") == serial)

    def seize(self, guest_id: str, serial: str) -> None:
        """The device stays as a husk that answers every request with an error; then QEMU closes the disk's files."""
        dom = self._running(guest_id)
        disk = _disks(dom).get(serial)
        if disk is None or self._is_husk(guest_id, disk):
            return
        with errors(f"taking {serial} from {guest_id}"):
            self._give_up_jobs(guest_id, dom)
        node = f"{_HUSK}{secrets.token_hex(8)}"
        monitor = functools.partial(self._guests.monitor, guest_id)
        monitor("blockdev-add", driver="null-co", node_name=f"{node}-z", size=dom.blockInfo(_name(disk))[0], read_zeroes=True)
        failing = [{"event": "none", "errno": errno.EIO}]
        monitor("blockdev-add", driver="blkdebug", node_name=node, image=f"{node}-z", inject_error=failing)
        monitor("qom-set", path=_device(disk), property="drive", value=node)
        for index in _indexes(disk):
            for kind in ("format", "storage"):
                monitor("blockdev-del", node_name=f"libvirt-{index}-{kind}")
        with errors(f"taking {serial} from the definition of {guest_id}"):
            _drop_from_definition(dom, lambda old: old.findtext("serial") == serial)

    def _is_husk(self, guest_id: str, disk: ET.Element) -> bool:
        """Whether the disk was seized."""
        blocks = {block.get("qdev"): block for block in self._guests.monitor(guest_id, "query-block")}
        inserted = blocks.get(_device(disk), {}).get("inserted", {})
        return str(inserted.get("node-name", "")).startswith(_HUSK)

    def has_agent(self, guest_id: str) -> bool:
        """As libvirt reports the agent's channel."""
        with errors(f"the agent of {guest_id}"), self._apart(guest_id) as dom:
            return libvirt_agent.is_connected(dom)

    def quiesce(self, guest_id: str) -> AgentAnswer:
        """By the guest agent, with a call of its own: what libvirt does by itself for a snapshot keeps the domain locked."""
        return self._ask(guest_id, lambda dom: dom.fsFreeze())

    def thaw(self, guest_id: str) -> AgentAnswer:
        """By the guest agent."""
        return self._ask(guest_id, lambda dom: dom.fsThaw())

    def _ask(self, guest_id: str, question: Callable[[Any], object]) -> AgentAnswer:
        with self._apart(guest_id) as dom:
            return libvirt_agent.ask(dom, question)

    @contextlib.contextmanager
    def _apart(self, guest_id: str) -> Iterator[Any]:
        with self._guests.apart(guest_id) as dom:
            if dom is None:
                raise Permanent(f"{guest_id} is not running", "IncorrectInstanceState")
            yield dom

    def freeze(self, guest_id: str, tops: Mapping[str, str]) -> None:
        """One external snapshot of all the disks, into files that are there. A job that copies is given up for it."""
        libvirt, dom = library(), self._running(guest_id)
        with errors(f"a snapshot of the disks of {guest_id}"):
            disks = _disks(dom)
            names = {serial: _name(disk) for serial, disk in disks.items()}
            if missing := set(tops) - set(disks):
                raise Permanent(f"{guest_id} has no disk {', '.join(missing)}")
            fresh = {names[serial]: path for serial, path in tops.items() if _chain(disks[serial])[0] != path}
            if not fresh:
                return
            for serial, path in tops.items():
                if path in fresh.values():
                    _refuse_other_base(path, _chain(disks[serial])[0])
            self._give_up_jobs(guest_id, dom)
            others = {str(target.get("dev")) for target in xml_of(dom).findall("./devices/disk/target")} - set(fresh)
            xml = overlays(fresh, sorted(others))
            dom.snapshotCreateXML(
                xml,
                libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
                | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA
                | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC
                | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT,
            )

    def resume(self, guest_id: str) -> bool:
        """Only one that libvirt says was paused by an I/O error."""
        libvirt, dom = library(), self._guests.active(guest_id)
        if dom is None:
            return False
        with errors(f"resuming {guest_id}"):
            if list(dom.state()) != [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR]:
                return False
            dom.resume()
            return True

    def resize(self, guest_id: str, serial: str, size: int) -> None:
        """Live; the file grows with it."""
        dom = self._running(guest_id)
        with errors(f"resizing {serial} of {guest_id}"):
            name = _name(self._disk(dom, guest_id, serial))
            if jobs := self.jobs(guest_id):
                refuse_strangers(guest_id, jobs)
                raise Retry(f"{guest_id} copies layers of its disks; {serial} is resized when that is done")
            if dom.blockInfo(name)[0] < size:
                dom.blockResize(name, size, library().VIR_DOMAIN_BLOCK_RESIZE_BYTES)

    def limit(self, guest_id: str, serial: str, limits: IoLimits) -> None:
        """All limits, those that are gone set to none."""
        dom = self._running(guest_id)
        with errors(f"limiting {serial} of {guest_id}"):
            name = _name(self._disk(dom, guest_id, serial))
            live, now = library().VIR_DOMAIN_AFFECT_LIVE, dom.blockIoTune(name, library().VIR_DOMAIN_AFFECT_LIVE)
            # A length without a burst is an error, and 0 means that it stays: so it is made short while its burst is there.
            short = {f"{key}_max_length": 1 for key in _LIMITED if now.get(f"{key}_max") and now.get(f"{key}_max_length", 0) > 1}
            if short:
                dom.setBlockIoTune(name, {**{key: now[key] for key in _TUNABLE}, **short}, live)
            wanted = iotune(limits)
            lengths = {key: wanted[key] for key in wanted if key.endswith("_length")}
            dom.setBlockIoTune(name, {**{key: wanted.get(key, 0) for key in _TUNABLE}, **lengths}, live)

    def pull(self, guest_id: str, serial: str, base: str | None) -> None:
        """A block job, whose end libvirt writes into the live XML."""
        dom = self._running(guest_id)
        with errors(f"pulling into {serial} of {guest_id}"):
            name = _name(self._disk(dom, guest_id, serial))
            if self._is_working(guest_id, serial):
                return
            with self._guests.pulls.beginning(guest_id, libvirt_pulls.PULL, serial):
                self._begin_to_pull(dom, name, base)

    def _begin_to_pull(self, dom: Any, name: str, base: str | None) -> None:
        if base is None:
            dom.blockPull(name, 0, 0)
        else:
            dom.blockRebase(name, base, 0, 0)

    def commit(self, guest_id: str, serial: str, top: str, base: str) -> None:
        """A block job of layers that the guest only reads."""
        dom = self._running(guest_id)
        with errors(f"committing below {serial} of {guest_id}"):
            disk = self._disk(dom, guest_id, serial)
            name, chain = _name(disk), _chain(disk)
            if not self._is_working(guest_id, serial):
                # QEMU writes all bytes into the base, and at the end a name into the header of what stood on the top.
                for path in (base, *(above for above, below in itertools.pairwise(chain) if below == top)):
                    account.share(Path(path), write=True)
                with self._guests.pulls.beginning(guest_id, libvirt_pulls.COMMIT, serial):
                    dom.blockCommit(name, base, top, 0, 0)

    def jobs(self, guest_id: str) -> dict[str, str]:
        """The disks that libvirt reports a job of; ours are those that were noted."""
        dom = self._guests.active(guest_id)
        if dom is None:
            self._guests.pulls.ended(guest_id)
            return {}
        with errors(f"the jobs of {guest_id}"):
            infos = {serial: dom.blockJobInfo(_name(disk), 0) for serial, disk in _disks(dom).items()}
        kinds = {serial: _kind(info["type"]) for serial, info in infos.items() if info}
        ours = {serial for serial, kind in kinds.items() if self._guests.pulls.is_ours(guest_id, kind, serial)}
        if not ours and not (libvirt_pulls.PULL in kinds.values() and self._guests.pulls.is_vague(guest_id)):
            self._guests.pulls.ended(guest_id)
        return {serial: "" if serial in ours else kind for serial, kind in kinds.items()}

    def flush(self, guest_id: str, serial: str) -> None:
        """By QEMU's own monitor: libvirt has no word for it."""
        dom = self._running(guest_id)
        device = _device(self._disk(dom, guest_id, serial))
        said = self._guests.monitor(guest_id, "human-monitor-command", command_line=f'qemu-io -d {device} "flush"')
        if said.strip():
            raise Retry(f"flushing {serial} of {guest_id}: {said.strip()}")

    def _is_working(self, guest_id: str, serial: str) -> bool:
        """Whether this disk has a job of ours. Raises Retry where another disk has one: only one is begun at a time (see
        libvirt_pulls); and while another program's job goes on.
        """
        busy = self.jobs(guest_id)
        refuse_strangers(guest_id, busy)
        if serial in busy:
            return True
        if busy:
            raise Retry(f"{guest_id} is copying layers of {', '.join(sorted(busy))}; one disk after the other")
        return False

    def _give_up_jobs(self, guest_id: str, dom: Any) -> None:
        """Of all the disks those that are ours: what was copied is copied again some time. Raises Retry where others are."""
        jobs, disks = self.jobs(guest_id), _disks(dom)
        refuse_strangers(guest_id, jobs)
        for serial in jobs.keys() & disks.keys():
            dom.blockJobAbort(_name(disks[serial]), 0)
        self._guests.pulls.ended(guest_id)

    def _running(self, guest_id: str) -> Any:
        dom = self._guests.active(guest_id)
        if dom is None:
            raise Permanent(f"{guest_id} is not running", "IncorrectInstanceState")
        return dom

    def _disk(self, dom: Any, guest_id: str, serial: str) -> ET.Element:
        disk = _disks(dom).get(serial)
        if disk is None:
            raise Permanent(f"{guest_id} has no disk {serial}")
        return disk


@failures.of_system()
def _refuse_other_base(new: str, top: str) -> None:
    """Raise Permanent where a new top stands on another file than that which a guest writes to, wherever it was then."""
    below = qemu_img.backing(Path(new))
    if below is None or not (disk_places.same(Path(below), Path(top)) or disk_places.is_moved(below, top)):
        raise Permanent(f"{new} stands on {below}, and the guest writes to {top}")


def _drop_from_definition(dom: Any, which: Callable[[ET.Element], bool]) -> None:
    """Take disks out of what a guest would be started with by others; a running guest keeps them."""
    libvirt = library()
    if dom.isPersistent():
        defined = ET.fromstring(dom.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))  # noqa: S314  libvirt wrote it
        for disk in defined.findall("./devices/disk"):
            if which(disk):
                dom.detachDeviceFlags(ET.tostring(disk, encoding="unicode"), libvirt.VIR_DOMAIN_AFFECT_CONFIG)


def _disks(dom: Any) -> dict[str, ET.Element]:
    """The disks of volumes, by serial."""
    found = {disk.findtext("serial", ""): disk for disk in xml_of(dom).findall("./devices/disk")}
    return {serial: disk for serial, disk in found.items() if serial and disk.find("readonly") is None}


def _kind(number: int) -> str:
    """A kind of job in words; the first two are those that there are of ours."""
    libvirt = library()
    words = {
        libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_PULL: libvirt_pulls.PULL,
        libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_COMMIT: libvirt_pulls.COMMIT,
        libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_COPY: "copy",
        libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT: "active commit",
        libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_BACKUP: "backup",
    }
    return words.get(number, f"a job of kind {number}")


def _name(disk: ET.Element) -> str:
    target = disk.find("target")
    return str(target.get("dev")) if target is not None else ""


def _device(disk: ET.Element) -> str:
    """What QEMU calls the device."""
    alias = disk.find("alias")
    return f"/machine/peripheral/{alias.get('name') if alias is not None else ''}/virtio-backend"


def _indexes(disk: ET.Element) -> list[str]:
    """The numbers that libvirt gave to the files of a disk, the one that is written to first."""
    return [str(source.get("index")) for source in disk.iter("source") if source.get("index")]


def _chain(disk: ET.Element) -> tuple[str, ...]:
    found: list[str] = []
    node: ET.Element | None = disk
    while node is not None and (source := node.find("source")) is not None:
        found.append(next((said for key in _NAMED if (said := source.get(key))), "what has no name"))
        node = node.find("backingStore")
    return tuple(found)
