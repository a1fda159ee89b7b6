"""A guest as libvirt's domain XML: a pure function from `GuestSpec` and `Platform`, by a tree and never by formatting text.

- A domain is ours if its UUID is the one that its name gives (`uuid_of`); the metadata element says so to people.
- The first disk boots, at once, and nothing else: no menu, no network boot.
- Disks are qcow2, written through the host's page cache (`writeback`): a flush by the guest reaches the host's disk before
  it is answered, as with a real disk, and guests of one base image share its pages. A full host disk pauses the guest;
  other errors go to the guest.
- Permissions of disks are minicloud's own affair (`account`): libvirt is told to leave them.
- The seed is a read-only virtio disk, the last one: the one bus that every cloud image has a driver for from the start.
"""

import re
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..errors import Permanent
from .contracts import BootSpec, GuestSpec, NicSpec
from .contracts_storage import DiskSpec, IoLimits

NAMESPACE = "https://minicloud.dev/xmlns/guest/1"
SPARE_PORTS = 16
"""Empty PCI Express slots for what is plugged into a running guest."""
TRANSLATION_CACHE = 256
"""MiB that QEMU may use for translated code under emulation; its own default is 1024, as much as a small guest again."""
_FIXED_PORTS = 4
"""Slots for the seed, the serial bus of the agent, the random numbers, the balloon."""
_PCI = re.compile(r"(?P<domain>[0-9a-f]{4}):(?P<bus>[0-9a-f]{2}):(?P<slot>[0-9a-f]{2})\.(?P<function>[0-7])")
_UUIDS = uuid.uuid5(uuid.NAMESPACE_URL, NAMESPACE)


@dataclass(frozen=True)
class Platform:
    """What the host gives to every guest."""

    accel: str
    """kvm, or tcg: QEMU's emulation"""
    emulator: str = "/usr/bin/qemu-system-x86_64"
    machine: str = "q35"
    cpu_shares: int | None = 1024
    """The cgroup weight of one whole vCPU (1024 in version 1, 100 in version 2), None where the host weighs no CPU."""
    console_log: str = "/dev/null"
    """The file that keeps what the guest writes to its serial port."""
    nvram: str = ""
    """The file of the guest's firmware variables, for UEFI."""
    bridges: Mapping[str, str] = field(default_factory=dict)
    """The bridge of each network id."""
    watchdog: bool = False
    """Whether this libvirt models the watchdog of q35 (iTCO; from 9.1 on). Unless told otherwise it lets it reset the guest."""
    identity: str = ""
    """Of the state that the guest belongs to."""

    @property
    def cpu_model(self) -> str:
        """None of QEMU's `max` under emulation: it makes a guest's C library pick AVX code, which is slow to emulate."""
        return "host-passthrough" if self.accel == "kvm" else "Nehalem"


def uuid_of(guest_id: str) -> str:
    """The UUID that a guest of ours has. It begins as EC2's do: by this, and the same serial number, cloud-init knows EC2."""
    return "ec2" + str(uuid.uuid5(_UUIDS, guest_id))[3:]


def domain(spec: GuestSpec, platform: Platform) -> str:
    """The whole XML of a guest."""
    ET.register_namespace("minicloud", NAMESPACE)
    root = ET.Element("domain", type="kvm" if platform.accel == "kvm" else "qemu")
    _text(root, "name", spec.guest_id)
    _text(root, "uuid", uuid_of(spec.guest_id))
    said = {"id": spec.guest_id, **({"state": platform.identity} if platform.identity else {})}
    ET.SubElement(ET.SubElement(root, "metadata"), f"{{{NAMESPACE}}}guest", said)
    _text(root, "memory", str(spec.memory), unit="MiB")
    _text(root, "vcpu", str(spec.vcpus))
    _cpu(root, spec, platform)
    _system(root, spec, platform)
    _clock_and_ends(root)
    devices = ET.SubElement(root, "devices")
    _text(devices, "emulator", platform.emulator)
    _ports(devices, len(spec.disks) + len(spec.nics) + len(spec.accelerators) + _FIXED_PORTS + SPARE_PORTS)
    for number, disk in enumerate(spec.disks):
        _disk(devices, disk, number)
    if spec.seed is not None:
        _seed(devices, spec.seed, len(spec.disks))
    for nic in spec.nics:
        _nic(devices, nic, platform.bridges)
    for address in spec.accelerators:
        _accelerator(devices, address)
    _small_devices(devices, platform)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def _text(parent: ET.Element, tag: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, tag, attributes).text = text


def _cpu(root: ET.Element, spec: GuestSpec, platform: Platform) -> None:
    if platform.cpu_shares is not None:
        shares = round(platform.cpu_shares * spec.vcpus * spec.cpu_weight)
        _text(ET.SubElement(root, "cputune"), "shares", str(min(max(shares, 2), 10000)))
    if platform.cpu_model == "host-passthrough":
        ET.SubElement(root, "cpu", mode="host-passthrough", check="none")
    else:
        cpu = ET.SubElement(root, "cpu", mode="custom", match="exact", check="none")
        _text(cpu, "model", platform.cpu_model, fallback="forbid")
    features = ET.SubElement(root, "features")
    ET.SubElement(features, "acpi")
    ET.SubElement(features, "apic")
    if platform.accel != "kvm":
        _text(ET.SubElement(features, "tcg"), "tb-cache", str(TRANSLATION_CACHE), unit="MiB")


def _system(root: ET.Element, spec: GuestSpec, platform: Platform) -> None:
    os = ET.SubElement(root, "os")
    _text(os, "type", "hvm", arch="x86_64", machine=platform.machine)
    _boot(os, spec.boot, platform)
    ET.SubElement(os, "smbios", mode="sysinfo")
    system = ET.SubElement(ET.SubElement(root, "sysinfo", type="smbios"), "system")
    for name, value in (
        ("manufacturer", "minicloud"),
        ("product", "minicloud instance"),
        ("serial", uuid_of(spec.guest_id)),
        ("uuid", uuid_of(spec.guest_id)),
    ):
        _text(system, "entry", value, name=name)


def _boot(os: ET.Element, boot: BootSpec, platform: Platform) -> None:
    if boot.firmware == "uefi":
        os.set("firmware", "efi")
        features = ET.SubElement(os, "firmware")
        ET.SubElement(features, "feature", enabled="no", name="secure-boot")
        _text(os, "nvram", platform.nvram)
    for tag, value in (("kernel", boot.kernel), ("initrd", boot.initrd), ("cmdline", boot.cmdline)):
        if boot.kernel is not None and value:
            _text(os, tag, value)


def _clock_and_ends(root: ET.Element) -> None:
    clock = ET.SubElement(root, "clock", offset="utc")
    ET.SubElement(clock, "timer", name="hpet", present="no")
    for tag, action in (("on_poweroff", "destroy"), ("on_reboot", "restart"), ("on_crash", "destroy")):
        _text(root, tag, action)


def _ports(devices: ET.Element, count: int) -> None:
    ET.SubElement(devices, "controller", type="pci", index="0", model="pcie-root")
    for index in range(1, count + 1):
        ET.SubElement(devices, "controller", type="pci", index=str(index), model="pcie-root-port")
    ET.SubElement(devices, "controller", type="usb", model="none")


def _disk_node(devices: ET.Element, path: str, number: int, driver: Mapping[str, str]) -> ET.Element:
    disk = ET.SubElement(devices, "disk", type="file", device="disk")
    ET.SubElement(disk, "driver", {"name": "qemu", "cache": "writeback", "io": "threads", **driver})
    source = ET.SubElement(disk, "source", file=path)
    ET.SubElement(source, "seclabel", model="dac", relabel="no")
    ET.SubElement(disk, "target", dev=device_name(number), bus="virtio")
    return disk


def device_name(number: int) -> str:
    """The name by which libvirt knows the disk with this number: vda, vdb, ... vdz, vdaa."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return "vd" + letters


def _disk(devices: ET.Element, spec: DiskSpec, number: int) -> None:
    driver = {"type": "qcow2", "discard": "unmap", "detect_zeroes": "unmap", "error_policy": "enospace"}
    disk = _disk_node(devices, spec.path, number, driver)
    _text(disk, "serial", spec.serial)
    if tune := iotune(spec.limits):
        limits = ET.SubElement(disk, "iotune")
        for name, value in tune.items():
            _text(limits, name, str(value))
    if number == 0:
        ET.SubElement(disk, "boot", order="1")


def iotune(limits: IoLimits) -> dict[str, int]:
    """Limits by libvirt's names; what is not limited is left out."""
    tune = {
        "total_iops_sec": limits.iops,
        "total_bytes_sec": limits.throughput,
        "total_iops_sec_max": limits.burst_iops,
        "total_bytes_sec_max": limits.burst_throughput,
        "total_iops_sec_max_length": limits.burst_seconds if limits.burst_iops else 0,
        "total_bytes_sec_max_length": limits.burst_seconds if limits.burst_throughput else 0,
    }
    return {name: value for name, value in tune.items() if value}


def plugged(spec: DiskSpec, number: int) -> str:
    """The XML of a disk that is plugged into a running guest as the one with this number."""
    devices = ET.Element("devices")
    _disk(devices, spec, number)
    return ET.tostring(devices[0], encoding="unicode")


def overlays(tops: Mapping[str, str], others: Iterable[str]) -> str:
    """The XML of a snapshot that puts disks, by libvirt's names, onto new tops, and leaves the others."""
    root = ET.Element("domainsnapshot")
    disks = ET.SubElement(root, "disks")
    for name, path in tops.items():
        disk = ET.SubElement(disks, "disk", name=name, snapshot="external", type="file")
        ET.SubElement(disk, "driver", type="qcow2")
        source = ET.SubElement(disk, "source", file=path)
        ET.SubElement(source, "seclabel", model="dac", relabel="no")
    for name in others:
        ET.SubElement(disks, "disk", name=name, snapshot="no")
    return ET.tostring(root, encoding="unicode")


def _seed(devices: ET.Element, path: str, number: int) -> None:
    disk = _disk_node(devices, path, number, {"type": "raw"})
    ET.SubElement(disk, "readonly")
    _text(disk, "serial", "seed")


def _nic(devices: ET.Element, spec: NicSpec, bridges: Mapping[str, str]) -> None:
    interface = ET.SubElement(devices, "interface", type="bridge")
    ET.SubElement(interface, "mac", address=spec.mac)
    ET.SubElement(interface, "source", bridge=bridges[spec.network_id])
    ET.SubElement(interface, "target", dev=spec.tap)
    ET.SubElement(interface, "model", type="virtio")
    ET.SubElement(interface, "rom", enabled="no")


def plugged_card(spec: NicSpec, bridge: str) -> str:
    """The XML of a network card that is plugged into a running guest."""
    devices = ET.Element("devices")
    _nic(devices, spec, {spec.network_id: bridge})
    return ET.tostring(devices[0], encoding="unicode")


def _accelerator(devices: ET.Element, address: str) -> None:
    """A PCI device of the host that the guest has for itself; libvirt takes it from its driver and gives it back."""
    found = _PCI.fullmatch(address)
    if found is None:
        raise Permanent(f"not the address of a PCI device: {address!r}")
    hostdev = ET.SubElement(devices, "hostdev", mode="subsystem", type="pci", managed="yes")
    source = ET.SubElement(hostdev, "source")
    ET.SubElement(source, "address", {name: f"0x{part}" for name, part in found.groupdict().items()})


def _small_devices(devices: ET.Element, platform: Platform) -> None:
    serial = ET.SubElement(devices, "serial", type="pty")
    ET.SubElement(serial, "log", file=platform.console_log, append="on")
    ET.SubElement(serial, "target", port="0")
    channel = ET.SubElement(devices, "channel", type="unix")
    ET.SubElement(channel, "target", type="virtio", name="org.qemu.guest_agent.0")
    video = ET.SubElement(devices, "video")
    ET.SubElement(video, "model", type="vga")
    ET.SubElement(devices, "memballoon", model="virtio", freePageReporting="on")
    if platform.watchdog:  # EC2 has none: what a guest does with it has no effect
        ET.SubElement(devices, "watchdog", model="itco", action="none")
    rng = ET.SubElement(devices, "rng", model="virtio")
    _text(rng, "backend", "/dev/urandom", model="random")
