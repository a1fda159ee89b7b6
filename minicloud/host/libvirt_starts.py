"""What libvirt keeps of a guest that is off, and by which anybody could start it: its definition, and its saved memory.

Both name the layers that the guest's disks had when it was last on. A snapshot freezes one of them, a merge takes one away, a
volume goes to another guest: whoever started the guest by what libvirt kept would write where nobody may. Therefore a
definition is blocked as soon as its guest is on: a disk of it is nowhere, and a start says so. The disks themselves stay in it,
because libvirt notes there what others do to them (snapshots of their own). minicloud defines a guest anew to start it.
"""

import logging
import xml.etree.ElementTree as ET
from typing import Any

from .contracts import GuestSpec
from .domain_xml import NAMESPACE
from .libvirt_link import library

log = logging.getLogger(__name__)

NOWHERE = "/nonexistent/only minicloud starts this guest: minicloud start-instances"
"""The file of the disk that blocks a definition: libvirt's error names it to whoever tries."""
_TARGET = "vdzz"


def block(dom: Any) -> None:
    """Let nobody start a guest by its definition as it is. A guest that is on goes on. Raises libvirtError."""
    libvirt = library()
    root = ET.fromstring(dom.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE))  # noqa: S314  libvirt's
    devices = root.find("devices")
    if devices is None or any(source.get("file") == NOWHERE for source in devices.iterfind("./disk/source")):
        return
    disk = ET.SubElement(devices, "disk", type="file", device="disk")
    ET.SubElement(disk, "driver", name="qemu", type="raw")
    ET.SubElement(disk, "source", file=NOWHERE)
    ET.SubElement(disk, "target", dev=_TARGET, bus="virtio")
    ET.SubElement(disk, "readonly")  # so it has no part in anybody's snapshots
    ET.register_namespace("minicloud", NAMESPACE)
    dom.connect().defineXMLFlags(ET.tostring(root, encoding="unicode"), 0)


def has_save(dom: Any) -> bool:
    """Whether a guest that is off goes on, with its memory, when it is started. Raises libvirtError."""
    return not dom.isActive() and bool(dom.hasManagedSaveImage(0))


def drop_save(dom: Any) -> None:
    """Let a guest that is off begin anew when it is started. Raises libvirtError."""
    libvirt = library()
    try:
        if has_save(dom):
            dom.managedSaveRemove(0)
    except libvirt.libvirtError:
        if not dom.isActive():  # else it was started, and has no saved memory any more
            raise


def drop_other_save(dom: Any, spec: GuestSpec) -> None:
    """The same where its memory is of disks or cards that it is not to have: it would write to what it had, and send as another
    may by now. Raises libvirtError.

    What it is to have besides is plugged in when it is on.
    """
    if has_save(dom) and not _fits(_saved(dom), spec):
        log.warning("%s starts anew: the memory that libvirt saved of it is of disks or cards that are others now", spec.guest_id)
        drop_save(dom)


def _saved(dom: Any) -> ET.Element | None:
    """What a guest was when its memory was saved; None where that cannot be read."""
    try:
        return ET.fromstring(dom.managedSaveGetXMLDesc(0))  # noqa: S314  libvirt's
    except (library().libvirtError, ET.ParseError):
        return None


def _fits(saved: ET.Element | None, spec: GuestSpec) -> bool:
    if saved is None:
        return False
    cards = {str(mac.get("address")).lower() for mac in saved.iterfind("./devices/interface/mac")}
    disks = {disk.serial: disk.path for disk in spec.disks}
    return _disks(saved).items() <= disks.items() and cards <= {nic.mac.lower() for nic in spec.nics}


def _disks(saved: ET.Element) -> dict[str, str]:
    """The files that the disks of volumes write to, by serial."""
    found = dict[str, str]()
    for disk in saved.iterfind("./devices/disk"):
        serial, source = disk.findtext("serial", ""), disk.find("source")
        if serial and disk.find("readonly") is None:
            found[serial] = str(source.get("file")) if source is not None else ""
    return found
