"""What the host tells of itself: QEMU's account, KVM, cgroups, memory, GPUs."""

import os
from pathlib import Path

import pytest

from minicloud.host import kvm, machine
from minicloud.host.account import Account, configured
from minicloud.host.machine import LocalMachine
from minicloud.host.run import CommandFailed, Completed

INTEL = "processor : 0\nflags\t\t: fpu vme vmx ssse3\n"
PLAIN = "processor : 0\nflags\t\t: fpu vme ssse3 svm_lock\nbugs : vmx\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (None, None)),
        ('#user = "root"\n', (None, None)),
        ('user = "vm"\n  group="+107"\n', ("vm", "107")),
        ('user = "+64055" # QEMU\n', ("64055", None)),
    ],
)
def test_libvirts_configuration_names_the_account(text: str, expected: tuple[str | None, str | None]) -> None:
    assert configured(text) == expected


@pytest.mark.parametrize(("cpuinfo", "found"), [(INTEL, True), (INTEL.replace("vmx", "svm"), True), (PLAIN, False), ("", False)])
def test_flags_of_virtualisation(cpuinfo: str, found: bool) -> None:
    assert kvm.has_flags(cpuinfo) is found


def test_no_flags_means_no_kvm_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(PLAIN)
    good, why = kvm.usable(tmp_path / "kvm", tmp_path / "cpuinfo")
    assert not good
    assert "no virtualisation" in why


def test_a_device_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(INTEL)
    good, why = kvm.usable(tmp_path / "kvm", tmp_path / "cpuinfo")
    assert not good
    assert "modprobe" in why


@pytest.mark.parametrize("device", ["/dev/null", "/etc/passwd"])
def test_another_device_in_its_place(tmp_path: Path, device: str) -> None:
    (tmp_path / "cpuinfo").write_text(INTEL)
    good, why = kvm.usable(Path(device), tmp_path / "cpuinfo")
    assert not good
    assert "not the KVM device" in why


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "may"),
    [
        (0o600, 0, 0, False),
        (0o660, 0, 108, True),
        (0o660, 0, 109, False),
        (0o666, 0, 0, True),
        (0o060, 64055, 108, False),
        (0o640, 0, 108, False),
        (0o600, 64055, 0, True),
    ],
)
def test_who_may_open_the_device(mode: int, uid: int, gid: int, may: bool) -> None:
    device = os.stat_result((mode, 0, 0, 1, uid, gid, 0, 0, 0, 0))
    assert kvm.may_open(device, Account(64055, 64055), {64055, 108}) is may


@pytest.mark.parametrize(
    ("mounts", "shares"),
    [
        ("cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,cpu,cpuacct 0 0", 1024),
        ("cgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0", None),
        ("cgroup /sys/fs/cgroup/cpu cgroup ro,cpu 0 0", None),
        ("cgroup2 {root} cgroup2 rw,nosuid 0 0", 100),
        ("cgroup2 /nowhere cgroup2 rw,nosuid 0 0", None),
        ("tmpfs /sys/fs/cgroup tmpfs ro 0 0", None),
    ],
)
def test_cpu_shares_where_the_host_has_them(tmp_path: Path, mounts: str, shares: int | None) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory\n")
    (tmp_path / "mounts").write_text(mounts.format(root=tmp_path) + "\n")
    assert kvm.cpu_shares(tmp_path / "mounts") == shares


def test_capacity_and_accelerators(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:       16384000 kB\nMemFree: 1 kB\n")
    for address, kind in (("0000:01:00.0", "0x030000"), ("0000:01:00.1", "0x040300"), ("0000:02:00.0", "0x120000")):
        device = tmp_path / "bus/pci/drivers/vfio-pci" / address
        device.mkdir(parents=True)
        (device / "class").write_text(kind + "\n")
    capacity = LocalMachine(tmp_path, tmp_path).capacity()
    assert capacity.memory == 16000
    assert capacity.threads == len(os.sched_getaffinity(0))
    assert capacity.accelerators == ("0000:01:00.0", "0000:02:00.0")


def test_boot_id(tmp_path: Path) -> None:
    (tmp_path / "sys/kernel/random").mkdir(parents=True)
    (tmp_path / "sys/kernel/random/boot_id").write_text("abc\n")
    assert LocalMachine(tmp_path).boot_id() == "abc"


@pytest.mark.parametrize(("said", "ending"), [(b"stopping\n", True), (b"running\n", False), (b"degraded\n", False), (b"", False)])
def test_the_host_ends_where_systemd_says_so(monkeypatch: pytest.MonkeyPatch, said: bytes, ending: bool) -> None:
    monkeypatch.setattr(machine, "run", lambda *_, **__: Completed(1, said, b""))
    assert LocalMachine().ending() == ending


@pytest.mark.parametrize("error", [FileNotFoundError(2, "systemctl"), CommandFailed(["systemctl"], None, b"")])
def test_a_host_whose_systemd_does_not_answer_goes_on(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def run(*_: object, **__: object) -> Completed:
        raise error

    monkeypatch.setattr(machine, "run", run)
    assert not LocalMachine().ending()
