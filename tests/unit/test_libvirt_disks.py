"""What libvirt's XML says that a disk reads from."""

import xml.etree.ElementTree as ET

import pytest

from minicloud.host.libvirt_blocks import _chain


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("<source file='/a.qcow2'/>", "/a.qcow2"),
        ("<source dev='/dev/vg/copy'/>", "/dev/vg/copy"),
        ("<source protocol='rbd' name='pool/image'/>", "pool/image"),
        ("<source pool='p' volume='v'/>", "v"),
        ("<source startupPolicy='optional'/>", "what has no name"),
    ],
)
def test_what_others_have_a_guest_write_to_has_its_name(source: str, name: str) -> None:
    below = "<backingStore type='file'><source file='/b.qcow2'/><backingStore/></backingStore>"
    disk = ET.fromstring(f"<disk>{source}{below}</disk>")  # noqa: S314  of this test
    assert _chain(disk) == (name, "/b.qcow2")
