"""Guests as libvirt domains. The only importer of libvirt, and it imports it when first used: 30 ms that most commands save.

- A domain is ours if its UUID is the one its name gives; no other domain is ever read or changed.
- `list` is one call, whatever the number of guests.
- A connection lost to a restart of libvirtd is opened again, once, by the call that finds it lost.
- Why a guest is off is asked of libvirt, and of the guest's log where libvirtd has forgotten it in a restart.
"""

import builtins
import contextlib
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from ..errors import Permanent, Retry
from . import account, kvm
from .bridges import bridge_name
from .contracts import TAIL, GuestSeen, GuestSpec, Power
from .contracts_meters import GuestCounters
from .domain_xml import Platform, domain, uuid_of
from .guest_log import power_from_log_file
from .libvirt_counters import Meter, statistics
from .libvirt_pulls import Pulls

_T = TypeVar("_T")
_PNG = b"\x89PNG\r\n\x1a\n"
LOGS = Path("/var/log/libvirt/qemu")
"""Where libvirt writes down, for each guest, how it was started and why it ended."""
STATES = Path("/run/libvirt/qemu")
"""Where libvirt keeps what it must know of a running guest after a restart of its own."""


class LibvirtGuests:
    """Guests of one libvirt. `home` is where console logs and firmware variables are kept."""

    def __init__(self, uri: str, home: Path, logs: Path = LOGS, states: Path = STATES) -> None:
        self._uri = uri
        self._consoles = home / "consoles"
        self._nvram = home / "nvram"
        self._logs = logs
        self._states = states
        self._connection: Any = None
        self._platform: Platform | None = None
        self._kvm: bool | None = None
        self._meter = Meter()
        self.pulls = Pulls(home / "pulls")

    def list(self) -> dict[str, GuestSeen]:
        """All guests of ours, by id."""
        found: dict[str, GuestSeen] = {}
        libvirt = _libvirt()
        for dom, stats in self._call(lambda conn: conn.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE, 0)):
            name = dom.name()
            if dom.UUIDString() == uuid_of(name):
                found[name] = GuestSeen(name, self._power(name, stats["state.state"], stats["state.reason"]))
        return found

    def counters(self) -> dict[str, GuestCounters]:
        """Of all guests that are on; the XML of one is read again where its disks are others."""
        libvirt = _libvirt()
        found: dict[str, GuestCounters] = {}
        with self.pulls.looking() as pulling:
            seen = self._call(lambda conn: statistics(conn, libvirt, pulling))
            for name in pulling - {dom.name() for dom, stats in seen if "block.count" not in stats}:
                self.pulls.ended(name)
        for dom, stats in seen:
            name = dom.name()
            if dom.UUIDString() == uuid_of(name):
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
        libvirt = _libvirt()
        dom = self._find(spec.guest_id)
        if dom is not None and (state := _state(dom)) != libvirt.VIR_DOMAIN_SHUTOFF:
            if state == libvirt.VIR_DOMAIN_PAUSED:
                with _errors(f"resuming {spec.guest_id}"):
                    dom.resume()
            return
        account.directory(self._consoles)
        account.directory(self._nvram)
        platform = self._platform_for(spec)
        try:
            self._define_and_start(spec, platform)
        except _CannotWeighError:
            self._platform = replace(platform, cpu_shares=None)
            self._define_and_start(spec, self._platform)

    def _define_and_start(self, spec: GuestSpec, platform: Platform) -> None:
        libvirt = _libvirt()
        with _errors(f"starting {spec.guest_id}"):
            dom = self._call(lambda conn: conn.defineXMLFlags(domain(spec, platform), 0))
            try:
                dom.create()
            except libvirt.libvirtError as error:
                if error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID and dom.isActive():
                    return  # another process of ours was quicker
                if error.get_error_domain() == libvirt.VIR_FROM_CGROUP or "CPU tuning" in str(error):
                    raise _CannotWeighError from error
                raise

    def _platform_for(self, spec: GuestSpec) -> Platform:
        if self._platform is None:
            self._platform = Platform(accel="kvm" if kvm.usable()[0] else "tcg", cpu_shares=kvm.cpu_shares())
        return replace(
            self._platform,
            console_log=str(self._consoles / f"{spec.guest_id}.log"),
            nvram=str(self._nvram / f"{spec.guest_id}.fd"),
            bridges={nic.network_id: bridge_name(nic.network_id) for nic in spec.nics},
        )

    def shutdown(self, guest_id: str) -> None:
        """Press the power button."""
        libvirt = _libvirt()
        self._if_running(guest_id, lambda dom: dom.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN))

    def reboot(self, guest_id: str) -> None:
        """By the guest agent where it is connected, else by the power button: libvirt starts again what then powers off."""
        libvirt = _libvirt()

        def act(dom: Any) -> None:
            if _agent_connected(dom):
                with contextlib.suppress(libvirt.libvirtError):
                    dom.reboot(libvirt.VIR_DOMAIN_REBOOT_GUEST_AGENT)
                    return
            dom.reboot(libvirt.VIR_DOMAIN_REBOOT_ACPI_POWER_BTN)

        self._if_running(guest_id, act)

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
        self._if_running(guest_id, lambda dom: dom.destroy())

    def remove(self, guest_id: str) -> None:
        """Cut the power and forget the guest."""
        libvirt = _libvirt()
        self.destroy(guest_id)
        dom = self._find(guest_id)
        if dom is not None:
            flags = (
                libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
                | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
                | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
                | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
            )
            with _errors(f"removing {guest_id}"), _gone_is_fine():
                dom.undefineFlags(flags)
        for path in (self._nvram / f"{guest_id}.fd", self._logs / f"{guest_id}.log", *self._console_files(guest_id)):
            path.unlink(missing_ok=True)

    def _console_files(self, guest_id: str) -> builtins.list[Path]:
        """The newest first; virtlogd renames a log that has grown to `.0`, that one to `.1`, and so on."""
        log = self._consoles / f"{guest_id}.log"
        return [path for path in (log, *(log.with_name(f"{log.name}.{number}") for number in range(10))) if path.exists()]

    def console_log(self, guest_id: str, most: int = TAIL) -> bytes:
        """The end of the log of the serial port, which is a few MiB long at most."""
        said = b""
        for path in self._console_files(guest_id):
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - (most - len(said))))
                said = file.read(most) + said
            if len(said) >= most:
                break
        return said

    def console_path(self, guest_id: str) -> str:
        """The pseudo-terminal of the serial port."""
        dom = self._running(guest_id)
        with _errors(f"the console of {guest_id}"):
            path = _xml(dom).find("./devices/serial/source")
        if path is None:
            raise Permanent(f"{guest_id} has no serial console")
        return str(path.get("path"))

    def screenshot(self, guest_id: str) -> bytes:
        """The screen, as a PNG."""
        dom = self._running(guest_id)
        chunks: list[bytes] = []
        with _errors(f"the screenshot of {guest_id}"):
            stream = self._call(lambda conn: conn.newStream(0))
            dom.screenshot(stream, 0)
            stream.recvAll(lambda _stream, data, _opaque: chunks.append(data), None)
            stream.finish()
        picture = b"".join(chunks)
        if not picture.startswith(_PNG):
            raise Permanent("screenshots need QEMU 7.1 and libvirt 8.10 or newer, which draw a PNG", "Unsupported")
        return picture

    def _power(self, name: str, state: int, reason: int) -> Power:
        libvirt = _libvirt()
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

    def _find(self, guest_id: str) -> Any:
        libvirt = _libvirt()
        try:
            return self._call(lambda conn: conn.lookupByUUIDString(uuid_of(guest_id)))
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise _translated(error, f"looking for {guest_id}") from error

    def _running(self, guest_id: str) -> Any:
        dom = self._find(guest_id)
        if dom is None or not dom.isActive():
            raise Permanent(f"{guest_id} is not running", "IncorrectInstanceState")
        return dom

    def active(self, guest_id: str) -> Any:
        """The domain of a guest that is on, or None. Raises Retry."""
        dom = self._find(guest_id)
        return dom if dom is not None and dom.isActive() else None

    def monitor(self, guest_id: str, command: str, **arguments: Any) -> Any:
        """What a running guest's QEMU answers to a command of its own protocol. Raises Permanent where it refuses."""
        import libvirt_qemu

        dom = self._running(guest_id)
        words = {name.replace("_", "-"): value for name, value in arguments.items()}
        with _errors(f"{command} in {guest_id}"):
            said = json.loads(libvirt_qemu.qemuMonitorCommand(dom, json.dumps({"execute": command, "arguments": words}), 0))
        if "error" in said:
            raise Permanent(f"{command} in {guest_id}: {said['error'].get('desc', said['error'])}")
        return said["return"]

    def _if_running(self, guest_id: str, act: Callable[[Any], object]) -> None:
        dom = self._find(guest_id)
        if dom is not None and dom.isActive():
            with _errors(guest_id), _gone_is_fine():
                act(dom)

    def _call(self, function: Callable[[Any], _T]) -> _T:
        """Use the connection; once more with a new one if libvirtd went away from this one."""
        libvirt = _libvirt()
        fresh = self._connection is None
        conn = self._connect()
        try:
            return function(conn)
        except libvirt.libvirtError as error:
            if fresh or not _is_lost(error):
                raise
        self._connection = None
        return function(self._connect())

    def _connect(self) -> Any:
        if self._connection is None:
            libvirt = _libvirt()
            try:
                self._connection = libvirt.open(self._uri)
            except libvirt.libvirtError as error:
                raise Retry(
                    f"libvirt does not answer at {self._uri}: {error}. Is it running? Try: systemctl start libvirtd"
                ) from error
        return self._connection


class _CannotWeighError(Exception):
    """This host has no usable CPU controller, whatever its mounts say."""


@cache
def _libvirt() -> Any:
    import libvirt

    libvirt.registerErrorHandler(lambda _context, _error: None, None)  # it prints each error otherwise
    return libvirt


def _state(dom: Any) -> int:
    return int(dom.state()[0])


def _xml(dom: Any) -> ET.Element:
    return ET.fromstring(dom.XMLDesc())  # noqa: S314  libvirt wrote it


def _is_lost(error: Any) -> bool:
    """Whether the error says that the connection is gone, rather than that the request failed."""
    libvirt = _libvirt()
    return error.get_error_code() in (libvirt.VIR_ERR_INVALID_CONN, libvirt.VIR_ERR_NO_CONNECT) or (
        error.get_error_domain() == libvirt.VIR_FROM_RPC
    )


def unplug(dom: Any, device: ET.Element) -> None:
    """Ask a guest to let a device go; libvirt waits some seconds for it, and it is no failure if that is not enough."""
    libvirt = _libvirt()
    try:
        dom.detachDeviceFlags(ET.tostring(device, encoding="unicode"), libvirt.VIR_DOMAIN_AFFECT_LIVE)
    except libvirt.libvirtError as error:
        passing = (libvirt.VIR_ERR_OPERATION_TIMEOUT, libvirt.VIR_ERR_DEVICE_MISSING)
        if error.get_error_code() not in passing and "in the process of unplug" not in str(error):
            raise


def _agent_connected(dom: Any) -> bool:
    targets = _xml(dom).findall("./devices/channel/target")
    return any(target.get("state") == "connected" for target in targets)


@contextlib.contextmanager
def _errors(doing: str) -> Iterator[None]:
    """Turn libvirt's errors into the two kinds that reconcilers know."""
    try:
        yield
    except _libvirt().libvirtError as error:
        raise _translated(error, doing) from error


@contextlib.contextmanager
def _gone_is_fine() -> Iterator[None]:
    """A guest that stopped, or was removed, a moment ago is what was wanted."""
    libvirt = _libvirt()
    try:
        yield
    except libvirt.libvirtError as error:
        if error.get_error_code() not in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID):
            raise


def _translated(error: Any, doing: str) -> Retry | Permanent:
    libvirt = _libvirt()
    text = f"{doing}: {error}"
    if "Cannot allocate memory" in text or "cannot set up guest memory" in text:
        return Retry(f"{text}: the host has no memory left for it", "Server.InsufficientInstanceCapacity", 15.0)
    if "No space left on device" in text:
        return Retry(f"{text}: the host's disk is full; make room on it", "Server.InternalError", 15.0)
    stays = {
        libvirt.VIR_ERR_XML_ERROR,
        libvirt.VIR_ERR_XML_DETAIL,
        libvirt.VIR_ERR_XML_INVALID_SCHEMA,
        libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
        libvirt.VIR_ERR_NO_SUPPORT,
        libvirt.VIR_ERR_INVALID_ARG,
    }
    if error.get_error_code() in stays or "already exists with uuid" in text:
        return Permanent(text)
    return Retry(text)
