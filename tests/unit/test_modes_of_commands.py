"""What the first commands of a host, or of a user, make is writable by nobody else, with umask 000, and what it is in neither."""

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from minicloud.aws.model_cache import ModelCache
from minicloud.cli import keys, profiles
from minicloud.host.run import run


@pytest.fixture(autouse=True)
def nothing_masked() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def writable(top: Path) -> list[str]:
    """What others, or a group, may write to."""
    return [str(path) for path in top.rglob("*") if path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)]


def test_the_cache_of_models(tmp_path: Path) -> None:
    source = tmp_path / "ec2" / "2016-11-15" / "service-2.json"
    source.parent.mkdir(mode=0o755, parents=True)
    source.parent.parent.chmod(0o755)
    source.touch(mode=0o644)
    cache = ModelCache()
    cache.use(tmp_path / "run" / "minicloud" / "models")
    cache.put(source, "index", {})
    assert cache.get(source, "index") == {}
    assert writable(tmp_path) == []


def test_the_register_of_keys_and_the_profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CONFIG_HOME", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    keys.remember("me", tmp_path / "me.pem")
    profiles._put(tmp_path / ".aws" / "deep" / "config", "profile a", {"region": "us-east-1"})
    assert keys.known() == {"me": str(tmp_path / "me.pem")}
    assert writable(tmp_path) == []


def test_a_command(tmp_path: Path) -> None:
    """The first that there is on a host makes the directory of what runs."""
    own = {"MINICLOUD_HOME": str(tmp_path / "a" / "home"), "MINICLOUD_RUN": str(tmp_path / "b" / "run"), "HOME": str(tmp_path)}
    words = [sys.executable, "-m", "minicloud", "describe-regions", "--generate-cli-skeleton"]
    run(words, env=own, cwd=Path(keys.__file__).parents[2])
    assert (tmp_path / "b" / "run").is_dir()
    assert writable(tmp_path) == []
