"""AWS's SDK for JavaScript (version 3): waiters, paginators, dates and errors as classes."""

from pathlib import Path

import pytest

from ..cloud_fixtures import IMAGE
from ..endpoint_fixtures import Served
from .programs import life


@pytest.mark.parametrize("name", ["ec2", "dlm", "cloudwatch", "balancers"])
def test_a_life_of(served: Served, tmp_path: Path, name: str) -> None:
    life(served, tmp_path, f"{name}.cjs", IMAGE=IMAGE.image_id)
    ec2 = served.boto()
    instances = [one for reservation in ec2.describe_instances()["Reservations"] for one in reservation["Instances"]]
    assert {one["State"]["Name"] for one in instances} <= {"terminated"}
    assert ec2.describe_volumes()["Volumes"] == []
    assert [one["VolumeId"] for one in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]] == ["vol-ffffffff"]
    assert len(ec2.describe_vpcs()["Vpcs"]) == 1
