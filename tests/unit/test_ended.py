"""Rows of what has ended: all tables say when theirs go, and they do."""

from typing import Any

import pytest

from minicloud import api
from minicloud.aws import times
from minicloud.host.fake import FakeHost
from minicloud.reconcile import ended, loop
from minicloud.state.rows import Tag
from minicloud.state.rows_storage import PolicyRun
from minicloud.state.table import Table

from ..clocks import Clock
from ..cloud_fixtures import Ec2

DAY, YEAR = 86400.0, 365 * 86400.0
ROLE = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}'  # noqa: E501


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def later(ec2: Ec2, clock: Clock, seconds: float) -> None:
    clock.pass_(seconds)
    loop.run_pass(ec2.cloud)


def rows(ec2: Ec2) -> dict[str, int]:
    """How many rows each table has."""
    tables = {name: table for name, table in vars(ec2.cloud.state).items() if isinstance(table, Table)}
    return {name: len(table.query()) for name, table in tables.items()}


def test_every_table_says_when_its_rows_go(ec2: Ec2) -> None:
    assert ended.GOES.keys() == rows(ec2).keys()


def life(ec2: Ec2) -> None:
    """A life of everything that ends by itself, or leaves something behind."""
    arn = {"Name": "p"}
    made = ec2(
        "RunInstances", ImageId=ec2.cloud.state.images.query("state = 'available'")[0].id, InstanceType="t3.nano", MinCount=1,
        MaxCount=1, IamInstanceProfile=arn, ClientToken="t",
        BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1}}],
        TagSpecifications=[{"ResourceType": kind, "Tags": [{"Key": "a", "Value": "b"}]} for kind in ("instance", "volume")],
    )["Instances"][0]["InstanceId"]  # fmt: skip
    volume = ec2.cloud.state.volumes.find(device="/dev/sdf")[0].id
    ec2("ModifyVolume", VolumeId=volume, Size=2)
    image = ec2("CreateImage", InstanceId=made, Name="image", NoReboot=True)["ImageId"]
    loop.run_pass(ec2.cloud)
    ec2("DeregisterImage", ImageId=image, DeleteAssociatedSnapshots=True)
    reserved = ec2("CreateCapacityReservation", InstanceType="t3.nano", InstancePlatform="Linux/UNIX", InstanceCount=1,
                   AvailabilityZone="us-east-1a")["CapacityReservation"]["CapacityReservationId"]  # fmt: skip
    ec2("CancelCapacityReservation", CapacityReservationId=reserved)
    ec2("TerminateInstances", InstanceIds=[made])
    loop.run_pass(ec2.cloud)


def test_nothing_is_left_of_many_lives(ec2: Ec2, host: FakeHost, clock: Clock) -> None:
    del host
    api.call(ec2.cloud, "iam", "CreateRole", {"RoleName": "r", "AssumeRolePolicyDocument": ROLE})
    api.call(ec2.cloud, "iam", "CreateInstanceProfile", {"InstanceProfileName": "p"})
    api.call(ec2.cloud, "iam", "AddRoleToInstanceProfile", {"InstanceProfileName": "p", "RoleName": "r"})
    ec2("DescribeInstances")
    before = rows(ec2)
    for _ in range(3):
        life(ec2)
        later(ec2, clock, 8 * DAY)
    later(ec2, clock, 43 * DAY)
    later(ec2, clock, 120)
    assert rows(ec2) == before


def test_associations_go_with_the_termination(ec2: Ec2, clock: Clock) -> None:
    api.call(ec2.cloud, "iam", "CreateInstanceProfile", {"InstanceProfileName": "p"})
    kept, gone = ec2.run(IamInstanceProfile={"Name": "p"}), ec2.run(IamInstanceProfile={"Name": "p"})
    ec2("TerminateInstances", InstanceIds=[gone])
    later(ec2, clock, 61)
    assert [row.instance_id for row in ec2.cloud.state.profile_associations.query()] == [kept]


def test_what_is_still_spoken_of_stays(ec2: Ec2, clock: Clock) -> None:
    """The image of an instance that may start again; a base image whose files are in the store, which would come back."""
    instance = ec2.run()
    image = ec2("CreateImage", InstanceId=instance, Name="image", NoReboot=True)["ImageId"]
    loop.run_pass(ec2.cloud)
    other = ec2.run(ImageId=image)
    base = ec2.row(instance).image_id
    for one in (image, base):
        ec2("DeregisterImage", ImageId=one)
    later(ec2, clock, 30 * DAY)
    assert {row.id for row in ec2.cloud.state.images.query()} == {image, base}
    ec2("TerminateInstances", InstanceIds=[other, instance])
    later(ec2, clock, 7200)
    later(ec2, clock, 120)
    assert [(row.id, row.state) for row in ec2.cloud.state.images.query()] == [(base, "deregistered")]


def test_a_clock_that_is_set_makes_nothing_old(ec2: Ec2, clock: Clock) -> None:
    life_of: dict[str, Any] = {"ClientToken": "t"}
    instance = ec2.run(**life_of)
    image = ec2("CreateImage", InstanceId=instance, Name="image", NoReboot=True)["ImageId"]
    loop.run_pass(ec2.cloud)
    ec2("DeregisterImage", ImageId=image)
    loop.run_pass(ec2.cloud)
    for jump in (YEAR, -2 * YEAR):
        clock.set(jump)
        later(ec2, clock, 61)
        assert ec2.cloud.state.images.get(image) is not None
        assert ec2.run(**life_of) == instance, "its token is known"


def test_tags_and_runs_of_what_is_gone_go(ec2: Ec2, clock: Clock) -> None:
    volume = ec2("CreateVolume", AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
    group = ec2.cloud.state.security_groups.query()[0].id
    there = [volume, group, "acl-0123456789abcdef0", "arn:aws:acm:us-east-1:000000000000:certificate/x"]
    gone = ["vol-0123456789abcdef0", "i-0123456789abcdef0", "eni-0123456789abcdef0", "snap-0123456789abcdef0"]
    for one in there + gone:
        ec2.cloud.state.tags.add(Tag(one, "a", "b", "?"))
    ec2.cloud.state.policy_runs.add(PolicyRun("policy-0123456789abcdef0", "s", times.now(), times.now()))
    later(ec2, clock, 61)
    assert [tag.resource_id for tag in ec2.cloud.state.tags.query()] == there
    assert ec2.cloud.state.policy_runs.query() == []
