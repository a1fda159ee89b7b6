"""What `minicloud doctor` reads off the host. Only looking happens here; what a fact means is judged elsewhere, purely.

Nothing is changed, started or deleted. Each probe has an end, and one that raises keeps no other from its answer (`facts`).
"""

import fcntl
import os
import pwd
import re
import shutil
import socket
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from ..config import Settings
from ..errors import HostError
from . import bridges, kvm, nftables, own_names, routes
from .account import hypervisor
from .facts import Facts, fact
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
class HostFacts(Facts):
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
    root, network = os.geteuid() == 0, settings.vpc_cidr
    return HostFacts(
        root=root,
        flags=fact(lambda: kvm.has_flags(Path("/proc/cpuinfo").read_text())),
        kvm=fact(kvm.usable),
        device=fact(device),
        programs=fact(lambda: {name: path for name in PROGRAMS if (path := shutil.which(name, path=_PATH))}),
        qemu_version=fact(lambda: _version("qemu-system-x86_64")),
        libvirt_version=fact(lambda: _version("libvirtd") or _version("virtqemud")),
        libvirt_error=fact(lambda: _libvirt(settings)),
        virtlogd=fact(lambda: any(_connects(path) for path in _LOG_SOCKETS)),
        qemu_uid=fact(lambda: hypervisor().uid),
        iptables_error=fact(lambda: _error(["iptables", "-w", "-S"])) if root else None,
        ipset_error=fact(lambda: _error(["ipset", "list", "-n"])) if root else None,
        dropping=fact(lambda: tuple(nftables.look())) if root else None,
        disk_free=fact(lambda: shutil.disk_usage(_existing(settings.home)).free),
        memory_total=fact(lambda: _memory()[0]),
        memory_available=fact(lambda: _memory()[1]),
        collision=fact(lambda: taken([network])[network]),
        ip_forward=fact(lambda: Path("/proc/sys/net/ipv4/ip_forward").read_text().strip() == "1"),
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
        LibvirtGuests(settings.libvirt_uri, settings.home, "").list()
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


def taken(networks: Iterable[IPv4Network]) -> dict[IPv4Network, str | None]:
    """What on this host, other than bridges of ours, has addresses of these networks. Raises HostError."""
    there, ours = routes.all_tables(_SECONDS), {bridge.name for bridge in bridges.bridges().values()}
    return {network: routes.overlapping(there, ours, network) for network in networks}


def listeners(port: int) -> list[str]:
    """The programs, other than those of our networks, that listen at a port of this host's by more than loopback. Raises
    HostError."""
    gateways = {str(address.ip) for bridge in bridges.bridges().values() for address in bridge.addresses}
    found: set[str] = set()
    for line in run(["ss", "-H", "-l", "-n", "-t", "-u", "-p", f"sport = :{port}"], timeout=_SECONDS).text.splitlines():
        address = line.split()[4].rpartition(":")[0].partition("%")[0].strip("[]")
        if address not in gateways and address != "::1" and not address.startswith("127."):
            found.update(re.findall(r'"([^"]+)",pid=', line) or ["a program that only root can see"])
    return sorted(found)


def _existing(path: Path) -> Path:
    return next(each for each in (path, *path.parents) if each.exists())


def abandoned(images: Path) -> list[Path]:
    """Directories of unfinished imports and builds in an image store that no process works in any more."""
    return [path for path in sorted(images.glob(".partial-*")) if own_names.is_work(path.name) and not held(path)]


def unfinished(images: Path) -> list[Path]:
    """Downloads that were broken off and wait to be resumed."""
    downloads = sorted((images / ".downloads").glob("*.part"))
    return [path for path in downloads if own_names.is_download(path.name) and not held(path)]


def held(path: Path) -> bool:
    """Whether some process holds a path's lock, or it cannot be told."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
