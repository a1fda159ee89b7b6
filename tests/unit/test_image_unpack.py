import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from minicloud.errors import ApiError, Retry
from minicloud.host import image_unpack
from minicloud.host.image_unpack import unpack

MIB = 1 << 20
DATA = bytes(range(256)) * 8192 + b"\0" * (3 * MIB) + b"the end"
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "raw": lambda data: data,
}


def unpacked(directory: Path, packed: bytes, format: str, max_bytes: int = 64 * MIB) -> Path:
    (directory / "packed").write_bytes(packed)
    target = directory / "target"
    with (directory / "packed").open("rb") as file:
        unpack(file, format, target, max_bytes=max_bytes, progress=lambda _done, _size: None)
    return target


@pytest.mark.parametrize("format", PACKERS)
def test_what_was_packed_comes_out(tmp_path: Path, format: str) -> None:
    assert unpacked(tmp_path, PACKERS[format](DATA), format).read_bytes() == DATA


@pytest.mark.parametrize("format", ["gzip", "bzip2", "xz"])
def test_several_streams_one_after_the_other_are_one_file(tmp_path: Path, format: str) -> None:
    pack = PACKERS[format]
    assert unpacked(tmp_path, pack(DATA) + pack(b"more"), format).read_bytes() == DATA + b"more"


@pytest.mark.parametrize("format", ["gzip", "bzip2", "xz"])
def test_a_damaged_second_stream_is_no_end(tmp_path: Path, format: str) -> None:
    with pytest.raises(ApiError, match="damaged or cut off"):
        unpacked(tmp_path, PACKERS[format](DATA) + b"other bytes" * 10, format)


def test_padding_between_and_after_xz_streams_is_skipped(tmp_path: Path) -> None:
    packed = lzma.compress(DATA) + b"\0" * 100_000 + lzma.compress(b"more") + b"\0" * 8
    assert unpacked(tmp_path, packed, "xz").read_bytes() == DATA + b"more"


def test_zeros_take_no_room(tmp_path: Path) -> None:
    target = unpacked(tmp_path, gzip.compress(b"\0" * (32 * MIB) + b"x"), "gzip")
    assert target.stat().st_size == 32 * MIB + 1
    assert target.stat().st_blocks * 512 < 2 * MIB


@pytest.mark.parametrize("format", ["gzip", "bzip2", "xz"])
def test_a_bomb_stops_at_the_limit(tmp_path: Path, format: str) -> None:
    with pytest.raises(ApiError) as caught:
        unpacked(tmp_path, PACKERS[format](b"\0" * (20 * MIB)), format, max_bytes=4 * MIB)
    assert caught.value.code == "DiskImageSizeTooLarge"
    assert (tmp_path / "target").stat().st_size <= 4 * MIB


def test_a_bomb_below_the_limit_is_known_by_its_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_unpack, "_RATIO_FROM", 8 * MIB)
    with pytest.raises(ApiError, match="bomb"):
        unpacked(tmp_path, lzma.compress(b"\0" * (40 * MIB)), "xz")


@pytest.mark.parametrize("format", ["gzip", "bzip2", "xz"])
@pytest.mark.parametrize(
    "damage", [lambda data: data[:-20], lambda data: data[:200] + b"\xa5" * 8 + data[208:]], ids=["cut", "changed"]
)
def test_damaged_data_is_refused(tmp_path: Path, format: str, damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ApiError, match="damaged or cut off"):
        unpacked(tmp_path, damage(PACKERS[format](DATA)), format)


def test_xz_that_asks_for_much_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_unpack, "_XZ_MEMORY", 1 * MIB)
    with pytest.raises(ApiError, match="damaged or cut off"):
        unpacked(tmp_path, lzma.compress(DATA, preset=9), "xz")


def test_the_disk_is_never_filled_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_unpack, "room", lambda _directory, _wanted: 1 * MIB)
    with pytest.raises(Retry, match="no space left") as caught:
        unpacked(tmp_path, gzip.compress(DATA), "gzip")
    assert "minicloud images rm" in caught.value.message


def test_progress_goes_from_the_start_to_the_whole(tmp_path: Path) -> None:
    (tmp_path / "packed").write_bytes(gzip.compress(DATA))
    seen: list[tuple[int, int]] = []
    with (tmp_path / "packed").open("rb") as file:
        unpack(file, "gzip", tmp_path / "target", max_bytes=64 * MIB, progress=lambda done, size: seen.append((done, size)))
    size = (tmp_path / "packed").stat().st_size
    assert seen[-1] == (size, size)
    assert seen == sorted(seen)
