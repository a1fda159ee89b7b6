"""Disk images made byte by byte, well-formed unless told otherwise. For tests that must not run qemu-img."""

import struct
from pathlib import Path

MIB = 1 << 20


def qcow2(size: int = 64 * MIB, *, extensions: bytes = b"\0" * 8, **changed: int) -> bytes:
    """A qcow2 v3 without any data. `changed` replaces header fields by the names below."""
    values = {
        "version": 3,
        "backing_offset": 0,
        "backing_size": 0,
        "cluster_bits": 16,
        "size": size,
        "crypt": 0,
        "l1_entries": 4096,
        "l1_offset": 3 << 16,
        "reftable_offset": 1 << 16,
        "reftable_clusters": 1,
        "snapshots": 0,
        "snapshots_offset": 0,
        "incompatible": 0,
        "compatible": 0,
        "autoclear": 0,
        "refcount_order": 4,
        "header_length": 104,
    }
    assert set(changed) <= set(values)
    header = b"QFI\xfb" + struct.pack(">IQIIQIIQQIIQQQQII", *{**values, **changed}.values())
    return (header + extensions).ljust(4 << 16, b"\0")


DESCRIPTOR = (
    '# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType="monolithicSparse"\n'
    '\n# Extent description\nRW 131072 SPARSE "disk.vmdk"\n\nddb.adapterType = "ide"\n'
)


def vmdk(descriptor: str = DESCRIPTOR, *, offset: int = 1, sectors: int = 20, capacity: int = 131072, **changed: int) -> bytes:
    """A monolithicSparse VMDK without any data. `offset` is the descriptor's, in sectors."""
    values = {"version": 1, "flags": 3, "capacity": capacity, "grain": 128, "descriptor": offset, "sectors": sectors}
    values |= {"entries": 512, "redundant": 21, "directory": 26, "overhead": 128, "unclean": 0}
    assert set(changed) <= set(values)
    header = b"KDMV" + struct.pack("<IIQQQQIQQQB4sH", *{**values, **changed}.values(), b"\n \r\n", 0)
    start = header.ljust(offset * 512, b"\0") + descriptor.encode()
    return start.ljust(128 * 512, b"\0")


def vhd_footer(size: int, kind: int, data_offset: int = (1 << 64) - 1) -> bytes:
    """The footer of a VHD: kind 2 fixed, 3 dynamic, 4 differencing."""
    body = struct.pack(
        ">8sIIQI4sI4sQQHBBI", b"conectix", 2, 0x10000, data_offset, 0, b"test", 0, b"Wi2k", size, size, 0, 0, 0, kind
    )
    rest = b"\0" * (512 - len(body) - 4)
    return body + struct.pack(">I", ~sum(body) & 0xFFFFFFFF) + rest


def vhd_dynamic(size: int = 64 * MIB, kind: int = 3) -> bytes:
    """A dynamic VHD without any data."""
    footer = vhd_footer(size, kind, 512)
    header = struct.pack(">8sQQIII", b"cxsparse", (1 << 64) - 1, 1536, 0x10000, size // (2 * MIB), 2 * MIB).ljust(1024, b"\0")
    return footer + header + b"\xff" * 512 + footer


def raw(size: int = 1 * MIB) -> bytes:
    """A disk with nothing but the mark of a partition table."""
    return (b"\0" * 510 + b"\x55\xaa").ljust(size, b"\0")


def break_tables(path: Path) -> None:
    """Let the first entry of a qcow2's first data table point to where no cluster begins, as a bad sector might."""
    with path.open("r+b") as file:
        file.seek(40)
        file.seek(int.from_bytes(file.read(8)))  # the table of tables
        table = int.from_bytes(file.read(8)) & 0x00FFFFFFFFFFFE00
        assert table, "nothing is written there yet"
        file.seek(table)
        file.write(((1 << 63) | 0x50200).to_bytes(8))
