"""What the facts of a host mean: for each check ok, warn or fail, one line of what was found, and the remedy.

Pure functions of recorded facts. `fail` is what keeps guests from running, or what could not be found out; `warn` what makes
them slow or will be in the way, `skip` what only root can see.
"""

import functools
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..config import Settings
from ..errors import HostError, host_error
from ..host.doctor import HostFacts

OK, WARN, FAIL, SKIP = "ok", "warn", "fail", "skip"
_GB = 10**9
_NEEDS_ROOT = "only root can see that"
_AS_ROOT = "sudo minicloud doctor"
_INSTALL = "scripts/setup"


@dataclass(frozen=True)
class Check:
    """One line of the doctor's. `remedy` is a command or an advice; empty where all is well."""

    name: str
    status: str
    found: str
    remedy: str = ""


def failure(name: str, error: Exception, what: str = "") -> Check:
    """A check that was to say something of `what` and could not: in one line why, whatever was raised."""
    reason = " ".join(host_error(error).message.split())
    if isinstance(error, HostError):
        remedy = "put that right, and ask again: minicloud doctor"
    else:
        at = traceback.extract_tb(error.__traceback__)[-1:]
        reason += "".join(f" ({Path(frame.filename).name}, line {frame.lineno})" for frame in at)
        remedy = "nobody foresaw that: look whether what it names is as it should be, and report this line"
    return Check(name, FAIL, f"{what or 'it'} could not be checked: {reason}", remedy)


def guarded(name: str, made: Callable[[], Iterable[Check]], what: str = "") -> Iterator[Check]:
    """The checks that are made; where that raises, whatever it is, those before it, and that the rest could not be made."""
    try:
        yield from made()
    except Exception as error:  # noqa: BLE001  the other checks are made
        yield failure(name, error, what)


def judge(facts: HostFacts, settings: Settings) -> list[Check]:
    """All checks of a host, in an order in which remedies make sense. A fact that could not be had fails those that need it."""
    checks: Mapping[str, Callable[[HostFacts, Settings], Iterator[Check]]] = {
        "processor": _processor, "KVM": _kvm, "/dev/kvm": _kvm_device, "QEMU": _qemu, "libvirt": _libvirt, "virtlogd": _virtlogd,
        "programs": _programs, "iptables": _iptables, "ipset": _ipset, "other rules": _neighbours, "VPC addresses": _addresses,
        "forwarding": _forwarding, "disk": _disk, "memory": _memory,
    }  # fmt: skip
    return [found for name, check in checks.items() for found in guarded(name, functools.partial(check, facts, settings))]


def _processor(facts: HostFacts, _: Settings) -> Iterator[Check]:
    if facts.flags:
        yield Check("processor", OK, "has virtualisation (vmx or svm)")
    else:
        remedy = "switch virtualisation on in the firmware, or nested virtualisation in the hypervisor below this host"
        yield Check("processor", WARN, "shows no virtualisation (no vmx or svm in /proc/cpuinfo)", remedy)


def _kvm(facts: HostFacts, _: Settings) -> Iterator[Check]:
    real, why = facts.kvm
    if real:
        yield Check("KVM", OK, why)
    elif not facts.flags:
        yield Check("KVM", WARN, "is not used: guests are emulated, which is slow", "as for the processor")
    else:
        sentence, _sep, remedy = why.partition("Try: ")
        yield Check("KVM", WARN, sentence.strip(" ."), remedy)


def _kvm_device(facts: HostFacts, _: Settings) -> Iterator[Check]:
    """libvirt, which is root, and QEMU, which is not, must find the same when they try KVM, or each start takes minutes."""
    device = facts.device
    if device is None or device.real == device.may_open:
        what = "is not there" if device is None else f"has fitting permissions ({device.mode})"
        yield Check("/dev/kvm", OK, what)
    elif device.real:
        yield Check(
            "/dev/kvm",
            WARN,
            f"is closed to QEMU's account ({device.mode}): libvirt then probes QEMU anew at each start, which takes up to 100 s",
            "chgrp kvm /dev/kvm && chmod 660 /dev/kvm",
        )
    else:
        yield Check(
            "/dev/kvm",
            WARN,
            f"is not KVM, but QEMU's account may open it ({device.mode}): libvirt probes QEMU anew at each start",
            "put a device of mode 0 there: mknod -m 0 /run/no-kvm c 1 3 && mount --bind /run/no-kvm /dev/kvm",
        )


def _qemu(facts: HostFacts, _: Settings) -> Iterator[Check]:
    if not facts.qemu_version:
        yield Check("QEMU", FAIL, "qemu-system-x86_64 is not installed, or does not start", _INSTALL)
    elif facts.qemu_uid == 0:
        remedy = 'set user = "libvirt-qemu" in /etc/libvirt/qemu.conf and restart libvirtd'
        yield Check("QEMU", WARN, f"{facts.qemu_version}, run as root: a guest that breaks out has the host", remedy)
    elif _number(facts.qemu_version) < (7, 1):
        yield Check("QEMU", WARN, f"{facts.qemu_version}: screenshots need 7.1", "upgrade the distribution")
    else:
        yield Check("QEMU", OK, f"{facts.qemu_version}, run as the account with uid {facts.qemu_uid}")


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _libvirt(facts: HostFacts, settings: Settings) -> Iterator[Check]:
    if not facts.libvirt_error:
        yield Check("libvirt", OK, f"{facts.libvirt_version or 'a remote one'} answers at {settings.libvirt_uri}")
    elif facts.root:
        installed = facts.libvirt_version or settings.libvirt_uri != Settings.libvirt_uri
        yield Check("libvirt", FAIL, facts.libvirt_error, "systemctl start libvirtd, or: libvirtd -d" if installed else _INSTALL)
    else:
        yield Check("libvirt", SKIP, _NEEDS_ROOT, _AS_ROOT)


def _virtlogd(facts: HostFacts, _: Settings) -> Iterator[Check]:
    if facts.virtlogd:
        yield Check("virtlogd", OK, "answers")
    else:
        found = "does not answer: guests cannot start, because it writes their console logs"
        yield Check("virtlogd", FAIL, found, "systemctl start virtlogd.socket, or: virtlogd -d")


def _programs(facts: HostFacts, _: Settings) -> Iterator[Check]:
    needed = {
        "qemu-img": "makes disks", "dnsmasq": "gives guests their addresses", "ip": "makes bridges", "prlimit": "bounds qemu-img",
        "ssh": "minicloud ssh ends in it",
    }  # fmt: skip
    for name, purpose in needed.items():
        if path := facts.programs.get(name):
            yield Check(name, OK, path)
        else:
            yield Check(name, FAIL, f"is not installed ({purpose})", _INSTALL)
    if path := facts.programs.get("mmdebstrap"):
        yield Check("mmdebstrap", OK, path)
    else:
        yield Check("mmdebstrap", WARN, "is not installed (only minicloud images build needs it)", "apt-get install mmdebstrap")


def _iptables(facts: HostFacts, _: Settings) -> Iterator[Check]:
    yield _filter("iptables", "iptables" in facts.programs, facts.iptables_error, "modprobe ip_tables")


def _ipset(facts: HostFacts, _: Settings) -> Iterator[Check]:
    yield _filter("ipset", "ipset" in facts.programs, facts.ipset_error, "modprobe ip_set")


def _filter(name: str, there: bool, error: str | None, remedy: str) -> Check:
    if not there:
        return Check(name, FAIL, "is not installed (security groups are made of it)", _INSTALL)
    if error is None:
        return Check(name, SKIP, _NEEDS_ROOT, _AS_ROOT)
    return Check(name, FAIL, error, remedy) if error else Check(name, OK, "works")


def _neighbours(facts: HostFacts, _: Settings) -> Iterator[Check]:
    """Docker, firewalld, ufw and libvirt's networks are no obstacle: what may be one is rules that a person has written."""
    if facts.dropping is None:
        yield Check("other rules", SKIP, _NEEDS_ROOT, _AS_ROOT)
        return
    for chain in facts.dropping:
        ways = ("iifname", "oifname") if chain.hook == "forward" else ("iifname",)
        where = f"{chain.family} {chain.table} {chain.name}"
        remedy = "; ".join(f"nft 'insert rule {where} {way} \"mc*\" accept'" for way in ways)
        yield Check("other rules", WARN, f"the nftables chain {where} drops what guests send, whatever our rules say", remedy)
    if not facts.dropping:
        yield Check("other rules", OK, "none that would stop the traffic of guests")


def _addresses(facts: HostFacts, settings: Settings) -> Iterator[Check]:
    if facts.collision:
        found = f"{settings.vpc_cidr} overlaps what this host uses on {facts.collision}: instances there fail"
        yield Check("VPC addresses", FAIL, found, "set vpc_cidr in /etc/minicloud/config.toml before the first instance")
    else:
        yield Check("VPC addresses", OK, f"{settings.vpc_cidr} is free on this host")


def _forwarding(facts: HostFacts, _: Settings) -> Iterator[Check]:
    if facts.ip_forward:
        yield Check("forwarding", OK, "net.ipv4.ip_forward is 1")
    else:
        found = "net.ipv4.ip_forward is 0: guests do not reach beyond this host"
        yield Check("forwarding", WARN, found, "sysctl -w net.ipv4.ip_forward=1")


def _disk(facts: HostFacts, settings: Settings) -> Iterator[Check]:
    free = f"{facts.disk_free / _GB:.1f} GB free for {settings.home}"
    if facts.disk_free < _GB:
        yield Check("disk", FAIL, f"only {free}: writing guests are paused when it is full", _room(settings.home))
    elif facts.disk_free < 10 * _GB:
        yield Check("disk", WARN, f"{free}, less than 10 GB", _room(settings.home))
    else:
        yield Check("disk", OK, free)


def _memory(facts: HostFacts, settings: Settings) -> Iterator[Check]:
    left = facts.memory_total - settings.memory_reserve
    memory = (
        f"{facts.memory_total} MiB, {facts.memory_available} MiB of it free now; {settings.memory_reserve} MiB stay the host's"
    )
    if left < 512:
        yield Check("memory", FAIL, f"{memory}: no instance type fits", "add memory, or lower memory_reserve in the settings")
    elif facts.memory_available < 512:
        yield Check("memory", WARN, f"{memory}: the smallest instance (512 MiB) may make the host swap", "stop other programs")
    else:
        yield Check("memory", OK, memory)


def _room(home: Path) -> str:
    return f"terminate instances, minicloud images rm AMI-ID, or move {home} to a larger disk"
