"""The doctor's judgement of recorded hosts."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from minicloud.cli.doctor_checks import FAIL, OK, SKIP, WARN, Check, judge
from minicloud.config import Settings
from minicloud.errors import HostError
from minicloud.host import nftables
from minicloud.host.doctor import PROGRAMS, HostFacts, KvmDevice
from minicloud.host.nftables import Chain, dropping

GOOD = HostFacts(
    root=True,
    flags=True,
    kvm=(True, "guests run with KVM"),
    device=KvmDevice(real=True, may_open=True, mode="crw-rw----"),
    programs={name: f"/usr/bin/{name}" for name in PROGRAMS},
    qemu_version="7.2.22",
    libvirt_version="9.0.0",
    libvirt_error="",
    virtlogd=True,
    qemu_uid=64055,
    iptables_error="",
    ipset_error="",
    dropping=(),
    disk_free=100 * 10**9,
    memory_total=16000,
    memory_available=12000,
    collision=None,
    ip_forward=True,
)


def check(name: str, **changes: Any) -> Check:
    """The first check of this name that is not ok, else the last one, on a host that differs from the good one."""
    found = [one for one in judge(dataclasses.replace(GOOD, **changes), Settings()) if one.name == name]
    return next((one for one in found if one.status != OK), found[-1])


def without(*names: str) -> dict[str, str]:
    return {name: path for name, path in GOOD.programs.items() if name not in names}


def test_a_good_host_is_all_ok() -> None:
    assert {one.status for one in judge(GOOD, Settings())} == {OK}


def test_a_host_without_virtualisation_works_slowly() -> None:
    changes = {"flags": False, "kvm": (False, "this processor shows no virtualisation"), "device": None}
    assert {one.name for one in judge(dataclasses.replace(GOOD, **changes), Settings()) if one.status == WARN} == {
        "processor",
        "KVM",
    }
    assert "emulated" in check("KVM", **changes).found


def test_the_reason_against_kvm_is_split_from_its_remedy() -> None:
    found = check("KVM", kvm=(False, "/dev/kvm is not there: guests are emulated. Try: modprobe kvm_intel"))
    assert (found.status, found.remedy) == (WARN, "modprobe kvm_intel")
    assert found.found == "/dev/kvm is not there: guests are emulated"


@pytest.mark.parametrize(
    ("device", "status", "words"),
    [
        (None, OK, ""),
        (KvmDevice(True, True, "crw-rw-rw-"), OK, ""),
        (KvmDevice(True, False, "crw-------"), WARN, "chmod 660"),
        (KvmDevice(False, False, "c---------"), OK, ""),
        (KvmDevice(False, True, "crw-rw-rw-"), WARN, "mode 0"),
    ],
    ids=["none", "open", "0600: starts of 100 s", "hidden well", "hidden by /dev/null"],
)
def test_libvirt_and_qemu_must_find_the_same_kvm(device: KvmDevice | None, status: str, words: str) -> None:
    found = check("/dev/kvm", device=device)
    assert found.status == status
    assert words in found.remedy


@pytest.mark.parametrize(
    ("name", "status", "words", "changes"),
    [
        ("QEMU", FAIL, "scripts/setup", {"qemu_version": ""}),
        ("QEMU", WARN, "qemu.conf", {"qemu_uid": 0}),
        ("QEMU", WARN, "upgrade", {"qemu_version": "6.2.0"}),
        ("libvirt", FAIL, "systemctl start libvirtd", {"libvirt_error": "libvirt does not answer"}),
        ("libvirt", FAIL, "scripts/setup", {"libvirt_error": "libvirt does not answer", "libvirt_version": ""}),
        ("libvirt", SKIP, "sudo", {"libvirt_error": "denied", "root": False}),
        ("virtlogd", FAIL, "virtlogd", {"virtlogd": False}),
        ("dnsmasq", FAIL, "scripts/setup", {"programs": without("dnsmasq")}),
        ("mmdebstrap", WARN, "apt-get install mmdebstrap", {"programs": without("mmdebstrap")}),
        ("iptables", FAIL, "scripts/setup", {"programs": without("iptables")}),
        ("iptables", FAIL, "modprobe", {"iptables_error": "iptables failed with status 3"}),
        ("ipset", FAIL, "modprobe ip_set", {"ipset_error": "Kernel error"}),
        ("ipset", SKIP, "sudo", {"ipset_error": None, "root": False}),
        ("other rules", WARN, "nft 'insert rule inet f fwd oifname", {"dropping": (Chain("inet", "f", "fwd", "forward"),)}),
        ("other rules", SKIP, "sudo", {"dropping": None, "root": False}),
        ("VPC addresses", FAIL, "vpc_cidr", {"collision": "docker0"}),
        ("forwarding", WARN, "sysctl -w", {"ip_forward": False}),
        ("disk", WARN, "images rm", {"disk_free": 9 * 10**9}),
        ("disk", FAIL, "images rm", {"disk_free": 10**9 - 1}),
        ("memory", FAIL, "memory_reserve", {"memory_total": 1000}),
        ("memory", WARN, "stop other", {"memory_available": 300}),
    ],
)
def test_what_is_wrong_has_its_remedy(name: str, status: str, words: str, changes: dict[str, Any]) -> None:
    found = check(name, **changes)
    assert found.status == status, found
    assert words in found.remedy


def test_every_finding_that_is_not_ok_says_what_to_do() -> None:
    bad = HostFacts(
        root=True, flags=False, kvm=(False, "no"), device=KvmDevice(True, False, "crw-------"), programs={}, qemu_version="",
        libvirt_version="", libvirt_error="gone", virtlogd=False, qemu_uid=0, iptables_error="x", ipset_error="x",
        dropping=(Chain("ip", "mine", "in", "input"),), disk_free=0, memory_total=0, memory_available=0, collision="eth0",
        ip_forward=False,
    )  # fmt: skip
    found = judge(bad, Settings())
    assert all(one.status in (WARN, FAIL) and one.remedy for one in found)
    assert len([one for one in found if one.name == "other rules"]) == 1


def test_chains_of_others_that_drop() -> None:
    def chain(family: str, table: str, hook: str, policy: str) -> dict[str, Any]:
        return {"chain": {"family": family, "table": table, "name": "x", "handle": 1, "hook": hook, "prio": 0, "policy": policy}}

    ruleset = {
        "nftables": [
            {"metainfo": {"version": "1.0.6"}},
            chain("ip", "filter", "forward", "drop"),
            chain("inet", "firewalld", "forward", "drop"),
            chain("inet", "filter", "forward", "drop"),
            chain("inet", "filter", "output", "drop"),
            chain("ip", "mine", "input", "drop"),
            chain("ip6", "mine", "forward", "drop"),
            chain("inet", "open", "forward", "accept"),
            {"chain": {"family": "inet", "table": "filter", "name": "other", "handle": 2}},
        ]
    }
    assert dropping(ruleset) == [Chain("inet", "filter", "x", "forward"), Chain("ip", "mine", "x", "input")]


class TestNft:
    """No rules are none of others' only where nft says so, or nobody can have any."""

    @pytest.fixture(autouse=True)
    def nft(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr(nftables, "_PATH", str(tmp_path))
        monkeypatch.setattr("minicloud.host.run._PATH", f"{tmp_path}:/usr/bin:/bin")
        return tmp_path / "nft"

    def says(self, nft: Path, words: str) -> None:
        nft.write_text(f"#!/bin/sh\n{words}\n")
        nft.chmod(0o755)

    def test_that_is_not_installed(self) -> None:
        assert nftables.look() == []

    @pytest.mark.parametrize("words", ["echo no >&2; exit 1", "echo nonsense", "echo '[1]'"])
    def test_that_fails(self, nft: Path, words: str) -> None:
        self.says(nft, words)
        with pytest.raises(HostError, match="nft"):
            nftables.look()

    def test_that_finds_a_kernel_without_them(self, nft: Path) -> None:
        self.says(nft, "echo 'Unable to initialize Netlink socket: Protocol not supported' >&2; exit 1")
        assert nftables.look() == []

    @pytest.mark.parametrize("words", ["""echo '{"nftables": []}'""", "echo"])
    def test_that_works(self, nft: Path, words: str) -> None:
        self.says(nft, words)
        assert nftables.look() == []
