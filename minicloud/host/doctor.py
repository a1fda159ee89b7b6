"""What `minicloud doctor` reads off the host. Only looking happens here; what a fact means is judged elsewhere, purely.

Nothing is changed, started or deleted. Each probe has an end and none raises: a fact that could not be had is None.
"""

import fcntl
import json
import os
import pwd
import re
import shutil
import socket
import stat
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from ..config import Settings
from ..errors import HostError
from . import bridges, kvm, nftables
from .account import hypervisor
from .run import run

PROGRAMS = ("qemu-system-x86_64", "qemu-img", "dnsmasq", "ip", "iptables", "ipset", "prlimit", "mmdebstrap", "ssh")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LOG_SOCKETS = (Path("/run/libvirt/virtlogd-sock"), Path("/var/run/libvirt/virtlogd-sock"))
_SECONDS = 10.0


@dataclass(frozen=True)
class KvmDevice:
    """/dev/kvm: whether it is the kernel's KVM, whether QEMU's account may open it, and its mode as `ls` shows it."""

    real: bool
    may_open: bool
    mode: str


@dataclass(frozen=True)
class HostFacts:
    """A host. Sizes in bytes, memory in MiB; None is what could not be found out without root."""

    root: bool
    flags: bool
    kvm: tuple[bool, str]
    device: KvmDevice | None
    programs: dict[str, str]
    """Paths of those of PROGRAMS that are installed."""
    qemu_version: str
    libvirt_version: str
    libvirt_error: str
    """Why libvirt cannot be reached; empty if it can."""
    virtlogd: bool
    qemu_uid: int
    iptables_error: str | None
    ipset_error: str | None
    dropping: tuple[nftables.Chain, ...] | None
    """Other people's nftables in the way of guests; None where that cannot be seen."""
    disk_free: int
    memory_total: int
    memory_available: int
    collision: str | None
    """The device that uses addresses of the VPC already."""
    ip_forward: bool


def look(settings: Settings) -> HostFacts:
    """The facts of this host."""
    root = os.geteuid() == 0
    total, available = _memory()
    return HostFacts(
        root=root,
        flags=kvm.has_flags(Path("/proc/cpuinfo").read_text()),
        kvm=kvm.usable(),
        device=device(),
        programs={name: path for name in PROGRAMS if (path := shutil.which(name, path=_PATH))},
        qemu_version=_version("qemu-system-x86_64"),
        libvirt_version=_version("libvirtd") or _version("virtqemud"),
        libvirt_error=_libvirt(settings),
        virtlogd=any(_connects(path) for path in _LOG_SOCKETS),
        qemu_uid=hypervisor().uid,
        iptables_error=_error(["iptables", "-w", "-S"]) if root else None,
        ipset_error=_error(["ipset", "list", "-n"]) if root else None,
        dropping=tuple(nftables.look()) if root else None,
        disk_free=shutil.disk_usage(_existing(settings.home)).free,
        memory_total=total,
        memory_available=available,
        collision=_collision(settings.vpc_cidr),
        ip_forward=Path("/proc/sys/net/ipv4/ip_forward").read_text().strip() == "1",
    )


def device(path: Path = Path("/dev/kvm")) -> KvmDevice | None:
    """/dev/kvm as it is; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    real = stat.S_ISCHR(found.st_mode) and found.st_rdev == os.makedev(10, 232)
    account = hypervisor()
    try:
        groups = set(os.getgrouplist(pwd.getpwuid(account.uid).pw_name, account.gid))
    except KeyError:
        groups = {account.gid}
    return KvmDevice(real, kvm.may_open(found, account, groups), stat.filemode(found.st_mode))


def _memory() -> tuple[int, int]:
    """All memory, and what could be had now; MiB."""
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines() if ":" in line)
    return int(lines["MemTotal"].split()[0]) // 1024, int(lines.get("MemAvailable", "0").split()[0]) // 1024


def _version(program: str) -> str:
    """The version that a program tells; empty if it is not there."""
    try:
        found = re.search(r"\d+\.\d+(\.\d+)?", run([program, "--version"], timeout=_SECONDS).text)
    except HostError:
        return ""
    return found[0] if found else ""


def _libvirt(settings: Settings) -> str:
    from .libvirt import LibvirtGuests

    try:
        LibvirtGuests(settings.libvirt_uri, settings.home).list()
    except (HostError, ImportError) as error:
        return str(error)
    return ""


def _connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(_SECONDS)
        try:
            client.connect(str(path))
        except PermissionError:
            return True  # somebody listens, who does not talk to us
        except OSError:
            return False
    return True


def _error(argv: list[str]) -> str:
    """What a command says when it fails; empty if it works."""
    try:
        run(argv, timeout=_SECONDS)
    except HostError as error:
        return error.message
    return ""


def _collision(network: IPv4Network) -> str | None:
    try:
        routes: list[dict[str, Any]] = json.loads(run(["ip", "-json", "-4", "route", "show"], timeout=_SECONDS).text or "[]")
        ours = {bridge.name for bridge in bridges.bridges().values()}
    except (HostError, ValueError):
        return None
    return bridges.overlapping([route for route in routes if route.get("dev") not in ours], "", network)


def _existing(path: Path) -> Path:
    return next(each for each in (path, *path.parents) if each.exists())


def abandoned(images: Path) -> list[Path]:
    """Directories of unfinished imports and builds in an image store that no process works in any more."""
    return [path for path in sorted(images.glob(".partial-*")) if not _held(path)]


def unfinished(images: Path) -> list[Path]:
    """Downloads that were broken off and wait to be resumed."""
    return [path for path in sorted((images / ".downloads").glob("*.part")) if not _held(path)]


def _held(path: Path) -> bool:
    """Whether some process holds a path's lock, or it cannot be told."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
