"""Finding the private key of an instance's key pair: by content, in the likeliest places first."""

import json
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

import pytest

from minicloud.aws import keys
from minicloud.cli import ssh_keys
from minicloud.errors import UsageError


@dataclass
class Places:
    """Two homes and a working directory."""

    work: Path
    home: Path
    other: Path


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    made = Places(tmp_path / "work", tmp_path / "home", tmp_path / "other")
    for directory in (made.work, made.home / ".ssh", made.other / ".ssh"):
        directory.mkdir(parents=True)
    monkeypatch.chdir(made.work)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return made


MINE, OTHER = keys.generate("ed25519", "pem"), keys.generate("ed25519", "pem")


def put(path: Path, key: keys.NewKey = MINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(key.private)
    return path


def choose(places: Places, name: str = "k", public: str = MINE.public_openssh, identity: str | None = None) -> ssh_keys.Choice:
    return ssh_keys.choose(identity, name, public, [places.home, places.other])


@pytest.mark.parametrize("where", ["work/k.pem", "home/.ssh/k.pem", "home/.ssh/k", "home/.ssh/whatever", "other/.ssh/id_ed25519"])
def test_every_place_is_looked_into(places: Places, where: str) -> None:
    there = put(places.work.parent / where)
    assert choose(places).file == there


def test_where_the_key_was_saved_comes_first(places: Places) -> None:
    put(places.work / "k.pem")
    saved = put(places.work.parent / "elsewhere" / "saved")
    register = places.other / ".config/minicloud/keys.json"
    register.parent.mkdir(parents=True)
    register.write_text(json.dumps({"k": str(saved)}))
    assert choose(places).file == saved


@pytest.mark.parametrize("text", ["", "[]", '{"k": 5}', "{"])
def test_a_damaged_register_is_no_obstacle(places: Places, text: str) -> None:
    register = places.home / ".config/minicloud/keys.json"
    register.parent.mkdir(parents=True)
    register.write_text(text)
    there = put(places.work / "k.pem")
    assert choose(places).file == there


def test_a_file_of_the_right_name_with_another_key_is_passed_over(places: Places) -> None:
    put(places.work / "k.pem", OTHER)
    right = put(places.home / ".ssh" / "k.pem")
    assert choose(places).file == right


def test_a_named_file_is_taken_as_it_is(places: Places) -> None:
    put(places.home / ".ssh" / "k")
    named = put(places.work / "mine", OTHER)
    assert choose(places, identity="mine").file == named


def test_a_named_file_that_is_not_there_is_said(places: Places) -> None:
    with pytest.raises(UsageError, match="-i missing: there is no such file"):
        choose(places, identity="missing")


def test_no_key_at_all_is_one_line_that_says_what_to_do(places: Places) -> None:
    put(places.home / ".ssh" / "id_ed25519", OTHER)
    with pytest.raises(UsageError, match=r"no private key of the key pair k .*-i FILE") as caught:
        choose(places)
    assert "\n" not in str(caught.value)


def test_the_name_of_a_key_pair_is_no_path(places: Places) -> None:
    put(places.work.parent / "outside.pem")
    with pytest.raises(UsageError):
        choose(places, name="../outside")


def test_an_instance_without_a_key_pair_leaves_it_to_ssh(places: Places) -> None:
    found = choose(places, public="")
    assert found.file is None
    assert "without a key pair" in found.note


def test_an_agent_that_does_not_answer_holds_nothing(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(places.work / "no-socket"))
    assert not ssh_keys.in_agent(MINE.public_openssh)


def test_under_sudo_the_person_has_a_home_too(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(places.home))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    somebody = next(entry for entry in pwd.getpwall() if entry.pw_name != "root")
    assert ssh_keys.homes({"SUDO_USER": somebody.pw_name}) == [Path(somebody.pw_dir), places.home]
    assert ssh_keys.homes({"SUDO_USER": "nobody-of-that-name"}) == [places.home]
    assert ssh_keys.homes({}) == [places.home]


def test_who_is_not_root_cannot_name_another_home(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(places.home))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert ssh_keys.homes({"SUDO_USER": "daemon"}) == [places.home]
