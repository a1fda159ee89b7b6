"""`minicloud doctor` as a command, with recorded facts and a fake host: leftovers, exit status, what is said without root."""

import dataclasses
import fcntl
import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from minicloud import config
from minicloud.cli import doctor as doctor_command
from minicloud.cli import doctor_leftovers
from minicloud.cli.errors import ConfigurationError
from minicloud.cli.session import Session
from minicloud.cloud import Cloud
from minicloud.host import doctor
from minicloud.host.contracts_storage import Said
from minicloud.host.fake import FakeHost

from ..cloud_fixtures import Ec2
from .test_doctor_checks import GOOD

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.delenv("MINICLOUD_OUTPUT", raising=False)
    monkeypatch.setattr(config, "load", lambda: own_store(cloud).settings)
    monkeypatch.setattr(doctor, "look", lambda _: GOOD)

    def command(*words: str, connect: Callable[[], Cloud] = lambda: cloud) -> tuple[int, str]:
        status = doctor_command.command.main(list(words), obj=Session(connect=connect), standalone_mode=False)
        return int(status or 0), capsys.readouterr().out

    return command


def own_store(cloud: Cloud) -> Cloud:
    """The cloud with an image store of its own in place of this machine's."""
    cloud.settings = dataclasses.replace(cloud.settings, images=cloud.settings.home / "images")
    return cloud


def leftovers(cloud: Cloud) -> list[str]:
    own_store(cloud)
    found = doctor_leftovers.judge(doctor_leftovers.gather(cloud), "qemu:///system", cloud.settings.home)
    return [check.found for check in found if check.status != "ok"]


def test_a_guest_whose_agent_has_not_thawed_it_is_told(ec2: Ec2, host: FakeHost, run: Run) -> None:
    instance = ec2.run()
    host.agent(instance, freeze=Said.NOTHING, thaw=Said.NOTHING)
    ec2("CreateSnapshot", VolumeId=ec2.cloud.state.volumes.query()[0].id)
    _, out = run()
    assert f"the file systems of {instance} may be frozen since a snapshot" in out


def test_a_good_host_has_exit_status_0_and_one_line_a_check(ec2: Ec2, run: Run) -> None:
    ec2.run()
    status, out = run()
    assert status == 0
    assert "1 instances" in out
    assert "0 to look at, 0 failed, 0 not checked" in out


def test_something_that_fails_has_exit_status_1(ec2: Ec2, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    ec2.run()
    monkeypatch.setattr(doctor, "look", lambda _: dataclasses.replace(GOOD, virtlogd=False))
    status, out = run()
    assert status == 1
    assert "fail virtlogd" in out


def test_json_has_all_of_it(ec2: Ec2, run: Run) -> None:
    ec2.run()
    status, out = run("--output", "json")
    answer = json.loads(out)
    assert (status, answer["Failed"]) == (0, 0)
    assert {"Name": "virtlogd", "Status": "ok", "Found": "answers", "Remedy": ""} in answer["Checks"]


def test_before_the_first_command_nothing_is_made(cloud: Cloud, run: Run) -> None:
    status, out = run()
    assert status == 0
    assert "is not there yet" in out
    assert not cloud.settings.home.exists()


def test_without_root_it_says_what_it_could_not_see(run: Run) -> None:
    def connect() -> Cloud:
        raise ConfigurationError("needs root")

    status, out = run(connect=connect)
    assert status == 0
    assert "2 not checked" in out
    assert "sudo minicloud doctor" in out


def test_a_damaged_database_fails(cloud: Cloud, run: Run) -> None:
    cloud.settings.home.mkdir()
    cloud.settings.database.write_bytes(b"this is no database" * 100)
    status, out = run()
    assert status == 1
    assert "cannot be read" in out


def test_a_database_of_a_newer_version_fails(ec2: Ec2, run: Run) -> None:
    ec2.run()
    ec2.cloud.state.close()
    with sqlite3.connect(ec2.cloud.settings.database) as db:
        db.execute("insert into _sqlite_migrations (migration_set, name, applied_at) values ('minicloud', 'm999', '2030-01-01')")
        db.execute("pragma user_version=999")
    status, out = run()
    assert status == 1
    assert "newer minicloud" in out


def test_instances_that_run_leave_nothing_over(ec2: Ec2) -> None:
    ec2.run(InstanceType="t3.nano", MinCount=2, MaxCount=2)
    assert leftovers(ec2.cloud) == []


def test_what_no_row_knows_is_found(ec2: Ec2, host: FakeHost) -> None:
    instance = ec2.run()
    spec = host.spec(instance)
    with ec2.cloud.state.transaction():
        ec2.cloud.state.instances.remove(instance)
        for volume in ec2.cloud.state.volumes.query():
            ec2.cloud.state.volumes.remove(volume.id)
            ec2.cloud.state.layers.remove(volume.layer_id)
    found = leftovers(ec2.cloud)
    assert found == [
        f"the guest {instance} belongs to no instance",
        f"the disk {spec['disks'][0]['path'].removeprefix('fake:')} belongs to no layer of a volume or snapshot",
        f"the seed {instance} belongs to no instance",
    ]


def test_a_disk_that_is_gone_is_found(ec2: Ec2, host: FakeHost) -> None:
    instance = ec2.run()
    ec2("StopInstances", InstanceIds=[instance], Force=True)
    layer = ec2.cloud.state.volumes.find(instance_id=instance)[0].layer_id
    host.disks.remove(layer)
    assert leftovers(ec2.cloud) == [f"the file of the layer {layer} is gone (minicloud storage tells whose it was)"]


def test_an_instance_that_was_just_accepted_misses_nothing(idle: Ec2) -> None:
    idle.run()
    assert leftovers(idle.cloud) == []


def test_partial_directories_are_told_apart_by_their_locks(tmp_path: Path) -> None:
    for name in (".partial-dead-00000001", ".partial-alive-00000002", ".partial-mine", "ami-1"):
        (tmp_path / name).mkdir()
    (tmp_path / ".downloads").mkdir()
    for name in (f"{0:024x}.part", "mine.part"):
        (tmp_path / ".downloads" / name).write_bytes(b"x")
    handle = os.open(tmp_path / ".partial-alive-00000002", os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert [path.name for path in doctor.abandoned(tmp_path)] == [".partial-dead-00000001"]
    finally:
        os.close(handle)
    assert [path.name for path in doctor.unfinished(tmp_path)] == [f"{0:024x}.part"]
    assert len(list(tmp_path.iterdir())) == 5


def test_remedies_are_safe_to_paste(tmp_path: Path) -> None:
    none: frozenset[str] = frozenset()
    odd = frozenset(["x; reboot"])
    found = doctor_leftovers.Belongings(odd, odd, odd, odd, none, none, none, none, (tmp_path / "a b",))
    checks = doctor_leftovers.judge(found, "qemu:///system", tmp_path)
    assert all("'" in check.remedy or "x;" not in check.remedy for check in checks)
    assert any(check.remedy == f"rm -r '{tmp_path}/a b'" for check in checks)
