"""Names in a hosts file: our lines come and go, all others stay to the byte."""

import os
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from minicloud.host import hosts_file

LINES = hosts_file.lines("elb-0a", [("a.elb.internal", IPv4Address("192.0.2.1")), ("a.elb.internal", IPv4Address("192.0.2.2"))])
BEFORE = b"127.0.0.1 localhost # minicloud is nice\n\n# mine\n192.0.2.9\thome"
FILES = {
    "no last newline": BEFORE,
    "latin-1": b"# caf\xe9 \x85 \xff\xfe\n127.0.0.1 localhost\n",
    "CRLF": b"127.0.0.1 localhost\r\n10.0.0.1 nas\r\n\r\n",
    "old Mac": b"127.0.0.1 localhost\r10.0.0.1 nas\r",
    "form feeds and NULs": b"a\x0cb\x0bc\x1c\x00\n\n\n",
    "empty": b"",
    "one line": b"127.0.0.1 localhost",
    "marks of others": b"10.0.0.1 nas # see ticket 7 # minicloud elb-0a\n  10.0.0.2 x # minicloud elb-0a\n# minicloud elb-0a\n",
}


@pytest.fixture(params=["replaced", "in its place", "a mount of its own", "hard link", "attributes that cannot be kept"])
def how(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The ways in which the file can be written."""
    if request.param == "a mount of its own":
        monkeypatch.setattr(Path, "rename", _busy)
    if request.param == "in its place":
        monkeypatch.setattr(hosts_file, "_replace", _busy)
    if request.param == "attributes that cannot be kept":
        monkeypatch.setattr(os, "listxattr", lambda _: ["security.strange"])
        monkeypatch.setattr(os, "getxattr", lambda *_: b"x")
        monkeypatch.setattr(os, "setxattr", lambda *_: _busy(Path(), 0, 95))
    return str(request.param)


def _busy(_: object, __: object = None, number: int = 16, *___: object) -> None:
    raise OSError(number if isinstance(number, int) else 16, "Device or resource busy")


@pytest.mark.parametrize("name", FILES)
def test_every_byte_of_others_stays(how: str, name: str, tmp_path: Path) -> None:
    before, path, lock = FILES[name], tmp_path / "hosts", tmp_path / "run/lock"
    path.write_bytes(before)
    path.chmod(0o640)
    if how == "hard link":
        os.link(path, tmp_path / "other")
    inode = path.stat().st_ino
    hosts_file.put(path, lock, "elb-0a", LINES)
    assert (path.stat().st_ino == inode) == (how != "replaced")
    hosts_file.put(path, lock, "elb-0b", ["192.0.2.3 b # minicloud elb-0b"])
    data = path.read_bytes()
    assert hosts_file.of(data, "elb-0a") == LINES
    assert hosts_file.owners(data) == {"elb-0a", "elb-0b"}
    assert data.endswith(before.rpartition(b"\n")[2])
    hosts_file.put(path, lock, "elb-0a", LINES[:1])
    hosts_file.put(path, lock, "elb-0a", [])
    hosts_file.put(path, lock, "elb-0b", [])
    assert path.read_bytes() == before
    assert path.stat().st_mode & 0o777 == 0o640
    assert not (tmp_path / ".hosts.minicloud").exists()


def test_lines_that_an_editor_gave_other_ends_are_ours() -> None:
    data = hosts_file.changed(BEFORE, "elb-0a", LINES).replace(b"\n", b"\r\n")
    assert hosts_file.of(data, "elb-0a") == LINES
    assert hosts_file.changed(data, "elb-0a", []) == BEFORE.replace(b"\n", b"\r\n")
    assert hosts_file.changed(data, "elb-0a", LINES) is data


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real/hosts", tmp_path / "hosts"
    real.write_bytes(BEFORE)
    (tmp_path / "middle").symlink_to("real/hosts")
    link.symlink_to("middle")
    hosts_file.put(link, tmp_path / "lock", "elb-0a", LINES)
    assert link.readlink() == Path("middle")
    assert hosts_file.of(real.read_bytes(), "elb-0a") == LINES
    assert [path.name for path in (tmp_path / "real").iterdir()] == ["hosts"]


def test_attributes_stay(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_bytes(BEFORE)
    os.setxattr(path, "user.origin", b"mine")
    os.chown(path, 12345, 54321)
    hosts_file.put(path, tmp_path / "lock", "elb-0a", LINES)
    assert os.getxattr(path, "user.origin") == b"mine"
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 54321)


def test_what_somebody_writes_meanwhile_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, genuine = tmp_path / "hosts", os.fsync
    path.write_bytes(BEFORE)
    added: list[bytes] = []

    def fsync(descriptor: int) -> None:
        genuine(descriptor)
        if not added:
            added.append(BEFORE + b"\n10.0.0.7 printer\n")
            path.write_bytes(added[0])

    monkeypatch.setattr(os, "fsync", fsync)
    hosts_file.put(path, tmp_path / "lock", "elb-0a", LINES)
    assert hosts_file.changed(path.read_bytes(), "elb-0a", []) == added[0]
    assert hosts_file.of(path.read_bytes(), "elb-0a") == LINES


@pytest.mark.parametrize("name", FILES)
def test_no_byte_is_missing_at_any_moment_of_writing_in_place(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after any write, and whatever part of it, each line of others is in the file."""
    path, lock, genuine = tmp_path / "hosts", tmp_path / "lock", os.pwrite
    monkeypatch.setattr(hosts_file, "_replace", _busy)
    others = [line for line in FILES[name].split(b"\n") if line]

    def pwrite(descriptor: int, data: bytes, offset: int) -> int:
        count = genuine(descriptor, data[:3], offset)
        assert all(line in path.read_bytes() for line in others)
        return count

    path.write_bytes(FILES[name])
    monkeypatch.setattr(os, "pwrite", pwrite)
    for wanted in (LINES[:1], LINES, LINES[1:], []):
        hosts_file.put(path, lock, "elb-0a", wanted)
    assert path.read_bytes() == FILES[name]


def test_a_disk_that_is_full_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, genuine, calls = tmp_path / "hosts", os.pwrite, [0]
    path.write_bytes(BEFORE)
    monkeypatch.setattr(hosts_file, "_replace", _busy)

    def pwrite(descriptor: int, data: bytes, offset: int) -> int:
        calls[0] += 1
        if calls[0] == 2:
            raise OSError(28, "No space left on device")
        return genuine(descriptor, data[:20], offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(OSError, match="No space"):
        hosts_file.put(path, tmp_path / "lock", "elb-0a", LINES)
    assert path.read_bytes() == BEFORE


def test_a_file_that_is_none_is_left(tmp_path: Path) -> None:
    hosts_file.put(Path("/dev/null"), tmp_path / "lock", "elb-0a", LINES)
    hosts_file.put(tmp_path / "missing", tmp_path / "lock", "elb-0a", LINES)
    assert not (tmp_path / "missing").exists()
