"""What mmdebstrap is given for another release: this host's own archives, and no mirror of ours."""

from pathlib import Path

import pytest

from minicloud.host import image_build_apt as apt
from minicloud.host.run import Completed
from scripts import suite_sources

LISTING = "Packages\tDebian\tDebian\thttp://mirror.example/debian\nPackages\tDebian\tDebian-Security\thttp://mirror.example/debian-security\n"


def test_a_release_comes_from_where_this_host_has_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"apt-get": LISTING.encode(), "apt-config": b'Acquire::Check-Date "false";\nAPT::Architecture "amd64";\n'}
    monkeypatch.setattr(apt, "run", lambda words: Completed(0, said[words[0]], b""))
    monkeypatch.setattr(apt, "KEYRING", tmp_path)
    suite_sources.write("trixie", tmp_path)
    assert "URIs: http://mirror.example/debian\nSuites: trixie trixie-updates\n" in (tmp_path / "sources").read_text()
    assert "URIs: http://mirror.example/debian-security\nSuites: trixie-security\n" in (tmp_path / "sources").read_text()
    assert (tmp_path / "options").read_text() == 'Acquire::Check-Date "false";\n'


def test_a_host_without_sources_of_debians_is_told_from_one_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(apt, "run", lambda _: Completed(0, b"", b""))
    monkeypatch.setattr(apt, "KEYRING", tmp_path)
    assert suite_sources.main("trixie", tmp_path) == suite_sources.UNAVAILABLE
    assert "no Debian archive to build trixie from" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
