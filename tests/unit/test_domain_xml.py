"""Guests as libvirt's XML."""

import dataclasses
import xml.etree.ElementTree as ET

import pytest

from minicloud.errors import Permanent
from minicloud.host.contracts import BootSpec, GuestSpec, NicSpec
from minicloud.host.contracts_storage import DiskSpec
from minicloud.host.domain_xml import Platform, device_name, domain, uuid_of

from ..golden_file import check

DISK = DiskSpec("vol-0a", "/var/lib/minicloud/volumes/vol-0a.qcow2", "vol0a", "/dev/xvda")
SPEC = GuestSpec(
    guest_id="i-0123456789abcdef0",
    vcpus=2,
    memory=512,
    cpu_weight=0.05,
    disks=(DISK,),
    nics=(NicSpec("02:00:00:00:00:0a", "subnet-0a", "mct0a"),),
    seed="/var/lib/minicloud/seeds/i-0123456789abcdef0.iso",
    boot=BootSpec(),
)
EMULATED = Platform("tcg", console_log="/var/lib/minicloud/consoles/i.log", bridges={"subnet-0a": "mc0a"})


def parse(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314  our own


def test_a_guest_under_emulation() -> None:
    check("domain-tcg.xml", domain(SPEC, EMULATED))


def test_a_guest_with_all_there_is() -> None:
    spec = dataclasses.replace(
        SPEC,
        vcpus=96,
        cpu_weight=1.0,
        disks=(DISK, DiskSpec("vol-0b", "/var/lib/minicloud/volumes/vol-0b.qcow2", "vol0b", "/dev/sdf")),
        boot=BootSpec("uefi", "/images/vmlinuz", "/images/initrd", "console=ttyS0 root=/dev/vda1"),
        accelerators=("0000:01:00.0",),
    )
    platform = dataclasses.replace(EMULATED, accel="kvm", cpu_shares=100, nvram="/var/lib/minicloud/nvram/i.fd")
    check("domain-kvm-uefi.xml", domain(spec, platform))


def test_a_host_that_weighs_no_cpu() -> None:
    text = domain(SPEC, dataclasses.replace(EMULATED, cpu_shares=None))
    assert parse(text).find("cputune") is None


def test_a_watchdog_of_q35_has_no_say_where_libvirt_models_it_and_is_not_named_where_it_does_not() -> None:
    assert parse(domain(SPEC, EMULATED)).find("devices/watchdog") is None
    watchdogs = parse(domain(SPEC, dataclasses.replace(EMULATED, watchdog=True))).findall("devices/watchdog")
    assert [one.attrib for one in watchdogs] == [{"model": "itco", "action": "none"}]


def test_the_kernels_arguments_without_a_kernel_are_nothing() -> None:
    spec = dataclasses.replace(SPEC, boot=BootSpec("bios", None, "/images/initrd", "quiet"))
    root = parse(domain(spec, EMULATED))
    assert root.find("os/initrd") is None
    assert root.find("os/cmdline") is None


@pytest.mark.parametrize("hostile", ["x'/><disk/>", '"]]>&lt;', "</name><devices/>"])
def test_what_is_given_stays_a_word(hostile: str) -> None:
    spec = dataclasses.replace(SPEC, guest_id=hostile, disks=(dataclasses.replace(DISK, path=hostile, serial=hostile),))
    root = parse(domain(spec, EMULATED))
    assert root.findtext("name") == hostile
    assert [disk.get("file") for disk in root.iterfind("devices/disk/source")] == [hostile, SPEC.seed]
    assert root.findtext("devices/disk/serial") == hostile


@pytest.mark.parametrize("address", ["01:00.0", "0000:01:00.8", "0000:01:00.0 ", "../0000:01:00.0"])
def test_an_accelerator_has_a_whole_address(address: str) -> None:
    with pytest.raises(Permanent, match="PCI"):
        domain(dataclasses.replace(SPEC, accelerators=(address,)), EMULATED)


def test_a_guest_has_one_uuid_for_ever() -> None:
    assert uuid_of("i-1") == "ec2fac12-9382-5da8-bcac-440159873a72"
    assert uuid_of("i-1") != uuid_of("i-2")


@pytest.mark.parametrize(("number", "name"), [(0, "vda"), (25, "vdz"), (26, "vdaa"), (51, "vdaz"), (52, "vdba"), (701, "vdzz")])
def test_names_of_disks_go_on_after_z(number: int, name: str) -> None:
    assert device_name(number) == name
