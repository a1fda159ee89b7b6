"""Disks as files: whole or not there, shared with QEMU and nobody else."""

import errno
import fcntl
import json
import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from minicloud import files
from minicloud.errors import Damaged, HostError, Permanent, Retry
from minicloud.host import account, bounded, disk_links, qemu_img
from minicloud.host.contracts_storage import Stamp, Stranger
from minicloud.host.disks import LocalDisks
from minicloud.host.run import run

from ..image_forge import break_tables
from ..waits import until


@pytest.fixture
def disks(tmp_path: Path) -> LocalDisks:
    return LocalDisks(tmp_path / "volumes")


def test_an_empty_disk(disks: LocalDisks) -> None:
    disks.create("layer-0000000000000000a", 10 << 30, None)
    path = Path(disks.path("layer-0000000000000000a"))
    assert qemu_img.info(path, "qcow2").virtual_size == 10 << 30
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o750
    assert disks.list()["layer-0000000000000000a"] < 1 << 20


def test_a_disk_on_a_base_names_its_format(disks: LocalDisks, tmp_path: Path) -> None:
    base = tmp_path / "base.qcow2"
    qemu_img.create(base, 1 << 30)
    disks.create("layer-0000000000000000a", 2 << 30, str(base))
    info = qemu_img.info(Path(disks.path("layer-0000000000000000a")), "qcow2")
    assert (info.virtual_size, info.backing, info.backing_format) == (2 << 30, str(base), "qcow2")


def test_a_disk_that_is_there_is_left_alone(disks: LocalDisks) -> None:
    disks.create("layer-0000000000000000a", 1 << 20, None)
    before = Path(disks.path("layer-0000000000000000a")).stat().st_ino
    disks.create("layer-0000000000000000a", 1 << 30, None)
    assert Path(disks.path("layer-0000000000000000a")).stat().st_ino == before


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was written to the disk itself, renamed or removed, in order."""
    found, fsync = list[str](), os.fsync

    def synced(descriptor: int) -> None:
        fsync(descriptor)
        found.append(f"sync {Path(os.readlink(f'/proc/self/fd/{descriptor}')).name}")

    def noting(name: str) -> None:
        real = getattr(os, name)

        def noted(path: Path, *more: object, **how: object) -> None:
            real(path, *more, **how)
            found.append(f"{name} {Path(path).name}")

        monkeypatch.setattr(os, name, noted)

    monkeypatch.setattr(os, "fsync", synced)
    for name in ("rename", "unlink"):
        noting(name)
    return found


def test_a_disk_and_its_name_are_on_the_disk_itself(disks: LocalDisks, done: list[str]) -> None:
    """A row says that it was made next, and may be on another file system."""
    disks.create("layer-0000000000000000a", 1 << 20, None)
    name = "layer-0000000000000000a"
    made = ["sync " + name + ".new", "rename " + name + ".new", "sync volumes"]
    assert done[-3:] == made
    disks.create(name, 1 << 20, None)
    assert done[-4:] == [*made, "sync volumes"], "the maker may have been killed before that"
    disks.remove(name)
    assert done[-2:] == [f"unlink {name}.qcow2", "sync volumes"]


def test_a_file_made_ones_own_is_on_the_disk_itself_before_the_other_loses_its_name(tmp_path: Path, done: list[str]) -> None:
    """Such as the state of a home that was copied by hard links."""
    path = tmp_path / "state.sqlite"
    path.write_bytes(b"all of it")
    (tmp_path / "other").hardlink_to(path)
    disk_links.make_own(path)
    assert done[-3:] == ["sync .state.sqlite.new", "rename .state.sqlite.new", f"sync {tmp_path.name}"]
    assert (path.read_bytes(), path.stat().st_nlink) == (b"all of it", 1)


def test_what_is_set_aside_is_so_on_the_disk_itself(disks: LocalDisks, done: list[str]) -> None:
    disks.create("layer-0000000000000000a", 1 << 20, None)
    place = Path(disks.set_aside(["layer-0000000000000000a"], "a test"))
    last = done.index("rename layer-0000000000000000a.qcow2")
    assert {f"sync {place.name}", "sync volumes", f"sync {place.parent.name}"} <= set(done[last:])


def test_no_directory_is_writable_by_others_whatever_the_umask(disks: LocalDisks) -> None:
    before = os.umask(0)
    try:
        disks.create("layer-0000000000000000a", 1 << 20, None)
        place = Path(disks.set_aside(["layer-0000000000000000a"], "a test"))
        files.directory(place / "a/b/c", 0o700)
    finally:
        os.umask(before)
    made = [place.parent.parent, place.parent, place, place / "a", place / "a/b", place / "a/b/c"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in made] == [0o750, 0o750, 0o700, 0o755, 0o755, 0o700]


def test_a_failure_leaves_no_disk(disks: LocalDisks, tmp_path: Path) -> None:
    with pytest.raises(HostError):
        disks.create("layer-0000000000000000a", 1 << 20, str(tmp_path / "none.qcow2"))
    assert disks.list() == {}


def test_what_a_crash_left_is_swept_by_the_next_maker(disks: LocalDisks) -> None:
    disks.create("layer-0000000000000000a", 1 << 20, None)
    directory = Path(disks.path("layer-0000000000000000a")).parent
    (directory / "layer-0123456789abcdef0.new").write_bytes(b"half")
    (directory / "my-disk.new").write_bytes(b"somebody's")
    assert set(disks.list()) == {"layer-0000000000000000a"}
    disks.create("layer-0000000000000000c", 1 << 20, None)
    assert sorted(os.listdir(directory)) == ["layer-0000000000000000a.qcow2", "layer-0000000000000000c.qcow2", "my-disk.new"]


def test_a_disk_that_qemu_marked(disks: LocalDisks) -> None:
    disks.create("layer-0000000000000000a", 1 << 20, None)
    assert disks.damage("layer-0000000000000000a") == ""
    path = Path(disks.path("layer-0000000000000000a"))
    run(["qemu-io", "-f", "qcow2", "-c", "write 0 64k", path])
    break_tables(path)
    assert disks.damage("layer-0000000000000000a") == ""
    with pytest.raises(Permanent, match="damaged"):
        disks.check("layer-0000000000000000a")
    run(["qemu-io", "-f", "qcow2", "-c", "read 0 64k", path], check=False)
    assert "damaged" in disks.damage("layer-0000000000000000a")
    path.write_bytes(b"x" * 100)
    with pytest.raises(Permanent, match="does not begin as a qcow2 file"):
        disks.damage("layer-0000000000000000a")
    path.unlink()
    assert "is not there" in disks.damage("layer-0000000000000000a")


def test_what_is_no_disk_is_named_and_left(disks: LocalDisks) -> None:
    disks.create("layer-0000000000000000a", 1 << 20, None)
    directory = Path(disks.path("layer-0000000000000000a")).parent
    strange = ["notes.txt", ".layer-0000000000000000b.qcow2", "Mine.new", "a b.qcow2"]
    for name in strange:
        (directory / name).write_bytes(b"x" * 5000)
    disks.create("layer-0000000000000000c", 1 << 20, None)
    assert {Path(path).name: size for path, size in disks.others().items()} == dict.fromkeys(strange, 8192)
    (directory / "layer-0000000000000000d.new").write_bytes(b"half")
    assert str(directory / "layer-0000000000000000d.new") in disks.others()
    lock = os.open(directory, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert str(directory / "layer-0000000000000000d.new") not in disks.others()
    os.close(lock)


def test_what_another_is_making_is_left_alone(disks: LocalDisks) -> None:
    """While somebody holds the directory's lock, a second maker waits and deletes nothing."""
    disks.create("layer-0000000000000000a", 1 << 20, None)
    directory = Path(disks.path("layer-0000000000000000a")).parent
    lock = os.open(directory, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    (directory / "layer-0000000000000000b.new").write_bytes(b"half")
    maker = threading.Thread(target=disks.create, args=("layer-0000000000000000c", 1 << 20, None))
    maker.start()
    maker.join(0.2)
    assert maker.is_alive(), "it waits for the lock"
    assert (directory / "layer-0000000000000000b.new").exists()
    os.close(lock)
    maker.join()
    assert set(disks.list()) == {"layer-0000000000000000a", "layer-0000000000000000c"}


@pytest.mark.parametrize("disk_id", ["../x", "vol", "", "layer-0000000000000000a/../../x", "VOL-0a"])
def test_an_id_is_no_path(disks: LocalDisks, disk_id: str) -> None:
    with pytest.raises(ValueError, match="not the id"):
        disks.create(disk_id, 1 << 20, None)


A, B, C = (f"layer-0000000000000000{letter}" for letter in "abc")


def _stack(disks: LocalDisks) -> None:
    disks.create(A, 1 << 20, None)
    disks.create(B, 1 << 20, disks.path(A))
    disks.create(C, 1 << 20, disks.path(A))


def test_what_stands_on_what_is_seen_in_the_files_wherever_they_lie(disks: LocalDisks) -> None:
    _stack(disks)
    assert disks.above(A) == {B, C}
    assert disks.above(B) == set()
    mine = Path(disks.path(A)).parent / "mine.qcow2"
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", disks.path(B), mine])
    assert disks.above(B) == {str(mine)}
    place = disks.set_aside([C], "a test")
    assert disks.above(A) == {B, f"{place}/{C}.qcow2"}
    disks.repoint(B, disks.path(C))
    assert disks.above(A) == {f"{place}/{C}.qcow2"}


def test_a_disk_on_which_another_stands_is_not_removed(disks: LocalDisks) -> None:
    _stack(disks)
    place = disks.set_aside([B], "a test")
    disks.remove(C)
    with pytest.raises(Permanent, match=f"{A} is not removed: {place}"):
        disks.remove(A)
    assert set(disks.list()) == {A}


def test_what_is_set_aside_is_whole_and_says_where_it_was(disks: LocalDisks) -> None:
    _stack(disks)
    before = Path(disks.path(B)).read_bytes()
    first, second = Path(disks.set_aside([B], "why")), Path(disks.set_aside([C], "why"))
    assert first != second
    assert (first / f"{B}.qcow2").read_bytes() == before
    note = json.loads((first / "manifest.json").read_text())
    assert note == {"why": "why", "files": {f"{B}.qcow2": disks.path(B)}, "on": {f"{B}.qcow2": disks.path(A)}}
    assert disks.others() == {}
    (first / f"{B}.qcow2").rename(disks.path(B))
    assert disks.above(A) == {B, str(second / f"{C}.qcow2")}


def test_the_stamp(disks: LocalDisks) -> None:
    assert disks.stamp() is None
    for generation in (1, 7):
        disks.put_stamp(Stamp("0" * 32, generation))
        assert disks.stamp() == Stamp("0" * 32, generation)
    path = Path(disks.path(A)).parent / "minicloud.json"
    assert disks.others() == {}
    for damaged in ("", "{}", "[]", '{"identity": "x", "generation": 1}', '{"identity": 1, "generation": "1"}'):
        path.write_text(damaged)
        with pytest.raises(Permanent, match="is damaged"):
            disks.stamp()


@pytest.mark.parametrize("name", ["backup-2024.qcow2", "layer-1.qcow2", "vol-mine.qcow2", "my-disk.new"])
def test_only_full_forms_of_our_names_are_ours(disks: LocalDisks, name: str) -> None:
    disks.create(A, 1 << 20, None)
    strange = Path(disks.path(A)).with_name(name)
    strange.write_bytes(b"mine")
    disks.create(B, 1 << 20, None)
    assert set(disks.list()) == {A, B}
    assert str(strange) in disks.others()
    assert strange.read_bytes() == b"mine"


LAYERS = [f"layer-0000000000000000{letter}" for letter in "abc"]


def by_qemu(path: str, *words: str) -> str:
    """What QEMU's account is told when it does something to a disk."""
    own = account.hypervisor()
    program = ["setpriv", f"--reuid={own.uid}", f"--regid={own.gid}", "--clear-groups", "--", "qemu-io", *words, path]
    return run(program, check=False).stderr.decode()


@pytest.fixture
def entered() -> Iterator[LocalDisks]:
    """Disks where QEMU's account comes to."""
    with tempfile.TemporaryDirectory(dir="/run", prefix="minicloud-disks-") as name:
        Path(name).chmod(0o711)
        yield LocalDisks(Path(name) / "volumes")


def test_qemu_reads_what_is_sealed_and_does_not_write_to_it(entered: LocalDisks) -> None:
    disks, (lower, upper, _) = entered, LAYERS
    disks.create(lower, 1 << 20, None)
    disks.create(upper, 1 << 20, disks.path(lower))
    write, read = ["-c", "write 0 64k"], ["-r", "-c", "read 0 64k"]
    assert by_qemu(disks.path(lower), *write) == ""
    for _ in range(2):
        disks.seal([lower])
        assert "Permission denied" in by_qemu(disks.path(lower), *write)
    assert by_qemu(disks.path(lower), *read) == by_qemu(disks.path(upper), *write) == by_qemu(disks.path(upper), *read) == ""
    run(["qemu-io", *write, disks.path(lower)])
    for _ in range(2):
        disks.unseal(lower)
        assert by_qemu(disks.path(lower), *write) == ""


def test_what_cannot_be_sealed_keeps_no_other_open(disks: LocalDisks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for layer in LAYERS:
        disks.create(layer, 1 << 20, None)
    genuine = account.share

    def share(path: Path, *, write: bool = False) -> None:
        if path.name.startswith(LAYERS[0]):
            raise OSError(errno.EROFS, "Read-only file system")
        genuine(path, write=write)

    monkeypatch.setattr(account, "share", share)
    with pytest.raises(HostError, match="Read-only"):
        disks.seal([LAYERS[0], "layer-0000000000000000f", *LAYERS[1:]])
    assert [stat.S_IMODE(Path(disks.path(layer)).stat().st_mode) for layer in LAYERS] == [0o660, 0o640, 0o640]


def test_what_may_be_another_homes_is_not_sealed(disks: LocalDisks, tmp_path: Path) -> None:
    """It is in the other's hands, whose guest may write to it."""
    disks.create(LAYERS[0], 1 << 20, None)
    disk_links.note(tmp_path / "volumes")
    elsewhere = tmp_path / "elsewhere" / "volumes"
    shutil.copytree(tmp_path / "volumes", elsewhere, copy_function=os.link)
    there = LocalDisks(elsewhere)
    there.seal([LAYERS[0]])
    assert stat.S_IMODE(Path(there.path(LAYERS[0])).stat().st_mode) == 0o660
    disks.seal([LAYERS[0]])
    assert stat.S_IMODE(Path(there.path(LAYERS[0])).stat().st_mode) == 0o640
    with pytest.raises(Permanent):
        there.unseal(LAYERS[0])


def test_a_file_of_others_on_what_does_not_answer_keeps_nobody(
    disks: LocalDisks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a network file system that is away. It is looked at again when the first look has returned, and not before."""
    answers, looks, genuine = threading.Event(), list[Path](), qemu_img.backing

    def backing(path: Path) -> str | None:
        looks.append(path)
        answers.wait(60)
        return genuine(path)

    qemu_img.create(away := tmp_path / "away.qcow2", 1 << 20)
    monkeypatch.setattr(qemu_img, "backing", backing)
    monkeypatch.setattr("minicloud.host.disks._PATIENCE", 0.05)
    for _ in range(3):
        with pytest.raises(Retry, match="cannot be read: what it lies on"):
            disks.stranger(str(away))
    assert looks == [away]
    answers.set()
    monkeypatch.setattr("minicloud.host.disks._PATIENCE", 60.0)
    until("it has returned", lambda: not bounded._under_way[str(away)].thread.is_alive())
    assert disks.stranger(str(away)) == Stranger(holds=False, below=None)
    with pytest.raises(Damaged, match="is not there"):
        disks.stranger(str(tmp_path / "none"))
