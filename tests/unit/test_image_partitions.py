"""Raw disks that were cut off: what a partition table says, whatever it says, and disks that have none."""

import io
import struct
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from minicloud.errors import ApiError
from minicloud.host import image_check
from minicloud.host.image_bytes import Reader
from minicloud.host.image_partitions import require_whole
from tests import image_forge as forge

SIZE = 1 << 20
SECTORS = SIZE // 512
LINUX = 0x83


def refusal(data: bytes, size: int = SIZE, limit: int = 1 << 30) -> str:
    """Why a disk is refused whose first bytes these are, with zeros up to its size; empty if it is not."""
    try:
        found = image_check.check(io.BytesIO(data.ljust(size, b"\0")[:size]), max_bytes=limit)
    except ApiError as error:
        return error.message
    assert found.format == "raw"
    return ""


class TestMbr:
    def test_partitions_up_to_the_last_byte_are_whole(self) -> None:
        assert refusal(forge.mbr((LINUX, 64, 100), (LINUX, 164, SECTORS - 164))) == ""

    @pytest.mark.parametrize("missing", [1, 512, SIZE // 2, SIZE - 1024])
    def test_one_that_ends_beyond_the_file_is_named(self, missing: int) -> None:
        said = refusal(forge.mbr((LINUX, 1, 1), (LINUX, 64, SECTORS - 64)), SIZE - missing)
        assert f"truncated: its partition 2 ends at byte {SIZE}, the file has {SIZE - missing}" in said

    @pytest.mark.parametrize("number", [1, 2, 3, 4])
    def test_each_of_the_four_is_looked_at(self, number: int) -> None:
        entries = [(LINUX, 64, 64)] * 4
        entries[number - 1] = (LINUX, 64, SECTORS)
        assert f"its partition {number} ends" in refusal(forge.mbr(*entries))

    @pytest.mark.parametrize("kind", [0x05, 0x0F, 0x85, 0x07, 0x0C, 0x8E, 0xA5])
    def test_of_any_type_extended_ones_too(self, kind: int) -> None:
        assert "its partition 1 ends" in refusal(forge.mbr((kind, 64, SECTORS)))

    def test_one_that_boots(self) -> None:
        assert "its partition 1 ends" in refusal(forge.mbr((LINUX, 64, SECTORS), active=0x80))

    @pytest.mark.parametrize("entry", [(0, 64, SECTORS * 9), (LINUX, 0, SECTORS * 9), (LINUX, SECTORS * 9, 0)])
    def test_an_entry_that_is_not_used_says_nothing(self, entry: tuple[int, int, int]) -> None:
        assert refusal(forge.mbr((LINUX, 64, 64), entry)) == ""

    def test_a_protective_one_without_a_gpt_is_judged_by_itself(self) -> None:
        assert "its partition 1 ends" in refusal(forge.mbr((0xEE, 1, SECTORS)))
        assert refusal(forge.mbr((0xEE, 1, SECTORS - 1))) == ""


class TestGpt:
    @pytest.mark.parametrize("sector", [512, 4096])
    def test_partitions_up_to_the_last_byte_are_whole(self, sector: int) -> None:
        assert refusal(forge.gpt((40, 99), (100, SIZE // sector - 1), sector=sector)) == ""

    @pytest.mark.parametrize("sector", [512, 4096])
    @pytest.mark.parametrize("missing", [1, SIZE // 2])
    def test_one_that_ends_beyond_the_file_is_named(self, sector: int, missing: int) -> None:
        said = refusal(forge.gpt((40, 50), (0, 0), (51, SIZE // sector - 1), sector=sector), SIZE - missing)
        assert f"truncated: its partition 3 ends at byte {SIZE}, the file has {SIZE - missing}" in said

    def test_the_last_of_many_and_of_larger_entries(self) -> None:
        many = [(40, 50)] * 127
        assert "its partition 128 ends" in refusal(forge.gpt(*many, (40, SECTORS)))
        assert "its partition 2 ends" in refusal(forge.gpt((40, 50), (40, SECTORS), each=256, count=64))

    def test_numbers_beyond_all_bounds(self) -> None:
        assert f"ends at byte {2**64 * 512}" in refusal(forge.gpt((40, 2**64 - 1)))

    def test_a_table_elsewhere(self) -> None:
        assert "its partition 1 ends" in refusal(forge.gpt((40, SECTORS), table=1000))

    @pytest.mark.parametrize("size", [1025, 4096, 16 << 10])
    def test_a_file_that_ends_within_the_table(self, size: int) -> None:
        assert "truncated: its partition table ends at byte 17408" in refusal(forge.gpt((34, 35)), size)

    def test_a_file_that_ends_within_the_header(self) -> None:
        assert "truncated: the header of its partition table" in refusal(forge.gpt((34, 35)), 540)

    def test_it_is_read_where_the_mbr_has_lost_its_entries(self) -> None:
        assert "its partition 1 ends" in refusal(bytes(512) + forge.gpt((40, SECTORS))[512:])

    def test_one_that_is_left_behind_a_new_mbr_says_nothing(self) -> None:
        """As the kernel sees it: without a protective entry the MBR counts."""
        assert refusal(forge.mbr((LINUX, 64, 64)) + forge.gpt((40, SECTORS))[512:]) == ""

    @pytest.mark.parametrize("changed", [{"count": 0}, {"each": 0, "count": 0}, {"each": 1 << 20, "count": 1}])
    def test_one_that_makes_no_sense_says_nothing(self, changed: dict[str, Any]) -> None:
        assert refusal(forge.gpt((40, SECTORS), **changed)[:17408] if changed.get("each") else forge.gpt(**changed)) == ""


def boot_sector(at: int, mark: bytes) -> bytes:
    """Of a file system that fills the disk: code where an MBR has its table, and the same mark at its end."""
    data = bytearray(forge.mbr((LINUX, 64, SECTORS * 9)))
    data[0:3], data[at : at + len(mark)] = b"\xeb\x3c\x90", mark
    return bytes(data)


class TestDisksWithoutATable:
    @pytest.mark.parametrize(
        "data",
        [
            forge.raw(),
            bytes(1080) + b"\x53\xef",
            b"XFSB",
            bytes(0x10040) + b"_BHRfS_M",
            boot_sector(54, b"FAT16   "),
            boot_sector(82, b"FAT32   "),
            boot_sector(3, b"NTFS    "),
            boot_sector(3, b"EXFAT   "),
            bytes(446) + b"Missing operating system\r\n".ljust(64, b"\xff") + b"\x55\xaa",
        ],
        ids=["nothing", "ext4", "XFS", "btrfs", "FAT16", "FAT32", "NTFS", "exFAT", "text"],
    )
    def test_are_whole(self, data: bytes) -> None:
        assert refusal(data) == ""


def test_a_fixed_vhd_is_a_disk_too() -> None:
    disk = forge.mbr((LINUX, 64, SECTORS * 2)).ljust(SIZE, b"\0")
    with pytest.raises(ApiError, match="its partition 1 ends"):
        image_check.check(io.BytesIO(disk + forge.vhd_footer(SIZE, 2)), max_bytes=1 << 30)


class Counting(io.BytesIO):
    """Counts what is read of it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


def test_what_is_read_has_a_bound() -> None:
    """A table that is said to have 4 billion entries of 4 KiB, in a large file."""
    start = bytearray(forge.gpt((40, 50)))
    struct.pack_into("<II", start, 512 + 80, 0xFFFFFFFF, 4096)
    file = Counting(bytes(start).ljust(8 << 20, b"\0"))
    require_whole(Reader(file), 8 << 20)
    assert file.taken < 2 << 20


@given(
    data=st.binary(max_size=700),
    header=st.tuples(*[st.integers(0, 2**64 - 1)], *[st.integers(0, 2**32 - 1)] * 2),
    size=st.integers(0, 40_000),
    sector=st.sampled_from([512, 4096]),
)
@example(data=b"", header=(2**64 - 1, 2**32 - 1, 128), size=40_000, sector=4096)
@example(data=b"", header=(2, 2**32 - 1, 4096), size=40_000, sector=512)
@settings(max_examples=200, deadline=None)
def test_whatever_it_says_there_is_an_answer_or_a_refusal(
    data: bytes, header: tuple[int, int, int], size: int, sector: int
) -> None:
    start = bytearray(forge.gpt((40, 50), sector=sector))
    struct.pack_into("<QII", start, sector + 72, *header)
    start[446 : 446 + len(data)] = data
    refusal(bytes(start), max(size, 514))
