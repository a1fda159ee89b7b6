"""Guests as libvirt domains.

- A domain is ours if its UUID is the one its name gives, and its metadata do not name another state; no other is ever changed.
- `list` is one call, whatever the number of guests.
- Nothing here waits for a guest's system, and no agent is asked: libvirt waits a minute for one to restart its guest.
- What ends a guest has a connection of its own, which nothing else can fill with calls that wait.
- Why a guest is off is asked of libvirt, and of the guest's log where libvirtd has forgotten it in a restart.
"""

import builtins
import contextlib
import os
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import files
from ..errors import Permanent
from . import account, disk_links, failures, kvm, libvirt_starts
from .bridges import bridge_name
from .contracts import TAIL, GuestSeen, GuestSpec, Power
from .contracts_meters import GuestCounters
from .domain_xml import Platform, domain, uuid_of
from .guest_log import power_from_log_file
from .libvirt_counters import Meter, statistics
from .libvirt_errors import errors, gone_is_fine, translated
from .libvirt_link import Link, library
from .libvirt_owner import Owners
from .libvirt_pulls import Pulls

_PNG = b"\x89PNG\r\n\x1a\n"
LOGS = Path("/var/log/libvirt/qemu")
"""Where libvirt writes down, for each guest, how it was started and why it ended."""
_KNOWS_ITCO = 9_001_000
"""The first libvirt that models q35's watchdog, as libvirt counts versions."""
STATES = Path("/run/libvirt/qemu")
"""Where libvirt keeps what it must know of a running guest after a restart of its own."""


class LibvirtGuests:
    """Guests of one libvirt. `home` is where console logs and firmware variables are kept."""

    def __init__(self, uri: str, home: Path, identity: str, logs: Path = LOGS, states: Path = STATES) -> None:
        self._uri = uri
        self._owners = Owners(identity)
        self._identity = identity
        self._link = Link(uri)
        self._ending_link = Link(uri)
        self._knowing_link = Link(uri)
        self._consoles = home / "consoles"
        self._nvram = home / "nvram"
        self._logs = logs
        self._states = states
        self._platform: Platform | None = None
        self._kvm: bool | None = None
        self._meter = Meter()
        self.pulls = Pulls(home / "pulls")

    def list(self) -> dict[str, GuestSeen]:
        """All guests of ours, by id."""
        found: dict[str, GuestSeen] = {}
        libvirt = library()
        with errors("looking at the guests"):
            for dom, stats in self._link.call(lambda conn: conn.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE, 0)):
                name = dom.name()
                if dom.UUIDString() == uuid_of(name) and not self._owners.stranger(dom, libvirt):
                    found[name] = GuestSeen(name, self._power(name, stats["state.state"], stats["state.reason"]))
        return found

    def counters(self) -> dict[str, GuestCounters]:
        """Of all guests that are on; the XML of one is read again where its disks are others."""
        libvirt = library()
        found: dict[str, GuestCounters] = {}
        with self.pulls.looking() as pulling, errors("the guests' statistics"):
            seen = self._link.call(lambda conn: statistics(conn, libvirt, pulling))
            for name in pulling - {dom.name() for dom, stats in seen if "block.count" not in stats}:
                self.pulls.ended(name)
        for dom, stats in seen:
            name = dom.name()
            if dom.UUIDString() == uuid_of(name) and not self._owners.stranger(dom, libvirt):
                power = self._power(name, stats["state.state"], stats["state.reason"])
                with contextlib.suppress(libvirt.libvirtError):  # it ended a moment ago
                    halted = power is Power.PAUSED
                    read = self._meter.read(dom, stats, halted=halted, knows_stolen_time=self._uses_kvm())
                    found |= {name: read} if read is not None else {}
        self._meter.keep(found)
        return found

    def _uses_kvm(self) -> bool:
        if self._kvm is None:
            self._kvm = kvm.usable()[0]
        return self._kvm

    def start(self, spec: GuestSpec) -> None:
        """Define and start; a paused guest goes on where it was."""
        libvirt = library()
        dom = self._find(spec.guest_id)
        if dom is not None and (state := _state(dom)) != libvirt.VIR_DOMAIN_SHUTOFF:
            if state == libvirt.VIR_DOMAIN_PAUSED:
                with errors(f"resuming {spec.guest_id}"):
                    dom.resume()
            return
        self.make_own(spec.guest_id)
        platform = self._platform_for(spec)
        try:
            self._define_and_start(spec, platform)
        except _CannotWeighError:
            self._platform = replace(platform, cpu_shares=None)
            self._define_and_start(spec, self._platform)

    @failures.of_system()
    def make_own(self, guest_id: str) -> None:
        """What the guest writes to, beside its disks, is no other home's. Raises Permanent, Retry."""
        for place, name in ((self._consoles, f"{guest_id}.log"), (self._nvram, f"{guest_id}.fd")):
            account.directory(place)
            disk_links.refuse_linked(place, place.parent)
            if os.path.lexists(place / name):
                disk_links.make_own(place / name)

    def _define_and_start(self, spec: GuestSpec, platform: Platform) -> None:
        libvirt = library()
        with errors(f"starting {spec.guest_id}"):
            dom = self._link.call(lambda conn: conn.defineXMLFlags(domain(spec, platform), 0))
            libvirt_starts.drop_other_save(dom, spec)
            try:
                dom.create()
            except libvirt.libvirtError as error:
                if error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID and dom.isActive():
                    return  # another process of ours was quicker
                if error.get_error_domain() == libvirt.VIR_FROM_CGROUP or "CPU tuning" in str(error):
                    raise _CannotWeighError from error
                raise
            libvirt_starts.block(dom)

    def _platform_for(self, spec: GuestSpec) -> Platform:
        if self._platform is None:
            self._platform = Platform(
                accel="kvm" if kvm.usable()[0] else "tcg",
                cpu_shares=kvm.cpu_shares(),
                watchdog=self._link.call(lambda conn: conn.getLibVersion()) >= _KNOWS_ITCO,
            )
        return replace(
            self._platform,
            console_log=str(self._consoles / f"{spec.guest_id}.log"),
            identity=self._identity,
            nvram=str(self._nvram / f"{spec.guest_id}.fd"),
            bridges={nic.network_id: bridge_name(nic.network_id) for nic in spec.nics},
        )

    def shutdown(self, guest_id: str) -> None:
        """Press the power button."""
        libvirt = library()
        self._if_running(guest_id, lambda dom: dom.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN))

    def reboot(self, guest_id: str) -> None:
        """By the power button: libvirt starts again what then powers off."""
        libvirt = library()
        self._if_running(guest_id, lambda dom: dom.reboot(libvirt.VIR_DOMAIN_REBOOT_ACPI_POWER_BTN))

    def rebooting(self, guest_id: str) -> bool:
        """As libvirt notes it for itself in the state of a running guest; no call of its tells."""
        try:
            return ET.fromstring((self._states / f"{guest_id}.xml").read_bytes()).find("fakereboot") is not None  # noqa: S314
        except (OSError, ET.ParseError):
            return False

    def reset(self, guest_id: str) -> None:
        """Press the reset button."""
        self._if_running(guest_id, lambda dom: dom.reset())

    def destroy(self, guest_id: str) -> None:
        """Cut the power."""
        self._if_running(guest_id, lambda dom: dom.destroy(), self._ending_link)

    def keep_off(self, guest_id: str) -> None:
        """By a definition that starts nothing, and without a managed save."""
        dom = self._find(guest_id)
        if dom is not None:
            with errors(f"keeping {guest_id} off"), gone_is_fine():
                libvirt_starts.block(dom)
                libvirt_starts.drop_save(dom)

    def has_save(self, guest_id: str) -> bool:
        """A managed save, as `virsh managedsave` and libvirt-guests make it."""
        dom = self._find(guest_id)
        with errors(f"looking for {guest_id}"):
            return dom is not None and libvirt_starts.has_save(dom)

    def remove(self, guest_id: str) -> None:
        """Cut the power and forget the guest."""
        libvirt = library()
        self.destroy(guest_id)
        dom = self._find(guest_id, self._ending_link)
        if dom is not None:
            flags = (
                libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
                | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
                | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
                | libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM  # it may be another home's; ours goes below
            )
            with errors(f"removing {guest_id}"), gone_is_fine():
                dom.undefineFlags(flags)
        (self._logs / f"{guest_id}.log").unlink(missing_ok=True)
        for path in (self._nvram / f"{guest_id}.fd", *self._console_files(guest_id)):
            if not disk_links.is_anothers(path.parent, self._nvram.parent):
                path.unlink(missing_ok=True)
        self.pulls.ended(guest_id)

    def _console_files(self, guest_id: str) -> builtins.list[Path]:
        """The newest first; virtlogd renames a log that has grown to `.0`, that one to `.1`, and so on."""
        log = self._consoles / f"{guest_id}.log"
        return [path for path in (log, *(log.with_name(f"{log.name}.{number}") for number in range(10))) if path.exists()]

    def console_log(self, guest_id: str, most: int = TAIL) -> bytes:
        """The end of the log of the serial port, which is a few MiB long at most."""
        said = b""
        for path in self._console_files(guest_id):
            with open(files.opened(path, os.O_RDONLY), "rb") as file:
                file.seek(max(0, path.stat().st_size - (most - len(said))))
                said = file.read(most) + said
            if len(said) >= most:
                break
        return said

    def console_path(self, guest_id: str) -> str:
        """The pseudo-terminal of the serial port."""
        dom = self._running(guest_id)
        with errors(f"the console of {guest_id}"):
            path = _xml(dom).find("./devices/serial/source")
        if path is None:
            raise Permanent(f"{guest_id} has no serial console")
        return str(path.get("path"))

    def screenshot(self, guest_id: str) -> bytes:
        """The screen, as a PNG."""
        dom = self._running(guest_id)
        chunks: list[bytes] = []
        with errors(f"the screenshot of {guest_id}"):
            stream = self._link.call(lambda conn: conn.newStream(0))
            dom.screenshot(stream, 0)
            stream.recvAll(lambda _stream, data, _opaque: chunks.append(data), None)
            stream.finish()
        picture = b"".join(chunks)
        if not picture.startswith(_PNG):
            raise Permanent("screenshots need QEMU 7.1 and libvirt 8.10 or newer, which draw a PNG", "Unsupported")
        return picture

    def _power(self, name: str, state: int, reason: int) -> Power:
        libvirt = library()
        if state in (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PMSUSPENDED):
            starting = reason == libvirt.VIR_DOMAIN_PAUSED_STARTING_UP and state == libvirt.VIR_DOMAIN_PAUSED
            return Power.RUNNING if starting else Power.PAUSED
        if state == libvirt.VIR_DOMAIN_CRASHED:
            return Power.OFF_BY_FAILURE
        if state != libvirt.VIR_DOMAIN_SHUTOFF:
            return Power.RUNNING
        if reason == libvirt.VIR_DOMAIN_SHUTOFF_UNKNOWN:
            return power_from_log_file(self._logs / f"{name}.log")
        by_reason = {
            libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN: Power.OFF_BY_GUEST,
            libvirt.VIR_DOMAIN_SHUTOFF_CRASHED: Power.OFF_BY_FAILURE,
            libvirt.VIR_DOMAIN_SHUTOFF_DAEMON: Power.OFF_BY_FAILURE,
        }
        return by_reason.get(reason, Power.OFF)

    def _find(self, guest_id: str, link: Link | None = None) -> Any:
        libvirt = library()
        try:
            dom = (link or self._link).call(lambda conn: conn.lookupByUUIDString(uuid_of(guest_id)))
            other = self._owners.stranger(dom, libvirt)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise translated(error, f"looking for {guest_id}") from error
        if other:
            raise Permanent(f"the guest {guest_id} belongs to another minicloud, the state {other}")
        return dom

    def _running(self, guest_id: str) -> Any:
        dom = self.active(guest_id)
        if dom is None:
            raise Permanent(f"{guest_id} is not running", "IncorrectInstanceState")
        return dom

    @contextlib.contextmanager
    def apart(self, guest_id: str) -> Iterator[Any]:
        """As `active`, by a connection of its own, which whoever waits for the guest may fill; closed at the end."""
        with contextlib.closing(Link(self._uri)) as link:
            yield self.active(guest_id, link)

    def known(self, guest_id: str) -> Any:
        """The domain of a guest, on or off, or None, by the connection of what waits for no guest. Raises HostError."""
        return self._find(guest_id, self._knowing_link)

    def active(self, guest_id: str, link: Link | None = None) -> Any:
        """The domain of a guest that is on, or None. Raises Retry."""
        dom = self._find(guest_id, link)
        with errors(f"looking for {guest_id}"):
            return dom if dom is not None and dom.isActive() else None

    def monitor(self, guest_id: str, command: str, **arguments: Any) -> Any:
        """What a running guest's QEMU answers to a command of its own protocol. Raises Permanent where it refuses."""
        dom = self._running(guest_id)
        with errors(f"{command} in {guest_id}"):
            said = dom.monitor(command, {name.replace("_", "-"): value for name, value in arguments.items()})
        if "error" in said:
            raise Permanent(f"{command} in {guest_id}: {said['error'].get('desc', said['error'])}")
        return said["return"]

    def _if_running(self, guest_id: str, act: Callable[[Any], object], link: Link | None = None) -> None:
        dom = self.active(guest_id, link)
        if dom is not None:
            with errors(guest_id), gone_is_fine():
                act(dom)


class _CannotWeighError(Exception):
    """This host has no usable CPU controller, whatever its mounts say."""


def _state(dom: Any) -> int:
    return int(dom.state()[0])


def _xml(dom: Any) -> ET.Element:
    return ET.fromstring(dom.XMLDesc())  # noqa: S314  libvirt wrote it


def unplug(dom: Any, device: ET.Element) -> None:
    """Ask a guest to let a device go, and do not wait for it; that it was asked before is no failure."""
    libvirt, alias = library(), device.find("alias")
    try:
        dom.detachDeviceAlias(str(alias.get("name")) if alias is not None else "", libvirt.VIR_DOMAIN_AFFECT_LIVE)
    except libvirt.libvirtError as error:
        passing = (libvirt.VIR_ERR_OPERATION_TIMEOUT, libvirt.VIR_ERR_DEVICE_MISSING)
        if error.get_error_code() not in passing and "in the process of unplug" not in str(error):
            raise
