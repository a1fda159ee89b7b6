"""A backup of the state alone, on a host where instances run."""

from pathlib import Path

import pytest

from minicloud import api
from minicloud.cli.main import execute
from minicloud.cli.session import Session
from minicloud.errors import StateError
from minicloud.host.contracts import Power
from minicloud.host.fake import FakeHost

from ..cloud_fixtures import Ec2, cloud_in
from .backups import back_up, restore


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "b.tar"


def again(ec2: Ec2, tmp_path: Path, host: FakeHost) -> Ec2:
    ec2.cloud.state.close()
    return Ec2(cloud_in(tmp_path, host))


def test_instances_run_through_it(ec2: Ec2, host: FakeHost, tmp_path: Path, file: Path) -> None:
    instance = ec2.run()
    key = api.call(ec2.cloud, "iam", "CreateAccessKey", {})["AccessKey"]
    back_up(ec2.cloud, file, disks=False)
    made = ec2("CreateSecurityGroup", GroupName="late", Description="d")["GroupId"]
    ec2("ModifyInstanceAttribute", InstanceId=instance, DisableApiTermination={"Value": True})
    told = restore(ec2.cloud, file, replace=True)
    assert any("the state that was here is in" in sentence for sentence in told)
    after = again(ec2, tmp_path, host)
    starts = [call for call in host.calls() if call[0] == "guests.start"]
    assert after.state(instance) == "running"
    assert [call for call in host.calls() if call[0] == "guests.start"] == starts
    assert len(starts) == 1
    assert after.refused("DescribeSecurityGroups", GroupIds=[made]).code == "InvalidGroup.NotFound"
    keys = api.call(after.cloud, "iam", "ListAccessKeys", {})["AccessKeyMetadata"]
    assert [one["AccessKeyId"] for one in keys] == [key["AccessKeyId"]]


def test_what_ran_and_is_gone_starts_again(ec2: Ec2, host: FakeHost, tmp_path: Path, file: Path) -> None:
    """The host was set up anew, beside its disks."""
    instance = ec2.run()
    back_up(ec2.cloud, file, disks=False)
    ec2.cloud.state.close()
    for path in ec2.cloud.settings.home.glob("state.sqlite*"):
        path.unlink()
    host.guests.remove(instance)
    for network in host.networks.list():
        host.networks.remove(network)
    restore(ec2.cloud, file)
    after = again(ec2, tmp_path, host)
    assert after.state(instance) == "running"
    assert host.guests.list()[instance].power is Power.RUNNING
    assert host.networks.list()


def test_an_older_state_goes_in_only_on_demand(
    ec2: Ec2, host: FakeHost, tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    instance = ec2.run()
    ec2("StopInstances", InstanceIds=[instance])
    back_up(ec2.cloud, file, disks=False)
    volume = ec2.cloud.state.volumes.find(instance_id=instance)[0].id
    ec2("CreateSnapshot", VolumeId=volume)
    with pytest.raises(StateError, match="older than the disks"):
        restore(ec2.cloud, file, replace=True)
    after = again(ec2, tmp_path, host)
    assert len(after("DescribeSnapshots", OwnerIds=["self"])["Snapshots"]) == 2
    assert execute(["restore", str(file), "--replace", "--anyway"], Session(connect=lambda: after.cloud)) == 0
    assert "1 disks aside" in capsys.readouterr().err
    last = again(after, tmp_path, host)
    assert last.state(instance) == "stopped"
    last("StartInstances", InstanceIds=[instance])
    assert last.state(instance) == "running"


def test_what_adoption_would_refuse_is_refused_before_anything_is_changed(
    ec2: Ec2, host: FakeHost, tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A guest runs on what the backup's state does not know."""
    instance = ec2.run()
    back_up(ec2.cloud, file, disks=False)
    ec2("CreateSnapshot", VolumeId=ec2.cloud.state.volumes.find(instance_id=instance)[0].id)
    after = again(ec2, tmp_path, host)
    assert execute(["restore", str(file), "--replace", "--anyway"], Session(connect=lambda: after.cloud)) == 253
    assert f"guests run with disks that this state does not know: {instance}" in capsys.readouterr().err
    last = again(after, tmp_path, host)
    assert len(last.cloud.state.snapshots.query("volume_id != 'vol-ffffffff'")) == 1
    assert not (last.cloud.settings.home / "replaced").exists()
    assert not (last.cloud.settings.home / ".restore").exists()


def test_what_ran_starts_again_although_its_guest_was_stopped_since(ec2: Ec2, host: FakeHost, tmp_path: Path, file: Path) -> None:
    """The guest's definition is still there, and is off because its system was asked to power off."""
    ran, recovers_not, stood = ec2.run(), ec2.run(), ec2.run()
    ec2.cloud.state.instances.change(recovers_not, auto_recovery="disabled")
    ec2("StopInstances", InstanceIds=[stood])
    back_up(ec2.cloud, file, disks=False)
    ec2("StopInstances", InstanceIds=[ran, recovers_not])
    assert {guest.power for guest in host.guests.list().values()} == {Power.OFF_BY_GUEST}
    restore(ec2.cloud, file, replace=True)
    after = again(ec2, tmp_path, host)
    assert [after.state(one) for one in (ran, recovers_not, stood)] == ["running", "running", "stopped"]
    assert host.guests.list()[ran].power is Power.RUNNING
    host.power_off_by_guest(ran)
    after.look()
    assert after.state(ran) == "stopped"
