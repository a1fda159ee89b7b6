"""The tiny guest's parts: cpio archives and the choice of kernel modules. No command runs."""

import gzip
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicloud.errors import Permanent
from minicloud.host import image_build_cpio as cpio
from minicloud.host import image_build_tiny as tiny

NAMES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x2FF, exclude_characters="/"), min_size=1, max_size=20)


@given(st.dictionaries(NAMES.filter(lambda name: name not in (".", "..", "TRAILER!!!")), st.binary(max_size=40)))
def test_what_is_packed_is_unpacked(files: dict[str, bytes]) -> None:
    entries = {name: cpio.file(data) for name, data in files.items()}
    assert cpio.unpack(cpio.pack(entries)) == entries


def test_packing_does_not_depend_on_order_or_on_the_host() -> None:
    one = {"b": cpio.file(b"2"), "a": cpio.directory(), "a/x": cpio.link("../b"), "c": cpio.character_device(5, 1)}
    other = dict(reversed(one.items()))
    assert cpio.pack(one) == cpio.pack(other)
    assert cpio.unpack(cpio.pack(one)) == one
    assert list(cpio.unpack(cpio.pack(one))) == ["a", "a/x", "b", "c"]


def test_an_early_archive_and_a_compressed_one_are_read_as_one() -> None:
    early = cpio.pack({"kernel/microcode": cpio.file(b"early")}) + bytes(512)
    late = gzip.compress(cpio.pack({"init": cpio.program(b"late")}))
    found = cpio.unpack(early + late)
    assert found["kernel/microcode"].data == b"early"
    assert stat.S_IMODE(found["init"].mode) == 0o755


@pytest.mark.parametrize("damage", [b"\x7fELF and more", b"070701 but nothing follows"])
def test_what_is_no_initramfs_is_refused(damage: bytes) -> None:
    with pytest.raises(Permanent, match="initrd"):
        cpio.unpack(damage)


def test_a_truncated_archive_is_refused() -> None:
    whole = cpio.pack({"file": cpio.file(b"x" * 1000)})
    with pytest.raises(Permanent, match="damaged"):
        cpio.unpack(whole[:700])


def initrd(table: str, *missing: str) -> dict[str, cpio.Entry]:
    root = "usr/lib/modules/6.1/"
    paths = [line.split(":")[0] for line in table.splitlines()]
    entries = {root + path: cpio.file(path.encode()) for path in paths if path not in missing}
    return {**entries, root + "modules.dep": cpio.file(table.encode())}


TABLE = """\
kernel/drivers/net/virtio_net.ko: kernel/drivers/net/net_failover.ko kernel/net/core/failover.ko kernel/virtio.ko
kernel/drivers/net/net_failover.ko: kernel/net/core/failover.ko
kernel/net/core/failover.ko:
kernel/virtio.ko:
kernel/drivers/virtio-rng.ko: kernel/virtio.ko
kernel/drivers/hid/hid-apple.ko:
"""


def test_modules_come_after_what_they_need_each_once_and_no_others() -> None:
    found = tiny.modules(initrd(TABLE))
    order = found["modules/order"].data.decode().split()
    assert order == ["virtio.ko", "failover.ko", "net_failover.ko", "virtio_net.ko", "virtio_rng.ko"]
    assert set(found) == {"modules/order", *(f"modules/{name}" for name in order)}
    assert found["modules/virtio_net.ko"].data == b"kernel/drivers/net/virtio_net.ko"


@pytest.mark.parametrize("entries", [{}, initrd("kernel/drivers/hid/hid-apple.ko:\n")])
def test_an_initrd_without_virtual_hardware_is_refused(entries: dict[str, cpio.Entry]) -> None:
    with pytest.raises(Permanent, match="Debian image's initrd"):
        tiny.modules(entries)


def test_the_libraries_that_ldd_names() -> None:
    listing = (
        "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f34)\n"
        "\t/lib64/ld-linux-x86-64.so.2 (0x00007f35)\n"
    )
    assert [str(path) for path in tiny.libraries(listing)] == ["/lib/x86_64-linux-gnu/libz.so.1", "/lib64/ld-linux-x86-64.so.2"]
