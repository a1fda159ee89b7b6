"""What the doctor says of backups: a hint where there is none, or an old one of disks that have changed since."""

import dataclasses
import json
import os
import threading
import time
from pathlib import Path

import pytest

from minicloud.aws import times
from minicloud.cli import doctor_upkeep
from minicloud.cli.doctor_checks import OK, WARN, Check
from minicloud.cloud import Cloud
from minicloud.reconcile import backup_record
from minicloud.reconcile.backup_record import Record

from ..cloud_fixtures import Ec2

DAY = 86400.0


def told(cloud: Cloud, name: str = "backup") -> list[Check]:
    return [check for check in doctor_upkeep.checks(cloud) if check.name == name]


def aged(cloud: Cloud, days: float) -> None:
    """The state was made so long ago."""
    with cloud.state.transaction():
        cloud.state.identities.change(cloud.state.identity.id, created=times.text(time.time() - days * DAY))


def last(cloud: Cloud, days: float, *, changes: int = 0, identity: str = "") -> Path:
    """The last backup, whose file is there."""
    own, file = cloud.state.identity, cloud.settings.home / "b.tar"
    file.write_bytes(b"backup")
    record = Record(times.text(time.time() - days * DAY), str(file), identity or own.id, own.generation - changes, disks=True)
    (cloud.settings.home / backup_record.NAME).write_text(json.dumps(dataclasses.asdict(record)))
    return file


def test_a_new_state_needs_none(ec2: Ec2) -> None:
    assert told(ec2.cloud) == []
    ec2.run()
    assert told(ec2.cloud) == []


def test_one_that_has_been_there_for_long_and_has_volumes_does(ec2: Ec2) -> None:
    aged(ec2.cloud, 8)
    assert told(ec2.cloud) == []
    ec2.run()
    (check,) = told(ec2.cloud)
    assert check.status == WARN
    assert "minicloud backup FILE" in check.remedy
    last(ec2.cloud, 0, identity="f" * 32)
    assert told(ec2.cloud) == [check]


@pytest.mark.parametrize(("days", "changes", "status"), [(1, 3, OK), (30, 0, OK), (8, 1, WARN)])
def test_it_is_old_if_disks_have_changed_since(ec2: Ec2, days: int, changes: int, status: str) -> None:
    ec2.run()
    file = last(ec2.cloud, days, changes=changes)
    (check,) = told(ec2.cloud)
    assert check.status == status
    assert f"{days} days old, with disks: {file}; disks have changed {changes} times since" in check.found


def test_one_whose_file_is_gone_is_told_however_new_it_is(ec2: Ec2) -> None:
    ec2.run()
    last(ec2.cloud, 0).unlink()
    (check,) = told(ec2.cloud)
    assert check.status == WARN
    assert check.found.endswith("; that file is gone")
    assert "minicloud backup FILE" in check.remedy


@pytest.mark.parametrize("kind", ["empty", "directory", "below a file", "loop"])
def test_what_is_there_in_its_place_is_no_backup(ec2: Ec2, kind: str) -> None:
    ec2.run()
    file = last(ec2.cloud, 0)
    if kind == "empty":
        file.write_bytes(b"")
    else:
        file.unlink()
    if kind == "directory":
        file.mkdir()
    elif kind == "below a file":
        note = ec2.cloud.settings.home / backup_record.NAME
        note.write_text(note.read_text().replace(str(file), f"{ec2.cloud.settings.database}/b.tar"))
    elif kind == "loop":
        file.symlink_to(file)
    (check,) = told(ec2.cloud)
    words = {"below a file": "that file is gone", "loop": "cannot be looked at"}
    assert check.status == WARN
    assert words.get(kind, "is no backup") in check.found


def test_a_server_that_does_not_answer_keeps_nobody_waiting(ec2: Ec2, monkeypatch: pytest.MonkeyPatch) -> None:
    ec2.run()
    last(ec2.cloud, 0)
    answers = threading.Event()
    monkeypatch.setattr(doctor_upkeep, "_SECONDS", 0.01)
    monkeypatch.setattr(doctor_upkeep, "_look_at", lambda _: str(answers.wait()))
    (check,) = told(ec2.cloud)
    answers.set()
    assert check.status == WARN
    assert "has not answered" in check.found


@pytest.mark.parametrize("text", ["", "[]", "{}", "nonsense"])
def test_a_note_that_cannot_be_read_is_none(ec2: Ec2, text: str) -> None:
    ec2.run()
    (ec2.cloud.settings.home / backup_record.NAME).write_text(text)
    assert told(ec2.cloud) == []


def test_what_was_replaced_is_told_and_offered_to_go_after_days_only(ec2: Ec2) -> None:
    place = ec2.cloud.settings.home / "replaced" / "20260101T000000Z"
    place.mkdir(parents=True)
    (check,) = told(ec2.cloud, "replaced")
    assert "rm" not in check.remedy
    os.utime(place, (time.time() - 8 * DAY,) * 2)
    (check,) = told(ec2.cloud, "replaced")
    assert check.remedy.endswith(f"rm -r {place}")
