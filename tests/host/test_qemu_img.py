"""qemu-img itself, on files of this test."""

import os
import resource
from pathlib import Path

import pytest

from minicloud.errors import Permanent, Retry
from minicloud.host import qemu_img
from minicloud.host.run import CommandFailed, Limits, run
from tests import image_forge as forge

MIB = 1 << 20


def write(disk: Path, pattern: int, offset: int = 0, length: int = MIB) -> None:
    run(["qemu-io", "-f", "qcow2", "-c", f"write -P {pattern} {offset} {length}", disk])


def holds(disk: Path, pattern: int, offset: int = 0, length: int = MIB) -> bool:
    said = run(["qemu-io", "-r", "-f", "qcow2", "-c", f"read -P {pattern} {offset} {length}", disk], check=False)
    return said.status == 0 and b"verification failed" not in said.stdout


def test_create_and_info(tmp_path: Path) -> None:
    qemu_img.create(tmp_path / "disk", 64 * MIB)
    info = qemu_img.info(tmp_path / "disk", "qcow2")
    assert (info.format, info.virtual_size, info.backing) == ("qcow2", 64 * MIB, None)
    assert 0 < info.actual_size < MIB


def test_an_overlay_shows_its_base_and_keeps_it(tmp_path: Path) -> None:
    base, overlay = tmp_path / "base", tmp_path / "overlay"
    qemu_img.create(base, 64 * MIB)
    write(base, 0x11)
    qemu_img.create_overlay(overlay, base, size=128 * MIB)
    write(overlay, 0x22, offset=2 * MIB)
    info = qemu_img.info(overlay, "qcow2")
    assert (info.virtual_size, info.backing, info.backing_format) == (128 * MIB, str(base), "qcow2")
    assert holds(overlay, 0x11)
    assert holds(overlay, 0x22, offset=2 * MIB)
    assert not holds(base, 0x22, offset=2 * MIB)
    assert qemu_img.info(base, "qcow2").virtual_size == 64 * MIB


def test_an_overlay_reads_next_to_nothing_of_its_base(tmp_path: Path) -> None:
    """Cloning costs the same whatever the base's size: counted in bytes written, not in seconds."""
    sizes = []
    for name, size in (("small", 64 * MIB), ("large", 64 << 30)):
        qemu_img.create(tmp_path / name, size)
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_inblock
        qemu_img.create_overlay(tmp_path / f"{name}.overlay", tmp_path / name)
        assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_inblock - before < 8192  # blocks of 512 bytes
        sizes.append((tmp_path / f"{name}.overlay").stat().st_blocks * 512)
    assert max(sizes) < MIB


def test_an_overlay_on_a_base_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="No such file"):
        qemu_img.create_overlay(tmp_path / "overlay", tmp_path / "absent")


def test_resize_grows_and_does_not_shrink(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    qemu_img.create(disk, 64 * MIB)
    qemu_img.resize(disk, 128 * MIB)
    assert qemu_img.info(disk, "qcow2").virtual_size == 128 * MIB
    with pytest.raises(Permanent):
        qemu_img.resize(disk, 64 * MIB)
    assert qemu_img.info(disk, "qcow2").virtual_size == 128 * MIB


def test_convert_flattens_a_chain(tmp_path: Path) -> None:
    base, overlay, flat = tmp_path / "base", tmp_path / "overlay", tmp_path / "flat"
    qemu_img.create(base, 64 * MIB)
    write(base, 0x11)
    qemu_img.create_overlay(overlay, base)
    write(overlay, 0x22, offset=2 * MIB)
    qemu_img.convert(overlay, "qcow2", flat)
    base.unlink()
    assert qemu_img.info(flat, "qcow2").backing is None
    assert holds(flat, 0x11)
    assert holds(flat, 0x22, offset=2 * MIB)


@pytest.mark.parametrize("name", ["json:{}", "nbd:localhost:1", "fat:rw:x", "a,b=c", "-f", "with space", "new\nline", "é%s"])
def test_a_name_is_a_name_and_never_a_protocol_or_an_option(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    qemu_img.create(Path(name), 64 * MIB)
    assert (tmp_path / name).is_file()
    assert qemu_img.info(Path(name), "qcow2").virtual_size == 64 * MIB
    qemu_img.create_overlay(Path("overlay"), Path(name))
    assert qemu_img.info(Path("overlay"), "qcow2").backing == str(tmp_path / name)


def test_a_qcow2_read_as_raw_is_read_as_raw(tmp_path: Path) -> None:
    qemu_img.create(tmp_path / "disk", 64 * MIB)
    assert qemu_img.info(tmp_path / "disk", "raw").virtual_size < MIB
    (tmp_path / "raw").write_bytes(forge.raw())
    with pytest.raises(Permanent, match="not in qcow2 format"):
        qemu_img.info(tmp_path / "raw", "qcow2")


def test_info_does_not_open_the_backing_file(tmp_path: Path) -> None:
    base, overlay = tmp_path / "base", tmp_path / "overlay"
    qemu_img.create(base, 64 * MIB)
    qemu_img.create_overlay(overlay, base)
    base.unlink()
    os.mkfifo(base)  # whoever opens it waits
    assert qemu_img.info(overlay, "qcow2").backing == str(base)


def test_the_kernel_stops_a_destination_that_grows_too_large(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(os.urandom(8 * MIB))
    with pytest.raises(Permanent):
        qemu_img.convert(tmp_path / "raw", "raw", tmp_path / "out", max_bytes=2 * MIB)
    assert (tmp_path / "out").stat().st_size <= 2 * MIB


def test_the_kernel_stops_a_command_that_uses_too_much_memory() -> None:
    words = ["python3", "-c", "x = bytearray(1 << 30)"]
    with pytest.raises(CommandFailed, match="MemoryError"):
        run(words, limits=Limits(cpu_seconds=10, address_space=256 * MIB))


def test_a_full_disk_is_a_retry_that_says_what_to_do(tmp_path: Path) -> None:
    words = ["qemu-img", "convert"]
    error = CommandFailed(words, 1, b"qemu-img: error while writing at byte 0: No space left on device\n")
    explained = qemu_img._explained(error, tmp_path / "disk")
    assert isinstance(explained, Retry)
    assert str(tmp_path) in explained.message
    assert "minicloud images rm" in explained.message


@pytest.mark.lab
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    run(["mount", "-t", "tmpfs", "-o", "size=4m", "small", tmp_path])
    try:
        (tmp_path.parent / "raw").write_bytes(os.urandom(8 * MIB))
        with pytest.raises(Retry, match="no space left"):
            qemu_img.convert(tmp_path.parent / "raw", "raw", tmp_path / "out")
    finally:
        run(["umount", tmp_path])
