"""Which guests pull."""

import errno
from pathlib import Path

import pytest

from minicloud.errors import Retry
from minicloud.host import libvirt_pulls
from minicloud.host.libvirt_pulls import Pulls


def test_a_pull_is_seen_by_all_until_it_has_ended(tmp_path: Path) -> None:
    directory = tmp_path / "home" / "pulls"
    with Pulls(directory).looking() as pulling:
        assert pulling == frozenset()
    assert not directory.parent.exists(), "looking makes nothing where there is no minicloud"
    with Pulls(directory).beginning("i-1"):
        pass
    with Pulls(directory).looking() as pulling:
        assert pulling == {"i-1"}
    Pulls(directory).ended("i-1")
    Pulls(directory).ended("i-1")
    with Pulls(directory).looking() as pulling:
        assert pulling == frozenset()


def test_a_full_disk_is_a_failure_that_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "touch", full)
    with pytest.raises(Retry, match="full"), Pulls(tmp_path / "pulls").beginning("i-1"):
        pass


def test_none_begins_while_somebody_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libvirt_pulls, "_PATIENCE", 0.05)
    one, other, third = (Pulls(tmp_path / "pulls") for _ in range(3))
    with one.looking(), other.looking(), pytest.raises(Retry), third.beginning("i-1"):
        pass
    with Pulls(tmp_path / "pulls").looking() as pulling:
        assert pulling == frozenset()
    with Pulls(tmp_path / "pulls").beginning("i-1"), pytest.raises(Retry), Pulls(tmp_path / "pulls").looking():
        pass
