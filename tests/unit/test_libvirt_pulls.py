"""Which guests pull."""

import errno
from pathlib import Path

import pytest

from minicloud.errors import Retry
from minicloud.host import libvirt_pulls
from minicloud.host.libvirt_pulls import COMMIT, PULL, Pulls


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


def test_only_what_was_noted_is_ours_and_only_a_pull_is_one(tmp_path: Path) -> None:
    pulls = Pulls(tmp_path / "pulls")
    assert not pulls.is_ours("i-1", PULL, "vol1")
    with pulls.beginning("i-1", PULL, "vol1"):
        pass
    with pulls.beginning("i-2", COMMIT, "vol2"):
        pass
    (tmp_path / "pulls/i-3").touch()  # as minicloud noted pulls before it noted of what
    ours = [
        (guest, kind, serial)
        for guest in ("i-1", "i-2", "i-3")
        for kind in (PULL, COMMIT, "copy")
        for serial in ("vol1", "vol2")
        if pulls.is_ours(guest, kind, serial)
    ]
    assert ours == [("i-1", PULL, "vol1"), ("i-2", COMMIT, "vol2"), ("i-3", PULL, "vol1"), ("i-3", PULL, "vol2")]
    with pulls.looking() as pulling:
        assert pulling == {"i-1", "i-3"}
