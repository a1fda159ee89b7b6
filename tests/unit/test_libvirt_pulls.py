"""Which guests pull."""

import errno
import os
from pathlib import Path

import pytest

from minicloud.errors import Permanent, Retry
from minicloud.host import disk_links, libvirt_pulls
from minicloud.host.libvirt_pulls import COMMIT, PULL, Pulls

VAGUE = {"i-killed": "", "i-half": "pull", "i-half-a-serial": "pull \n", "i-strange": "\0\0\0 of another thing\n"}
"""Notes that do not say of which disk: of who was killed when it had made the file, and of a file system that lost its end."""


def test_a_pull_is_seen_by_all_until_it_has_ended(tmp_path: Path) -> None:
    directory = tmp_path / "home" / "pulls"
    with Pulls(directory).looking() as pulling:
        assert pulling == frozenset()
    assert not directory.parent.exists(), "looking makes nothing where there is no minicloud"
    with Pulls(directory).beginning("i-1", PULL, "vol1"):
        pass
    with Pulls(directory).looking() as pulling:
        assert pulling == {"i-1"}
    Pulls(directory).ended("i-1")
    Pulls(directory).ended("i-1")
    with Pulls(directory).looking() as pulling:
        assert pulling == frozenset()


def test_a_full_disk_is_a_failure_that_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = os.open

    def full(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, "No space left on device")
        return genuine(path, flags, mode)

    monkeypatch.setattr(libvirt_pulls.os, "open", full)  # type: ignore[attr-defined]
    with pytest.raises(Retry, match="full"), Pulls(tmp_path / "pulls").beginning("i-1", PULL, "vol1"):
        pass


def test_none_begins_while_somebody_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libvirt_pulls, "_PATIENCE", 0.05)
    one, other, third = (Pulls(tmp_path / "pulls") for _ in range(3))
    with one.looking(), other.looking(), pytest.raises(Retry), third.beginning("i-1", PULL, "vol1"):
        pass
    with Pulls(tmp_path / "pulls").looking() as pulling:
        assert pulling == frozenset()
    with Pulls(tmp_path / "pulls").beginning("i-1", PULL, "vol1"), pytest.raises(Retry), Pulls(tmp_path / "pulls").looking():
        pass


def test_only_what_was_noted_is_ours_and_only_a_pull_is_one(tmp_path: Path) -> None:
    pulls = Pulls(tmp_path / "pulls")
    assert not pulls.is_ours("i-1", PULL, "vol1")
    with pulls.beginning("i-1", PULL, "vol1"):
        pass
    with pulls.beginning("i-2", COMMIT, "vol2"):
        pass
    for name, text in VAGUE.items():
        (tmp_path / "pulls" / name).write_text(text)
    (tmp_path / "pulls/i-dir").mkdir()
    vague = {*VAGUE, "i-dir"}
    ours = [
        (guest, kind, serial)
        for guest in ("i-1", "i-2", *vague)
        for kind in (PULL, COMMIT, "copy")
        for serial in ("vol1", "vol2")
        if pulls.is_ours(guest, kind, serial)
    ]
    assert ours == [("i-1", PULL, "vol1"), ("i-2", COMMIT, "vol2")]
    with pulls.looking() as pulling:
        assert pulling == {"i-1", *vague}, "who does not know whether a guest pulls does not list its nodes"
    assert [guest for guest in ("i-0", "i-1", "i-2", *sorted(vague)) if pulls.is_vague(guest)] == sorted(vague)


@pytest.mark.parametrize("how", ["link", "hard link"])
def test_a_note_is_not_written_into_what_a_link_leads_to(tmp_path: Path, how: str) -> None:
    """In a home that was copied by links (cp -as, cp -al) that is the other home's."""
    other, pulls = tmp_path / "other", Pulls(tmp_path / "pulls")
    other.write_text("commit vol2\n")
    (tmp_path / "pulls").mkdir()
    if how == "link":
        (tmp_path / "pulls/i-1").symlink_to(other)
    else:
        (tmp_path / "pulls/i-1").hardlink_to(other)
    with pulls.beginning("i-1", PULL, "vol1"):
        assert other.read_text() == "commit vol2\n"
        assert pulls.is_ours("i-1", PULL, "vol1")
    pulls.ended("i-1")
    assert other.exists()


def test_a_note_that_leads_nowhere_may_be_of_a_pull(tmp_path: Path) -> None:
    (tmp_path / "pulls").mkdir()
    (tmp_path / "pulls/i-1").symlink_to("nowhere")
    with Pulls(tmp_path / "pulls").looking() as pulling:
        assert pulling == {"i-1"}


def test_in_a_copied_home_the_notes_behind_a_link_are_anothers(tmp_path: Path) -> None:
    """They are read, because a look at the guests' statistics is one at theirs as well."""
    home, notes = tmp_path / "home", tmp_path / "notes"
    (home / "volumes").mkdir(parents=True)
    (home / "pulls").symlink_to(notes)
    disk_links.note(home / "volumes")
    with Pulls(notes).beginning("i-1", PULL, "vol1"):
        pass
    pulls = Pulls(home / "pulls")
    with pulls.beginning("i-2", PULL, "vol2"):
        pass
    pulls.ended("i-2")  # no copy yet
    (home / "volumes" / disk_links.PLACE).write_text('{"home": "/elsewhere", "host": ""}')
    with pytest.raises(Permanent, match="is a link to"), pulls.beginning("i-2", PULL, "vol2"):
        pass
    pulls.ended("i-1")
    with pulls.looking() as pulling:
        assert pulling == {"i-1"}
