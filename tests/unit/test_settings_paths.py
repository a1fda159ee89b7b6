"""The paths of the settings are absolute, however they are given: headers of disks and marks of homes name them."""

import dataclasses
from pathlib import Path

import pytest

from minicloud import config
from minicloud.host.disks import LocalDisks
from minicloud.reconcile import layers

from ..storage.backups import Place, small

__all__ = ["small"]

_PATHS = [field.name for field in dataclasses.fields(config.Settings) if "Path" in str(field.type)]


def test_which_they_are() -> None:
    assert _PATHS == ["home", "run", "images", "shared_images", "hosts_file"]


@pytest.mark.parametrize("name", _PATHS)
@pytest.mark.parametrize("given", ["there", "./there", "../work/there"])
def test_relative_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, given: str) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    file = tmp_path / "config.toml"
    file.write_text(f'{name} = "{given}"\n')
    for environ in ({f"MINICLOUD_{name.upper()}": given}, {"MINICLOUD_CONFIG": str(file)}):
        assert getattr(config.load({"MINICLOUD_CONFIG": "/none", **environ}), name) == tmp_path / "work" / "there"


def test_absolute_ones_are_as_given() -> None:
    assert config.load({"MINICLOUD_CONFIG": "/none", "MINICLOUD_HOME": "/a/../b"}).home == Path("/a/../b")


def test_a_relative_home_counts_no_change_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    place = Place(Path("here"))
    volume = place.volume(Size=1)
    place.write(volume, 0, 1)
    gone = place.snapshot(volume)
    place.write(volume, 65536, 2)
    place.snapshot(volume)
    row = place.state.volumes.get(volume)
    assert row is not None
    content, before = place.of_volume(volume), place.state.identity.generation
    for _ in range(2):
        layers.correct_headers(place.cloud, row.layer_id)
    assert place.state.identity.generation == before
    count = len(LocalDisks(tmp_path / "here" / "home" / "volumes").list())
    place.ec2("DeleteSnapshot", SnapshotId=gone)
    place.look()
    assert len(place.disks.list()) == count - 1
    assert place.of_volume(volume) == content
