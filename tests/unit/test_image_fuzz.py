"""Whatever the bytes: an answer, or a refusal in our own words. Never another exception, never a size beyond the limit."""

import contextlib
import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicloud.errors import ApiError
from minicloud.host import image_check, image_sums, image_tar
from minicloud.host.image_bytes import Reader
from tests import image_forge as forge

LIMIT = 1 << 40
SEEDS = [
    forge.qcow2(),
    forge.vmdk(),
    forge.vmdk(forge.DESCRIPTOR.replace("monolithicSparse", "streamOptimized"), directory=(1 << 64) - 1),
    forge.vhd_dynamic(),
    forge.raw(4096) + forge.vhd_footer(4096, 2),
    forge.vdi(),
]


def answers_or_refuses(data: bytes) -> None:
    try:
        found = image_check.check(io.BytesIO(data), max_bytes=LIMIT)
    except ApiError as error:
        code = error.code
    else:
        code = ""
        assert (found.virtual_size is None) == (found.format in image_check.WRAPPERS)
        assert found.virtual_size is None or 0 < found.virtual_size <= LIMIT
    assert code in ("", "InvalidFormat", "DiskImageSizeTooLarge")


@given(start=st.sampled_from([b"QFI\xfb", b"KDMV", b"conectix", b"", b"QFI\xfb\0\0\0\3"]), rest=st.binary(max_size=2048))
@settings(max_examples=400, deadline=None)
def test_any_bytes_after_a_magic(start: bytes, rest: bytes) -> None:
    answers_or_refuses(start + rest)


@pytest.mark.parametrize("seed", range(len(SEEDS)))
@given(
    changes=st.lists(st.tuples(st.integers(0, 1100), st.binary(min_size=1, max_size=9)), min_size=1, max_size=4),
    cut=st.integers(0, 1 << 20),
)
@settings(max_examples=150, deadline=None)
def test_a_good_image_with_some_bytes_changed(seed: int, changes: list[tuple[int, bytes]], cut: int) -> None:
    data = bytearray(SEEDS[seed])
    for offset, piece in changes:
        data[offset : offset + len(piece)] = piece
        data[-1536 + offset % 1500 : -1536 + offset % 1500 + 1] = piece[:1]
    answers_or_refuses(bytes(data[: len(data) - cut % 3 * (cut % len(data))]))


TABLES = [192 << 10, 256 << 10, (256 << 10) + 4096]


@given(changes=st.lists(st.tuples(st.sampled_from(TABLES), st.integers(0, 90), st.binary(max_size=9)), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_a_good_vhdx_with_some_bytes_of_its_tables_changed(changes: list[tuple[int, int, bytes]]) -> None:
    data = bytearray(forge.vhdx())
    for table, offset, piece in changes:
        data[table + offset : table + offset + len(piece)] = piece
    answers_or_refuses(bytes(data))


@given(
    offset=st.integers(0, 2100), piece=st.binary(min_size=1, max_size=9), cut=st.integers(0, 3000), notes=st.booleans()
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_any_archive_gives_a_disk_inside_of_it_or_a_refusal(offset: int, piece: bytes, cut: int, notes: bool) -> None:
    names = {"a.ovf": b"<x/>", ("n" * 150 if notes else "a") + ".vmdk": b"0123456789" * 60}
    data = bytearray(forge.archive(names, format=tarfile.PAX_FORMAT if notes else tarfile.USTAR_FORMAT))
    data[offset : offset + len(piece)] = piece
    reader = Reader(io.BytesIO(bytes(data[: len(data) - cut])))
    with contextlib.suppress(ApiError):
        disk = image_tar.read(reader).disk
        assert 0 < disk.offset <= disk.offset + disk.size <= reader.size


@given(
    size=st.integers(0, (1 << 64) - 1),
    bits=st.integers(0, 40),
    entries=st.integers(0, (1 << 32) - 1),
    offset=st.integers(0, (1 << 64) - 1),
)
@settings(deadline=None)
def test_an_accepted_qcow2_has_tables_that_cover_it(size: int, bits: int, entries: int, offset: int) -> None:
    data = forge.qcow2(size, cluster_bits=bits, l1_entries=entries, l1_offset=offset)
    try:
        found = image_check.check(io.BytesIO(data), max_bytes=LIMIT)
    except ApiError:
        return
    assert found.virtual_size == size
    assert offset + entries * 8 <= len(data)
    assert entries * (1 << bits) * (1 << bits) // 8 >= size


@given(st.text())
@settings(deadline=None)
def test_any_text_as_a_checksum_file(text: str) -> None:
    for checksum in image_sums.parse(text).values():
        assert len(checksum.value) in (64, 96, 128)
