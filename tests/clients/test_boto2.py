"""boto 2, which is no longer maintained and still in use."""

from pathlib import Path

from ..cloud_fixtures import IMAGE
from ..endpoint_fixtures import Served
from .programs import PUBLIC_KEY, life


def test_an_instances_life(served: Served, tmp_path: Path) -> None:
    made = life(served, tmp_path, "with_boto2.py", IMAGE=IMAGE.image_id, PUBLIC_KEY=PUBLIC_KEY)
    row = served.cloud.state.instances.get(made["instance"])
    assert row is not None
    assert (row.state, row.instance_type, row.user_data) == ("terminated", "t2.small", b"#!/bin/sh\n")
    assert made["version"] == "2014-10-01"
    ec2 = served.boto()
    assert ec2.describe_volumes()["Volumes"] == []
    assert [one["VolumeId"] for one in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]] == [
        "vol-ffffffff"
    ]  # the base image's
    assert ec2.describe_addresses()["Addresses"] == []
