"""Whether the host can run guests with KVM, and why not, in words for people.

A device file is not enough: a host can have /dev/kvm and no virtualisation flags (a guest's kernel then hangs early), or
flags and a device that QEMU's account may not open (libvirt then looks QEMU over anew at each start, which takes minutes).
"""

import os
import re
import stat
from pathlib import Path

from .account import Account, hypervisor

_KVM = os.makedev(10, 232)


def has_flags(cpuinfo: str) -> bool:
    """Whether the text of /proc/cpuinfo shows Intel's or AMD's virtualisation."""
    return re.search(r"^flags\s*:.*\b(vmx|svm)\b", cpuinfo, re.MULTILINE) is not None


def _groups(account: Account) -> set[int]:
    import pwd

    try:
        return set(os.getgrouplist(pwd.getpwuid(account.uid).pw_name, account.gid))
    except KeyError:
        return {account.gid}


def may_open(device: os.stat_result, account: Account, groups: set[int]) -> bool:
    """Whether the account may read and write a file with this owner and mode."""
    if account.uid == 0:
        return True
    shift = 6 if device.st_uid == account.uid else 3 if device.st_gid in groups else 0
    return (device.st_mode >> shift) & 0o6 == 0o6


def usable(device: Path = Path("/dev/kvm"), cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[bool, str]:
    """Whether guests run with KVM here, and a sentence that says why or why not, with the remedy."""
    if not has_flags(cpuinfo.read_text()):
        return False, (
            "this processor shows no virtualisation (vmx, svm): guests are emulated, which is slow. "
            "Switch it on in the firmware, or nested virtualisation in the hypervisor that this host runs on"
        )
    try:
        found = device.stat()
    except FileNotFoundError:
        return False, f"{device} is not there: guests are emulated, which is slow. Try: modprobe kvm_intel (or kvm_amd)"
    if not stat.S_ISCHR(found.st_mode) or found.st_rdev != _KVM:
        return False, f"{device} is not the KVM device: guests are emulated, which is slow"
    account = hypervisor()
    if not may_open(found, account, _groups(account)):
        return False, (
            f"QEMU's account (uid {account.uid}) may not open {device}: guests are emulated, and each start is very slow. "
            f"Try: chgrp kvm {device} && chmod 660 {device}"
        )
    return True, "guests run with KVM"


def cpu_shares(mounts: Path = Path("/proc/mounts")) -> int | None:
    """The cgroup weight that stands for one whole vCPU here, None where there is no CPU controller to use."""
    for line in mounts.read_text().splitlines():
        _, where, kind, options, *_ = line.split()
        if "rw" not in options.split(","):
            continue
        if kind == "cgroup" and "cpu" in options.split(","):
            return 1024
        if kind == "cgroup2" and "cpu" in _controllers(Path(where)):
            return 100
    return None


def _controllers(root: Path) -> list[str]:
    try:
        return (root / "cgroup.controllers").read_text().split()
    except OSError:
        return []
