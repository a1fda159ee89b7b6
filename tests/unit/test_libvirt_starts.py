"""What keeps a guest from being started beside minicloud, over a domain of the imagination."""

import xml.etree.ElementTree as ET

import pytest

from minicloud.host import libvirt_starts
from minicloud.host.domain_xml import NAMESPACE, domain
from minicloud.host.libvirt_link import library
from minicloud.host.libvirt_starts import NOWHERE, block, drop_other_save, drop_save, has_save

from .test_domain_xml import DISK, EMULATED, SPEC


class Domain:
    """As libvirt-python's, with one definition and perhaps a managed save."""

    def __init__(self, save: str | None = None, *, on: bool = False) -> None:
        self.xml, self.save, self.on = domain(SPEC, EMULATED), save, on
        self.defined = 0
        self.refuses = False

    def XMLDesc(self, flags: int) -> str:  # noqa: N802
        assert flags & library().VIR_DOMAIN_XML_INACTIVE
        return self.xml

    def connect(self) -> "Domain":
        return self

    def defineXMLFlags(self, xml: str, flags: int) -> None:  # noqa: N802
        assert not flags
        self.xml = xml
        self.defined += 1

    def isActive(self) -> int:  # noqa: N802
        return int(self.on)

    def hasManagedSaveImage(self, _: int) -> int:  # noqa: N802
        return int(self.save is not None)

    def managedSaveGetXMLDesc(self, _: int) -> str:  # noqa: N802
        if self.save == "damaged":
            raise library().libvirtError("damaged")
        assert self.save is not None
        return self.save

    def managedSaveRemove(self, _: int) -> None:  # noqa: N802
        if self.refuses:
            raise library().libvirtError("busy")
        self.save = None


def saved(path: str = DISK.path, more: str = "", mac: str = SPEC.nics[0].mac) -> str:
    card = f"<interface type='bridge'><mac address='{mac}'/></interface>"
    disk = f"<disk><source file='{path}'/><serial>{DISK.serial}</serial></disk>"
    seed = "<disk><source file='/seed.iso'/><serial>seed</serial><readonly/></disk>"
    return f"<domain><devices>{disk}{seed}{card}{more}</devices></domain>"


def test_a_definition_is_blocked_once_and_has_all_that_it_had() -> None:
    dom = Domain()
    for _ in range(2):
        block(dom)
    assert dom.defined == 1
    disks = ET.fromstring(dom.xml).findall("./devices/disk")  # noqa: S314
    sources = [source.get("file") for disk in disks if (source := disk.find("source")) is not None]
    assert sources == [DISK.path, SPEC.seed, NOWHERE]
    assert disks[-1].find("readonly") is not None, "snapshots that others take leave it out"
    assert len({target.get("dev") for target in ET.fromstring(dom.xml).findall("./devices/disk/target")}) == len(disks)  # noqa: S314
    assert ET.fromstring(dom.xml).find(f"./metadata/{{{NAMESPACE}}}guest") is not None  # noqa: S314


def test_a_guest_that_is_on_has_no_saved_memory() -> None:
    assert has_save(Domain(saved()))
    assert not has_save(Domain(saved(), on=True))
    assert not has_save(Domain())


@pytest.mark.parametrize("save", [saved(), saved().replace("<disk><source file='/seed.iso'/>", "<disk>")])
def test_memory_with_the_same_disks_stays(save: str) -> None:
    dom = Domain(save)
    drop_other_save(dom, SPEC)
    assert dom.save is not None


OTHERS = {
    "another layer": saved("/var/lib/minicloud/volumes/other.qcow2"),
    "one more disk": saved(more="<disk><source file='/more.qcow2'/><serial>vol0b</serial></disk>"),
    "one more card": saved(more="<interface type='bridge'><mac address='0a:00:00:00:00:99'/></interface>"),
    "another card": saved(mac="0a:00:00:00:00:99"),
    "a disk without a file": saved(more="<disk><serial>vol0b</serial></disk>"),
    "damaged": "damaged",
    "no XML": "<",
}


@pytest.mark.parametrize("what", OTHERS)
def test_memory_with_other_disks_or_cards_goes(what: str) -> None:
    dom = Domain(OTHERS[what])
    drop_other_save(dom, SPEC)
    assert dom.save is None


def test_what_cannot_be_dropped_is_told_unless_it_was_gone_on_with() -> None:
    dom = Domain(saved())
    dom.refuses = True
    with pytest.raises(library().libvirtError):
        drop_save(dom)

    def start(_: int) -> None:
        dom.on = True
        raise library().libvirtError("busy")

    dom.managedSaveRemove = start  # type: ignore[method-assign]
    drop_save(dom)
    assert libvirt_starts.has_save(dom) is False
