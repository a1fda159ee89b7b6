"""Disk images made byte by byte, well-formed unless told otherwise. For tests that must not run qemu-img."""

import io
import struct
import tarfile
import uuid
from pathlib import Path
from typing import Literal

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


def vdi(size: int = 64 * MIB, kind: int = 1, **changed: int) -> bytes:
    """A VDI without any data: kind 1 dynamic, 2 fixed, 4 differencing. `changed` replaces fields by the names below."""
    values = {"version": 0x10001, "table": 512, "data": 1024, "sector": 512, "block": MIB, "blocks": size // MIB, "parent": 0}
    assert set(changed) <= set(values)
    values |= changed
    start = b"<<< a disk >>>\n".ljust(64, b"\0") + b"\x7f\x10\xda\xbe" + struct.pack("<III", values["version"], 400, kind)
    header = start.ljust(340, b"\0") + struct.pack("<II", values["table"], values["data"])
    header = header.ljust(360, b"\0") + struct.pack(
        "<IIQIIII", values["sector"], 0, size, values["block"], 0, values["blocks"], 0
    )
    identity = b"\1" * 16 + b"\2" * 16 + b"\0" * 16 + values["parent"].to_bytes(16)
    return (header + identity).ljust(512, b"\0") + b"\xff" * 4 * 128


def vhdx(size: int = 64 * MIB, *, flags: int = 0, block: int = MIB, parent: bool = False, region: bytes = b"regi") -> bytes:
    """The tables of a VHDX without any data, and without the headers that say how it was last written to."""
    names = ["2dc27766-f623-4200-9d64-115e9bfd4a08", "8b7ca206-4790-4b9a-b8fe-575f050f886e"]
    bat, metadata = (uuid.UUID(name).bytes_le for name in names)
    items = [("caa16737-fa36-4d43-b3b6-33f0aa44e76b", 8), ("2fa54224-cd1b-4876-b211-5dbed83bf4b8", 8)]
    items += [("a8d35f2d-b30b-454d-abf7-d3d84834ab0c", 20)] if parent else []
    table = b"metadata" + struct.pack("<HH", 0, len(items)) + bytes(20)
    for number, (name, length) in enumerate(items):
        table += uuid.UUID(name).bytes_le + struct.pack("<IIII", 4096 + 64 * number, length, 0, 0)
    values = struct.pack("<II", block, flags).ljust(64, b"\0") + struct.pack("<Q", size)
    regions = region + struct.pack("<III", 0, 2, 0)
    regions += bat + struct.pack("<QII", MIB, MIB, 1) + metadata + struct.pack("<QII", 256 << 10, MIB, 1)
    data = bytearray(2 * MIB)
    for offset, piece in ((0, b"vhdxfile"), (192 << 10, regions), (256 << 10, table), ((256 << 10) + 4096, values)):
        data[offset : offset + len(piece)] = piece
    return bytes(data)


def archive(files: dict[str, bytes], mode: Literal["w", "w:gz"] = "w", format: int = tarfile.USTAR_FORMAT) -> bytes:
    """A tar archive, as an OVA is one."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=format) as made:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            made.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def raw(size: int = 1 * MIB) -> bytes:
    """A disk with nothing but the mark of a partition table."""
    return (b"\0" * 510 + b"\x55\xaa").ljust(size, b"\0")


def mbr(*entries: tuple[int, int, int], active: int = 0) -> bytes:
    """An MBR whose partitions are (type, first sector, sectors)."""
    table = b"".join(struct.pack("<B3xB3xII", active, *entry) for entry in entries)
    return bytes(446) + table.ljust(64, b"\0") + b"\x55\xaa"


def gpt(*partitions: tuple[int, int], sector: int = 512, count: int = 128, each: int = 128, table: int = 2) -> bytes:
    """The start of a disk with a protective MBR and a GPT, whose partitions are (first sector, last sector); without checksums.

    `table` is the sector where the table begins, which has `count` entries of `each` bytes.
    """
    head = struct.pack("<8sIIIIQQQQ16sQII", b"EFI PART", 0x10000, 92, 0, 0, 1, 0, 34, 0, b"\1" * 16, table, count, each)
    kind = uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4").bytes_le
    entries = b"".join(
        (struct.pack("<16s16sQQ", kind, bytes([number] * 16), first, last) if first else b"").ljust(each, b"\0")
        for number, (first, last) in enumerate(partitions, 1)
    )
    start = mbr((0xEE, 1, 0xFFFFFFFF)).ljust(sector, b"\0") + head.ljust(sector, b"\0")
    return start.ljust(table * sector, b"\0") + entries.ljust(min(count * each, 1 << 16), b"\0")


def break_tables(path: Path) -> None:
    """Let the first entry of a qcow2's first data table point to where no cluster begins, as a bad sector might."""
    with path.open("r+b") as file:
        file.seek(40)
        file.seek(int.from_bytes(file.read(8)))  # the table of tables
        table = int.from_bytes(file.read(8)) & 0x00FFFFFFFFFFFE00
        assert table, "nothing is written there yet"
        file.seek(table)
        file.write(((1 << 63) | 0x50200).to_bytes(8))
