import io
import os
import struct
from pathlib import Path

import pytest

from minicloud.errors import ApiError
from minicloud.host import image_check
from tests import image_forge as forge

LIMIT = 100 << 30


def look(data: bytes, claimed: str | None = None, limit: int = LIMIT) -> image_check.Found:
    return image_check.check(io.BytesIO(data), max_bytes=limit, claimed=claimed)


def refused(data: bytes, claimed: str | None = None, limit: int = LIMIT) -> ApiError:
    with pytest.raises(ApiError) as caught:
        look(data, claimed, limit)
    return caught.value


@pytest.mark.parametrize(
    ("data", "format", "size"),
    [
        (forge.qcow2(), "qcow2", 64 << 20),
        (forge.qcow2(version=2), "qcow2", 64 << 20),
        (forge.vmdk(), "vmdk", 64 << 20),
        (forge.vhd_dynamic(), "vhd-dynamic", 64 << 20),
        (forge.raw() + forge.vhd_footer(1 << 20, 2), "vhd-fixed", 1 << 20),
        (forge.raw(), "raw", 1 << 20),
        (b"\0" * 1080 + b"\x53\xef" + b"\0" * 4096, "raw", 1080 + 2 + 4096),
    ],
)
def test_good_images_are_known_by_their_bytes(data: bytes, format: str, size: int) -> None:
    assert look(data) == image_check.Found(format, size)


@pytest.mark.parametrize(
    ("magic", "format"),
    [(b"\x1f\x8b\x08", "gzip"), (b"BZh91AY", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd")],
)
def test_compressed_files_are_known(magic: bytes, format: str) -> None:
    assert look(magic.ljust(100, b"\1")) == image_check.Found(format, None)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"backing_offset": 512, "backing_size": 11}, "backing file"),
        ({"backing_size": 11}, "backing file"),
        ({"crypt": 2}, "encrypted"),
        ({"incompatible": 4}, "data-file"),
        ({"incompatible": 2}, "corrupt"),
        ({"incompatible": 1 << 40}, "not known"),
        ({"cluster_bits": 30}, "2^30"),
        ({"cluster_bits": 0}, "2^0"),
        ({"size": 0}, "0 bytes"),
        ({"l1_entries": 0}, "first-level"),
        ({"l1_entries": 1 << 31}, "first-level"),
        ({"l1_offset": 1 << 62}, "beyond the end"),
        ({"l1_offset": 100}, "aligned"),
        ({"reftable_offset": 0}, "aligned"),
        ({"reftable_clusters": 1 << 30}, "reference counts"),
        ({"snapshots": 1 << 30}, "snapshots"),
        ({"snapshots": 2, "snapshots_offset": 1 << 63}, "beyond the end"),
        ({"refcount_order": 7}, "contradicts"),
        ({"header_length": 1 << 31}, "contradicts"),
        ({"version": 1}, "version 1"),
        ({"version": 4}, "version 4"),
    ],
)
def test_hostile_qcow2_headers_are_refused(changed: dict[str, int], words: str) -> None:
    error = refused(forge.qcow2(**changed))  # type: ignore[arg-type]
    assert error.code == "InvalidFormat"
    assert error.message.startswith("The specified disk format is not valid. ")
    assert words in error.message


@pytest.mark.parametrize(
    ("extensions", "words"),
    [
        (struct.pack(">II8s", 0x44415441, 8, b"/etc/pwd"), "external data"),
        (struct.pack(">II8s", 0xE2792ACA, 5, b"qcow2"), "backing"),
        (struct.pack(">II8s", 0x6803F857, 8, b"") + struct.pack(">II8s", 0x44415441, 8, b"/etc/pwd"), "external data"),
        (struct.pack(">II", 0x12345678, 1 << 31), "longer than the header"),
        (struct.pack(">II", 0x12345678, 0) * 100, "too many"),
    ],
)
def test_hostile_qcow2_extensions_are_refused(extensions: bytes, words: str) -> None:
    assert words in refused(forge.qcow2(extensions=extensions)).message


def test_a_qcow2_that_ends_inside_its_header_is_refused() -> None:
    assert "cut off" in refused(forge.qcow2()[:90]).message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("parentCID=ffffffff", "parentCID=11111111"),
        ("CID=12345678", 'CID=12345678\nparentFileNameHint="/etc/shadow"'),
        ('RW 131072 SPARSE "disk.vmdk"', 'RW 131072 FLAT "/etc/shadow" 0'),
        ('RW 131072 SPARSE "disk.vmdk"', 'RW 131072 SPARSE "/etc/shadow"'),
        ('RW 131072 SPARSE "disk.vmdk"', 'RW 131072 SPARSE "json:{}"'),
        ('RW 131072 SPARSE "disk.vmdk"', 'RW 1 SPARSE "disk.vmdk"\nRW 1 FLAT "other" 0'),
        ('RW 131072 SPARSE "disk.vmdk"', ""),
        ('createType="monolithicSparse"', 'createType="twoGbMaxExtentSparse"'),
        ('createType="monolithicSparse"', ""),
    ],
)
def test_vmdk_descriptors_that_name_other_files_are_refused(old: str, new: str) -> None:
    assert old in forge.DESCRIPTOR
    assert refused(forge.vmdk(forge.DESCRIPTOR.replace(old, new))).code == "InvalidFormat"


def test_a_parent_is_found_where_qemu_looks_for_it_and_not_only_where_the_header_points() -> None:
    data = bytearray(forge.vmdk(offset=40))
    data[1024:1060] = b'parentFileNameHint="/etc/shadow"\n\n\n\n'
    assert "parent" in refused(bytes(data)).message


@pytest.mark.parametrize("changed", [{"capacity": 0}, {"grain": 3}, {"entries": 0}, {"sectors": 0}, {"directory": 1 << 60}])
def test_vmdk_headers_with_absurd_numbers_are_refused(changed: dict[str, int]) -> None:
    assert refused(forge.vmdk(**changed)).code == "InvalidFormat"  # type: ignore[arg-type]


def test_a_streamed_vmdk_whose_footer_is_another_disk_is_refused() -> None:
    streamed = forge.DESCRIPTOR.replace("monolithicSparse", "streamOptimized")
    at_end = forge.vmdk(streamed, directory=(1 << 64) - 1)
    good, bad = forge.vmdk(streamed)[:512], forge.vmdk(streamed, capacity=1 << 40)[:512]
    assert look(at_end + b"\0" * 512 + good + b"\0" * 512).format == "vmdk"
    assert "different disks" in refused(at_end + b"\0" * 512 + bad + b"\0" * 512).message
    assert "footer" in refused(at_end).message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'# Disk DescriptorFile\nRW 1 FLAT "/etc/shadow" 0\n', "in other files"),
        (b"COWD" + b"\0" * 1000, "name other files"),
        (forge.vhd_dynamic(kind=4), "parent"),
        (forge.vhd_dynamic()[:520], "cut off"),
        (forge.raw() + forge.vhd_footer(2 << 20, 2), "does not fit"),
        (forge.raw() + forge.vhd_footer(1 << 20, 2)[:-1] + b"\1", "checksum"),
        (b"vhdxfile" + b"\0" * 1000, "cut off"),
        (forge.vhdx(flags=2), "parent"),
        (forge.vhdx(parent=True), "parent"),
        (forge.vhdx(region=b"none"), "regions"),
        (forge.vhdx(block=1000), "contradicts"),
        (forge.vhdx(1 << 50), "contradicts"),
        (forge.vhdx(0), "0 bytes"),
        (forge.vdi(kind=4), "another one"),
        (forge.vdi(parent=7), "another one"),
        (forge.vdi(version=2), "version 0.2"),
        (forge.vdi(blocks=3), "contradicts"),
        (forge.vdi(blocks=1 << 30), "beyond the end"),
        (forge.vdi(block=512), "contradicts"),
        (forge.vdi(0), "0 bytes"),
        (forge.vdi()[:512] + bytes(4) + forge.vdi()[516:], "cut off"),
        (forge.vdi()[: 512 + 4 * 63] + b"\xfd\xff\xff\xff" + forge.vdi()[512 + 4 * 64 :], "cut off"),
        (b"\0" * 64 + b"\x7f\x10\xda\xbe" + b"\0" * 1000, "version 0.0"),
        (b"\x5d\0\0\x80\0" + b"\xff" * 8 + b"\0" * 1000, ".lzma"),
        (forge.vmdk(offset=0, sectors=0), "split over several files"),
        (b"PK\x03\x04" + b"\0" * 1000, "ZIP"),
        (b"\0" * 510 + b"\x55\xaa" + b"\0" * (32769 - 512) + b"CD001" + b"\0" * 2000, "CD image"),
        (b'json:{"driver":"file","filename":"/etc/shadow"}', "no disk image"),
        (b"root:x:0:0:root:/root:/bin/bash\n" * 100, "no disk image"),
        (b"", "empty"),
    ],
)
def test_what_is_no_usable_disk_is_refused_with_its_reason(data: bytes, words: str) -> None:
    error = refused(data)
    assert error.code == "InvalidFormat"
    assert words in error.message


@pytest.mark.parametrize("data", [forge.qcow2(), forge.vmdk(), forge.vhd_dynamic()])
def test_an_image_posing_as_raw_is_refused(data: bytes) -> None:
    assert "posing" in refused(data, claimed="raw").message


def test_a_truthful_claim_is_taken() -> None:
    assert look(forge.raw(), "raw").format == "raw"
    assert look(forge.vhd_dynamic(), "vpc").format == "vhd-dynamic"


@pytest.mark.parametrize("data", [forge.qcow2(2 << 20), forge.vmdk(), forge.vhd_dynamic(), forge.raw(2 << 20)])
def test_a_disk_larger_than_the_limit_is_refused(data: bytes) -> None:
    error = refused(data, limit=1 << 20)
    assert error.code == "DiskImageSizeTooLarge"
    assert error.message.startswith("The disk image exceeds the allowed limit. ")


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(forge.raw())
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "link", tmp_path / "pipe", tmp_path, Path("/dev/null"), tmp_path / "absent", Path("a\0b")):
        with pytest.raises(ApiError, match="InvalidFormat"):
            image_check.open_regular(path)
    with image_check.open_regular(tmp_path / "disk") as file:
        assert look(file.read()).format == "raw"


def test_check_clean_takes_nothing_but_qcow2(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(forge.qcow2())
    assert image_check.check_clean(path) == 64 << 20
    path.write_bytes(forge.raw())
    with pytest.raises(ApiError, match="posing"):
        image_check.check_clean(path)
