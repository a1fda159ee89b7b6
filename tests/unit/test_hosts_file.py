"""Names in a hosts file: our lines come and go, all others stay to the byte."""

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from minicloud.host import hosts_file

LINES = hosts_file.lines("elb-0a", [("a.elb.internal", IPv4Address("192.0.2.1")), ("a.elb.internal", IPv4Address("192.0.2.2"))])
BEFORE = "127.0.0.1 localhost # minicloud is nice\n\n# mine\n192.0.2.9\thome"


def test_lines_come_and_go() -> None:
    with_ours = hosts_file.changed(BEFORE, "elb-0a", LINES)
    assert with_ours.startswith(BEFORE)
    assert hosts_file.of(with_ours, "elb-0a") == LINES
    both = hosts_file.changed(with_ours, "elb-0b", ["192.0.2.3 b # minicloud elb-0b"])
    assert hosts_file.owners(both) >= {"elb-0a", "elb-0b"}
    assert hosts_file.changed(hosts_file.changed(both, "elb-0b", []), "elb-0a", []) == BEFORE + "\n"
    assert hosts_file.changed(both, "elb-0a", LINES) is both


@pytest.mark.parametrize("where", ["a directory", "a mount of its own"])
def test_the_file_is_replaced(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it cannot be replaced as a whole, it is written in its place."""
    path, lock = tmp_path / "hosts", tmp_path / "run/lock"
    path.write_text(BEFORE)
    path.chmod(0o644)
    if where != "a directory":
        monkeypatch.setattr(Path, "rename", _busy)
    hosts_file.put(path, lock, "elb-0a", LINES)
    assert hosts_file.of(path.read_text(), "elb-0a") == LINES
    hosts_file.put(path, lock, "elb-0a", [])
    assert path.read_text() == BEFORE + "\n"
    assert path.stat().st_mode & 0o777 == 0o644
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_file()] == ["hosts"]


def _busy(self: Path, target: object) -> None:
    raise OSError(16, "Device or resource busy")


def test_a_file_that_is_none_is_left(tmp_path: Path) -> None:
    hosts_file.put(Path("/dev/null"), tmp_path / "lock", "elb-0a", LINES)
    hosts_file.put(tmp_path / "missing", tmp_path / "lock", "elb-0a", LINES)
    assert not (tmp_path / "missing").exists()
